"""Handing revocations to a Hub: many of them make one push."""

import asyncio
from collections.abc import Iterable

from iotsec.decide.certificate_note import IssuedCertificate
from iotsec.decide.ledger import Revocation
from iotsec.kube.accounts import COALESCE_SECONDS
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.keys import Key
from iotsec.kube.queue import WorkQueue


def ask_to_revoke(
    queue: WorkQueue[Key],
    hub: HubRuntime,
    key: Key,
    revocations: Iterable[Revocation],
    certificates: Iterable[IssuedCertificate] = (),
) -> None:
    """Ask the Hub for revocations; it wakes ``key`` when every server has them, and certificates are written down."""
    hub.waiting.add(key)
    new, more = hub.request(revocations), hub.revoke_certificates(certificates)
    if new or more:
        since = asyncio.get_running_loop().time() - hub.pushed_at
        queue.add_after(hub.key, max(0.0, COALESCE_SECONDS - since))
