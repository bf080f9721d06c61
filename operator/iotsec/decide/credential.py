"""An identity's credential: kept, re-presented, renewed, rotated, re-issued or made anew."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from iotsec.decide import presentation
from iotsec.decide.grant import Grant
from iotsec.decide.issuance import Circumstances, first_issue, issued_again, issued_to_new_key
from iotsec.decide.issued import Issued
from iotsec.decide.ledger import Revocation
from iotsec.decide.occasion import Occasion, Why, is_asked_for, occasion, tokens_of
from iotsec.decide.recovery import recovered_note
from iotsec.decide.secrets import SecretFacts, SecretManifest, data_of, is_satisfied, tidied
from iotsec.decide.views import Contents, Identity
from iotsec.nats.keys import KeyType, SigningKey

BUNDLE_SECONDS = 3600
"""How long a new trust bundle may be on its way to all Secrets, where nothing else says how long."""


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
        first = first_issue(identity, granted, public, _forgotten(around), around)
        return _presented(identity, granted, first, key, around, action="re-key" if around.lost else "issue")
    issued = current.issued
    next_time = occasion(identity, granted, current, issued, now=around.now) if issued else None
    why = _due(next_time, around.now)
    moves = current.deleting or current.name != around.secret_name
    astray = around.lost is not None or moves or current.suspect or not current.finalized
    if (
        not (why or astray)
        and issued is not None
        and issued.layout == presentation.layout(identity, granted, around.secret_name, bundle=around.bundle[1])
    ):
        return Credential(issued, coming=next_time)
    # What is only to be presented otherwise can wait as well: a whole fleet may be, by one change of its Hub.
    deadline = _patience(next_time, issued, around) if not astray else None
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
    if issued is None or lost is not None or issued.key != public or issued.account != granted.account.keys.public:
        ended = (*(_forgotten(around) if lost else ()), *(issued.everything() if issued else ()))
        first = first_issue(identity, granted, public, ended, around, revision=issued.revision if issued else 0)
        action = "re-key" if known and known != public else str(Why.REISSUE)
        return replace(first, heeded=tokens_of(identity, current)), key, action
    if why is None:
        astray = current.suspect or current.deleting or current.name != around.secret_name
        return issued, key, "repair" if astray else "re-present"
    if why is Why.REISSUE and identity.spec.public_key is None and is_asked_for(identity, current, issued):
        # All it had ends now: a key that is to go needs no last JWT, which would work for an overlap.
        key, public = _key(identity, granted, None, "", around.entropy)
        first = first_issue(identity, granted, public, issued.everything(), around, revision=issued.revision)
        return replace(first, heeded=tokens_of(identity, current)), key, "re-key"
    if why is Why.ROTATE:
        key, public = _key(identity, granted, None, "", around.entropy)
        new = replace(issued_to_new_key(granted, issued, public, around), heeded=tokens_of(identity, current))
    else:
        new = issued_again(granted, issued, around, why)
    if why is Why.RENEW and identity.spec.public_key:
        new = replace(new, heeded=tokens_of(identity, current))
    return new, key, str(why)


def _forgotten(around: Circumstances) -> tuple[Revocation, ...]:
    """Return what ends with the credential that was lost."""
    return (*((around.lost,) if around.lost else ()), *around.lost_formers)


def _patience(next_time: Occasion | None, issued: Issued | None, around: Circumstances) -> int | None:
    """Return until when a write may wait; a new trust bundle must be everywhere before what it verifies is used."""
    deadline = next_time.deadline if next_time is not None else None
    tls = around.hub.tls
    if deadline is None or tls is None or issued is None or issued.bundle == around.bundle[1]:
        return deadline
    return min(deadline, tls.reissue_deadline or around.now + BUNDLE_SECONDS)


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
    bundle, digest = around.bundle
    data = presentation.contents(identity, granted, token, key, bundle=bundle)
    issued = replace(
        issued,
        signer=signer.public,
        layout=presentation.layout(identity, granted, around.secret_name, bundle=digest),
        keys=tuple(sorted(data)),
        bundle=digest,
    )
    manifest = presentation.manifest(identity, granted, around.secret_name, data, issued)
    return Credential(issued, manifest, moves=True, action=action)


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
