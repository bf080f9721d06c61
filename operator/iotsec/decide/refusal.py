"""Why an identity cannot have what it asks for: its id, its key and its own permissions, checked."""

from collections.abc import Mapping

from iotsec.decide import roles
from iotsec.decide.conditions import Reason
from iotsec.decide.views import Identity, Observed, Rival
from iotsec.nats import keys, subjects
from iotsec.nats.claims import Permissions, UserPermissionLimits
from iotsec.nats.keys import KeyType


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


def check_id(identity: Identity) -> None:
    """Check that the id is a token of its own; raises `RefusedError`."""
    try:
        roles.check_identity_id(identity.id)
    except (subjects.InvalidSubject, roles.ReservedIdError) as error:
        raise RefusedError(Reason.INVALID_ID, str(error)) from None


def check_branch(identity: Identity, permissions: Permissions, granted: Mapping[str, UserPermissionLimits]) -> None:
    """Check that subjects that begin with the id are nobody else's in the account; raises `RefusedError`.

    ``granted``: what the roles of the account grant. An identity may choose its id, and must not get by that what a
    role of another name is for: `telemetry.>` as `{id}.>`.
    """
    if not roles.is_root(permissions):
        return
    if role := roles.role_beginning_with(granted, identity.id):
        raise RefusedError(
            Reason.INVALID_ID,
            f"subjects of role {role} begin with {identity.id!r} and would be this {identity.kind}'s own: "
            f"set another spec.{identity.spec.id_field}",
        )


def check_key(identity: Identity) -> None:
    """Check the public key that the spec gives, if any; raises `RefusedError`."""
    if identity.spec.public_key is None:
        return
    try:
        keys.check_public_key(identity.spec.public_key, KeyType.USER)
    except keys.InvalidKey as error:
        raise RefusedError(Reason.INVALID_PUBLIC_KEY, f"spec.publicKey: {error}") from None


def check_rivals(identity: Identity, observed: Observed) -> None:
    """Check that nobody came first for the id or the key; raises `RefusedError`."""
    _check_rival(
        observed.id_rival,
        Reason.ID_TAKEN,
        f"the id {identity.id!r} belongs to {observed.id_rival}",
        f"set another spec.{identity.spec.id_field}, or delete that one",
    )
    _check_rival(
        observed.key_rival,
        Reason.PUBLIC_KEY_TAKEN,
        f"this public key belongs to {observed.key_rival}",
        "every identity needs a key of its own",
    )


def own_permissions(identity: Identity) -> Permissions | None:
    """Return the identity's own subjects, checked by our grammar: nats-server checks none; raises `RefusedError`."""
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
        check_permissions(own)
    except subjects.InvalidSubject as error:
        raise RefusedError(Reason.INVALID_SUBJECT, f"spec.permissions: {error}") from None
    return own


def check_permissions(permissions: Permissions, *, broad: bool = False, template: bool = True) -> None:
    """Check subjects by our grammar; ``broad`` admits wildcards alone, ``template`` the token ``{id}``.

    Raises:
        InvalidSubject: with what to write instead.

    """
    for entry in (*permissions.publish_allow, *permissions.publish_deny):
        subjects.check_publish(entry, template=template)
    for entry in (*permissions.subscribe_allow, *permissions.subscribe_deny):
        subjects.check_subscribe(entry, template=template)
    for entry in (*permissions.publish_allow, *permissions.subscribe_allow):
        _check_reach(entry.split(" ")[0], broad=broad)


def _check_reach(subject: str, *, broad: bool) -> None:
    if subject.split(".", 1)[0] == "$SYS":
        raise subjects.InvalidSubject(f"{subject!r} belongs to the system account: leave it out")
    if not broad and subjects.is_bare_wildcard(subject):
        raise subjects.InvalidSubject(f"{subject!r} is every subject there is: name the first token")


def _check_rival(rival: Rival | None, reason: Reason, message: str, advice: str) -> None:
    if rival is not None and rival.leaving:
        raise RefusedError(reason, f"{message}, which is being deleted", stalled=False)
    if rival is not None:
        raise RefusedError(reason, f"{message}: {advice}")
