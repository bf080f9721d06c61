"""Making an identity's certificate: signed by the Hub's CA, or taken from whoever was asked to sign."""

from collections.abc import Callable
from dataclasses import dataclass

from iotsec.decide.certificate_note import CertificateNote
from iotsec.decide.certificate_secret import Material
from iotsec.decide.certificate_wanted import WantedCertificate
from iotsec.decide.conditions import Reason
from iotsec.decide.orders import Order, OrderState, PlacedOrder
from iotsec.decide.plan import Placing
from iotsec.decide.tls_view import TlsView
from iotsec.x509.authority import UnusableAuthorityError
from iotsec.x509.bundle import bundle, digest
from iotsec.x509.certificate import BACKDATED_SECONDS, issue, read_certificate
from iotsec.x509.keys import KeyType, PrivateKey, UnusableKeyError, new_serial
from iotsec.x509.names import InvalidNamesError, Usage
from iotsec.x509.requests import RequestRefusedError, make_request, read_request

STALE_SECONDS = 120
"""How old a certificate of a CA that is being left must be before another is asked for: the issuer may be slow to go
over to the other CA, and would be asked without end."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why no certificate is issued."""

    reason: Reason
    message: str
    stalled: bool = False
    """Only a change of the spec can help."""


class NotIssuedError(Exception):
    """No certificate can be had now.

    ``placing`` is what to order from somebody else first, ``found_root`` the root that one signs by and nobody is known
    to trust, ``due`` when to look again, in unix seconds; ``stale``: what was signed before is of no use.
    """

    def __init__(
        self,
        fault: Fault,
        *,
        placing: Placing | None = None,
        found_root: bytes = b"",
        due: int | None = None,
        stale: bool = False,
    ) -> None:
        super().__init__(fault.message)
        self.fault = fault
        self.placing = placing
        self.found_root = found_root
        self.due = due
        self.stale = stale


@dataclass(frozen=True, slots=True)
class Making:
    """What a new certificate is made with."""

    now: int
    entropy: Callable[[], bytes]
    make_key: Callable[[KeyType], PrivateKey]
    placed: PlacedOrder | None = None


def made_certificate(
    wanted: WantedCertificate, tls: TlsView, key: PrivateKey | None, making: Making
) -> tuple[CertificateNote, Material]:
    """Return a new certificate and the note of it; ``key`` is the one to keep, if any.

    Raises:
        NotIssuedError: it cannot be had now, or not as the spec asks for it.

    """
    if missing := issuer_fault(tls):
        raise NotIssuedError(missing)
    try:
        if tls.authority is None:
            return _taken(wanted, tls, key, making)
        return _signed(wanted, tls, key, making)
    except RequestRefusedError as error:
        fault = Fault(Reason.CERTIFICATE_REQUEST_REFUSED, f"spec.certificate.csr: {error}", stalled=True)
    except (InvalidNamesError, UnusableKeyError) as error:
        fault = Fault(Reason.CERTIFICATE_REQUEST_REFUSED, f"spec.certificate: {error}", stalled=True)
    except UnusableAuthorityError as error:
        fault = Fault(Reason.ISSUER_NOT_READY, f"the Hub's CA cannot sign: {error}")
    raise NotIssuedError(fault)


def issuer_fault(tls: TlsView) -> Fault | None:
    """Return why there is nobody to sign; ``None`` where there is."""
    if tls.problem:
        return Fault(Reason.ISSUER_NOT_READY, tls.problem)
    if not tls.generation or (tls.authority is None and tls.issuer is None):
        return Fault(Reason.ISSUER_NOT_READY, "the Hub has no CA yet that its servers trust")
    return None


def _signed(
    wanted: WantedCertificate, tls: TlsView, key: PrivateKey | None, making: Making
) -> tuple[CertificateNote, Material]:
    """Sign by the Hub's own CA."""
    authority = tls.authority
    assert authority is not None  # noqa: S101 - whoever calls this has seen to it
    if wanted.request:
        private, public = b"", read_request(wanted.request, wanted.names)
    else:
        key = key or making.make_key(tls.key_type)
        private, public = key.to_pem(), key.public
    issued_at = making.now - BACKDATED_SECONDS
    serial, expires_at = new_serial(making.entropy()), making.now + tls.policy.duration
    pem = issue(
        authority,
        wanted.names,
        Usage.CLIENT,
        public,
        serial=serial,
        issued_at=issued_at,
        expires_at=expires_at,
        ocsp_url=tls.ocsp_url,
        crl_url=tls.crl_url,
    )
    note = wanted.noted(
        public,
        serial=serial,
        issuer=authority.key_id,
        generation=tls.generation,
        issued_at=issued_at,
        expires_at=min(expires_at, authority.expires_at),
    )
    return note, Material(pem, private)


def _taken(
    wanted: WantedCertificate, tls: TlsView, key: PrivateKey | None, making: Making
) -> tuple[CertificateNote, Material]:
    """Take what the issuer signed; where that is of no use yet, `NotIssuedError` says what to ask for."""
    placed, issuer = making.placed, _issuer(tls)
    if placed is None or not _is_for(placed, wanted, tls, key):
        asked = Fault(Reason.ISSUER_NOT_READY, f"{issuer} is asked to sign")
        raise NotIssuedError(asked, placing=_placing(wanted, tls, key, making))
    if placed.state is OrderState.REFUSED:
        again = _placing(wanted, tls, placed.key, making) if placed.retry_at <= making.now else None
        refused = Fault(Reason.ISSUER_REFUSED, f"it is asked for again: {placed.message}")
        raise NotIssuedError(refused, placing=again, due=placed.retry_at)
    if placed.state is OrderState.OPEN:
        message = placed.message or f"{issuer} was asked to sign and has not answered yet"
        raise NotIssuedError(Fault(Reason.ISSUER_NOT_READY, message))
    facts = read_certificate(placed.certificate)
    public = placed.key.public if placed.key is not None else read_request(wanted.request, wanted.names)
    if facts.public != public:
        raise NotIssuedError(Fault(Reason.ISSUER_REFUSED, f"{issuer} answered with a certificate for another key"))
    generation = digest(bundle(placed.root))
    if generation != tls.generation and generation in tls.accepted:
        message = f"{issuer} signed by the CA that the Hub is leaving, and is asked again"
        again_at = facts.issued_at + STALE_SECONDS
        again = _placing(wanted, tls, placed.key, making) if again_at <= making.now else None
        raise NotIssuedError(Fault(Reason.ISSUER_NOT_READY, message), placing=again, due=again_at, stale=True)
    if generation != tls.generation:
        message = f"{issuer} signs by a CA that is new: its certificate is used once every server trusts that"
        raise NotIssuedError(Fault(Reason.ISSUER_NOT_READY, message), found_root=placed.root)
    note = wanted.noted(
        public,
        serial=facts.serial,
        issuer=facts.issuer_key_id,
        generation=tls.generation,
        issued_at=facts.issued_at,
        expires_at=min(facts.expires_at, placed.expires_at or facts.expires_at),
    )
    return note, Material(placed.certificate, placed.key.to_pem() if placed.key is not None else b"")


def _placing(wanted: WantedCertificate, tls: TlsView, key: PrivateKey | None, making: Making) -> Placing:
    assert tls.issuer is not None  # noqa: S101 - whoever calls this has seen to it
    if wanted.request:
        read_request(wanted.request, wanted.names)
        private, request = None, wanted.request
    else:
        private = key or making.make_key(tls.key_type)
        request = make_request(private, wanted.names, Usage.CLIENT)
    return Placing(Order(tls.issuer, wanted.names, Usage.CLIENT, tls.policy.duration, request), private)


def _is_for(placed: PlacedOrder, wanted: WantedCertificate, tls: TlsView, key: PrivateKey | None) -> bool:
    """Tell whether an order is for just what is wanted now."""
    order = placed.order
    if (order.issuer, order.names, order.duration) != (tls.issuer, wanted.names, tls.policy.duration):
        return False
    if wanted.request:
        return order.request == wanted.request
    return placed.key is not None and placed.key.key_type == tls.key_type and key in (None, placed.key)


def _issuer(tls: TlsView) -> str:
    return f"{tls.issuer.kind} {tls.issuer.name}" if tls.issuer is not None else "the Hub's CA"
