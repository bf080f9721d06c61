"""What a new credential says: to whom it is issued, from when to when, and what ends or overlaps by that."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from iotsec.decide.cutoff import merged, pending
from iotsec.decide.grant import Grant
from iotsec.decide.issued import Former, Issued
from iotsec.decide.ledger import FOREVER, Revocation
from iotsec.decide.occasion import Why, tokens_of
from iotsec.decide.rotation import overlap_end
from iotsec.decide.views import HubView, Identity

_MOST_FORMERS = 64  # noted on a Secret, some 150 bytes each: annotations have 256 KiB together


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a credential depends on beside what is granted and what its Secret says."""

    hub: HubView
    secret_name: str
    lost: Revocation | None
    """What the status says was issued later than the Secret tells: it was lost, or put back as it once was."""
    lost_formers: tuple[Revocation, ...]
    """What worked beside that."""
    now: int
    entropy: Callable[[], bytes]

    @property
    def bundle(self) -> tuple[bytes, str]:
        """The trust bundle that goes beside it, and what names that; both empty where there is none."""
        tls = self.hub.tls
        return (tls.bundle, tls.digest) if tls is not None and tls.bundle else (b"", "")


def first_issue(
    identity: Identity,
    granted: Grant,
    key: str,
    ended: Iterable[Revocation],
    around: Circumstances,
    *,
    revision: int = 0,
) -> Issued:
    """Issue to a key for the first time, or after all it had before has ended."""
    superseded = merged(ended)
    before = [r for r in superseded if (r.account, r.key) == (granted.account.keys.public, key)]
    issued_at = max(around.now, granted.account.recorded.revoked_at(key) + 1, *(r.at + 1 for r in before))
    expires_at = issued_at + granted.duration
    return Issued(
        account=granted.account.keys.public,
        key=key,
        id=granted.name,
        issued_at=issued_at,
        expires_at=expires_at,
        valid_until=max((expires_at, *(r.until for r in before), *_elsewhere(identity, granted))),
        signer=granted.signer.public,
        key_at=issued_at,
        digest=granted.digest,
        layout="",
        keys=(),
        revision=max(revision, int(identity.status.get("revision", 0))) + 1,
        superseded=pending(around.hub, superseded, now=around.now),
        heeded=tokens_of(identity, None),
    )


def _elsewhere(identity: Identity, granted: Grant) -> tuple[int, ...]:
    """Return when JWTs end that somebody else may have issued for the key: it may have been a user before us."""
    brings_key = identity.spec.public_key is not None
    return (FOREVER,) if brings_key and granted.account.recorded.adopted is not None else ()


def issued_again(granted: Grant, issued: Issued, around: Circumstances, why: Why) -> Issued:
    """Issue again to the same key; where what is granted changed the old JWT ends at once, else after its overlap."""
    now = around.now
    issued_at = max(now, issued.issued_at + 1, granted.account.recorded.revoked_at(issued.key) + 1)
    expires_at = issued_at + granted.duration
    supersede = why is Why.REISSUE
    ended = issued.everything() if supersede else issued.superseded
    # What a signing key signed that is gone ended with it.
    overlaps = not supersede and granted.signed_by(issued.signer) is not None
    formers, crowded = _formers(granted, issued, granted.policy.jwt.overlap, now) if overlaps else ((), ())
    return replace(
        issued,
        id=granted.name,
        issued_at=issued_at,
        expires_at=expires_at,
        valid_until=max(issued.valid_until, expires_at),
        signer=granted.signer.public,
        digest=granted.digest,
        revision=issued.revision + 1,
        superseded=pending(around.hub, merged((*ended, *crowded)), now=now),
        formers=formers,
    )


def issued_to_new_key(granted: Grant, issued: Issued, key: str, around: Circumstances) -> Issued:
    """Issue to a new key; the former works until the overlap is over."""
    now = around.now
    policy = granted.policy.key or granted.policy.jwt
    # What was said of everybody may be of times to come: the clock may have been ahead.
    issued_at = max(now, granted.account.recorded.revoked_at(key) + 1)
    expires_at = issued_at + granted.duration
    formers, crowded = _formers(granted, issued, policy.overlap, now)
    return replace(
        issued,
        key=key,
        issued_at=issued_at,
        expires_at=expires_at,
        valid_until=expires_at,
        signer=granted.signer.public,
        key_at=issued_at,
        revision=issued.revision + 1,
        superseded=pending(around.hub, merged((*issued.superseded, *crowded)), now=now),
        formers=formers,
    )


def _formers(
    granted: Grant, issued: Issued, overlap: int | None, now: int
) -> tuple[tuple[Former, ...], tuple[Revocation, ...]]:
    """Return what works beside what is issued now: what was there, and what worked beside that.

    And what of it must end, since there is too much of it: the note would outgrow its Secret.
    """
    former = Former(
        key=issued.key,
        issued_at=issued.issued_at,
        expires_at=issued.expires_at,
        ends_at=overlap_end(expires_at=issued.expires_at, overlap=overlap, now=now),
        signer=issued.signer,
    )
    # One whose time is over stays until it has expired: until then its revocation must not be forgotten.
    older = [f for f in issued.formers if now < f.expires_at and granted.signed_by(f.signer) is not None]
    formers = (*(replace(f, ends_at=min(f.ends_at, former.ends_at)) for f in older), former)
    crowded = tuple(f.revocation(issued.account) for f in formers[:-_MOST_FORMERS])
    return formers[-_MOST_FORMERS:], crowded
