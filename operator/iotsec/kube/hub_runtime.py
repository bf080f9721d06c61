"""What the operator holds in memory of one Hub: its keys, its ledgers, its connection, and what the servers run."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from iotsec.api.hub import HubSpec
from iotsec.broker.connection import SystemConnection
from iotsec.broker.distribution import Servers
from iotsec.broker.presence import Attendance
from iotsec.decide import hub as hub_decisions
from iotsec.decide import trust
from iotsec.decide.account import AccountDefinition
from iotsec.decide.admission import Labels, matching_nothing
from iotsec.decide.certificate_note import IssuedCertificate
from iotsec.decide.cutoff import merged
from iotsec.decide.definition import declared_roles, definition, former_roles
from iotsec.decide.encryption_at_rest import Progress
from iotsec.decide.existing_trust import AdoptedTrust
from iotsec.decide.import_cycles import push_order
from iotsec.decide.ledger import Revocation
from iotsec.decide.network_status import NetworkState
from iotsec.decide.secrets import Owner
from iotsec.decide.seeds import TrustSeeds
from iotsec.decide.views import AccountView, HubView
from iotsec.kube.account_runtime import AccountRuntime
from iotsec.kube.existing_runtime import ExistingRuntime
from iotsec.kube.key_runtime import KeyRuntime
from iotsec.kube.keys import Key
from iotsec.kube.tls_runtime import TlsRuntime
from iotsec.nats import jwt
from iotsec.nats.claims import UserPermissionLimits
from iotsec.nats.keys import SigningKey


class HubRuntime:
    """One Hub in memory. Nothing here is worth saving: a restart reads all of it back."""

    network: NetworkState | None = None
    """Its NetworkPolicies; ``None`` where it asks for none."""

    def __init__(
        self,
        key: Key,
        uid: str,
        *,
        namespaces: Mapping[str, Labels],
        changed: Callable[[], None],
        mint: Callable[["HubRuntime"], bytes],
        leads: Callable[[], bool],
    ) -> None:
        """Prepare; ``changed`` is called when the connection or the servers change, ``namespaces`` are their labels.

        ``leads`` tells whether this process may tell the servers anything.
        """
        self.key = key
        self.uid = uid
        """Of the very object: another Hub of this name has other keys."""
        self.spec: HubSpec | None = None
        """The last that had no fault; ``fault`` is what is wrong with the one there is now."""
        self.fault = ""
        self.generation = 0
        self.ending = False
        """Somebody asked for its deletion."""
        self.told: frozenset[str] = frozenset()
        """The accounts that servers were given a JWT of, by the Hub's status: a lost ledger does not tell."""
        self.seeds: TrustSeeds | None = None
        self.trust: trust.TrustRoot | None = None
        """The keys of a trust root of the Hub's own."""
        self.existing = ExistingRuntime()
        """One that somebody else made."""
        self.roles: Mapping[str, Mapping[str, UserPermissionLimits]] = {}
        """What the roles grant that identities of each account may have."""
        self.definitions: Mapping[str, AccountDefinition] = {}
        """What each account's JWT is to say."""
        self.late_windows = ""
        """Why rotations of JWTs will miss the Hub's windows."""
        self.removed_roles: Mapping[str, list[str]] = {}
        """Roles that left the spec while somebody has them, and who has."""
        self.system_jwt = ""
        self.config: Mapping[str, bytes] = {}
        self.accounts: dict[str, AccountRuntime] = {}
        self.system = AccountRuntime()
        self.check_due = self.pinged_at = self.pushed_at = float("-inf")
        """When every server is to be asked what it runs, was asked, was told last; by the event loop's clock."""
        self.stale = True
        """Its Secrets must be read (again)."""
        self.view: HubView | None = None
        self.trouble = ""
        """Why there is no view yet, where that needs somebody's help."""
        self.waiting: set[Key] = set()
        """Identities to look at again when anything here changes."""
        self.attendance: Attendance | None = None
        """Who is connected, where presence is kept."""
        self.keys = KeyRuntime()
        self.tls = TlsRuntime()
        self.at_rest: Progress | None = None
        """The key of its JetStream, and how far it has come; ``None`` where nothing is encrypted at rest."""
        self._namespaces = namespaces
        self._changed = changed
        self.connection = SystemConnection(
            hub=key.place,
            servers=lambda: tuple(self.spec.nats.servers) if self.spec else (),
            mint=lambda: self._credentials(mint),
            changed=self._reconnected,
            heard=self._heard,
            tls=self.tls.client_tls,
            leads=leads,
        )
        self.servers = Servers(self.connection)
        self._task: asyncio.Task[None] | None = None

    @property
    def owner(self) -> Owner:
        """The object, as what belongs to it names it."""
        return Owner(self.key.kind, self.key.name, self.uid)

    @property
    def root(self) -> trust.TrustRoot | AdoptedTrust | None:
        """What the Hub's accounts are signed with, whoever made it; ``None`` before it is known."""
        return self.trust if self.trust is not None else self.existing.trust

    def define(self) -> None:
        """Work out what the accounts are to be, from the spec and the keys as they are now."""
        root = self.root
        if root is None or self.spec is None:
            raise RuntimeError("the Hub's keys are not loaded")
        self.roles = {a.name: declared_roles(self.spec, a) for a in self.spec.effective_accounts()}
        self.definitions = {
            name: definition(
                self.spec,
                root.accounts,
                name,
                ledger=account.ledger,
                adopted=account.ledger.adopted.claims if account.ledger.adopted else None,
            )
            for name, account in self.accounts.items()
        }

    @property
    def system_signer(self) -> SigningKey:
        """The system account's newest signing key that every server is seen to know, else the oldest, which they do."""
        keys = self.trust.system_signing if self.trust is not None else ()
        if not keys:
            raise RuntimeError("the Hub's keys are not loaded")
        return next((key for key in reversed(keys) if key.public in self.system.signers_live), keys[0])

    def take_system_jwt(self, token: str) -> None:
        """Have the servers run this JWT of the system account, unless the one they are given says the same."""
        new = jwt.decode(token, verify=False)
        old = jwt.decode(self.system_jwt, verify=False) if self.system_jwt else None
        if old is None or (new.issuer, new.claims) != (old.issuer, old.claims):
            self.system_jwt, self.system.distribution = token, None

    def push_order(self) -> tuple[str, ...]:
        """Return the accounts in the order to push them in."""
        signed = {name: account.signed_for for name, account in self.accounts.items()}
        return push_order(
            {name: was[0].base.imports for name, was in signed.items() if was is not None},
            {name: d.base.imports if (d := self.definitions.get(name)) else () for name in self.accounts},
        )

    def connect(self) -> None:
        """Start the connection; one that runs takes note of where the servers are now."""
        if self._task is not None:
            self.connection.retarget()
        else:
            self._task = asyncio.create_task(self.connection.run(), name=f"nats {self.key}")

    async def close(self) -> None:
        """End the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def request(self, revocations: Iterable[Revocation]) -> bool:
        """Ask for revocations; tell whether any is new."""
        new = False
        for revocation in revocations:
            account = self._account_of(revocation.account)
            if account is None or account.ledger.covers(revocation):
                continue
            known = account.requested.get(revocation.key)
            (wanted,) = merged((revocation, known) if known else (revocation,))
            if wanted != known:
                account.requested[revocation.key] = wanted
                new = True
        return new

    def revoke_certificates(self, ended: Iterable[IssuedCertificate]) -> bool:
        """Ask for certificates to be refused; tell whether any is new."""
        return self.tls.request(ended)

    def found_root(self, root: bytes) -> None:
        """Take note of a root that an issuer was found to have: everybody gets it before it is used."""
        if self.tls.found(root):
            self._changed()

    def refresh_view(self) -> bool:
        """Make the picture that identities decide by; tell whether it changed."""
        root = self.root
        if root is None or self.spec is None:
            return False
        view = HubView(
            namespace=self.key.namespace,
            name=self.key.name,
            spec=self.spec,
            accounts=MappingProxyType(
                {
                    name: AccountView(
                        keys=root.accounts[name],
                        roles=self.roles.get(name, {}),
                        recorded=account.ledger.with_taken_in(account.requested.values()),
                        live=account.live,
                        signers_live=account.signers_live,
                        untold=None if account.ledger.issued_at or name in self.told else account.ledger,
                        former_roles=former_roles(self.definitions.get(name), self.roles.get(name)),
                    )
                    for name, account in self.accounts.items()
                }
            ),
            namespaces=self._namespaces,
            problem=self.connection.problem,
            ending=self.ending,
            tls=self.tls.view,
        )
        changed = self.view != view
        self.view = view
        return changed

    def state(self) -> hub_decisions.HubState:
        """Return what the Hub's status is made of."""
        root = self.root
        if root is None:
            raise RuntimeError("the Hub's keys are not loaded")
        everyone = (*((self.system,) if self.trust is not None else ()), *self.accounts.values())
        behind = {id_ for a in everyone if a.distribution for id_ in a.distribution.behind}
        unknown = any(a.distribution is None for a in everyone)
        known, problem = self.servers.known, self.connection.problem
        return hub_decisions.HubState(
            operator_key=root.operator_public,
            system_key=root.system_public,
            adopted=self.existing.trust is not None,
            accounts=[
                hub_decisions.AccountState(
                    name=name,
                    public_key=root.accounts[name].public,
                    issued_at=account.ledger.issued_at,
                    revocations=account.ledger.carried,
                    servers=len(known.keys() - account.distribution.behind) if account.distribution else 0,
                )
                for name, account in self.accounts.items()
            ],
            servers=[
                hub_decisions.ServerState(s.name, s.version, current=not (problem or unknown or s.id in behind))
                for s in known.values()
            ],
            problem=problem,
            refused=self.connection.refused,
            push_error=next((a.distribution.error for a in everyone if a.distribution and a.distribution.error), ""),
            full=next((a.full for a in everyone if a.full), ""),
            blocked=next((a.blocked for a in everyone if a.blocked), ""),
            removed_roles=self.removed_roles,
            late_windows=self.late_windows,
            rotations=self.keys.conditions,
            operator_rotation=self.keys.operator,
            at_rest=self.at_rest,
            network=self.network,
            matching_nothing=matching_nothing(self.spec.accounts, self._namespaces) if self.spec else (),
            labels_unknown=None in self._namespaces.values(),
        )

    def _account_of(self, public: str) -> AccountRuntime | None:
        root = self.root
        if root is None:
            return None
        return next((self.accounts[n] for n, k in root.accounts.items() if k.public == public), None)

    def _credentials(self, mint: Callable[["HubRuntime"], bytes]) -> bytes:
        if self.trust is not None and self.trust.system_signing:
            self.keys.minted_by = self.system_signer.public
        return mint(self)

    def _heard(self, subject: str, body: bytes) -> None:
        if self.attendance is not None and self.attendance.heard(subject, body):
            return
        if self.servers.heard(subject, body):
            # A server that returns may run what it had when it left: tell it before anybody uses that.
            self._reconnected()

    def _reconnected(self) -> None:
        self.check_due = float("-inf")
        for account in (self.system, *self.accounts.values()):
            account.retry_due = 0.0  # what one server takes in vain another may be waiting for
        self._changed()
