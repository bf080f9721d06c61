"""The text of a nats-server's configuration, as the official Helm chart writes it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from testbed.ports import Port


@dataclass(frozen=True)
class Ports:
    """Where one server listens, on 127.0.0.1."""

    client: Port = field(default_factory=Port)
    websocket: Port = field(default_factory=Port)
    mqtt: Port = field(default_factory=Port)
    monitoring: Port = field(default_factory=Port)
    cluster: Port = field(default_factory=Port)
    leafnodes: Port = field(default_factory=Port)
    gateway: Port = field(default_factory=Port)


def server_config(
    directory: Path,
    *,
    name: str,
    ports: Ports,
    routes: Sequence[Port],
    interval: str,
    mounted: Collection[str],
    full_resolver: bool = True,
    cluster_name: str = "testbed",
    leafnodes: bool = False,
    gateways: Mapping[str, Port] | None = None,
) -> str:
    """The configuration of the server `name`; `mounted` are the names of the files that its `iotsec/` holds.

    `server.conf` is included always, a listener's file where the Secret has one. With `routes`, the cluster ports of
    all its members, the server is one of a cluster. Without a full resolver it takes no accounts but from its files.
    With `gateways` it has a gateway, to one server of each other cluster, by the cluster's name.
    """
    resolver = "MEMORY"
    if full_resolver:
        settings = f'allow_delete: true, interval: "{interval}", timeout: "1.9s"'
        resolver = f'{{ type: full, dir: "{directory / "resolver"}", {settings} }}'
    parts = [
        'include "iotsec/server.conf"',
        f"server_name: {name}",
        f'listen: "127.0.0.1:{ports.client}"',
        f'http: "127.0.0.1:{ports.monitoring}"',
        _jetstream(directory / "jetstream", mounted),
        f"resolver: {resolver}",
        # What the chart writes while its own TLS is off; a tls block in the included file wins.
        _listener("websocket", ports.websocket, ["no_tls: true"], mounted),
        _listener("mqtt", ports.mqtt, [], mounted),
    ]
    if routes:
        urls = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
        parts.append(_listener("cluster", ports.cluster, [f"name: {cluster_name}", f"routes: [{urls}]"], mounted))
    if leafnodes:
        parts.append(_listener("leafnodes", ports.leafnodes, [], mounted))
    if gateways is not None:
        others = ", ".join(
            f'{{ name: {other}, url: "nats://127.0.0.1:{port}" }}' for other, port in sorted(gateways.items())
        )
        parts.append(_listener("gateway", ports.gateway, [f"name: {cluster_name}", f"gateways: [{others}]"], mounted))
    return "\n".join(parts) + "\n"


def _listener(name: str, port: Port, settings: Sequence[str], mounted: Collection[str]) -> str:
    include = [f'include "iotsec/{name}.conf"'] if f"{name}.conf" in mounted else []
    lines = [f'listen: "127.0.0.1:{port}"', *settings, *include]
    return "\n".join([f"{name} {{", *(f"  {line}" for line in lines), "}"])


def _jetstream(store: Path, mounted: Collection[str]) -> str:
    include = ['  include "iotsec/jetstream.conf"'] if "jetstream.conf" in mounted else []
    limits = "  max_memory_store: 256Mi, max_file_store: 1Gi"
    return "\n".join(["jetstream {", f'  store_dir: "{store}"', limits, *include, "}"])
