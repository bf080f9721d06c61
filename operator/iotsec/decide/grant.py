"""What an identity is granted: its account, its signer and its permissions, or why it cannot have them."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from iotsec.decide import roles
from iotsec.decide.conditions import Reason
from iotsec.decide.views import AccountView, HubView, Identity, Observed, Rival
from iotsec.nats import jwt, keys, subjects
from iotsec.nats.claims import Permissions, UserClaims, UserPermissionLimits
from iotsec.nats.keys import KeyType, SigningKey

_SALT = "iotsec/grant/1"


@dataclass(frozen=True, slots=True)
class Grant:
    """Everything a user JWT says but its key and its times."""

    account_name: str
    account: AccountView
    signer: SigningKey
    name: str
    claims: UserClaims
    digest: str
    duration: int
    renew_before: int
    inbox_prefix: str
    unbounded: tuple[str, ...]

    def token(self, *, key: str, issued_at: int, expires_at: int) -> str:
        """Sign the user JWT for a public key; times in unix seconds."""
        return jwt.encode(
            self.claims, self.signer, subject=key, name=self.name, issued_at=issued_at, expires_at=expires_at
        )


class RefusedError(Exception):
    """The identity cannot have what it asks for.

    ``stalled`` tells whether only a change of a spec can help; ``cut`` whether what it was given before must end now.
    """

    def __init__(self, reason: Reason, message: str, *, stalled: bool = True, cut: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.stalled = stalled
        self.cut = cut


def grant(identity: Identity, hub: HubView | None, observed: Observed) -> Grant:
    """Work out what the identity is granted.

    Raises:
        RefusedError: with the reason, and what to write instead.

    """
    if hub is None and observed.hub_trouble:
        raise RefusedError(Reason.HUB_NOT_READY, observed.hub_trouble, stalled=False)
    if hub is None:
        reference = f"{identity.spec.hub_ref.namespace or identity.namespace}/{identity.spec.hub_ref.name}"
        raise RefusedError(Reason.HUB_NOT_FOUND, f"Hub {reference} does not exist yet", stalled=False)
    account_name, account = _account(identity, hub)
    _check_id(identity)
    _check_key(identity)
    _check_rivals(identity, observed)
    own = _own_permissions(identity)
    permissions = roles.role_permissions(identity.role, hub.spec.inbox)
    if own is not None:
        permissions = roles.combined(permissions, own)
    scoped = own is None and not identity.spec.connection_types
    signer = account.keys.scoped[identity.role] if scoped else account.keys.unscoped
    if scoped:
        claims = UserClaims(issuer_account=account.keys.identity.public)
    else:
        claims = UserClaims(
            issuer_account=account.keys.identity.public,
            limits=UserPermissionLimits(
                permissions=roles.expanded(permissions, identity.id),
                connection_types=tuple(sorted(identity.spec.connection_types)),
            ),
        )
    lifetime = identity.spec.jwt_lifetime(hub.spec)
    own_duration = identity.spec.rotation and identity.spec.rotation.jwt and identity.spec.rotation.jwt.duration
    return Grant(
        account_name=account_name,
        account=account,
        signer=signer,
        name=identity.id,
        claims=claims,
        digest=_digest(signer.public, identity.id, "" if scoped else _canonical(claims), str(own_duration or "")),
        duration=int(lifetime.duration.total_seconds()),
        renew_before=int(lifetime.renew_before.total_seconds()),
        inbox_prefix=roles.inbox_prefix(hub.spec.inbox, identity.id),
        unbounded=roles.unbounded(permissions),
    )


def account_of(hub: HubView, namespace: str, wanted: str | None) -> str | None:
    """Return the account an identity of this namespace is in: the one named, or the only one that admits it."""
    admitting = _admitting(hub, namespace)
    if wanted:
        return wanted if wanted in admitting else None
    return admitting[0] if len(admitting) == 1 else None


def _admitting(hub: HubView, namespace: str) -> list[str]:
    return [a.name for a in hub.spec.effective_accounts() if a.admits(namespace, hub_namespace=hub.namespace)]


def _account(identity: Identity, hub: HubView) -> tuple[str, AccountView]:
    """Find the account."""
    offered = {a.name for a in hub.spec.effective_accounts()}
    admitting = _admitting(hub, identity.namespace)
    wanted = identity.spec.account
    if wanted is not None and wanted not in offered:
        raise RefusedError(
            Reason.ACCOUNT_UNKNOWN,
            f"Hub {hub.namespace}/{hub.name} has no account {wanted!r}: set spec.account to one of {_list(offered)}",
        )
    if not admitting or (wanted is not None and wanted not in admitting):
        raise RefusedError(
            Reason.NAMESPACE_NOT_ADMITTED,
            f"Hub {hub.namespace}/{hub.name} does not admit namespace {identity.namespace}: "
            f"set spec.accounts[].namespaces.from to All on the Hub, or put this {identity.kind} where the Hub is",
            cut=True,
        )
    name = account_of(hub, identity.namespace, wanted)
    if name is None:
        raise RefusedError(
            Reason.ACCOUNT_REQUIRED,
            f"the Hub offers this namespace several accounts: set spec.account to one of {_list(admitting)}",
        )
    view = hub.accounts.get(name)
    if view is None or identity.role not in view.keys.scoped:
        raise RefusedError(Reason.HUB_NOT_READY, "the Hub has not made this account's keys yet", stalled=False)
    return name, view


def _check_id(identity: Identity) -> None:
    try:
        roles.check_identity_id(identity.id)
    except (subjects.InvalidSubject, roles.ReservedIdError) as error:
        raise RefusedError(Reason.INVALID_ID, str(error)) from None


def _check_key(identity: Identity) -> None:
    if identity.spec.public_key is None:
        return
    try:
        keys.check_public_key(identity.spec.public_key, KeyType.USER)
    except keys.InvalidKey as error:
        raise RefusedError(Reason.INVALID_PUBLIC_KEY, f"spec.publicKey: {error}") from None


def _check_rivals(identity: Identity, observed: Observed) -> None:
    _check_rival(
        observed.id_rival,
        Reason.ID_TAKEN,
        f"the id {identity.id!r} belongs to {observed.id_rival}",
        "set another spec.deviceId, or delete that one",
    )
    _check_rival(
        observed.key_rival,
        Reason.PUBLIC_KEY_TAKEN,
        f"this public key belongs to {observed.key_rival}",
        "every identity needs a key of its own",
    )


def _check_rival(rival: Rival | None, reason: Reason, message: str, advice: str) -> None:
    if rival is not None and rival.leaving:
        raise RefusedError(reason, f"{message}, which is being deleted", stalled=False)
    if rival is not None:
        raise RefusedError(reason, f"{message}: {advice}")


def _own_permissions(identity: Identity) -> Permissions | None:
    """Check the identity's own subjects by our grammar: nats-server checks none."""
    spec = identity.spec.permissions
    if spec is None:
        return None
    own = Permissions(
        publish_allow=tuple(spec.publish.allow),
        publish_deny=tuple(spec.publish.deny),
        subscribe_allow=tuple(spec.subscribe.allow),
        subscribe_deny=tuple(spec.subscribe.deny),
    )
    try:
        for entry in (*own.publish_allow, *own.publish_deny):
            subjects.check_publish(entry)
        for entry in (*own.subscribe_allow, *own.subscribe_deny):
            subjects.check_subscribe(entry)
        for entry in (*own.publish_allow, *own.subscribe_allow):
            _check_reach(entry.split(" ")[0])
    except subjects.InvalidSubject as error:
        raise RefusedError(Reason.INVALID_SUBJECT, f"spec.permissions: {error}") from None
    return own


def _check_reach(subject: str) -> None:
    if subject.split(".", 1)[0] == "$SYS":
        raise subjects.InvalidSubject(f"{subject!r} belongs to the system account: leave it out")
    if subjects.is_bare_wildcard(subject):
        raise subjects.InvalidSubject(f"{subject!r} is every subject there is: name the first token")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join((_SALT, *parts)).encode()).hexdigest()[:32]


def _canonical(claims: UserClaims) -> str:
    return json.dumps(claims.to_json(), sort_keys=True)


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
