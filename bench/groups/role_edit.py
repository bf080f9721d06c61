"""What the edit of a role costs that 5,000 Devices have, and how soon a connected one has its new permission."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from statistics import median

from bench.audit import Write
from bench.crowd import Crowd, is_of_identity, role, some_crowd
from bench.feeder import HUB
from bench.figures import Figure, at_most
from bench.reconnecting import PAUSE_SECONDS, Reconnecting, reconnecting
from bench.site import Site, progress
from iotsec.nats import jwt

_EDITS = 5
_CONNECTED = 10
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Edit:
    """What one edit came to."""

    milliseconds: list[float]
    """Until each client had the permission."""
    pushes: int
    writes: list[Write]


async def measure(site: Site) -> AsyncIterator[Figure]:
    """Yield the figures; each edit lets the role publish to one more subject."""
    crowd = await some_crowd(site)
    devices = len(crowd.names)
    edits = []
    step = devices // site.size(_CONNECTED)
    async with reconnecting(crowd.fleet, crowd.names[::step]) as clients:
        for number in range(site.size(_EDITS)):
            # Else clients would wait before they return to a server they came to just now: their time, not ours.
            await asyncio.sleep(PAUSE_SECONDS)
            progress(f"  edit {number + 1} …")
            edits.append(await _edit(crowd, clients, f"edit.{number}.{{id}}"))
    pushes = [edit.pushes for edit in edits]
    writes = [write for edit in edits for write in edit.writes]
    ours = Counter(write.what for write in writes if is_of_identity(write))
    others = Counter(write.what for write in writes if not is_of_identity(write))
    milliseconds = [value for edit in edits for value in edit.milliseconds]
    effective = {"edits": len(edits), "clients": len(clients), "slowest": max(milliseconds)}
    yield Figure("role_edit.pushes", max(pushes), "pushes/edit", devices, at_most(1), {"edits": pushes})
    yield Figure("role_edit.writes", ours.total(), "writes", devices, at_most(0), dict(ours) or None)
    yield Figure("role_edit.hub_writes", others.total() / len(edits), "writes/edit", devices, baseline=others)
    yield Figure("role_edit.effective_ms", median(milliseconds), "ms", devices, baseline=effective)


async def _edit(crowd: Crowd, clients: list[Reconnecting], subject: str) -> Edit:
    """Edit the role so that it may publish there, and wait until every client may and the operator rests."""
    site = crowd.fleet.site
    for client in clients:
        if await client.may_publish(subject):
            raise RuntimeError(f"{client.name} may publish to {subject} before its role says so")
        client.returned.clear()
    audit, log = site.audit(), site.log()
    account = _account_of(crowd)
    issued = _issued_at(crowd, account)
    began = time.monotonic()
    await crowd.fleet.edit_hub({"roles": [role(also=[subject])]})
    async with asyncio.timeout(_PATIENCE_SECONDS):
        moments = await asyncio.gather(*(client.publishes_at(subject) for client in clients))
    await site.usage().wait_quiet()
    if _issued_at(crowd, account) == issued:
        raise RuntimeError("the server does not run another account JWT than before")
    pushes = sum(1 for _ in log.lines("account pushed"))
    return Edit([(moment - began) * 1000 for moment in moments], pushes, audit.each_write())


def _account_of(crowd: Crowd) -> str:
    hub = crowd.fleet.user.get("Hub", HUB)
    if hub is None:
        raise LookupError(f"Hub {HUB} is gone")
    public: str = hub["status"]["accounts"][0]["publicKey"]
    return public


def _issued_at(crowd: Crowd, account: str) -> int:
    """When the account JWT was issued that the server runs, in unix seconds."""
    detail = crowd.fleet.server.monitor(f"/accountz?acc={account}")["account_detail"]
    return jwt.decode(detail["jwt"], verify=False).issued_at
