"""One entry about everybody in place of many: what keeps a ledger small that a fleet's changes would fill."""

from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType

from iotsec.decide import names
from iotsec.decide.ledger import EVERYBODY, MAX_REVOCATIONS, Ledger
from iotsec.decide.secrets import SecretFacts
from iotsec.decide.times import is_over

COMPACT_FROM = MAX_REVOCATIONS // 2
"""Entries from which on it is looked whether they can be fewer: below, each may well say whom it is about."""

ON_ITS_WAY_SECONDS = 600
"""How long a JWT may be on its way from its signature to its Secret, where nobody can know of it."""

_WORTH_IT = 10  # at least every such part of the entries must go


def oldest_in_use(secrets: Iterable[SecretFacts], *, account: str, hub: str, now: int) -> int | None:
    """Return when the oldest JWT of an account was issued that must go on working, or may be on its way.

    ``None`` where that is not known: what a Secret of the Hub (``namespace/name``) holds cannot be told. What expired
    does not count: the Secret of an identity that is suspended may be years old.
    """
    oldest = now - ON_ITS_WAY_SECONDS
    for secret in secrets:
        if secret.component != names.CREDENTIALS or secret.hub != hub:
            continue
        if secret.issued is None:
            return None
        if secret.issued.account == account and not is_over(secret.issued.last_end(), now):
            oldest = min(oldest, secret.issued.oldest(now))
    return oldest


def compacted(ledger: Ledger, *, oldest: int | None) -> Ledger:
    """Return the ledger with one entry about everybody in place of all it says of times before ``oldest``.

    ``oldest`` is when the oldest JWT of the account was issued that must go on working, ``None`` where that is not
    known. Nothing happens while there is room, or where little would be won. The one entry never goes back: a Secret
    may be put back that is older than what was ended since.
    """
    if oldest is None or len(ledger.entries) < COMPACT_FROM:
        return ledger
    at = max(oldest - 1, ledger.entries.get(EVERYBODY, (0, 0))[0])
    covered = {key: entry for key, entry in ledger.entries.items() if entry[0] <= at}
    if len(covered) * _WORTH_IT < len(ledger.entries):
        return ledger
    entries = {key: entry for key, entry in ledger.entries.items() if key not in covered}
    entries[EVERYBODY] = (at, max(until for _, until in covered.values()))
    return replace(ledger, entries=MappingProxyType(entries))
