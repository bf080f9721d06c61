"""Modules, Clients and identities for MQTT, the trust of Hubs, and what is refused in them."""

from api.objects import USER_KEY, Json, Refused, client, device, hub, module

TRUST = {
    "existing": {
        "operatorSigningKeySecretRef": {"name": "op", "key": "seed"},
        "systemCredentialsSecretRef": {"name": "sys", "key": "sys.creds"},
    }
}

ACCEPTED: dict[str, Json] = {
    "the smallest module": module(),
    "a module with its workload": module(
        moduleId="core", role="gateway", workload={"kind": "StatefulSet", "name": "mir.core", "onRotation": "Restart"}
    ),
    "a module whose workload stays": module(workload={"kind": "DaemonSet", "name": "edge", "onRotation": "None"}),
    "the smallest client": client(),
    "a client with an id": client("ada.lovelace", clientId="Ada", accessLevel="Swarm", publicKey=USER_KEY),
    "a client with a role": client(role="gateway", connectionTypes=["WEBSOCKET"]),
    "a device with a role of the Hub": device(role="gateway"),
    "a device that speaks MQTT": device(connectionTypes=["MQTT", "MQTT_WS"]),
    "a hub that adopts a trust root": hub(trust=TRUST),
    "a hub that keeps presence": hub(presence="Paced", trust={}),
}

_TYPES = ("spec", "declare one identity for MQTT and another")
_KEYLESS = ("spec", "leave publicKey out")
_KEY_REF = "spec.trust.existing.operatorSigningKeySecretRef"


def keeping(**reference: str) -> Json:
    existing = TRUST["existing"]
    return hub(trust={"existing": existing | {"operatorSigningKeySecretRef": reference}})


REFUSED: tuple[Refused, ...] = (
    Refused("a client with level and role", client(accessLevel="Swarm", role="device"), "spec", "not both"),
    Refused("MQTT among other types", device(connectionTypes=["MQTT", "STANDARD"]), *_TYPES),
    Refused("a module for MQTT and WebSocket", module(connectionTypes=["WEBSOCKET", "MQTT_WS"]), *_TYPES),
    Refused("a key for MQTT", device(connectionTypes=["MQTT"], publicKey=USER_KEY), *_KEYLESS),
    Refused("a client's key for MQTT", client(connectionTypes=["MQTT_WS"], publicKey=USER_KEY), *_KEYLESS),
    Refused("a role with a dot", device(role="a.b"), "spec.role", "write a role name"),
    Refused("a client's role with a dot", client(role="a.b"), "spec.role", "write a role name"),
    Refused("a dotted module as id", module("core.mir"), "spec.moduleId", "write spec.moduleId"),
    Refused("a module called as all of them", module("client"), "spec.moduleId", "choose another id"),
    Refused("a client of two tokens", client(clientId="a.b"), "spec.clientId", "one literal subject token"),
    Refused("a dotted client as id", client("ada.lovelace"), "spec.clientId", "write spec.clientId"),
    Refused(
        "a workload in capitals",
        module(workload={"kind": "Deployment", "name": "Mir"}),
        "spec.workload.name",
        "write the name of the workload",
    ),
    Refused("a trust Secret in capitals", keeping(name="Op", key="seed"), f"{_KEY_REF}.name", "the name of a Secret"),
    Refused("a trust key that is a path", keeping(name="op", key="a/b"), f"{_KEY_REF}.key", "a key of the Secret"),
)

REFUSED_BY_LIMITS: tuple[Refused, ...] = (
    Refused("another access level", client(accessLevel="Admin"), "spec.accessLevel", '"Standard", "ReadOnly", "Swarm"'),
    Refused("an unknown way to connect", device(connectionTypes=["TCP"]), "spec.connectionTypes[0]", '"IN_PROCESS"'),
    Refused("a pod as workload", module(workload={"kind": "Pod", "name": "a"}), "spec.workload.kind", '"Deployment"'),
    Refused("a workload without a name", module(workload={"kind": "Deployment"}), "spec.workload.name", "Required"),
    Refused("too long a module name", module("m" * 241, moduleId="m"), "metadata.name", "may not be more than 240"),
    Refused("too long a client name", client("c" * 241, clientId="c"), "metadata.name", "may not be more than 240"),
    Refused("half a trust root", hub(trust={"existing": {}}), _KEY_REF, "Required value"),
    Refused("another presence", hub(presence="On"), "spec.presence", 'supported values: "Off", "Paced"'),
)
