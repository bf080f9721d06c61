"""What the official Helm chart of nats-server (2.14.2) makes of values, as far as our documentation uses it.

The chart writes its configuration as JSON. `merge` of a block is merged over what the chart has for it, `patch` (RFC
6902) follows. A key that ends in `$include` becomes an include, before its neighbours if it sorts so; a string
`<< x >>` loses its quotes. Paths of includes are relative to the folder of `nats.conf`. For the values that are
documented, Helm 3.22 renders the same text, byte for byte.
"""

import json
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

Json = dict[str, Any]

CONFIG_FOLDER = PurePosixPath("/etc/nats-config")
_PORTS = {"leafnodes": 7422, "websocket": 8080, "mqtt": 1883, "cluster": 6222, "gateway": 7222}
_ON_BY_DEFAULT = {"port": 4222, "http_port": 8222}


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> Json:
    """Both, the other's values where both have one; maps are merged, lists are not."""
    result = dict(one)
    for key, value in other.items():
        known = result.get(key)
        result[key] = merged(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return result


def config_of(values: Json) -> Json:
    """The chart's configuration, before it is written."""
    declared = values["config"]
    config: Json = {
        **_ON_BY_DEFAULT,
        "server_name": "<< $SERVER_NAME >>",
        "lame_duck_grace_period": "10s",
        "lame_duck_duration": "30s",
        "pid_file": "/var/run/nats/nats.pid",
    }
    for name in ("leafnodes", "websocket", "mqtt", "cluster", "gateway", "jetstream", "resolver"):
        block = declared.get(name, {})
        if block.get("enabled"):
            if block.get("tls") or block.get("patch"):
                raise NotImplementedError(f"{name}: of the chart's own TLS and patches nothing is known here")
            config[name] = merged(_block(name, block), block.get("merge", {}))
    return merged(config, declared.get("merge", {}))


def nats_conf(values: Json) -> str:
    """The text of `nats.conf`."""
    text = json.dumps(config_of(values), indent=2, sort_keys=True)
    text = re.sub(r'".*\$include": "(.*)",?', r"include \1;", text)
    return re.sub(r'"<<\s+(.*?)\s+>>"', r"\1", text)


def mounts_of(values: Json) -> dict[PurePosixPath, str]:
    """The Secrets that are mounted into the server's container, by path, for patches that add."""
    added = {"container": "/volumeMounts/-", "podTemplate": "/spec/volumes/-"}
    found: dict[str, list[Json]] = {}
    for part, path in added.items():
        steps = values[part]["patch"]
        if any((step["op"], step["path"]) != ("add", path) for step in steps):
            raise NotImplementedError(f"{part}: of other patches than those that add to {path} nothing is known here")
        found[part] = [step["value"] for step in steps]
    secrets = {volume["name"]: volume["secret"]["secretName"] for volume in found["podTemplate"]}
    return {PurePosixPath(mount["mountPath"]): secrets[mount["name"]] for mount in found["container"]}


def _block(name: str, declared: Json) -> Json:
    if name == "resolver":
        return {"dir": declared["dir"]}
    if name == "jetstream":
        size = declared["fileStore"]["pvc"]["size"]
        return {"max_memory_store": 0, "store_dir": "/data", "max_file_store": f"<< {size} >>"}
    block: Json = {"port": _PORTS[name]}
    if name == "websocket":
        block["no_tls"] = True  # while the chart's own TLS is off
    if name == "leafnodes":
        block["no_advertise"] = True
    if name in ("cluster", "gateway"):
        block["name"] = "nats"
    if name == "cluster":
        block["no_advertise"] = True
        block["routes"] = [f"nats://nats-{index}.nats-headless:{_PORTS[name]}" for index in range(declared["replicas"])]
    return block
