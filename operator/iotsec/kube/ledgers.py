"""What was asked for, taken into an account's ledger; and the ledger kept small enough for a JWT."""

import asyncio
from collections.abc import Callable, Iterator

from iotsec.decide.compaction import COMPACT_FROM, compacted, oldest_in_use
from iotsec.decide.ledger import Ledger, with_revocations, with_those_that_fit
from iotsec.decide.secrets import SecretFacts
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.identity_cache import IdentityCache
from iotsec.kube.keys import Key
from iotsec.kube.secret_cache import SecretCache

_LOOK_SECONDS = 60.0  # between two looks at all Secrets: a large ledger may well have nothing that can go


class Ledgers:
    """Works on the ledgers of accounts; whoever asks writes them down."""

    def __init__(self, secrets: SecretCache, identities: IdentityCache, *, clock: Callable[[], int]) -> None:
        self._secrets = secrets
        self._identities = identities
        self._clock = clock

    def kept_small(self, hub: HubRuntime, name: str, known: Ledger) -> Ledger:
        """Return the ledger with one entry in place of many, where it is large and that can be."""
        account, now = hub.accounts[name], asyncio.get_running_loop().time()
        if len(known.entries) + len(account.requested) < COMPACT_FROM or now < account.compact_due:
            return known
        account.compact_due = now + _LOOK_SECONDS
        return compacted(known, oldest=self.oldest(hub, name))

    def with_requested(self, hub: HubRuntime, name: str, known: Ledger) -> Ledger:
        """Take in all that was asked for.

        Raises:
            LedgerFullError: there is more than an account JWT can carry.

        """
        return with_revocations(known, hub.accounts[name].requested.values(), now=self._clock())

    def with_what_fits(self, hub: HubRuntime, name: str, known: Ledger) -> Ledger:
        """Take in as much of what was asked for as an account JWT can carry."""
        return with_those_that_fit(known, hub.accounts[name].requested.values(), now=self._clock())

    def oldest(self, hub: HubRuntime, name: str) -> int | None:
        """Return when the oldest JWT was issued that must go on working, ``None`` where nobody can know."""
        if hub.root is None or hub.accounts[name].ledger.adopted is not None:
            return None  # nobody knows what others issued in an adopted account
        public, place = hub.root.accounts[name].public, hub.key.place
        return oldest_in_use(self._of_identities(), account=public, hub=place, now=self._clock())

    def _of_identities(self) -> Iterator[SecretFacts]:
        """Yield the Secrets of identities there are: whoever may make Secrets could claim anything on others."""
        for facts in self._secrets:
            owner = facts.owner
            record = self._identities.get(Key(owner.kind, facts.namespace, owner.name)) if owner is not None else None
            if owner is not None and record is not None and record.uid == owner.uid:
                yield facts
