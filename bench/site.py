"""Where everything is measured: one control plane, one operator, and a Hub with Devices in a namespace of its own."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from bench.audit import AuditLog
from bench.device_watch import DeviceWatch
from bench.feeder import HUB, names
from bench.operator_log import OperatorLog
from bench.programs import run_feeder
from bench.session import MERGE, Session, in_flight
from bench.usage import Usage
from iotsec.decide.names import nats_config_secret
from iotsec.kube.resources import DEVICES, HUBS, SECRETS, TLS_POLICIES, Resource
from testbed.control_plane import ControlPlane
from testbed.kubelet import Kubelet
from testbed.nats_server import NatsServer
from testbed.operator import SERVICE_ACCOUNT, Operator
from testbed.user import User

_CONFIG = nats_config_secret(HUB)
_ENCRYPTED_SECONDS = 60.0


def progress(text: str) -> None:
    """Tell a person who waits what is going on."""
    print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class Fleet:
    """A namespace with a Hub, and the Devices in it."""

    site: "Site"
    namespace: str
    server: NatsServer
    watch: DeviceWatch

    @property
    def user(self) -> User:
        """An administrator in this namespace."""
        return User(self.site.plane.api, self.namespace)

    async def edit_hub(self, spec: Mapping[str, Any]) -> None:
        """Merge-patch the Hub's spec."""
        path = HUBS.path(self.namespace, HUB)
        await self.site.session.send("PATCH", path, {"spec": spec}, content_type=MERGE)

    async def grow(self, count: int, *, first: int = 0, role: str = "") -> list[str]:
        """Create Devices and wait until they are Ready; return their names."""
        progress(f"  {count} Devices become Ready …")
        await run_feeder(self.site.plane.kubeconfig, self.namespace, count, first=first, role=role)
        wanted = names(count, first=first)
        await self.watch.wait_ready(wanted)
        return wanted


class Site:
    """What all measurements share; a context manager. The operator runs while one of them has it run."""

    def __init__(self, plane: ControlPlane, session: Session, directory: Path, *, scale: float) -> None:
        self.plane = plane
        self.session = session
        self.operator = Operator(plane, directory, log_level="INFO")
        self.directory = directory
        self.scale = scale
        self.shared: Fleet | None = None
        """The fleet that `share` opened, while it is there."""
        self._sharing = AsyncExitStack()
        self._used: list[str] = []
        self._count = 0

    def size(self, number: int) -> int:
        """A size as the full run has it, scaled."""
        return max(2, round(number * self.scale))

    def audit(self) -> AuditLog:
        """The audit log from now on."""
        return AuditLog(self.plane.audit_log)

    def log(self) -> OperatorLog:
        """The operator's log from now on."""
        return OperatorLog(self.operator.log)

    def usage(self) -> Usage:
        """What the running operator uses."""
        return Usage(self.operator.running().pid)

    def operator_kubeconfig(self) -> Path:
        """How the operator logs in."""
        return self.plane.kubeconfig_for(SERVICE_ACCOUNT)

    async def start_operator(self) -> None:
        """Start it; returns when it knows everything there is."""
        await asyncio.to_thread(self.operator.start)

    async def stop_operator(self) -> None:
        """Stop it, if it runs."""
        await asyncio.to_thread(self.operator.stop)

    async def namespace(self) -> str:
        """A new namespace; what earlier ones hold is wiped, so that every measurement finds a cluster as empty."""
        await self.close()
        while self._used:
            await self._wipe(self._used.pop())
        self._count += 1
        name = f"bench-{self._count:03d}"
        await self.session.send("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        self._used.append(name)
        return name

    @asynccontextmanager
    async def fleet(self, *, tls: Mapping[str, Any] | None = None, **spec: Any) -> AsyncIterator[Fleet]:
        """A Hub that is Ready, without Devices; the operator runs. Both its servers and the operator end with it.

        `spec` is what the Hub's spec has beside its servers, `tls` what its TLSPolicy's has, where it is to have one.
        """
        namespace = await self.namespace()
        user = User(self.plane.api, namespace)
        await self.start_operator()
        with NatsServer(self.directory / namespace) as server, ExitStack() as node:
            try:
                await asyncio.to_thread(bring_up_hub, user, server, spec, tls)
                if tls is not None:
                    node.enter_context(Kubelet(user, _CONFIG, [server]))
                    await asyncio.to_thread(user.wait_ready, "TLSPolicy", HUB, within=_ENCRYPTED_SECONDS)
                async with DeviceWatch(self.session, namespace) as watch:
                    yield Fleet(self, namespace, server, watch)
            finally:
                await self.stop_operator()

    async def share(self, **spec: Any) -> Fleet:
        """A new fleet as `fleet` gives it, for this measurement and others: it ends when another is begun."""
        self.shared = await self._sharing.enter_async_context(self.fleet(**spec))
        return self.shared

    async def close(self) -> None:
        """End what is shared, and the operator."""
        self.shared = None
        await self._sharing.aclose()
        await self.stop_operator()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _wipe(self, namespace: str) -> None:
        """Delete what is in a namespace, without the operator, which would revoke everything."""
        for resource in (SECRETS, DEVICES, TLS_POLICIES, HUBS):
            found = (await self.session.get(resource.path(namespace)))["items"]
            progress(f"  wiping {len(found)} {resource.plural} …")
            await in_flight(found, partial(self._drop, resource))

    async def _drop(self, resource: Resource, item: dict[str, Any]) -> None:
        metadata = item["metadata"]
        path = resource.path(metadata["namespace"], metadata["name"])
        if metadata.get("finalizers"):
            await self.session.send("PATCH", path, {"metadata": {"finalizers": None}}, content_type=MERGE)
        if "deletionTimestamp" not in metadata:
            await self.session.send("DELETE", path)


def bring_up_hub(user: User, server: NatsServer, spec: Mapping[str, Any], tls: Mapping[str, Any] | None = None) -> None:
    """Apply a Hub, start its server and wait until the Hub is Ready; an operator must be at work."""
    user.apply_hub(HUB, [server.url], **spec)
    if tls is not None:
        user.apply_tls_policy(HUB, HUB, **tls)
        user.wait_for("Secret", _CONFIG, lambda secret: any(name.endswith(".key") for name in secret["data"]))
    server.mount(user.wait_secret(_CONFIG))
    server.start()
    user.wait_ready("Hub", HUB)
