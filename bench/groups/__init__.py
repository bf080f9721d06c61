"""The measurements, one group of figures a file."""

from collections.abc import AsyncIterator, Callable

from bench.figures import Figure
from bench.groups import cutoff, deletes, memory, onboard, ready, steady
from bench.site import Site

GROUPS: dict[str, Callable[[Site], AsyncIterator[Figure]]] = {
    "onboard": onboard.measure,
    "ready": ready.measure,
    "cutoff": cutoff.measure,
    "steady": steady.measure,
    "deletes": deletes.measure,
    "memory": memory.measure,
}
"""In the order they run; the one that leaves most behind is last, as nothing has to be wiped after it."""
