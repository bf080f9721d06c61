"""What an identity's decision may know of the world: its Hub, its Secrets, its rivals."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from iotsec.api.accounts import Account
from iotsec.api.hub import HubSpec
from iotsec.api.identity import IdentitySpec
from iotsec.decide import admission
from iotsec.decide.account import AccountKeys
from iotsec.decide.admission import Labels
from iotsec.decide.foreign_certificate import Foreign
from iotsec.decide.ledger import Ledger
from iotsec.decide.orders import PlacedOrder
from iotsec.decide.secrets import SecretFacts
from iotsec.decide.tls_view import TlsView
from iotsec.nats.claims import UserPermissionLimits


@dataclass(frozen=True, slots=True)
class Declared:
    """An object that declares an identity, whatever its kind, and whether or not its spec can be read."""

    kind: str
    namespace: str
    name: str
    uid: str
    generation: int
    deleting: bool
    finalized: bool
    status: Mapping[str, Any]
    fault: str = ""
    """Why its spec cannot be read; then this is all that is known of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity(Declared):
    """One identity as its spec declares it."""

    id: str
    role: str
    spec: IdentitySpec
    rotate: str = ""
    """The token of the annotation that asks for a rotation now."""


@dataclass(frozen=True, slots=True)
class AccountView:
    """One account of a Hub as identities see it."""

    keys: AccountKeys
    roles: Mapping[str, UserPermissionLimits]
    """What each role grants that identities may have here, as templates with ``{id}``."""
    recorded: Ledger
    """What is written down, with what was asked for since."""
    live: Ledger | None
    """What every reachable server was seen to run; ``None`` while that was never so."""
    signers_live: frozenset[str]
    """The signing keys in the account JWT that every reachable server runs."""
    untold: Ledger | None = None
    """What is written down, where no server was ever given a JWT: it will be in the first one there is."""
    former_roles: Mapping[str, UserPermissionLimits] = field(default_factory=dict)
    """What roles grant that left the spec while somebody has them: to those they are renewed, and to nobody else."""


@dataclass(frozen=True, slots=True)
class HubView:
    """A Hub as identities see it."""

    namespace: str
    name: str
    spec: HubSpec
    accounts: Mapping[str, AccountView]
    """Every account that has keys, by name."""
    namespaces: Mapping[str, Labels] = field(default_factory=dict, compare=False)
    """The labels of every namespace, by its name."""
    problem: str = ""
    """Why the servers cannot be told anything now; empty while they can."""
    ending: bool = False
    """It is being deleted: who has credentials keeps them, and nobody new gets any."""
    tls: TlsView | None = None
    """How it is encrypted; ``None`` where no TLSPolicy says so."""

    def admits(self, account: Account, namespace: str) -> bool:
        """Tell whether identities of a namespace may be in an account."""
        return admission.admits(account, namespace, hub_namespace=self.namespace, labels=self.labels(namespace))

    def labels(self, namespace: str) -> Labels:
        """Return the labels of a namespace; ``None`` where they cannot be known."""
        return self.namespaces.get(namespace, {})

    def grants_otherwise_than(self, before: "HubView") -> bool:
        """Tell whether every identity is to be looked at again: what it is granted, or who signs, may be another.

        Or somebody else revoked what an identity has, in an account that was there before us; or what verifies the
        servers is another.
        """
        return (
            self.spec != before.spec
            or self.signers() != before.signers()
            or self.revoked_by_others() != before.revoked_by_others()
            or self.encryption() != before.encryption()
        )

    def encryption(self) -> tuple[object, ...]:
        """Return of its encryption what every identity's Secrets follow; of all else only those hear who wait."""
        tls = self.tls
        if tls is None:
            return ()
        issued_by = (tls.generation, tls.accepted, tls.authority, tls.issuer, tls.ocsp_url, tls.crl_url)
        return (tls.digest, tls.mutual, tls.policy, tls.key_type, tls.keep_key, tls.trust_domain, *issued_by)

    def signers(self) -> dict[str, tuple[AccountKeys, frozenset[str]]]:
        """Return the keys of each account by its name, and the signing keys among them that the servers know."""
        return {name: (account.keys, account.signers_live) for name, account in self.accounts.items()}

    def revoked_by_others(self) -> dict[str, Mapping[str, int]]:
        """Return what somebody else revoked in each account that was there before us, by its name."""
        adopted = {name: account.recorded.adopted for name, account in self.accounts.items()}
        return {name: theirs.revocations for name, theirs in adopted.items() if theirs is not None}

    def account_by_key(self, public: str) -> AccountView | None:
        """Return the account with this public key."""
        return next((a for a in self.accounts.values() if a.keys.public == public), None)

    def account_name(self, public: str) -> str:
        """Return the name of the account with this public key, or an empty string."""
        return next((name for name, a in self.accounts.items() if a.keys.public == public), "")


@dataclass(frozen=True, slots=True)
class Contents:
    """A Secret as it was read, data and all."""

    secret: Mapping[str, Any]

    def __repr__(self) -> str:
        return "Contents(…)"


@dataclass(frozen=True, slots=True)
class Rival:
    """Another identity that asks for the same id or public key, and came first."""

    kind: str
    namespace: str
    name: str
    leaving: bool = False
    """It is being deleted: wait for its end."""

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A Secret of the name we need that is not this identity's."""

    leaving: bool = False
    """It is what an earlier object of this name left, and goes when that one is cut off."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What exists for an identity."""

    secrets: tuple[SecretFacts, ...] = ()
    """All Secrets of ours with this identity's uid."""
    contents: Contents | None = None
    """Its current creds Secret, where a first look asked for it."""
    obstacle: Obstacle | None = None
    """What stands where its creds Secret should be."""
    certificate_contents: Contents | None = None
    """Its current certificate Secret, where a first look asked for it."""
    certificate_obstacle: Obstacle | None = None
    has_turn: bool = False
    """What can wait may be done now."""
    placed: PlacedOrder | None = None
    """What somebody else was asked to sign for it, and the answer."""
    foreign: tuple[Foreign, ...] | None = ()
    """Certificates of others that it was seen to show; ``None`` where nobody looked yet."""
    hub_trouble: str = ""
    """Why the Hub, which exists, has no keys to issue with; empty while it has."""
    selects_pods: bool | None = None
    """Whether its selector takes any pod there is; ``None`` where nobody looked."""
    id_rival: Rival | None = None
    key_rival: Rival | None = None
