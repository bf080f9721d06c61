"""How long the operator looks at everything again to find nothing to do.

A Hub's spec that changes makes it look at every identity of that Hub; a role's new description concerns none of them.
"""

import time
from collections import Counter
from collections.abc import AsyncIterator
from statistics import median

from bench.crowd import is_of_identity, role, some_crowd
from bench.figures import Figure, at_most
from bench.site import Site

_ROUNDS = 3


async def measure(site: Site) -> AsyncIterator[Figure]:
    """Yield the figures: from the PATCH request until the process rests, as its CPU time tells."""
    crowd = await some_crowd(site)
    devices = len(crowd.names)
    seconds, cpu = [], []
    audit, log = site.audit(), site.log()
    for number in range(_ROUNDS):
        used, began = site.usage().cpu_seconds(), time.time()
        await crowd.fleet.edit_hub({"roles": [role(description=f"as described in round {number}")]})
        seconds.append(await site.usage().wait_quiet() - began)
        cpu.append(site.usage().cpu_seconds() - used)
    pushes = sum(1 for _ in log.lines("account pushed"))
    writes = audit.each_write()
    ours = sum(map(is_of_identity, writes))
    baseline = {"runs": seconds, "cpu_seconds": median(cpu)}
    yield Figure("resync.seconds_5000", median(seconds), "s", devices, baseline=baseline)
    baseline = {"rounds": _ROUNDS, "pushes": pushes, **Counter(write.what for write in writes)}
    yield Figure("resync.writes", ours, "writes", devices, at_most(0), baseline)
