"""An identity's certificate as it stands, and what is to be done about it, as plain data."""

from dataclasses import dataclass

from iotsec.decide.certificate_issue import Fault, Making
from iotsec.decide.certificate_note import CertificateNote, IssuedCertificate
from iotsec.decide.certificate_occasion import CertificateOccasion, next_certificate
from iotsec.decide.certificate_wanted import WantedCertificate
from iotsec.decide.grant import Grant
from iotsec.decide.occasion import tokens_of
from iotsec.decide.plan import Placing
from iotsec.decide.secrets import SecretFacts, SecretWrite
from iotsec.decide.tls_view import TlsView
from iotsec.decide.views import HubView, Identity


@dataclass(frozen=True, slots=True)
class CertificatePlan:
    """What is to be done for a certificate, and what is to be told of it."""

    wanted: bool = False
    """The identity is to have one."""
    secret_name: str = ""
    note: CertificateNote | None = None
    """What the Secret holds once all of this is done; ``None`` where it holds nothing of use."""
    usable: bool = False
    """The servers let it in."""
    fault: Fault | None = None
    """Why none is issued though one should be."""
    coming: CertificateOccasion | None = None
    """When it is replaced next."""
    read: SecretFacts | None = None
    awaits_turn: bool = False
    """It is issued when its turn has come."""
    write: SecretWrite | None = None
    placing: Placing | None = None
    order_over: bool = False
    found_root: bytes = b""
    drop: tuple[SecretFacts, ...] = ()
    revoke: tuple[IssuedCertificate, ...] = ()
    deadline: int | None = None
    """Until when, in unix seconds, it may wait; counts only where something is to be read, written or ordered."""
    due: int | None = None
    action: str = ""

    @property
    def works(self) -> bool:
        """Whether anything is to be read, written, ordered or let go."""
        return bool(self.read or self.awaits_turn or self.write or self.placing or self.drop)

    @property
    def awaits_hub(self) -> bool:
        """Whether something is waited for that the Hub's worker does."""
        return bool(self.revoke) or (self.fault is not None and not self.fault.stalled)

    def look_again(self, now: int) -> int | None:
        """Return when it is to be looked at again, in unix seconds; whoever waits for somebody else is told."""
        coming = self.coming.due if self.coming is not None and self.fault is None else None
        return min((at for at in (coming, self.due) if at is not None and at > now), default=None)


@dataclass(frozen=True, slots=True)
class Standing:
    """What there is, and what is wanted of it."""

    identity: Identity
    hub: HubView
    granted: Grant
    tls: TlsView
    wanted: WantedCertificate
    held: tuple[SecretFacts, ...]
    current: SecretFacts | None
    lost: IssuedCertificate | None
    """What the status says was issued later than any Secret tells."""
    making: Making
    has_turn: bool

    @property
    def moves(self) -> bool:
        """Whether the Secret is to be created (again, or under another name) instead of changed in place."""
        current, note = self.current, self.note
        if current is None:
            return True
        # The type of a Secret is for ever.
        other_type = note is not None and bool(note.request) != bool(self.wanted.request)
        return current.deleting or current.name != self.wanted.secret_name or other_type

    @property
    def astray(self) -> bool:
        """Whether the Secret is not where and as we left it."""
        return self.current is None or self.moves or self.current.suspect or not self.current.finalized

    @property
    def note(self) -> CertificateNote | None:
        """What the Secret says was issued."""
        return self.current.certificate if self.current is not None else None

    @property
    def tokens(self) -> tuple[str, ...]:
        """What asks for another certificate, on the object and on the Secret."""
        return tokens_of(self.identity, self.current)

    def coming(self, note: CertificateNote) -> CertificateOccasion:
        """Return when and why a certificate of this note is replaced next."""
        return next_certificate(self.identity, self.wanted, self.tls, note, tokens=self.tokens, now=self.making.now)
