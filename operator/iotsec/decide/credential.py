"""An identity's credential: kept, re-presented, renewed, rotated, re-issued or made anew."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from iotsec.decide import presentation
from iotsec.decide.cutoff import merged, pending
from iotsec.decide.grant import Grant
from iotsec.decide.issued import Former, Issued
from iotsec.decide.ledger import FOREVER, Revocation
from iotsec.decide.occasion import Occasion, Why, is_asked_for, occasion, tokens_of
from iotsec.decide.recovery import recovered_note
from iotsec.decide.rotation import overlap_end
from iotsec.decide.secrets import SecretFacts, SecretManifest, data_of, is_satisfied, tidied
from iotsec.decide.views import Contents, HubView, Identity
from iotsec.nats.keys import KeyType, SigningKey

_MOST_FORMERS = 64  # noted on a Secret, some 150 bytes each: annotations have 256 KiB together


@dataclass(frozen=True, slots=True)
class Credential:
    """What is issued, and the Secret to write for it where it is not written yet."""

    issued: Issued
    manifest: SecretManifest | None = None
    moves: bool = False
    """The Secret is to be created (again, or under another name) instead of changed in place."""
    action: str = ""
    deadline: int | None = None
    """Until when, in unix seconds, the write may wait for its turn; ``None`` where it may not wait."""
    coming: Occasion | None = None
    """When it is replaced next, of one that stays as it is: it was worked out to see that."""


@dataclass(frozen=True, slots=True)
class MustRead:
    """The data of the Secret must be read first; ``deadline`` as in :class:`Credential`."""

    deadline: int | None = None


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


def credential(
    identity: Identity,
    granted: Grant,
    current: SecretFacts | None,
    contents: Contents | None,
    around: Circumstances,
) -> Credential | MustRead:
    """Return the credential the identity should have, or that its Secret must be read first."""
    if current is None:
        key, public = _key(identity, granted, None, "", around.entropy)
        first = _first(identity, granted, public, _forgotten(around), around)
        return _presented(identity, granted, first, key, around, action="re-key" if around.lost else "issue")
    issued = current.issued
    next_time = occasion(identity, granted, current, issued, now=around.now) if issued else None
    why = _due(next_time, around.now)
    moves = current.deleting or current.name != around.secret_name
    astray = around.lost is not None or moves or current.suspect or not current.finalized
    if (
        not (why or astray)
        and issued is not None
        and issued.layout == presentation.layout(identity, granted, around.secret_name)
    ):
        return Credential(issued, coming=next_time)
    # What is only to be presented otherwise can wait as well: a whole fleet may be, by one change of its Hub.
    deadline = next_time.deadline if next_time is not None and not astray else None
    if contents is None:
        return MustRead(deadline)
    new, key, action = _from_contents(identity, granted, current, data_of(contents.secret), around, why=why)
    made = _presented(identity, granted, new, key, around, action=action)
    if moves or made.manifest is None:
        return made
    manifest = tidied(made.manifest, contents.secret)
    if is_satisfied(contents.secret, manifest):
        return Credential(made.issued)
    return replace(made, manifest=manifest, moves=False, deadline=deadline)


def _from_contents(
    identity: Identity,
    granted: Grant,
    current: SecretFacts,
    data: Mapping[str, bytes],
    around: Circumstances,
    *,
    why: Why | None,
) -> tuple[Issued, SigningKey | None, str]:
    """Return what is to be issued, its key where that is ours to give out, and what is done, in a word."""
    issued, lost = current.issued, around.lost
    # Where the status knows of something later, the key in the Secret is an old one that came back: never again.
    known = issued.key if issued is not None and lost is None else identity.status.get("publicKey", "")
    key, public = _key(identity, granted, presentation.held_key(data, known), known, around.entropy)
    recovered = recovered_note(identity, granted, data, public) if issued is None else None
    if recovered is not None:
        issued, lost = recovered, None
        why = _due(occasion(identity, granted, current, issued, now=around.now), around.now)
    if issued is None or lost is not None or issued.key != public or issued.account != _account(granted):
        ended = (*(_forgotten(around) if lost else ()), *(issued.everything() if issued else ()))
        first = _first(identity, granted, public, ended, around, revision=issued.revision if issued else 0)
        action = "re-key" if known and known != public else str(Why.REISSUE)
        return replace(first, heeded=tokens_of(identity, current)), key, action
    if why is None:
        astray = current.suspect or current.deleting or current.name != around.secret_name
        return issued, key, "repair" if astray else "re-present"
    if why is Why.REISSUE and identity.spec.public_key is None and is_asked_for(identity, current, issued):
        # All it had ends now: a key that is to go needs no last JWT, which would work for an overlap.
        key, public = _key(identity, granted, None, "", around.entropy)
        first = _first(identity, granted, public, issued.everything(), around, revision=issued.revision)
        return replace(first, heeded=tokens_of(identity, current)), key, "re-key"
    if why is Why.ROTATE:
        key, public = _key(identity, granted, None, "", around.entropy)
        new = replace(_rotated(granted, issued, public, around), heeded=tokens_of(identity, current))
    else:
        new = _again(granted, issued, around, why)
    if why is Why.RENEW and identity.spec.public_key:
        new = replace(new, heeded=tokens_of(identity, current))
    return new, key, str(why)


def _forgotten(around: Circumstances) -> tuple[Revocation, ...]:
    """Return what ends with the credential that was lost."""
    return (*((around.lost,) if around.lost else ()), *around.lost_formers)


def _due(next_time: Occasion | None, now: int) -> Why | None:
    return next_time.why if next_time is not None and next_time.due <= now else None


def _presented(
    identity: Identity,
    granted: Grant,
    issued: Issued,
    key: SigningKey | None,
    around: Circumstances,
    *,
    action: str,
) -> Credential:
    """Return the credential with a Secret to create for it.

    Signing is deterministic: what was issued before comes out the same.
    """
    signer = granted.signed_by(issued.signer) or granted.signer
    token = granted.token(signer, key=issued.key, issued_at=issued.issued_at, expires_at=issued.expires_at)
    data = presentation.contents(identity, granted, token, key)
    issued = replace(
        issued,
        signer=signer.public,
        layout=presentation.layout(identity, granted, around.secret_name),
        keys=tuple(sorted(data)),
    )
    manifest = presentation.manifest(identity, granted, around.secret_name, data, issued)
    return Credential(issued, manifest, moves=True, action=action)


def _first(
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
    before = [r for r in superseded if (r.account, r.key) == (_account(granted), key)]
    issued_at = max(around.now, granted.account.recorded.revoked_at(key) + 1, *(r.at + 1 for r in before))
    expires_at = issued_at + granted.duration
    return Issued(
        account=_account(granted),
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


def _again(granted: Grant, issued: Issued, around: Circumstances, why: Why) -> Issued:
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


def _rotated(granted: Grant, issued: Issued, key: str, around: Circumstances) -> Issued:
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


def _key(
    identity: Identity, granted: Grant, held: SigningKey | None, known: str, entropy: Callable[[], bytes]
) -> tuple[SigningKey | None, str]:
    """Return the key pair and its public half: the device's own, the one at hand, or a new one.

    A bearer needs no seed, so none is kept: the ``known`` public half goes on.
    """
    if identity.spec.public_key is not None:
        return None, identity.spec.public_key
    if granted.bearer and known:
        return None, known
    key = held or SigningKey.generate(KeyType.USER, entropy())
    return None if granted.bearer else key, key.public


def _account(granted: Grant) -> str:
    return granted.account.keys.public
