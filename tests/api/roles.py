"""Roles as Hubs have them, and what is refused in them."""

from typing import Any

from api.objects import Json, Refused, hub

ALL_TYPES = ["STANDARD", "WEBSOCKET", "LEAFNODE", "LEAFNODE_WS", "IN_PROCESS", "MQTT", "MQTT_WS"]


def role(**fields: Any) -> Json:
    return hub(roles=[{"name": "gateway", "publish": {"allow": ["device.{id}.>"]}} | fields])


def publish(*subjects: str, **fields: Any) -> Json:
    return role(publish={"allow": list(subjects)}, **fields)


def subscribe(*subjects: str, **fields: Any) -> Json:
    return role(subscribe={"allow": list(subjects)}, **fields)


def from_networks(*networks: str) -> Json:
    return role(limits={"sourceCIDRs": list(networks)})


ACCEPTED: dict[str, Json] = {
    "a role with every field": role(
        description="Speaks for the devices behind it.",
        publish={"allow": ["device.{id}.>", "event.gateway.{id}"], "deny": ["device.{id}.debug"]},
        subscribe={"allow": ["{id}.>", "jobs.> workers"], "deny": ["{id}.secret"]},
        allowResponses={"max": 10, "ttl": "5s"},
        allowBroad=False,
        connectionTypes=ALL_TYPES,
        limits={"subscriptions": 50, "payload": "64Ki", "sourceCIDRs": ["10.0.0.0/8", "2001:db8::/32"]},
    ),
    "a role that only subscribes": hub(roles=[{"name": "ear", "subscribe": {"allow": ["{id}.>"]}}]),
    "a role in place of a preset": hub(roles=[{"name": "device", "publish": {"allow": ["{id}.up"]}}]),
    "a broad role that says so": publish(">", "*.>", "*", allowBroad=True),
    "a broad role that hears a queue": subscribe("> workers", allowBroad=True),
    "answers by default": role(allowResponses={}),
    "a role with a denied system": role(publish={"allow": ["a"], "deny": ["$SYS.>", ">"]}),
    "networks with host bits set": from_networks("10.1.2.3/8", "0.0.0.0/0", "::/0", "fe80::1/128", "192.0.2.1/32"),
    "32 roles": hub(roles=[{"name": f"r{i}", "publish": {"allow": ["a"]}} for i in range(32)]),
}

_ROLE = "spec.roles[0]"
_BROAD = "set allowBroad to true"
_NOTHING = "a role must allow something"
_NETWORK = "write a network"

REFUSED: tuple[Refused, ...] = (
    Refused("a role for the system", publish("$SYS.>"), f"{_ROLE}.publish.allow[0]", "move $SYS to deny"),
    Refused("a role that hears the system", subscribe("$SYS.> q"), f"{_ROLE}.subscribe.allow[0]", "move $SYS to deny"),
    Refused(
        "a broad role for the system", publish("$SYS.REQ.>", allowBroad=True), f"{_ROLE}.publish.allow[0]", "move $SYS"
    ),
    Refused("a role for everything", publish("a", ">"), _ROLE, _BROAD),
    Refused("a role for almost everything", publish("*.>"), _ROLE, _BROAD),
    Refused("a role that hears everything", subscribe("*.*"), _ROLE, _BROAD),
    Refused("a role that hears everything in a queue", subscribe("> q"), _ROLE, _BROAD),
    Refused("a role that is not broad, in words", subscribe(">", allowBroad=False), _ROLE, _BROAD),
    Refused("a role of nothing", hub(roles=[{"name": "idle"}]), _ROLE, _NOTHING),
    Refused("a role of empty lists", hub(roles=[{"name": "idle", "publish": {"allow": []}}]), _ROLE, _NOTHING),
    Refused("a role that only denies", hub(roles=[{"name": "no", "publish": {"deny": [">"]}}]), _ROLE, _NOTHING),
    Refused("a role that only answers", hub(roles=[{"name": "re", "allowResponses": {}}]), _ROLE, _NOTHING),
    Refused("a role with a queue to publish to", publish("a q"), f"{_ROLE}.publish.allow[0]", "subscribe lists only"),
    Refused("a role with the id in a token", publish("x{id}"), f"{_ROLE}.publish.allow[0]", "a whole token"),
    Refused("a role with an empty token", subscribe("a..b"), f"{_ROLE}.subscribe.allow[0]", "single dots"),
    Refused("no time to answer", role(allowResponses={"ttl": "0s"}), f"{_ROLE}.allowResponses.ttl", "from 1s"),
    Refused("a role in capitals", role(name="Gateway"), f"{_ROLE}.name", "write a role name"),
    Refused("a payload in words", role(limits={"payload": "64KB"}), f"{_ROLE}.limits.payload", "write a size"),
    Refused("a payload of nothing", role(limits={"payload": "0"}), f"{_ROLE}.limits.payload", "write a size"),
    Refused("a network of 33 bits", from_networks("10.0.0.0/33"), f"{_ROLE}.limits.sourceCIDRs", _NETWORK),
    Refused("an address for a network", from_networks("10.0.0.1"), f"{_ROLE}.limits.sourceCIDRs", _NETWORK),
    Refused("a network with a mask", from_networks("10.0.0.0/255.0.0.0"), f"{_ROLE}.limits.sourceCIDRs", _NETWORK),
    Refused("a network of three bytes", from_networks("10.0.0/8"), f"{_ROLE}.limits.sourceCIDRs", _NETWORK),
    Refused("a network with a leading zero", from_networks("10.0.0.0/08"), f"{_ROLE}.limits.sourceCIDRs", _NETWORK),
    Refused("a network of 129 bits", from_networks("fe80::/129"), f"{_ROLE}.limits.sourceCIDRs", _NETWORK),
    Refused("IPv4 written as IPv6", from_networks("::ffff:10.0.0.0/104"), f"{_ROLE}.limits.sourceCIDRs", _NETWORK),
)

REFUSED_BY_LIMITS: tuple[Refused, ...] = (
    Refused("an unknown connection type", role(connectionTypes=["TCP"]), f"{_ROLE}.connectionTypes[0]", '"STANDARD"'),
    Refused("no connection type of a role", role(connectionTypes=[]), f"{_ROLE}.connectionTypes", "at least 1 items"),
    Refused(
        "a role twice",
        hub(roles=[{"name": "a", "publish": {"allow": ["a"]}}, {"name": "a", "publish": {"allow": ["b"]}}]),
        "spec.roles[1]",
        "Duplicate value",
    ),
    Refused(
        "33 roles",
        hub(roles=[{"name": f"r{i}", "publish": {"allow": ["a"]}} for i in range(33)]),
        "spec.roles",
        "at most 32 items",
    ),
    Refused("a role without a name", hub(roles=[{"publish": {"allow": ["a"]}}]), f"{_ROLE}.name", "Required value"),
    Refused(
        "no answer at all", role(allowResponses={"max": 0}), f"{_ROLE}.allowResponses.max", "greater than or equal"
    ),
    Refused("no subscription", role(limits={"subscriptions": 0}), f"{_ROLE}.limits.subscriptions", "greater than"),
)
