"""What identities are given of their Hub's encryption."""

from dataclasses import replace

from iotsec.decide.authorities import Authorities, Phase, issuer_of
from iotsec.decide.revoked_certificates import RevokedCertificates
from iotsec.decide.rotation import Policy
from iotsec.decide.tls_settings import TlsSettings
from iotsec.decide.tls_view import TlsView
from iotsec.x509.bundle import digest
from iotsec.x509.keys import KeyType

_REISSUE_SECONDS = 86400  # for a whole fleet of 100,000 an hour is too short within the budget of writes


def first_view(settings: TlsSettings) -> TlsView:
    """Return what counts before there is a CA: an issuer's first answer tells which that is."""
    return _view(settings, bundle_of=b"")


def tls_view(settings: TlsSettings, state: Authorities, revoked: RevokedCertificates, *, hub: str) -> TlsView:
    """Return how things are with these CAs; ``hub`` is ``namespace/name``."""
    signing = state.signing
    asked = settings.revocation
    url = asked.url.rstrip("/") if asked is not None and signing.authority is not None else ""
    problem = ""
    if settings.issuer is None and signing.authority is None:
        problem = "the key of the CA is not at hand: what was issued stays, and nothing new is"
    return replace(
        # In an order that stays when another CA signs: nobody's Secret is written for that.
        _view(settings, bundle_of=state.roots),
        generation="" if problem else signing.id,
        accepted=frozenset(one.id for one in state.generations),
        authority=signing.authority if settings.issuer is None else None,
        ocsp_url=f"{url}/ocsp/{hub}" if url else "",
        crl_url=f"{url}/crl/{hub}/{signing.key_id}.crl" if url else "",
        revoked=revoked,
        problem=problem,
        reissue_deadline=state.since + _REISSUE_SECONDS if state.phase is Phase.USE else None,
    )


def kept_view(state: Authorities, revoked: RevokedCertificates, *, mutual: bool, problem: str) -> TlsView:
    """Return what keeps everything as it is, where nobody can tell how it should be: ``problem`` says why."""
    return TlsView(
        bundle=state.roots,
        digest=digest(state.roots),
        mutual=mutual,
        policy=Policy(duration=0),
        key_type=KeyType(),
        keep_key=False,
        trust_domain="",
        issuer=issuer_of(state.signing.source),
        accepted=frozenset(one.id for one in state.generations),
        revoked=revoked,
        problem=problem,
    )


def _view(settings: TlsSettings, *, bundle_of: bytes) -> TlsView:
    return TlsView(
        bundle=bundle_of,
        digest=digest(bundle_of) if bundle_of else "",
        mutual=settings.mutual,
        policy=settings.policy,
        key_type=settings.key_type,
        keep_key=settings.keep_key,
        trust_domain=settings.trust_domain,
        issuer=settings.issuer,
    )
