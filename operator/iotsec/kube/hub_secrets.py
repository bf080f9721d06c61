"""A Hub's Secrets: read once, written before anything that relies on them."""

from collections.abc import Callable, Mapping
from typing import Any

import structlog

from iotsec.decide import names, trust
from iotsec.decide.ledger import Ledger
from iotsec.decide.secrets import Owner, SecretManifest, data_of, facts_of, is_satisfied
from iotsec.kube.hub_runtime import AccountRuntime, HubRuntime
from iotsec.kube.secret_cache import SecretCache
from iotsec.kube.secret_writer import SecretWriter

log = structlog.get_logger()

LEDGER_KEY = "ledger.json"


class TrustMissingError(Exception):
    """The Secret with a Hub's keys is gone, though keys were made once."""


class SecretTakenError(Exception):
    """A Secret of a name we need exists and is not ours."""


class HubSecrets:
    """Loads and keeps the Secrets of Hubs."""

    def __init__(self, writer: SecretWriter, cache: SecretCache, *, entropy: Callable[[], bytes]) -> None:
        self._writer = writer
        self._cache = cache
        self._entropy = entropy

    async def bring_up(self, hub: HubRuntime, owner: Owner, *, had_keys: bool, now: int) -> None:
        """Read the Hub's Secrets and make what is missing: keys, ledgers, the servers' configuration.

        Raises:
            TrustMissingError: keys were made once and are gone.
            SecretTakenError: somebody else's Secret is in the way.
            TrustDamagedError: a key cannot be read.

        """
        if hub.spec is None:
            raise RuntimeError("the Hub's spec is not known")
        identity_name = names.identity_keys_secret(hub.key.name)
        signing_name = names.signing_keys_secret(hub.key.name)
        identity_secret = await self._read(hub, identity_name, owner)
        signing_secret = await self._read(hub, signing_name, owner)
        found = trust.TrustSeeds(_data(identity_secret), _data(signing_secret))
        if hub.seeds is not None:  # what we hold in memory outlives a Secret that was deleted or edited
            found = trust.TrustSeeds({**found.identity, **hub.seeds.identity}, {**found.signing, **hub.seeds.signing})
        elif had_keys and not (found.identity and found.signing):
            raise TrustMissingError(signing_name if found.identity else identity_name)
        accounts = sorted({a.name for a in hub.spec.effective_accounts()} | trust.account_names(found))
        seeds = trust.completed(found, accounts=accounts, roles=trust.ROLES, entropy=self._entropy)
        root = trust.trust_root(seeds, accounts=accounts, roles=trust.ROLES)
        # Identity keys first: signing keys without them would be worth nothing after a crash here.
        await self._keep(_manifest(hub, identity_name, seeds.identity, names.IDENTITY_KEYS, owner), identity_secret)
        await self._keep(_manifest(hub, signing_name, seeds.signing, names.SIGNING_KEYS, owner), signing_secret)
        hub.seeds, hub.trust = seeds, root
        await self._bring_up_config(hub, owner, root, now=now)
        for account in accounts:
            await self._bring_up_ledger(hub, account, owner)

    async def write_ledger(self, hub: HubRuntime, account: str, ledger: Ledger, owner: Owner) -> None:
        """Write an account's ledger down."""
        await self._write(self._ledger_manifest(hub, account, ledger, owner))

    async def let_go(self, hub: HubRuntime, uid: str) -> None:
        """Let every Secret of the Hub go."""
        for facts in self._cache.owned_by(uid):
            await self._writer.let_go(facts)
        log.info("hub secrets released", hub=_name(hub), action="release")

    async def _bring_up_config(self, hub: HubRuntime, owner: Owner, root: trust.TrustRoot, *, now: int) -> None:
        name = names.nats_config_secret(hub.key.name)
        found = await self._read(hub, name, owner)
        config = trust.nats_config(root, name=_name(hub), existing=hub.config or _data(found), now=now)
        await self._keep(_manifest(hub, name, config, names.NATS_CONFIG, owner), found)
        hub.config = config
        hub.system_jwt = trust.system_jwt_of(config, root)

    async def _bring_up_ledger(self, hub: HubRuntime, account: str, owner: Owner) -> None:
        found = await self._read(hub, names.ledger_secret(hub.key.name, account), owner)
        if account not in hub.accounts:
            data = _data(found).get(LEDGER_KEY)
            hub.accounts[account] = AccountRuntime(Ledger.from_json(data) if data else Ledger())
        elif found is None or not is_satisfied(
            found, self._ledger_manifest(hub, account, hub.accounts[account].ledger, owner)
        ):
            await self.write_ledger(hub, account, hub.accounts[account].ledger, owner)

    async def _read(self, hub: HubRuntime, name: str, owner: Owner) -> Mapping[str, Any] | None:
        secret = await self._writer.read(hub.key.namespace, name)
        if secret is None:
            return None
        facts = facts_of(secret["metadata"])
        if facts.owner is None or facts.owner.uid != owner.uid:
            raise SecretTakenError(
                f"Secret {name} exists and is not this Hub's: delete it, or give the Hub another name"
            )
        return secret

    async def _keep(self, manifest: SecretManifest, found: Mapping[str, Any] | None) -> None:
        """Make a Secret so; one that is so already is not written."""
        if found is not None and "deletionTimestamp" not in found["metadata"] and is_satisfied(found, manifest):
            self._cache.wrote(found["metadata"])
            return
        await self._write(manifest)

    async def _write(self, manifest: SecretManifest) -> None:
        facts = self._cache.get(manifest.namespace, manifest.name)
        if facts is not None and facts.deleting:
            await self._writer.let_go(facts)
            facts = None
        await self._writer.write(manifest, facts)
        log.info("hub secret written", hub=manifest.hub, secret=manifest.name, action="write")

    def _ledger_manifest(self, hub: HubRuntime, account: str, ledger: Ledger, owner: Owner) -> SecretManifest:
        name = names.ledger_secret(hub.key.name, account)
        return _manifest(hub, name, {LEDGER_KEY: ledger.to_json()}, names.LEDGER, owner)


def _manifest(hub: HubRuntime, name: str, data: Mapping[str, bytes], component: str, owner: Owner) -> SecretManifest:
    return SecretManifest(
        namespace=hub.key.namespace, name=name, data=data, owner=owner, component=component, hub=_name(hub)
    )


def _data(secret: Mapping[str, Any] | None) -> dict[str, bytes]:
    return data_of(secret) if secret else {}


def _name(hub: HubRuntime) -> str:
    return f"{hub.key.namespace}/{hub.key.name}"
