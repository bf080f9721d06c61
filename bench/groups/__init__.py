"""The measurements, one group of figures a file."""

from collections.abc import AsyncIterator, Callable

from bench.figures import Figure
from bench.groups import (
    ca_rotation,
    cutoff,
    deletes,
    handover,
    idle,
    memory,
    onboard,
    onboard_tls,
    ready,
    renewal,
    resync,
    role_edit,
    steady,
)
from bench.site import Site

GROUPS: dict[str, Callable[[Site], AsyncIterator[Figure]]] = {
    "onboard": onboard.measure,
    "onboard_tls": onboard_tls.measure,
    "ready": ready.measure,
    "cutoff": cutoff.measure,
    "steady": steady.measure,
    "deletes": deletes.measure,
    "ca_rotation": ca_rotation.measure,
    "handover": handover.measure,
    "memory": memory.measure,
    "renewal": renewal.measure,
    "idle": idle.measure,
    "resync": resync.measure,
    "role_edit": role_edit.measure,
}
"""In the order they run. Those that leave most behind are last, as nothing has to be wiped after the last of them; from
the renewals on they share one crowd, which is made with lives that suit these."""
