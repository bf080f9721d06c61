"""What an identity's decision may know of the world: its Hub, its Secrets, its rivals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iotsec.api.hub import HubSpec
from iotsec.api.identity import IdentitySpec
from iotsec.decide.account import AccountKeys
from iotsec.decide.ledger import Ledger
from iotsec.decide.secrets import SecretFacts


@dataclass(frozen=True, slots=True)
class Identity:
    """One declared identity, whatever its kind."""

    kind: str
    namespace: str
    name: str
    uid: str
    generation: int
    created: str
    deleting: bool
    finalized: bool
    id: str
    role: str
    spec: IdentitySpec
    status: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AccountView:
    """One account of a Hub as identities see it."""

    keys: AccountKeys
    recorded: Ledger
    """What is written down, with what was asked for since."""
    live: Ledger | None
    """What every reachable server was seen to run; ``None`` while that was never so."""
    signers_live: frozenset[str]
    """The signing keys in the account JWT that every reachable server runs."""


@dataclass(frozen=True, slots=True)
class HubView:
    """A Hub as identities see it."""

    namespace: str
    name: str
    spec: HubSpec
    accounts: Mapping[str, AccountView]
    """Every account that has keys, by name."""
    problem: str = ""
    """Why the servers cannot be told anything now; empty while they can."""

    def account_by_key(self, public: str) -> AccountView | None:
        """Return the account with this public key."""
        return next((a for a in self.accounts.values() if a.keys.identity.public == public), None)


@dataclass(frozen=True, slots=True)
class Contents:
    """A Secret's data as it was read, and whether its metadata is still as we wrote it."""

    secret: Mapping[str, Any]

    def __repr__(self) -> str:
        return "Contents(…)"


@dataclass(frozen=True, slots=True)
class Rival:
    """Another identity that asks for the same id or public key, and came first."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Observed:
    """What exists for an identity."""

    secrets: tuple[SecretFacts, ...] = ()
    """All Secrets of ours with this identity's uid."""
    contents: Contents | None = None
    """The data of its current Secret, where a first look asked for it."""
    foreign_secret: bool = False
    """A Secret of the wanted name exists and is not ours."""
    hub_trouble: str = ""
    """Why the Hub, which exists, has no keys to issue with; empty while it has."""
    id_rival: Rival | None = None
    key_rival: Rival | None = None
