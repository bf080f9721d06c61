"""Which certificates of an identity must end early, from all that still tells of them.

The Secrets tell first. Where one was lost, or an older version of it put back, the status knows what came after. What
is told goes to the Hub, which writes it down; the endpoint of the operator tells the servers (CRL, OCSP).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from iotsec.decide.certificate_note import IssuedCertificate
from iotsec.decide.secrets import SecretFacts
from iotsec.decide.times import is_over, unix
from iotsec.decide.tls_view import TlsView
from iotsec.decide.views import Declared, HubView


def every_certificate(identity: Declared, secrets: Iterable[SecretFacts], *, now: int) -> tuple[IssuedCertificate, ...]:
    """Return every certificate that was issued to the identity and may still be used."""
    told = [one for s in secrets if s.certificate is not None for one in s.certificate.everything()]
    forgotten = lost_certificate(identity, told, now=now)
    return (*told, *((forgotten,) if forgotten is not None else ()))


def superseded_certificates(secrets: Iterable[SecretFacts]) -> tuple[IssuedCertificate, ...]:
    """Return the certificates that were replaced and must be refused, whatever becomes of the identity."""
    return tuple(one for s in secrets if s.certificate is not None for one in s.certificate.superseded)


def lost_certificate(identity: Declared, told: Iterable[IssuedCertificate], *, now: int) -> IssuedCertificate | None:
    """Return the certificate that the status tells of where no Secret does (any more)."""
    found = certificate_in(identity.status)
    if found is None or is_over(found.expires_at, now) or any(one.serial == found.serial for one in told):
        return None
    return found


def certificate_in(status: Mapping[str, Any]) -> IssuedCertificate | None:
    """Return the certificate that a status tells of."""
    told = status.get("certificate") or {}
    if not {"serial", "issuer", "expiresAt"} <= told.keys():
        return None
    return IssuedCertificate(int(told["serial"], 16), str(told["issuer"]), unix(told["expiresAt"]))


def pending_certificates(
    hub: HubView | None, wanted: Iterable[IssuedCertificate], *, now: int
) -> tuple[IssuedCertificate, ...]:
    """Return the certificates that are to be revoked and are not recorded so, each once.

    None where nobody asks us: without a policy, or where certificates are somebody else's to revoke.
    """
    tls = hub.tls if hub is not None else None
    if tls is None or tls.issuer is not None:
        return ()
    return tuple(dict.fromkeys(one for one in wanted if not is_over(one.expires_at, now) and not is_revoked(tls, one)))


def is_revoked(tls: TlsView, one: IssuedCertificate) -> bool:
    """Tell whether it is written down that a certificate ended early."""
    return tls.revoked.covers(one.serial, one.issuer)
