"""The Secrets of a Hub's encryption: its CAs, the certificates of its servers, and those that ended early."""

from collections.abc import Mapping
from dataclasses import replace

import structlog

from iotsec.decide import names
from iotsec.decide.authorities import Authorities, AuthoritiesDamagedError, read_authorities, recovered, roots_in
from iotsec.decide.certificate_annotations import certificate_annotations
from iotsec.decide.revoked_certificates import RevokedCertificates
from iotsec.decide.secrets import Owner, SecretManifest, data_of, facts_of
from iotsec.decide.server_certificates import ServerCertificate, read_server_certificate
from iotsec.decide.tls_settings import CERTIFICATES
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.hub_secret_keeper import HubSecretKeeper, check_ours, hub_manifest
from iotsec.kube.secret_writer import SecretWriter
from iotsec.nats.tls_config import KeyPair

log = structlog.get_logger()

LEDGER_KEY = "revoked.json"


class TlsSecrets:
    """Reads them once, and writes what has changed; what is in memory outlives one that somebody deletes or edits."""

    def __init__(self, writer: SecretWriter, keeper: HubSecretKeeper) -> None:
        self._writer = writer
        self._keeper = keeper

    async def load(self, hub: HubRuntime, owner: Owner, *, now: int) -> None:
        """Read what is not known yet; what somebody touched is compared with what it should be when it is kept next."""
        tls = hub.tls
        tls.written.clear()
        if tls.authorities is None:
            tls.authorities = await self._authorities(hub, owner, now=now)
        for name in CERTIFICATES:
            if name not in tls.certificates:
                data = await self._read(hub, names.server_certificate_secret(hub.key.name, name), owner)
                held = read_server_certificate(data)
                if held is not None:
                    tls.certificates[name] = held
                if former := data.get(names.FORMER_CERTIFICATE_KEY):
                    tls.formers[name] = KeyPair(former, data.get(names.FORMER_PRIVATE_KEY, b""))
        if tls.revoked is None:
            found = await self._read(hub, names.revoked_certificates_secret(hub.key.name), owner)
            tls.revoked = _revoked(found, hub)

    async def read_config(self, hub: HubRuntime, owner: Owner) -> Mapping[str, bytes]:
        """Return what servers mount, as it is."""
        return await self._read(hub, names.nats_config_secret(hub.key.name), owner)

    async def read_given(self, hub: HubRuntime, name: str) -> Mapping[str, bytes] | None:
        """Read a Secret that the user keeps; ``None`` where there is none."""
        found = await self._writer.read(hub.key.namespace, name)
        return None if found is None else data_of(found)

    async def keep_authorities(self, hub: HubRuntime, state: Authorities, owner: Owner) -> None:
        """Write the CAs down.

        Raises:
            SecretTakenError: somebody else's Secret has the name.

        """
        known = hub.tls.authorities
        if known == state and names.AUTHORITIES in hub.tls.written:
            return
        data = state.to_data()
        stale = known.to_data().keys() - data.keys() if known is not None else ()
        name = names.authorities_secret(hub.key.name)
        manifest = hub_manifest(hub.key, name, data, names.AUTHORITIES, owner)
        await self._keep(replace(manifest, stale_data=frozenset(stale)))
        hub.tls.written[names.AUTHORITIES] = ""

    async def keep_certificate(self, hub: HubRuntime, name: str, held: ServerCertificate, owner: Owner) -> None:
        """Write one certificate of the servers down, with its key and the trust bundle.

        Raises:
            SecretTakenError: somebody else's Secret has the name.

        """
        state, settings = hub.tls.authorities, hub.tls.settings
        if state is None or settings is None:
            return
        former = hub.tls.formers.get(name, KeyPair(b"", b""))
        mark = f"{held.facts.fingerprint}/{state.bundle.hex()}/{former.certificate.hex()}"
        if hub.tls.written.get(name) == mark:
            return
        secret = names.server_certificate_secret(hub.key.name, name)
        data = {
            names.TLS_CERTIFICATE_KEY: held.certificate,
            names.TLS_PRIVATE_KEY: held.key.to_pem(),
            names.CA_KEY: state.bundle,
        }
        more = {names.FORMER_CERTIFICATE_KEY: former.certificate, names.FORMER_PRIVATE_KEY: former.key}
        data |= {entry: value for entry, value in more.items() if value}
        said = certificate_annotations(secret, held.facts.names, hub=hub.key.name, issuer=settings.issuer)
        manifest = hub_manifest(
            hub.key, secret, data, names.SERVER_CERTIFICATE, owner, kind=names.TLS, annotations=said
        )
        await self._keep(replace(manifest, stale_data=frozenset(more.keys() - data.keys())))
        hub.tls.written[name] = mark

    async def keep_revoked(self, hub: HubRuntime, wanted: RevokedCertificates, owner: Owner, *, ending: bool) -> None:
        """Write down which certificates ended early; of a Hub that is ending no Secret is made for that.

        Raises:
            SecretTakenError: somebody else's Secret has the name.

        """
        name = names.revoked_certificates_secret(hub.key.name)
        data = {LEDGER_KEY: wanted.to_json()}
        await self._keep(hub_manifest(hub.key, name, data, names.REVOKED_CERTIFICATES, owner), ending=ending)

    async def drop_certificate(self, hub: HubRuntime, name: str, owner: Owner) -> None:
        """Let a certificate go that servers need no more."""
        found = await self._writer.read(hub.key.namespace, names.server_certificate_secret(hub.key.name, name))
        if found is not None and facts_of(found["metadata"]).owner == owner:
            await self._writer.let_go(facts_of(found["metadata"]))
        hub.tls.written.pop(name, None)

    async def _authorities(self, hub: HubRuntime, owner: Owner, *, now: int) -> Authorities | None:
        """Read the CAs; where they are lost, what servers were told to trust stays trusted."""
        found = await self._read(hub, names.authorities_secret(hub.key.name), owner)
        try:
            if found:
                return read_authorities(found, now=now)
        except AuthoritiesDamagedError as error:
            log.warning("CA damaged", hub=hub.key.place, error=str(error), action="read")
        certificates = (names.server_certificate_secret(hub.key.name, name) for name in CERTIFICATES)
        for secret in (names.nats_config_secret(hub.key.name), *certificates):
            lost = recovered(roots_in(await self._read(hub, secret, owner)), now=now)
            if lost is not None:
                log.warning("CA lost", hub=hub.key.place, secret=secret, action="recover")
                return lost
        return None

    async def _read(self, hub: HubRuntime, name: str, owner: Owner) -> Mapping[str, bytes]:
        """Read one of ours; somebody else's tells nothing, and is met when ours is to be written."""
        found = await self._writer.read(hub.key.namespace, name)
        if found is None or facts_of(found["metadata"]).owner != owner:
            return {}
        return data_of(found)

    async def _keep(self, manifest: SecretManifest, *, ending: bool = False) -> None:
        found = await self._writer.read(manifest.namespace, manifest.name)
        check_ours(found, manifest.owner)
        await self._keeper.keep(manifest, found, ending=ending)


def _revoked(found: Mapping[str, bytes], hub: HubRuntime) -> RevokedCertificates:
    if not found:
        return RevokedCertificates()
    try:
        return RevokedCertificates.from_json(found.get(LEDGER_KEY, b""))
    except ValueError:
        log.warning("revoked certificates damaged", hub=hub.key.place, action="read")
        return RevokedCertificates()
