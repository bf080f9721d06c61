"""An identity's credential and the Secret that presents it: kept, re-presented, renewed, re-issued or made anew."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from iotsec.decide import names
from iotsec.decide.cutoff import horizon, merged, pending
from iotsec.decide.grant import Grant
from iotsec.decide.issued import Issued
from iotsec.decide.ledger import Revocation
from iotsec.decide.rotation import renewal_time
from iotsec.decide.secrets import Owner, SecretFacts, SecretManifest, data_of, is_satisfied, tidied
from iotsec.decide.times import unix
from iotsec.decide.views import Contents, HubView, Identity
from iotsec.nats import creds, jwt
from iotsec.nats.keys import InvalidKey, KeyType, SigningKey

RENEW = "renew"
_REISSUE = "re-issue"
_SEED = re.compile(rb"(?<![A-Z2-7])SU[A-Z2-7]{56}(?![A-Z2-7])")


@dataclass(frozen=True, slots=True)
class Credential:
    """What is issued, and the Secret to write for it where it is not written yet."""

    issued: Issued
    manifest: SecretManifest | None = None
    moves: bool = False
    """The Secret is to be created (again, or under another name) instead of changed in place."""
    action: str = ""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a credential depends on beside what is granted and what its Secret says."""

    hub: HubView
    secret_name: str
    lost: Revocation | None
    """What the status says was issued later than the Secret tells: it was lost, or put back as it once was."""
    now: int
    entropy: Callable[[], bytes]


def credential(
    identity: Identity,
    granted: Grant,
    current: SecretFacts | None,
    contents: Contents | None,
    around: Circumstances,
) -> Credential | None:
    """Return the credential the identity should have, or ``None`` where its Secret must be read first."""
    lost = around.lost
    if current is None:
        key, public = _key(identity, None, around.entropy)
        first = _first(identity, granted, public, (lost,) if lost else (), around)
        return _presented(identity, granted, first, key, around, action="re-key" if lost else "issue")
    issued = current.issued
    why = _why_reissue(identity, granted, issued, around.now)
    moves = current.deleting or current.name != around.secret_name
    if (
        not (why or lost or moves or current.suspect)
        and issued is not None
        and current.finalized
        and issued.layout == _layout(identity, granted, around.secret_name)
    ):
        return Credential(issued)
    if contents is None:
        return None
    data = data_of(contents.secret)
    # Where the status knows of something later, the key in the Secret is an old one that came back: never again.
    known = issued.key if issued is not None and lost is None else identity.status.get("publicKey", "")
    key, public = _key(identity, _held(data, known), around.entropy)
    recovered = _recovered(identity, granted, data, public) if issued is None else None
    if recovered is not None:
        issued, lost = recovered, None
        why = _why_reissue(identity, granted, issued, around.now)
    if issued is None or lost is not None or issued.key != public or issued.account != _account(granted):
        ended = (*((lost,) if lost else ()), *((*issued.superseded, issued.revocation()) if issued else ()))
        new = _first(identity, granted, public, ended, around, revision=issued.revision if issued else 0)
        action = "re-key" if known and known != public else _REISSUE
    elif why:
        new, action = _again(granted, issued, around, supersede=why == _REISSUE), why
    else:
        new, action = issued, "repair" if current.suspect or moves else "re-present"
    made = _presented(identity, granted, new, key, around, action=action)
    if moves or made.manifest is None:
        return made
    manifest = tidied(made.manifest, contents.secret)
    if is_satisfied(contents.secret, manifest):
        return Credential(made.issued)
    return replace(made, manifest=manifest, moves=False)


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
    token = granted.token(key=issued.key, issued_at=issued.issued_at, expires_at=issued.expires_at)
    data = {names.USER_JWT_KEY: token.encode(), names.INBOX_KEY: granted.inbox_prefix.encode()}
    if key is not None:
        data[identity.spec.effective_creds_key] = creds.format_creds(token, key)
    issued = replace(
        issued,
        layout=_layout(identity, granted, around.secret_name),
        keys=tuple(sorted(data)),
    )
    return Credential(issued, _manifest(identity, granted, around.secret_name, data, issued), moves=True, action=action)


def _why_reissue(identity: Identity, granted: Grant, issued: Issued | None, now: int) -> str:
    """Return ``re-issue`` where the JWT says the wrong thing or is refused, ``renew`` where it is old, else nothing."""
    if (
        issued is None
        or issued.digest != granted.digest
        or issued.account != _account(granted)
        or (identity.spec.public_key or issued.key) != issued.key
        or granted.account.recorded.revoked_at(issued.key) >= issued.issued_at
    ):
        return _REISSUE
    due = renewal_time(
        issued_at=issued.issued_at,
        expires_at=issued.expires_at,
        renew_before=granted.renew_before,
        salt=identity.uid,
    )
    return RENEW if now >= due else ""


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
        valid_until=max((expires_at, *(r.until for r in before))),
        digest=granted.digest,
        layout="",
        keys=(),
        revision=max(revision, int(identity.status.get("revision", 0))) + 1,
        superseded=pending(around.hub, superseded, now=around.now),
    )


def _again(granted: Grant, issued: Issued, around: Circumstances, *, supersede: bool) -> Issued:
    """Issue again to the same key; a plain renewal lets the old JWT run out, any other change ends it."""
    ended = (*issued.superseded, issued.revocation()) if supersede else issued.superseded
    issued_at = max(around.now, issued.issued_at + 1, granted.account.recorded.revoked_at(issued.key) + 1)
    expires_at = issued_at + granted.duration
    return replace(
        issued,
        id=granted.name,
        issued_at=issued_at,
        expires_at=expires_at,
        valid_until=max(issued.valid_until, expires_at),
        digest=granted.digest,
        revision=issued.revision + 1,
        superseded=pending(around.hub, merged(ended), now=around.now),
    )


def _recovered(identity: Identity, granted: Grant, data: Mapping[str, bytes], public: str) -> Issued | None:
    """Return what was issued where only the note of it was damaged: the JWT is just what would be issued now."""
    text = data.get(names.USER_JWT_KEY, b"").decode(errors="replace")
    try:
        found = jwt.decode(text, verify=False)
    except jwt.InvalidToken:
        return None
    status = identity.status
    if found.expires_at is None or "issuedAt" not in status or not status.get("publicKey") == found.subject == public:
        return None
    token = granted.token(key=public, issued_at=found.issued_at, expires_at=found.expires_at)
    if token != text or found.issued_at < unix(status["issuedAt"]):
        return None
    return Issued(
        account=_account(granted),
        key=public,
        id=granted.name,
        issued_at=found.issued_at,
        expires_at=found.expires_at,
        valid_until=horizon(identity, found.expires_at),
        digest=granted.digest,
        layout="",
        keys=(),
        revision=max(1, int(status.get("revision", 1))),
    )


def _held(data: Mapping[str, bytes], public: str) -> SigningKey | None:
    """Return the key of this public half, if its seed is anywhere in a Secret's data; somebody else's is of no use."""
    for value in data.values():
        for seed in _SEED.findall(value):
            try:
                key = SigningKey.from_seed(seed, KeyType.USER)
            except InvalidKey:
                continue
            if key.public == public:
                return key
    return None


def _key(identity: Identity, held: SigningKey | None, entropy: Callable[[], bytes]) -> tuple[SigningKey | None, str]:
    """Return the key pair and its public half: the device's own, the one at hand, or a new one."""
    if identity.spec.public_key is not None:
        return None, identity.spec.public_key
    key = held or SigningKey.generate(KeyType.USER, entropy())
    return key, key.public


def _account(granted: Grant) -> str:
    return granted.account.keys.identity.public


def _layout(identity: Identity, granted: Grant, secret_name: str) -> str:
    template = identity.spec.secret_template
    body = [
        secret_name,
        identity.spec.public_key or identity.spec.effective_creds_key,
        granted.inbox_prefix,
        dict(template.labels),
        dict(template.annotations),
    ]
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]


def _manifest(
    identity: Identity, granted: Grant, secret_name: str, data: dict[str, bytes], issued: Issued
) -> SecretManifest:
    reference = identity.spec.hub_ref
    return SecretManifest(
        namespace=identity.namespace,
        name=secret_name,
        data=data,
        owner=Owner(identity.kind, identity.name, identity.uid),
        component=names.CREDENTIALS,
        hub=f"{reference.namespace or identity.namespace}/{reference.name}",
        labels=dict(identity.spec.secret_template.labels),
        annotations=dict(identity.spec.secret_template.annotations),
        issued=issued,
        seal=issued.seal(
            granted.account.keys.identity, secret=f"{identity.namespace}/{secret_name}", owner=identity.uid
        ),
    )
