"""Roles: what identities may publish and subscribe; the presets are in Mir IoT Hub's subjects.

Templates carry ``{id}``, the identity's own id as a whole token. The inbox comes on top of every role. Presets may
answer requests, so that a device can serve them without a right to publish on anybody's inbox.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from iotsec.api.hub import HubSpec
from iotsec.api.roles import Role
from iotsec.nats import subjects
from iotsec.nats.claims import UNLIMITED, Permissions, Responses, UserPermissionLimits

SHARED = "Shared"

# One answer per request, within two minutes: nats-server's own default of `allow_responses: true`, written out.
_ANSWER_SECONDS = 120
_RESPONSES = Responses(max_messages=1, expires_ns=_ANSWER_SECONDS * 10**9)

_READ = ("core", "cfg", "cmd", "tlm", "evt")

PRESETS: Mapping[str, Permissions] = {
    "device": Permissions(publish_allow=("device.{id}.>",), subscribe_allow=("{id}.>",), responses=_RESPONSES),
    # It serves requests for every device, and so must not hear what it publishes itself: see `without_loops`.
    "device-any": Permissions(
        publish_allow=("device.*.>",), subscribe_allow=("*.>",), subscribe_deny=("device.>",), responses=_RESPONSES
    ),
    # It may publish to whoever asks, and so needs no leave to answer.
    "module": Permissions(
        publish_allow=("client.*.>", "event.*.>", "*.>"),
        subscribe_allow=("client.*.>", "event.*.>", "device.*.>"),
    ),
    "client-standard": Permissions(publish_allow=("client.*.>",), responses=_RESPONSES),
    "client-read-only": Permissions(
        publish_allow=tuple(f"client.*.{kind}.v1alpha.list" for kind in _READ), responses=_RESPONSES
    ),
    # It simulates devices, and answers for them: as with `device-any`, not what it published itself.
    "client-swarm": Permissions(
        publish_allow=("client.*.>", "device.*.>"),
        subscribe_allow=("*.>",),
        subscribe_deny=("client.>", "device.>"),
        responses=_RESPONSES,
    ),
}
"""Permissions of each preset, before inbox and system denial are added."""

# `{id}.>` is a first token of its own: an id that is also a word of the subject layout would read that whole branch,
# and one that starts with an underscore could name somebody's inbox (`_INBOX_<id>`).
RESERVED_IDS = frozenset({"device", "client", "event"})


class ReservedIdError(ValueError):
    """An id that would give its owner somebody else's subjects."""


def check_identity_id(identity: str) -> str:
    """Return the id when it is one literal subject token and nobody's subjects but its own.

    Raises:
        InvalidSubject: it is no literal token of 1 to 64 letters, digits, ``-`` and ``_``.
        ReservedIdError: it is a first token of the subject layout or begins with an underscore.

    """
    subjects.check_id(identity)
    if identity in RESERVED_IDS or identity.startswith("_"):
        raise ReservedIdError(
            f"the id {identity!r} is reserved: its subjects would be those of others; "
            "set one in the spec that is not device, client or event and does not begin with _"
        )
    return identity


def role_beginning_with(granted: Mapping[str, UserPermissionLimits], token: str) -> str:
    """Return a role with subjects that begin with this very token, empty where there is none."""
    return next((name for name, limits in granted.items() if token in _first_tokens(limits.permissions)), "")


def is_root(permissions: Permissions) -> bool:
    """Tell whether the id itself begins subjects: then no other subjects may begin with it."""
    return subjects.IDENTITY in _first_tokens(permissions)


def _first_tokens(permissions: Permissions) -> set[str]:
    entries = (*permissions.publish_allow, *permissions.subscribe_allow)
    return {entry.split(" ", 1)[0].split(".", 1)[0] for entry in entries}


def inbox_prefix(inbox: str, identity: str) -> str:
    """Return the prefix a client of this identity must use for its inboxes (no trailing dot)."""
    return "_INBOX" if inbox == SHARED else f"_INBOX_{identity}"


def role_limits(spec: HubSpec) -> dict[str, UserPermissionLimits]:
    """Return what each role of a Hub grants, presets and its own, as templates with ``{id}``, the inbox in.

    The private inbox is a template inside a token (``_INBOX_{id}``), which only we may write: user templates take
    ``{id}`` as a whole token.
    """
    limits = {name: UserPermissionLimits(permissions=permissions) for name, permissions in PRESETS.items()}
    limits |= {role.name: _declared(role) for role in spec.roles}
    inbox = f"{inbox_prefix(spec.inbox, '{id}')}.>"
    return {name: _finished(limits[name], inbox) for name in sorted(limits)}


def _declared(role: Role) -> UserPermissionLimits:
    """Return what a role says, as it is written."""
    answers = role.allow_responses
    ttl = int(answers.ttl.total_seconds()) if answers is not None and answers.ttl is not None else _ANSWER_SECONDS
    return UserPermissionLimits(
        permissions=Permissions(
            publish_allow=role.publish.allow,
            publish_deny=role.publish.deny,
            subscribe_allow=role.subscribe.allow,
            subscribe_deny=role.subscribe.deny,
            responses=Responses(answers.max, ttl * 10**9) if answers is not None else None,
        ),
        source_networks=role.limits.source_cidrs,
        subscriptions=role.limits.subscriptions or UNLIMITED,
        payload=role.limits.payload or UNLIMITED,
        connection_types=role.connection_types,
    )


def _finished(limits: UserPermissionLimits, inbox: str) -> UserPermissionLimits:
    permissions = limits.permissions
    with_inbox = replace(permissions, subscribe_allow=(*permissions.subscribe_allow, inbox))
    return replace(limits, permissions=safe(with_inbox))


def fits_scope(limits: UserPermissionLimits) -> bool:
    """Tell whether a scoped signing key can say this: with templates in the list, queue groups would be lost."""
    return not subjects.scope_loses_queue(limits.permissions.subscribe_allow)


def as_scope(limits: UserPermissionLimits) -> UserPermissionLimits:
    """Write ``{id}`` as nats-server's ``{{name()}}``, for a scoped signing key's template."""
    return replace(limits, permissions=_closed(_mapped(limits.permissions, lambda s: s.replace("{id}", "{{name()}}"))))


def safe(permissions: Permissions) -> Permissions:
    """Return the permissions without what would open the system to them, or let them open it themselves."""
    return without_loops(without_system(permissions))


def _closed(permissions: Permissions) -> Permissions:
    """Deny publishing where nothing of it is allowed: a server reads an empty list as leave for everything.

    Only what a server gets is closed: an identity's own permissions may open what its role leaves empty.
    """
    if permissions.publish_allow or permissions.responses is not None:
        return permissions
    return replace(permissions, publish_deny=(">",))


def without_loops(permissions: Permissions) -> Permissions:
    """Take the right to answer from whoever can send himself a request.

    An answer may go to the reply subject of any message received, whatever the publish lists say: who hears what he
    publishes picks that subject himself, `$SYS.REQ.SERVER.PING.CONNZ` for instance (nats-server ``client.go``,
    ``pubAllowedFullCheck``).
    """
    heard = (p for p in permissions.publish_allow if not any(subjects.covers(d, p) for d in permissions.subscribe_deny))
    loops = any(_overlap(p, s) for p in heard for s in permissions.subscribe_allow)
    return replace(permissions, responses=None) if loops else permissions


def _overlap(published: str, subscribed: str) -> bool:
    """Tell whether some subject is in both, whatever the id: it is any but a reserved one."""
    for mine, theirs in zip(published.split("."), subscribed.split(" ", maxsplit=1)[0].split("."), strict=False):
        if ">" in (mine, theirs):
            break
        if subjects.IDENTITY in (mine, theirs) and RESERVED_IDS & {mine, theirs}:
            return False
    return subjects.overlaps(published, subscribed)


def without_system(permissions: Permissions) -> Permissions:
    """Deny ``$SYS.>`` wherever a wildcard of an allow list would reach it.

    A user who may ask the system for CONNZ reads other users' bearer JWTs (nats-server ``monitor.go``, Connz).
    """
    return replace(
        permissions,
        publish_deny=_deny_system(permissions.publish_allow, permissions.publish_deny),
        subscribe_deny=_deny_system(permissions.subscribe_allow, permissions.subscribe_deny),
    )


def _deny_system(allow: Iterable[str], deny: tuple[str, ...]) -> tuple[str, ...]:
    reaches = any(subjects.reaches_system(entry.split(" ")[0]) for entry in allow)
    return (*deny, "$SYS.>") if reaches and "$SYS.>" not in deny else deny


def combined(base: Permissions, extra: Permissions) -> Permissions:
    """Return both permissions together, as one identity's own."""
    return safe(
        replace(
            base,
            publish_allow=(*base.publish_allow, *extra.publish_allow),
            publish_deny=(*base.publish_deny, *extra.publish_deny),
            subscribe_allow=(*base.subscribe_allow, *extra.subscribe_allow),
            subscribe_deny=(*base.subscribe_deny, *extra.subscribe_deny),
        )
    )


def expanded(permissions: Permissions, identity: str) -> Permissions:
    """Write the identity's id for ``{id}``: explicit permissions, for a JWT that no scope covers."""
    return _closed(_mapped(permissions, lambda entry: entry.replace("{id}", identity)))


def for_mqtt(permissions: Permissions) -> Permissions:
    """Return the permissions with what MQTT filters need: ``foo/#`` asks for ``foo`` as well as ``foo.>``.

    A server that grants one and not the other refuses the subscription (nats-server ``mqtt.go``, SUBACK 0x80).
    """
    above = (s.removesuffix(".>") for s in permissions.subscribe_allow if s.endswith(".>") and s[:-2].strip("*.") != "")
    return replace(permissions, subscribe_allow=(*permissions.subscribe_allow, *above))


def unbounded(permissions: Permissions) -> tuple[str, ...]:
    """Return the allow entries that name no first token (``>``, ``*.>``): legal, and worth telling."""
    entries = {*permissions.publish_allow, *permissions.subscribe_allow}
    return tuple(sorted(e for e in entries if "{" not in e and subjects.is_bare_wildcard(e.split(" ")[0])))


def _mapped(permissions: Permissions, write: Callable[[str], str]) -> Permissions:
    return replace(
        permissions,
        publish_allow=tuple(map(write, permissions.publish_allow)),
        publish_deny=tuple(map(write, permissions.publish_deny)),
        subscribe_allow=tuple(map(write, permissions.subscribe_allow)),
        subscribe_deny=tuple(map(write, permissions.subscribe_deny)),
    )
