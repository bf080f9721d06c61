"""kopf, the shell's front door: start and stop, signals, log-in.

Events come in by informers instead (`docs/adr/0002-events.md`): kopf never tells what vanished while its watch was
away, cannot watch metadata alone, and ends the process when a watch is refused.
"""

from typing import Any, Protocol

import kopf

from iotsec.kube.access import Access


class Startable(Protocol):
    """What the handlers start and stop."""

    async def start(self) -> None:
        """Set out; returns soon, for signals are heeded from then on."""

    async def stop(self) -> None:
        """Come to an end."""


def operator_settings() -> kopf.OperatorSettings:
    """Return kopf's settings: it writes nothing, and looks for no resources of its own."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    return settings


def registry(process: Startable, access: Access) -> kopf.OperatorRegistry:
    """Return the handlers, bound to one process."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.login(registry=handlers)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(
            server=access.server,
            ca_path=access.ca_file,
            scheme="Bearer",
            token=access.token(),
            certificate_path=access.cert_file,
            private_key_path=access.key_file,
        )

    @kopf.on.startup(registry=handlers)
    async def startup(**_: Any) -> None:
        await process.start()

    @kopf.on.cleanup(registry=handlers)
    async def cleanup(**_: Any) -> None:
        await process.stop()

    return handlers
