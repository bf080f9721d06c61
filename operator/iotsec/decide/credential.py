"""An identity's credential and the Secret that presents it: kept, re-presented, renewed, re-issued or made anew."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from iotsec.decide import names
from iotsec.decide.grant import Grant
from iotsec.decide.ledger import Revocation
from iotsec.decide.rotation import renewal_time
from iotsec.decide.secrets import Issued, Owner, SecretFacts, SecretManifest, data_of, is_satisfied
from iotsec.decide.views import Contents, Identity
from iotsec.nats import creds, jwt
from iotsec.nats.keys import InvalidKey, KeyType, SigningKey

# Old keys pile up only while the servers cannot be reached; what the ledger has is dropped from here.
_MAX_SUPERSEDED = 16


@dataclass(frozen=True, slots=True)
class Credential:
    """What is issued, and the Secret to write for it where it is not written yet."""

    issued: Issued
    manifest: SecretManifest | None = None
    moves: bool = False
    """The Secret is to be created (again, or under another name) instead of changed in place."""
    action: str = ""


@dataclass(frozen=True, slots=True)
class _Held:
    """What a Secret that was read still holds."""

    key: SigningKey | None
    token: str | None


def credential(
    identity: Identity,
    granted: Grant,
    current: SecretFacts | None,
    contents: Contents | None,
    *,
    secret_name: str,
    lost: Revocation | None,
    now: int,
    entropy: Callable[[], bytes],
) -> Credential | None:
    """Return the credential the identity should have, or ``None`` where the Secret's data must be read first.

    ``lost``: what was issued and no Secret tells of any more.
    """
    layout = _layout(identity, granted, secret_name)
    issued = current.issued if current else None
    if current is None or (issued is None and contents is None and not current.suspect):
        return _fresh(identity, granted, layout=layout, secret_name=secret_name, lost=lost, now=now, entropy=entropy)
    reissue = _why_reissue(identity, granted, issued, now) if issued else "re-issue"
    moves = current.deleting or current.name != secret_name
    if issued and not reissue and not moves and not current.suspect and current.finalized and issued.layout == layout:
        return Credential(issued)
    if contents is None:
        return None
    held = _held(identity, contents, issued)
    action = reissue or ("repair" if current.suspect or moves else "re-present")
    key, made = _key(identity, held, entropy)
    if issued is None or issued.key != made or issued.account != granted.account.keys.identity.public:
        started = _start(granted, made, issued, lost, now)
        issued = replace(started, layout=layout)
        token = granted.token(key=made, issued_at=issued.issued_at, expires_at=issued.expires_at)
        action = "re-key" if current.issued else action
    elif reissue or held.token is None:
        issued = _reissued(granted, issued, now, supersede=reissue == "re-issue")
        token = granted.token(key=made, issued_at=issued.issued_at, expires_at=issued.expires_at)
    else:
        token = held.token
    data = _data(identity, granted, token, key)
    issued = replace(issued, layout=layout, keys=tuple(sorted(data)), superseded=_unrecorded(granted, issued, now))
    manifest = _manifest(identity, secret_name, data, issued)
    if not reissue and not moves and is_satisfied(contents.secret, manifest):
        return Credential(issued)
    return Credential(issued, manifest, moves=moves, action=action)


def _fresh(
    identity: Identity,
    granted: Grant,
    *,
    layout: str,
    secret_name: str,
    lost: Revocation | None,
    now: int,
    entropy: Callable[[], bytes],
) -> Credential:
    key, public = _key(identity, None, entropy)
    issued = _start(granted, public, None, lost, now)
    token = granted.token(key=public, issued_at=issued.issued_at, expires_at=issued.expires_at)
    data = _data(identity, granted, token, key)
    issued = replace(issued, layout=layout, keys=tuple(sorted(data)))
    return Credential(issued, _manifest(identity, secret_name, data, issued), moves=True, action="issue")


def _why_reissue(identity: Identity, granted: Grant, issued: Issued, now: int) -> str:
    """Return ``re-issue`` where the JWT says the wrong thing or is refused, ``renew`` where it is old, else nothing."""
    if (
        issued.digest != granted.digest
        or issued.account != granted.account.keys.identity.public
        or (identity.spec.public_key or issued.key) != issued.key
        or granted.account.recorded.revoked_at(issued.key) >= issued.issued_at
    ):
        return "re-issue"
    due = renewal_time(
        issued_at=issued.issued_at,
        expires_at=issued.expires_at,
        renew_before=granted.renew_before,
        salt=identity.uid,
    )
    return "renew" if now >= due else ""


def _start(granted: Grant, key: str, replaced: Issued | None, lost: Revocation | None, now: int) -> Issued:
    """Issue to a key for the first time; what it replaces is superseded."""
    superseded: tuple[Revocation, ...] = (lost,) if lost else ()
    if replaced is not None:
        superseded = (*superseded, *replaced.superseded, replaced.revocation())
    account = granted.account.keys.identity.public
    before = max((r.at for r in superseded if r.key == key and r.account == account), default=0)
    issued_at = max(now, granted.account.recorded.revoked_at(key) + 1, before + 1)
    return Issued(
        account=account,
        key=key,
        issued_at=issued_at,
        expires_at=issued_at + granted.duration,
        valid_until=issued_at + granted.duration,
        digest=granted.digest,
        layout="",
        keys=(),
        revision=replaced.revision + 1 if replaced else 1,
        superseded=superseded,
    )


def _reissued(granted: Grant, issued: Issued, now: int, *, supersede: bool) -> Issued:
    """Issue again to the same key; a plain renewal lets the old JWT run out, any other change ends it."""
    issued_at = max(now, issued.issued_at + 1, granted.account.recorded.revoked_at(issued.key) + 1)
    expires_at = issued_at + granted.duration
    superseded = issued.superseded
    if supersede:
        superseded = (*(r for r in superseded if r.key != issued.key), issued.revocation())
    return replace(
        issued,
        issued_at=issued_at,
        expires_at=expires_at,
        valid_until=max(issued.valid_until, expires_at),
        digest=granted.digest,
        revision=issued.revision + 1,
        superseded=superseded,
    )


def _unrecorded(granted: Grant, issued: Issued, now: int) -> tuple[Revocation, ...]:
    """Drop from the superseded what has expired or is in the account's ledger for good."""
    account = granted.account
    here = account.keys.identity.public
    kept = [
        r
        for r in issued.superseded
        if r.until >= now and not (r.account == here and account.live is not None and account.live.covers(r))
    ]
    return tuple(kept[-_MAX_SUPERSEDED:])


def _held(identity: Identity, contents: Contents, issued: Issued | None) -> _Held:
    """Find what is still good in a Secret that was read."""
    data = data_of(contents.secret)
    key = None
    for name in (identity.spec.effective_creds_key, *(issued.keys if issued else ()), names.DEFAULT_CREDS_KEY):
        if name in data and name not in (names.USER_JWT_KEY, names.INBOX_KEY):
            key = _seed_in(data[name]) or key
    if key is not None and issued is not None and key.public != issued.key:
        key = None  # somebody put another seed there: not one we issued to
    token = data.get(names.USER_JWT_KEY, b"").decode(errors="replace")
    return _Held(key, _own_token(token, issued))


def _own_token(token: str, issued: Issued | None) -> str | None:
    """Return the token if it is the very one that was issued."""
    if issued is None:
        return None
    try:
        decoded = jwt.decode(token)
    except jwt.InvalidToken:
        return None
    same = (decoded.subject, decoded.issued_at, decoded.expires_at) == (issued.key, issued.issued_at, issued.expires_at)
    return token if same else None


def _seed_in(file: bytes) -> SigningKey | None:
    try:
        _, key = creds.parse_creds(file)
    except (ValueError, InvalidKey):
        return None
    return key


def _key(identity: Identity, held: _Held | None, entropy: Callable[[], bytes]) -> tuple[SigningKey | None, str]:
    """Return the key pair and its public half: the device's own, the one at hand, or a new one."""
    if identity.spec.public_key is not None:
        return None, identity.spec.public_key
    key = held.key if held and held.key else SigningKey.generate(KeyType.USER, entropy())
    return key, key.public


def _data(identity: Identity, granted: Grant, token: str, key: SigningKey | None) -> dict[str, bytes]:
    data = {names.USER_JWT_KEY: token.encode(), names.INBOX_KEY: granted.inbox_prefix.encode()}
    if key is not None:
        data[identity.spec.effective_creds_key] = creds.format_creds(token, key)
    return data


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


def _manifest(identity: Identity, secret_name: str, data: dict[str, bytes], issued: Issued) -> SecretManifest:
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
    )
