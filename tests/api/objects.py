"""Hubs and Devices as users write them, and what is refused in their ids, subjects, Secrets and times."""

from typing import Any, NamedTuple

Json = dict[str, Any]

SERVERS = ["nats://nats.iot.svc:4222"]
USER_KEY = "U" + "A" * 55


def hub(name: str = "plant", **spec: Any) -> Json:
    return {
        "apiVersion": "iotsec.dev/v1alpha1",
        "kind": "Hub",
        "metadata": {"name": name, "namespace": "iot"},
        "spec": {"nats": {"servers": SERVERS}} | spec,
    }


def device(name: str = "weather-01", **spec: Any) -> Json:
    return {
        "apiVersion": "iotsec.dev/v1alpha1",
        "kind": "Device",
        "metadata": {"name": name, "namespace": "iot"},
        "spec": {"hubRef": {"name": "plant"}} | spec,
    }


def module(name: str = "protobuf", **spec: Any) -> Json:
    return device(name, **spec) | {"kind": "Module"}


def client(name: str = "dashboard", **spec: Any) -> Json:
    return device(name, **spec) | {"kind": "Client"}


def server(url: str) -> Json:
    return hub(nats={"servers": [url]})


def publish(*subjects: str) -> Json:
    return device(permissions={"publish": {"allow": list(subjects)}})


def subscribe(*subjects: str) -> Json:
    return device(permissions={"subscribe": {"allow": list(subjects)}})


def deny(kind: str, *subjects: str) -> Json:
    return device(permissions={kind: {"deny": list(subjects)}})


def jwt(**times: str) -> Json:
    return {"jwt": times}


class Refused(NamedTuple):
    """An object, the field that is blamed and a part of the message."""

    why: str
    obj: Json
    field: str
    message: str


ACCEPTED: dict[str, Json] = {
    "the smallest hub": hub(),
    "a hub with every field": hub(
        accounts=[{"name": "mir", "namespaces": {"from": "All"}}, {"name": "a"}, {"name": "x" * 40}],
        inbox="Shared",
        rotation=jwt(duration="720h", renewBefore="240h"),
    ),
    "servers by DNS name and address, with and without a port": hub(
        nats={"servers": ["nats://a", "tls://nats.example.com:4222", "nats://10.0.0.7:65535", "nats://n-o"]}
    ),
    "as many servers as there may be": hub(nats={"servers": [f"nats://n{i}" for i in range(32)]}),
    "an empty rotation": hub(rotation={}),
    "a JWT rotation without times": hub(rotation={"jwt": {}}),
    "the longest hub name": hub("h" * 63),
    "the smallest device": device(),
    "a device with every field": device(
        hubRef={"name": "plant", "namespace": "nats"},
        account="mir",
        deviceId="Weather_01",
        role="device-any",
        publicKey=USER_KEY,
        permissions={
            "publish": {"allow": ["event.{id}.alarm", "log.*.{id}.>"], "deny": ["log.debug.>"]},
            "subscribe": {"allow": ["jobs.> workers", "cfg.{id}"], "deny": ["cfg.secret v1.>"]},
        },
        connectionTypes=["STANDARD", "WEBSOCKET", "LEAFNODE", "LEAFNODE_WS", "IN_PROCESS"],
        suspended=True,
        rotation=jwt(duration="1h30m", renewBefore="90s"),
        secretName="weather.creds",
        credsKey="mir.creds",
        secretTemplate={"labels": {"team": "", "example.com/a_b": "C.d"}, "annotations": {"x": "any text\nat all"}},
    ),
    "a dotted name with a device id": device("weather.example.com", deviceId="weather"),
    "the longest name with a device id": device("w" * 240, deviceId="weather"),
    "the longest name that is an id": device("w" * 64),
    "the longest device id": device(deviceId="I" * 64),
    "a subject of punctuation": publish("$KV.a-b_c/d|e~f!g#h%i&j(k)+,:;<=?@[]^`z"),
    "a subject with a backslash": publish("a" + chr(92) + "b"),
    "a system subject further on": publish("a.$SYS.>", "$SYSTEM.x"),
    "a wildcard first, with a token after it": publish("*.status", "*.{id}.>"),
    "the longest subject": publish("s" * 256),
    "everything denied": deny("publish", ">", "*.>", "$SYS.>"),
    "a denied queue group": deny("subscribe", "a.b *", "> >"),
    "64 subjects": publish(*(f"a.{i}" for i in range(64))),
    "the shortest duration": device(rotation=jwt(duration="11s", renewBefore="10s")),
    "the longest duration": device(rotation=jwt(duration="87600h")),
    "a duration as Kubernetes prints it": device(rotation=jwt(duration="720h0m0s")),
    "an early renewal of the default duration": device(rotation=jwt(renewBefore="719h59m59s")),
    "not suspended": device(suspended=False),
}

_SERVER = "spec.nats.servers"
_PUBLISH = "spec.permissions.publish.allow[0]"
_SUBSCRIBE = "spec.permissions.subscribe.allow[0]"
_JWT = "spec.rotation.jwt"
_DURATION = "write a duration from 10s to 87600h"
_GRAMMAR = "write tokens of printable ASCII separated by single dots"
_URL = "write nats://HOST:PORT or tls://HOST:PORT"

REFUSED: tuple[Refused, ...] = (
    Refused("a user in the URL", server("nats://u:p@nats:4222"), _SERVER, _URL),
    Refused("a path in the URL", server("nats://nats:4222/"), _SERVER, _URL),
    Refused("another scheme", server("http://nats:8222"), _SERVER, _URL),
    Refused("no scheme", server("nats.iot.svc:4222"), _SERVER, _URL),
    Refused("a port beyond the last", server("nats://nats:65536"), _SERVER, _URL),
    Refused("a port of zero", server("nats://nats:0"), _SERVER, _URL),
    Refused("a line break after the URL", server("nats://nats:4222\n"), _SERVER, _URL),
    Refused(
        "an account in capitals", hub(accounts=[{"name": "SYS"}]), "spec.accounts[0].name", "write an account name"
    ),
    Refused("an account ending with a dash", hub(accounts=[{"name": "a-"}]), "spec.accounts[0].name", "no dash"),
    Refused("a dotted name as id", device("weather.a"), "spec.deviceId", "write spec.deviceId"),
    Refused("too long a name as id", device("w" * 65), "spec.deviceId", "write spec.deviceId"),
    Refused("an id of two tokens", device(deviceId="a.b"), "spec.deviceId", "one literal subject token"),
    Refused("a wildcard as id", device(deviceId="*"), "spec.deviceId", "one literal subject token"),
    Refused("an empty id", device(deviceId=""), "spec.deviceId", "one literal subject token"),
    Refused("an id that is a word of the layout", device(deviceId="event"), "spec.deviceId", "choose another id"),
    Refused("an id like an inbox", device(deviceId="_INBOX_pump"), "spec.deviceId", "choose another id"),
    Refused("a name that is a word of the layout", device("client"), "spec.deviceId", "choose another id"),
    Refused("an id with a line break", device(deviceId="a\n"), "spec.deviceId", "one literal subject token"),
    Refused("a hub name in capitals", device(hubRef={"name": "Plant"}), "spec.hubRef.name", "metadata.name of a Hub"),
    Refused(
        "a namespace with a dot",
        device(hubRef={"name": "p", "namespace": "a.b"}),
        "spec.hubRef.namespace",
        "write a namespace name",
    ),
    Refused("a seed as public key", device(publicKey="S" + USER_KEY), "spec.publicKey", "never the seed"),
    Refused("an account's key", device(publicKey="A" + USER_KEY[1:]), "spec.publicKey", "write the public user nkey"),
    Refused("a Secret key in use", device(credsKey="user.jwt"), "spec.credsKey", "choose another key"),
    Refused("the Secret key of the bundle", device(credsKey="ca.crt"), "spec.credsKey", "choose another key"),
    Refused("the Secret key of the inbox", device(credsKey="inbox-prefix"), "spec.credsKey", "choose another key"),
    Refused("a Secret key of dots", device(credsKey=".."), "spec.credsKey", "neither . nor begins with two dots"),
    Refused("a Secret key that is a path", device(credsKey="a/b"), "spec.credsKey", "write a Secret key"),
    Refused("a Secret name in capitals", device(secretName="Creds"), "spec.secretName", "write a Secret name"),
    Refused(
        "a label of the operator",
        device(secretTemplate={"labels": {"iotsec.dev/hub": "x"}}),
        "spec.secretTemplate.labels",
        "belong to the operator",
    ),
    Refused(
        "an annotation of the operator",
        device(secretTemplate={"annotations": {"iotsec.dev/content-hash": "x"}}),
        "spec.secretTemplate.annotations",
        "belong to the operator",
    ),
    Refused(
        "a label key with a space",
        device(secretTemplate={"labels": {"a b": "x"}}),
        "spec.secretTemplate.labels",
        "write keys as name or prefix/name",
    ),
    Refused(
        "a label prefix that is no domain",
        device(secretTemplate={"labels": {"a-/b": "x"}}),
        "spec.secretTemplate.labels",
        "write keys as name or prefix/name",
    ),
    Refused(
        "a label value with a space",
        device(secretTemplate={"labels": {"a": "x y"}}),
        "spec.secretTemplate.labels.a",
        "write a label value",
    ),
    Refused("system subjects", publish("$SYS.REQ.>"), _PUBLISH, "move $SYS to deny"),
    Refused("the system token alone", publish("$SYS"), _PUBLISH, "move $SYS to deny"),
    Refused("system subjects in a queue", subscribe("$SYS.> q"), _SUBSCRIBE, "move $SYS to deny"),
    Refused("everything", publish(">"), _PUBLISH, "write at least one token out"),
    Refused("everything but one token", subscribe("*.>"), _SUBSCRIBE, "write at least one token out"),
    Refused("everything, spelled longer", subscribe("*.*.>"), _SUBSCRIBE, "write at least one token out"),
    Refused("every subject of one token", publish("*"), _PUBLISH, "write at least one token out"),
    Refused("everything in a queue", subscribe("> q"), _SUBSCRIBE, "write at least one token out"),
    Refused("a queue group to publish to", publish("a.b q"), _PUBLISH, "belongs in subscribe lists only"),
    Refused("two queue groups", subscribe("a.b q r"), _SUBSCRIBE, _GRAMMAR),
    Refused("two spaces", subscribe("a.b  q"), _SUBSCRIBE, _GRAMMAR),
    Refused("an empty subject", publish(""), _PUBLISH, _GRAMMAR),
    Refused("an empty token", publish("a..b"), _PUBLISH, _GRAMMAR),
    Refused("a leading dot", publish(".a"), _PUBLISH, _GRAMMAR),
    Refused("a trailing dot", publish("a."), _PUBLISH, _GRAMMAR),
    Refused("a tab", subscribe("a\tb"), _SUBSCRIBE, _GRAMMAR),
    Refused("a line break at the end", publish("a\n"), _PUBLISH, _GRAMMAR),
    Refused("a letter beyond ASCII", publish("küche.licht"), _PUBLISH, _GRAMMAR),
    Refused("a wildcard within a token", publish("a.b*"), _PUBLISH, _GRAMMAR),
    Refused("more after the last wildcard", publish("a.>.b"), _PUBLISH, _GRAMMAR),
    Refused("the id within a token", publish("device.x{id}"), _PUBLISH, _GRAMMAR),
    Refused("another placeholder", publish("device.{name}"), _PUBLISH, _GRAMMAR),
    Refused("a template of NATS", publish("device.{{name()}}"), _PUBLISH, _GRAMMAR),
    Refused("the id as a queue group", subscribe("a {id}"), _SUBSCRIBE, _GRAMMAR),
    Refused("no unit", device(rotation=jwt(duration="720")), f"{_JWT}.duration", _DURATION),
    Refused("days", device(rotation=jwt(duration="30d")), f"{_JWT}.duration", _DURATION),
    Refused("a fraction", device(rotation=jwt(duration="1.5h")), f"{_JWT}.duration", _DURATION),
    Refused("less than ten seconds", hub(rotation=jwt(duration="9s")), f"{_JWT}.duration", _DURATION),
    Refused("more than ten years", hub(rotation=jwt(duration="87600h1s")), f"{_JWT}.duration", _DURATION),
    Refused("an empty duration", hub(rotation=jwt(duration="")), f"{_JWT}.duration", _DURATION),
    Refused("a negative duration", hub(rotation=jwt(renewBefore="-1h")), f"{_JWT}.renewBefore", _DURATION),
    Refused(
        "a renewal at once",
        hub(rotation=jwt(duration="1h", renewBefore="60m")),
        _JWT,
        "renewBefore must be shorter than duration",
    ),
    Refused(
        "a renewal before the default duration",
        device(rotation=jwt(renewBefore="720h")),
        _JWT,
        "renewBefore must be shorter than duration",
    ),
)

# What the schema's own keywords refuse; the message is the API server's, and the parser says it in its own words.
REFUSED_BY_LIMITS: tuple[Refused, ...] = (
    Refused("no servers", hub(nats={"servers": []}), "spec.nats.servers", "should have at least 1 items"),
    Refused(
        "33 servers",
        hub(nats={"servers": [f"nats://n{i}" for i in range(33)]}),
        "spec.nats.servers",
        "at most 32 items",
    ),
    Refused("no nats", hub() | {"spec": {}}, "spec.nats", "Required value"),
    Refused("an empty list of accounts", hub(accounts=[]), "spec.accounts", "should have at least 1 items"),
    Refused("an account twice", hub(accounts=[{"name": "a"}, {"name": "a"}]), "spec.accounts[1]", "Duplicate value"),
    Refused("another inbox", hub(inbox="private"), "spec.inbox", 'supported values: "Private", "Shared"'),
    Refused("too long a hub name", hub("h" * 64), "metadata.name", "may not be more than 63"),
    Refused("too long a device name", device("w" * 241, deviceId="w"), "metadata.name", "may not be more than 240"),
    Refused("no hub", device() | {"spec": {}}, "spec.hubRef", "Required value"),
    Refused("too long an id", device(deviceId="I" * 65), "spec.deviceId", "may not be more than 64"),
    Refused("too long a subject", publish("s" * 257), _PUBLISH, "may not be more than 256"),
    Refused("65 subjects", publish(*(f"a.{i}" for i in range(65))), _PUBLISH.removesuffix("[0]"), "at most 64 items"),
    Refused("no connection type", device(connectionTypes=[]), "spec.connectionTypes", "should have at least 1 items"),
    Refused(
        "a connection type twice",
        device(connectionTypes=["STANDARD", "STANDARD"]),
        "spec.connectionTypes[1]",
        "Duplicate value",
    ),
    Refused("suspended in words", device(suspended="yes"), "spec.suspended", "must be of type boolean"),
    Refused(
        "33 labels",
        device(secretTemplate={"labels": {f"l{i}": "" for i in range(33)}}),
        "spec.secretTemplate.labels",
        "must have at most 32",
    ),
)
