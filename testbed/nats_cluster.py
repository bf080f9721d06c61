"""Several nats-servers that form one cluster."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed.nats_config import Ports
from testbed.nats_server import NatsServer
from testbed.ports import Port


class NatsCluster:
    """`size` servers, `nats-0` and so on, each with a folder of its own and each stoppable alone.

    Where asked each has a listener for leaf nodes, or a gateway; as with `NatsServer`.
    """

    def __init__(
        self,
        directory: Path,
        size: int,
        *,
        interval: str = "5s",
        leafnodes: bool = False,
        gateways: Mapping[str, Port] | None = None,
    ) -> None:
        places = [Ports() for _ in range(size)]
        self.servers = tuple(
            NatsServer(
                directory / f"nats-{index}",
                name=f"nats-{index}",
                ports=ports,
                routes=[place.cluster for place in places],
                interval=interval,
                leafnodes=leafnodes,
                gateways=gateways,
            )
            for index, ports in enumerate(places)
        )

    @property
    def urls(self) -> list[str]:
        """The servers' addresses for NATS clients."""
        return [server.url for server in self.servers]

    @property
    def tls_urls(self) -> list[str]:
        """The servers' addresses for NATS clients, where the client listener has TLS."""
        return [server.tls_url for server in self.servers]

    def mount(self, files: Mapping[str, bytes]) -> None:
        """Give every server the same Secret."""
        for server in self.servers:
            server.mount(files)

    def start(self) -> None:
        """Return when every server listens; `wait_ready` when they have found each other."""
        with ThreadPoolExecutor(len(self.servers)) as pool:
            list(pool.map(NatsServer.start, self.servers))

    def wait_ready(self) -> None:
        """Return when every server is healthy and has a route to every other."""
        for server in self.servers:
            server.wait_ready(peers=len(self.servers) - 1)

    def reload(self) -> None:
        """Make every server read its configuration again."""
        for server in self.servers:
            server.reload()

    def stop(self) -> None:
        """End every server in order."""
        for server in self.servers:
            server.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
