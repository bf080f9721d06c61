"""Taking over a trust root that somebody else made: read, checked against the servers, and only then used.

The two Secrets it was given in are somebody else's and are not watched: they are read again every minute, and whenever
the servers refuse what they hold.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from iotsec.api.hub import ExistingTrust, SecretKeyRef
from iotsec.broker.connection import UnavailableError
from iotsec.broker.existing_accounts import Survey, survey
from iotsec.decide import existing_trust as decisions
from iotsec.decide import names, seeds
from iotsec.decide.definition import Users, keyed_roles
from iotsec.decide.existing_trust import ExistingTrustError, SystemAccess, TrustedOperator
from iotsec.decide.hub import SYSTEM_REFUSED
from iotsec.decide.ledger import Ledger
from iotsec.decide.secrets import Owner, data_of
from iotsec.decide.trust import KnownKeys
from iotsec.kube.account_runtime import AccountRuntime
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.hub_secrets import HubSecrets, TrustMissingError
from iotsec.kube.secret_writer import SecretWriter
from iotsec.nats.keys import SigningKey

log = structlog.get_logger()

_READ_AGAIN_SECONDS = 60.0


class NotAskedYetError(Exception):
    """The servers were not reached yet; how the attempt ends brings us back."""


class ExistingTrusts:
    """Brings up the keys of Hubs whose trust root was there before them."""

    def __init__(
        self, writer: SecretWriter, secrets: HubSecrets, *, entropy: Callable[[], bytes], clock: Callable[[], int]
    ) -> None:
        self._writer = writer
        self._secrets = secrets
        self._entropy = entropy
        self._clock = clock

    async def bring_up(
        self, hub: HubRuntime, owner: Owner, *, known: KnownKeys, users: Users, ending: bool, now: int
    ) -> None:
        """Read what was given and our own Secrets, ask the servers what is not known, and make what is missing.

        Raises:
            NotAskedYetError: the servers were not reached yet.
            UnavailableError: they cannot be asked now.
            NotTakenError: they take no accounts.
            ExistingTrustError: what was given cannot be used.
            AdoptionRefusedError: an account cannot be taken over.
            TrustMissingError: keys were made once and are gone.
            TrustDamagedError: a key cannot be read.
            SecretTakenError: somebody else's Secret is in the way.

        """
        if hub.spec is None or hub.spec.trust.existing is None:
            raise RuntimeError("the Hub has no existing trust root")
        given = hub.spec.trust.existing
        signer, access = await self._read_given(hub, given)
        hub.existing.access = access
        hub.existing.reread_due = asyncio.get_running_loop().time() + _READ_AGAIN_SECONDS
        hub.connect()
        identity = await self._secrets.read_ours(hub, names.identity_keys_secret(hub.key.name), owner)
        signing = await self._secrets.read_ours(hub, names.signing_keys_secret(hub.key.name), owner)
        found = hub.seeds
        if found is None:
            found = seeds.TrustSeeds(data_of(identity or {}), data_of(signing or {}))
            _check_found(hub, found, known)
        wanted = {account.name for account in hub.spec.effective_accounts()} | seeds.account_names(found)
        ledgers = {name: await self._secrets.read_ledger(hub, name, owner) for name in sorted(wanted)}
        strangers = {
            name
            for name, ledger in ledgers.items()
            if ledger.adopted is None and seeds.account_identity(name) not in found.identity
        }
        if strangers and ending:
            raise ExistingTrustError("the Hub is being deleted: it takes nothing over any more")
        operator = await self._trusted(hub, signer, given)
        if strangers:
            told = await _ask(hub, accounts=True)
            ledgers |= {name: self._taken_over(hub, name, told, found, operator) for name in strangers}
            _check_lost(hub, ledgers, found, known)
        adopted = {name: ledger.adopted for name, ledger in ledgers.items() if ledger.adopted is not None}
        roles = keyed_roles(hub.spec, found, users)
        completed = seeds.completed(found, roles=roles, entropy=self._entropy, now=now, adopted=adopted)
        root = decisions.adopted_trust(
            completed, roles=roles, adopted=adopted, operator=operator, signer=signer, system=access.account
        )
        await self._secrets.keep_seeds(hub, completed, (identity, signing), owner, ending=ending)
        for name, ledger in ledgers.items():
            hub.accounts.setdefault(name, AccountRuntime(ledger))
        hub.seeds, hub.existing.trust = completed, root
        hub.define()
        for name in ledgers:
            await self._secrets.bring_up_ledger(hub, name, owner, ending=ending)

    async def _trusted(self, hub: HubRuntime, signer: SigningKey, given: ExistingTrust) -> TrustedOperator:
        """Return whom the servers trust, as they tell now, or told before of a key that we sign with already."""
        known = hub.existing.trust
        try:
            told = await _ask(hub, accounts=False)
        except UnavailableError:
            if known is not None and known.account_signer.public == signer.public:
                return known.operator
            raise
        operator = decisions.trusted_operator(told.operators)
        if known is not None and operator is not None:
            hub.existing.trust = replace(known, operator=operator)
        return decisions.check_signer(signer, operator, where=_where(given.operator_signing_key_secret_ref))

    def _taken_over(
        self, hub: HubRuntime, name: str, told: Survey, found: seeds.TrustSeeds, operator: TrustedOperator
    ) -> Ledger:
        """Return the ledger of an account that we know nothing of yet: as the servers have it, or a new one."""
        token = decisions.found_account(name, told.accounts, signers=operator.signers, now=self._clock())
        if token is None:
            return Ledger()
        adopted = decisions.taken_over(name, token, ours=decisions.signers_of(found, name))
        log.info("account taken over", hub=str(hub.key), account=name, public=adopted.public, action="adopt")
        return Ledger(issued_at=adopted.issued_at, adopted=adopted)

    async def _read_given(self, hub: HubRuntime, given: ExistingTrust) -> tuple[SigningKey, SystemAccess]:
        seed = given.operator_signing_key_secret_ref
        creds = given.system_credentials_secret_ref
        signer = decisions.read_signer(await self._entry(hub, seed, "the operator's signing key"), where=_where(seed))
        contents = await self._entry(hub, creds, "the creds file of a system-account user")
        return signer, decisions.read_system_access(contents, where=_where(creds), now=self._clock())

    async def _entry(self, hub: HubRuntime, reference: SecretKeyRef, what: str) -> bytes:
        """Read an entry of a Secret in the Hub's own namespace."""
        secret = await self._writer.read(hub.key.namespace, reference.name)
        if secret is None:
            raise ExistingTrustError(
                f"Secret {reference.name} does not exist: create it, with {what} in the key {reference.key}"
            )
        data = data_of(secret)
        if reference.key not in data:
            raise ExistingTrustError(f"Secret {reference.name} has no key {reference.key}: write {what} there")
        return data[reference.key]


async def _ask(hub: HubRuntime, *, accounts: bool) -> Survey:
    if not hub.connection.tried:
        raise NotAskedYetError
    if hub.connection.problem:
        raise UnavailableError(SYSTEM_REFUSED if hub.connection.refused else hub.connection.problem)
    system = hub.existing.access.account if hub.existing.access else ""
    told = await survey(hub.connection, hub.servers, accounts=accounts, system=system)
    if told is None:
        raise UnavailableError("a server does not tell whom it trusts and which accounts it has")
    return told


def _check_found(hub: HubRuntime, found: seeds.TrustSeeds, known: KnownKeys) -> None:
    for name, data in (
        (names.identity_keys_secret(hub.key.name), found.identity),
        (names.signing_keys_secret(hub.key.name), found.signing),
    ):
        if known.accounts and not data:
            raise TrustMissingError(name)
    decisions.check_adopted(found, known)


def _check_lost(hub: HubRuntime, ledgers: Mapping[str, Ledger], found: seeds.TrustSeeds, known: KnownKeys) -> None:
    """See that no account is made anew that was taken over once: it would lock out all its users."""
    for name, ledger in ledgers.items():
        was_there = name in known.accounts or seeds.account_seal(name) in found.identity
        if ledger.adopted is None and was_there and seeds.account_identity(name) not in found.identity:
            secret = names.ledger_secret(hub.key.name, name)
            raise ExistingTrustError(
                f"account {name} was taken over once, and neither the servers nor Secret {secret} have it any more: "
                "push it again, with nsc for instance, or restore the Secret"
            )


def _where(reference: SecretKeyRef) -> str:
    return f"key {reference.key} of Secret {reference.name}"
