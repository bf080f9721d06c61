"""What servers are given of their Hub's encryption: files for the Secret that they mount."""

from collections.abc import Mapping

from iotsec.decide.authorities import Authorities
from iotsec.decide.server_certificates import ServerCertificate
from iotsec.decide.tls_settings import OPERATOR, ROUTES, TlsSettings
from iotsec.nats.tls_config import KeyPair, TlsConfig, config_files


def server_files(
    settings: TlsSettings | None,
    state: Authorities | None,
    certificates: Mapping[str, ServerCertificate],
    *,
    before: TlsConfig | None,
) -> TlsConfig | None:
    """Return what servers are given; ``None`` without a policy, and ``before`` while something of it is missing."""
    if settings is None:
        return None
    if state is None or not certificates.keys() >= settings.groups.keys():
        return before
    routes = certificates.get(ROUTES)
    return config_files(
        certificates={
            name: KeyPair(held.certificate, held.key.to_pem())
            for name, held in certificates.items()
            if name != OPERATOR  # it is not theirs to know
        },
        bundle=state.bundle,
        listeners=settings.listeners,
        mount_path=settings.mount_path,
        ocsp_stapling=settings.revocation is not None and settings.revocation.stapling,
        peer=next(iter(routes.facts.names.uris), "") if routes is not None else "",
    )
