"""Why an identity's certificate is issued again, and when that may happen."""

from dataclasses import dataclass
from enum import StrEnum

from iotsec.decide.certificate_note import CertificateNote
from iotsec.decide.certificate_wanted import WantedCertificate
from iotsec.decide.occasion import FORCED_SECONDS
from iotsec.decide.rotation import forced, turn
from iotsec.decide.tls_view import TlsView
from iotsec.decide.views import Identity


class Why(StrEnum):
    """Why a certificate is issued."""

    REISSUE = "re-issue"
    """It says the wrong thing, or is refused."""
    CHANGE = "change"
    """It is of a CA, a trust domain or a kind of key that the Hub is leaving."""
    ROTATE = "rotate"
    """Somebody asked for another."""
    RENEW = "renew"
    """It ends before long."""


@dataclass(frozen=True, slots=True)
class CertificateOccasion:
    """The next time a certificate is replaced, all in unix seconds."""

    why: Why
    due: int | None
    """``None``: never, as far as can be known."""
    deadline: int | None
    """From when on it waits for no turn; ``None`` where it never does."""
    window_missed: bool = False

    def is_due(self, now: int) -> bool:
        """Tell whether it is to be replaced now."""
        return self.due is not None and self.due <= now


def next_certificate(
    identity: Identity,
    wanted: WantedCertificate,
    tls: TlsView,
    note: CertificateNote,
    *,
    tokens: tuple[str, ...],
    now: int,
) -> CertificateOccasion:
    """Return when and why a certificate is replaced next; ``tokens`` ask for another now."""
    if not wanted.is_told_by(note) or not is_accepted(note, tls, now=now):
        return CertificateOccasion(Why.REISSUE, now, None)
    if forced(tokens, note.heeded):
        return CertificateOccasion(Why.ROTATE, now, now + FORCED_SECONDS)
    if note.shape != wanted.shape or note.generation != tls.generation:
        return CertificateOccasion(Why.CHANGE, now, tls.reissue_deadline or now + FORCED_SECONDS)
    if tls.authority is not None and note.expires_at >= tls.authority.expires_at:
        return CertificateOccasion(Why.RENEW, None, None)  # no certificate of this CA would end later
    renewal = turn(note, tls.policy, salt=f"{identity.uid}/certificate", now=now)
    return CertificateOccasion(Why.RENEW, renewal.due, renewal.deadline, renewal.window_missed)


def is_accepted(note: CertificateNote, tls: TlsView, *, now: int) -> bool:
    """Tell whether the servers let a certificate in: it has not ended, is of a CA they trust and is not revoked.

    Where no CA is known at the moment, what they trusted they trust still.
    """
    trusted = not tls.generation or note.generation == tls.generation or note.generation in tls.accepted
    return trusted and now < note.expires_at and not tls.revoked.covers(note.serial, note.issuer)
