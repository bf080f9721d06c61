"""The certificates of a Hub's servers, and of the operator itself: kept, or issued again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from iotsec.decide.authorities import Generation, source_of
from iotsec.decide.names import TLS_CERTIFICATE_KEY, TLS_PRIVATE_KEY
from iotsec.decide.orders import Order, OrderState, PlacedOrder
from iotsec.decide.rotation import Life, turn
from iotsec.decide.tls_view import TlsView
from iotsec.x509.anchors import leads_to
from iotsec.x509.bundle import separate
from iotsec.x509.certificate import (
    BACKDATED_SECONDS,
    CertificateFacts,
    InvalidCertificateError,
    issue,
    read_certificate,
)
from iotsec.x509.keys import InvalidPrivateKeyError, KeyType, PrivateKey, new_serial
from iotsec.x509.names import Names, Usage
from iotsec.x509.requests import make_request


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """One certificate with its key."""

    certificate: bytes
    """The leaf and what signed it, PEM."""
    key: PrivateKey = field(repr=False)
    facts: CertificateFacts

    def is_of(self, generation: Generation) -> bool:
        """Tell whether a CA issued it, and whoever trusts its root can verify it with what is sent along."""
        return _is_of(self.certificate, generation.certificate, generation.root)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is to be done about one certificate."""

    certificate: ServerCertificate | None
    """What is to be used; it is written first where ``is_new``."""
    is_new: bool = False
    due: int | None = None
    """When it is renewed next, in unix seconds."""
    order: tuple[Order, PrivateKey] | None = None
    """What to ask the issuer for."""
    waits_for: str = ""
    """What is missing; empty where it is as it should be."""


@lru_cache(maxsize=256)  # asked at every look at a Hub, of the same few certificates
def _is_of(certificate: bytes, ca: bytes, root: bytes) -> bool:
    if not ca:
        return leads_to(certificate, root)
    leaf, *above = separate(certificate)
    sent = b"".join(above) or root
    return sent == ca and leads_to(leaf, separate(ca)[0])


def read_server_certificate(data: Mapping[str, bytes]) -> ServerCertificate | None:
    """Read what a Secret holds; ``None`` where that is no certificate with its key."""
    try:
        certificate = data.get(TLS_CERTIFICATE_KEY, b"")
        key = PrivateKey.from_pem(data.get(TLS_PRIVATE_KEY, b""))
        facts = read_certificate(certificate)
    except (InvalidCertificateError, InvalidPrivateKeyError):
        return None
    return ServerCertificate(certificate, key, facts) if facts.public == key.public else None


def plan_server_certificate(
    held: ServerCertificate | None,
    wanted: tuple[Names, Usage],
    tls: TlsView,
    signing: Generation | None,
    *,
    salt: str,
    forced: bool,
    placed: PlacedOrder | None,
    make_key: Callable[[KeyType], PrivateKey],
    now: int,
    entropy: Callable[[], bytes],
) -> Outcome:
    """Decide about one certificate: keep it, issue another, or have another issued; ``now`` in unix seconds.

    One that works stays while no other can be had.
    """
    due = None
    if held is not None and is_as_wanted(held, wanted, tls, signing) and not forced:
        due = turn(Life(held.facts.issued_at, held.facts.expires_at), tls.policy, salt=salt, now=now).due
        stays = due > now or not _outlived(held, tls, now)
        if stays and not _is_asked_for(wanted, tls, signing, placed):
            return Outcome(held, due=due if due > now else None)
    key = held.key if held is not None and tls.keep_key and held.key.key_type == tls.key_type else None
    if tls.authority is not None:
        made = _issued(wanted, tls, key or make_key(tls.key_type), now=now, entropy=entropy)
        due = turn(Life(made.facts.issued_at, made.facts.expires_at), tls.policy, salt=salt, now=now).due
        return Outcome(made, is_new=True, due=due)
    if tls.issuer is None:
        return Outcome(held, waits_for=tls.problem or "there is no CA to issue it")
    outcome = _from_issuer(held, wanted, tls, signing=signing, key=key, placed=placed, make_key=make_key, now=now)
    if due is None or due <= now:
        return outcome
    if outcome.is_new and _is_foreign(tls, signing):  # another issuer of the same CA: there is nothing to be gained
        return Outcome(held, due=due)
    return outcome if outcome.is_new else replace(outcome, due=due)


def is_as_wanted(
    held: ServerCertificate, wanted: tuple[Names, Usage], tls: TlsView, signing: Generation | None
) -> bool:
    """Tell whether a certificate says what it should, has a key as it should, and is of the CA that signs."""
    names, _ = wanted
    return (
        held.facts.names.is_same_as(names)
        and held.key.key_type == tls.key_type
        # A server that is to staple refuses a certificate that does not say whom to ask (nats-server ocsp.go).
        and (tls.authority is None or held.facts.ocsp_url == tls.ocsp_url)
        and signing is not None
        and held.is_of(signing)
    )


def _is_asked_for(
    wanted: tuple[Names, Usage], tls: TlsView, signing: Generation | None, placed: PlacedOrder | None
) -> bool:
    """Tell whether an issuer is asked, or to be asked, for one that is not due: somebody wants it, or another CA."""
    if tls.issuer is None:
        return False
    order = Order(tls.issuer, *wanted, tls.policy.duration, b"")
    is_placed = placed is not None and placed.key is not None and placed.order.wanted == order.wanted
    return is_placed or _is_foreign(tls, signing)


def _is_foreign(tls: TlsView, signing: Generation | None) -> bool:
    """Tell whether the CA that signs is not known to be the issuer's: it has to be asked to find out which is."""
    return tls.issuer is not None and signing is not None and signing.source != source_of(tls.issuer)


def _outlived(held: ServerCertificate, tls: TlsView, now: int) -> bool:
    """Tell whether another certificate would end later; near the end of its CA none does."""
    if tls.authority is None:
        return True
    return min(now + tls.policy.duration, tls.authority.expires_at) > held.facts.expires_at


def _issued(
    wanted: tuple[Names, Usage], tls: TlsView, key: PrivateKey, *, now: int, entropy: Callable[[], bytes]
) -> ServerCertificate:
    assert tls.authority is not None  # noqa: S101 - the caller looked
    certificate = issue(
        tls.authority,
        *wanted,
        key.public,
        serial=new_serial(entropy()),
        issued_at=now - BACKDATED_SECONDS,
        expires_at=now + tls.policy.duration,
        ocsp_url=tls.ocsp_url,
        crl_url=tls.crl_url,
    )
    return ServerCertificate(certificate, key, read_certificate(certificate))


def _from_issuer(
    held: ServerCertificate | None,
    wanted: tuple[Names, Usage],
    tls: TlsView,
    *,
    signing: Generation | None,
    key: PrivateKey | None,
    placed: PlacedOrder | None,
    make_key: Callable[[KeyType], PrivateKey],
    now: int,
) -> Outcome:
    """Take what the issuer answered where that is what was wanted, else ask."""
    assert tls.issuer is not None  # noqa: S101 - the caller looked
    names, usage = wanted
    known = placed if placed is not None and placed.key is not None else None
    key = known.key if known is not None and known.key is not None else key or make_key(tls.key_type)
    order = Order(tls.issuer, names, usage, tls.policy.duration, make_request(key, names, usage))
    if known is None or known.order.wanted != order.wanted or key.key_type != tls.key_type:
        return Outcome(held, order=(order, key), waits_for="the issuer is being asked")
    if known.state is OrderState.REFUSED:
        return Outcome(held, order=(order, key), waits_for=f"the issuer refuses: {known.message}")
    if known.state is OrderState.OPEN:
        return Outcome(held, waits_for=known.message or "the issuer has not answered yet")
    answered = ServerCertificate(known.certificate, key, read_certificate(known.certificate))
    if answered.facts.expires_at <= now:
        return Outcome(held, order=(order, key), waits_for="what the issuer signed has ended: it is being asked again")
    if signing is None or not answered.is_of(signing):
        return Outcome(held, waits_for="the issuer has another CA, which everybody gets before it is used")
    return Outcome(answered, is_new=True)
