"""A Hub's Secrets: read once, written before anything that relies on them."""

from collections.abc import Callable
from dataclasses import replace

import structlog

from iotsec.decide import names, seeds, server_trust, trust
from iotsec.decide.definition import Users, keyed_roles
from iotsec.decide.encryption_at_rest import jetstream_conf
from iotsec.decide.ledger import Ledger
from iotsec.decide.rollout import restart_for
from iotsec.decide.secrets import Owner, SecretManifest, data_of
from iotsec.kube.account_runtime import AccountRuntime
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.hub_secret_keeper import HubSecretKeeper, Secret, check_ours, hub_manifest, is_ours
from iotsec.kube.keys import Key
from iotsec.kube.resources import HUBS
from iotsec.kube.secret_cache import SecretCache
from iotsec.kube.secret_writer import SecretWriter
from iotsec.nats.tls_config import encrypted_listeners, is_named_by_content

log = structlog.get_logger()

LEDGER_KEY = "ledger.json"


class TrustMissingError(Exception):
    """The Secret with a Hub's keys, which this names, is gone, though keys were made once."""


class HubSecrets:
    """Loads and keeps the Secrets of Hubs."""

    def __init__(
        self, writer: SecretWriter, cache: SecretCache, keeper: HubSecretKeeper, *, entropy: Callable[[], bytes]
    ) -> None:
        self._writer = writer
        self._cache = cache
        self._keeper = keeper
        self._entropy = entropy

    async def bring_up(
        self, hub: HubRuntime, owner: Owner, *, known: trust.KnownKeys, users: Users, ending: bool, now: int
    ) -> None:
        """Read the Hub's Secrets and make what is missing: keys, ledgers, the servers' configuration.

        Of a Hub that is ending nothing is made again that somebody deletes: it was deleted with its namespace, or its
        dependents first.

        Raises:
            TrustMissingError: keys were made once and are gone.
            SecretTakenError: somebody else's Secret is in the way.
            TrustDamagedError: a key cannot be read, or is another than it was.

        """
        if hub.spec is None:
            raise RuntimeError("the Hub's spec is not known")
        identity_name = names.identity_keys_secret(hub.key.name)
        signing_name = names.signing_keys_secret(hub.key.name)
        config_name = names.nats_config_secret(hub.key.name)
        identity, signing, config = [
            await self._writer.read(hub.key.namespace, name) for name in (identity_name, signing_name, config_name)
        ]
        # A key Secret that was restored without its metadata is known by what it holds.
        if not trust.proves_identity(_data(identity), known):
            check_ours(identity, owner)
        if not trust.proves_signing(_data(signing), _data(config), known):
            check_ours(signing, owner)
        found = hub.seeds  # what we hold in memory outlives a Secret that was deleted or edited
        if found is None:
            found = seeds.TrustSeeds(_data(identity), _data(signing))
            if known.operator and not (found.identity and found.signing):
                raise TrustMissingError(signing_name if found.identity else identity_name)
            trust.check_known(found, known)
        if not found.signing:  # whoever asked before there were any keys has new ones
            found = seeds.with_records(found, seeds.Records({}, hub.keys.asked))
        roles = keyed_roles(hub.spec, found, users)
        completed = seeds.completed(found, roles=roles, entropy=self._entropy, now=now)
        root = trust.trust_root(completed, roles=roles)
        await self.keep_seeds(hub, completed, (identity, signing), owner, ending=ending)
        hub.seeds, hub.trust = completed, root
        existing = hub.config or (_data(config) if is_ours(config, owner) else {})
        hub.config = server_trust.nats_config(
            root,
            name=hub.key.place,
            existing=existing,
            now=now,
            tls=hub.tls.config,
            jetstream=jetstream_conf(hub.at_rest.state if hub.at_rest else None),
        )
        hub.take_system_jwt(server_trust.system_jwt_of(hub.config))
        for account in sorted(roles):
            await self.bring_up_ledger(hub, account, owner, ending=ending)
        hub.define()
        # Last: the servers that run can be told what to refuse without it.
        await self._keep_config(hub, config, owner, ending=ending, now=now)

    async def keep_adopted_config(self, hub: HubRuntime, owner: Owner, *, ending: bool, now: int) -> None:
        """Give servers what encrypts them, where somebody else tells them whom to trust.

        Raises:
            SecretTakenError: somebody else's Secret is in the way.

        """
        found = await self._writer.read(hub.key.namespace, names.nats_config_secret(hub.key.name))
        if found is None and hub.tls.config is None:
            return
        hub.config = server_trust.adopted_config(hub.tls.config)
        await self._keep_config(hub, found, owner, ending=ending, now=now)

    async def _keep_config(
        self, hub: HubRuntime, found: Secret | None, owner: Owner, *, ending: bool, now: int
    ) -> None:
        check_ours(found, owner)
        manifest = hub_manifest(hub.key, names.nats_config_secret(hub.key.name), hub.config, names.NATS_CONFIG, owner)
        stale = frozenset(name for name in _data(found) if is_named_by_content(name)) - hub.config.keys()
        await self._keeper.keep(replace(manifest, stale_data=stale), found, ending=ending)
        before, after = encrypted_listeners(_data(found)), encrypted_listeners(hub.config)
        restart = restart_for(before, after, since=now, servers=hub.servers.known)
        hub.tls.rollout.is_written(server_trust.revision_of(hub.config), now, restart)

    async def change_signing_keys(self, hub: HubRuntime, changed: seeds.TrustSeeds, owner: Owner) -> None:
        """Write other signing keys down in one go, and go by them from the next :meth:`bring_up` on."""
        name = names.signing_keys_secret(hub.key.name)
        manifest = hub_manifest(hub.key, name, changed.signing, names.SIGNING_KEYS, owner)
        former = hub.seeds.signing.keys() - changed.signing.keys() if hub.seeds else ()
        facts = self._cache.get(manifest.namespace, name)
        await self._writer.write(replace(manifest, stale_data=frozenset(former)), facts)
        log.info("signing keys changed", hub=manifest.hub, secret=name, action="write")
        hub.seeds, hub.stale = changed, True

    async def write_ledger(self, hub: HubRuntime, account: str, ledger: Ledger, owner: Owner) -> None:
        """Write an account's ledger down."""
        manifest = self._ledger_manifest(hub, account, ledger, owner)
        await self._writer.write(manifest, self._cache.get(manifest.namespace, manifest.name))

    async def let_go(self, hub: Key, *, uid: str) -> None:
        """Let every Secret of the Hub go."""
        for facts in self._cache.owned_by(hub.namespace, uid):
            await self._writer.let_go(facts)
            log.info("hub secret released", hub=hub.place, secret=facts.name, action="release")

    def orphans(self, hub: Key) -> frozenset[str]:
        """Return the uids of Hubs of this name that our Secrets belong to."""
        owners = [f.owner for f in self._cache if f.namespace == hub.namespace and f.owner is not None]
        return frozenset(o.uid for o in owners if (o.kind, o.name) == (HUBS.kind, hub.name))

    async def keep_seeds(
        self,
        hub: HubRuntime,
        wanted: seeds.TrustSeeds,
        found: tuple[Secret | None, Secret | None],
        owner: Owner,
        *,
        ending: bool,
    ) -> None:
        """Make the two Secrets with seeds hold these; ``found`` is how they are."""
        identity, signing = found
        # Identity keys first: signing keys without them would be worth nothing after a crash here.
        name = names.identity_keys_secret(hub.key.name)
        keep = hub_manifest(hub.key, name, wanted.identity, names.IDENTITY_KEYS, owner)
        await self._keeper.keep(keep, identity, ending=ending)
        name = names.signing_keys_secret(hub.key.name)
        keep = hub_manifest(hub.key, name, wanted.signing, names.SIGNING_KEYS, owner)
        # A former key that somebody put back would be trusted again after the next restart.
        keep = replace(keep, stale_data=seeds.left_behind(_data(signing), wanted.signing))
        await self._keeper.keep(keep, signing, ending=ending)

    async def read_ours(self, hub: HubRuntime, name: str, owner: Owner) -> Secret | None:
        """Read one of the Hub's Secrets.

        Raises:
            SecretTakenError: it is somebody else's.

        """
        found = await self._writer.read(hub.key.namespace, name)
        check_ours(found, owner)
        return found

    async def read_ledger(self, hub: HubRuntime, account: str, owner: Owner) -> Ledger:
        """Return an account's ledger as it was written down, blank where there is none."""
        if account in hub.accounts:
            return hub.accounts[account].ledger
        found = await self.read_ours(hub, names.ledger_secret(hub.key.name, account), owner)
        return _ledger_in(found, hub=hub.key.place)

    async def bring_up_ledger(self, hub: HubRuntime, account: str, owner: Owner, *, ending: bool) -> None:
        """Read an account's ledger where it is not known yet, and see that it is written down."""
        name = names.ledger_secret(hub.key.name, account)
        found = await self._writer.read(hub.key.namespace, name)
        check_ours(found, owner)
        if account not in hub.accounts:
            hub.accounts[account] = AccountRuntime(_ledger_in(found, hub=hub.key.place))
        # A blank one too: in a namespace that is ending a Secret can be changed, and none can be made.
        ledger = hub.accounts[account].ledger
        await self._keeper.keep(self._ledger_manifest(hub, account, ledger, owner), found, ending=ending)

    def _ledger_manifest(self, hub: HubRuntime, account: str, ledger: Ledger, owner: Owner) -> SecretManifest:
        name = names.ledger_secret(hub.key.name, account)
        return hub_manifest(hub.key, name, {LEDGER_KEY: ledger.to_json()}, names.LEDGER, owner)


def _ledger_in(secret: Secret | None, *, hub: str) -> Ledger:
    """Read a ledger; one that is lost or damaged is made up for by what the servers still run."""
    if secret is None:
        return Ledger()
    try:
        return Ledger.from_json(_data(secret).get(LEDGER_KEY, b""))
    except ValueError:
        log.warning("ledger damaged", hub=hub, secret=secret["metadata"]["name"], action="read")
        return Ledger()


def _data(secret: Secret | None) -> dict[str, bytes]:
    return data_of(secret) if secret else {}
