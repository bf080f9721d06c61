"""What the roles may do, and what nobody may do."""

import pytest

from iotsec.api.hub import HubSpec
from iotsec.decide import roles
from iotsec.nats import subjects
from iotsec.nats.claims import Permissions, Responses, UserPermissionLimits

ANSWERS = Responses(max_messages=1, expires_ns=1)


def role_permissions(role: str, inbox: str = "Private", **spec: object) -> Permissions:
    """What a role of a Hub grants."""
    hub = HubSpec.parse({"nats": {"servers": ["nats://nats:4222"]}, "inbox": inbox, **spec})
    return roles.role_limits(hub)[role].permissions


@pytest.mark.parametrize("role", sorted(roles.PRESETS))
@pytest.mark.parametrize("inbox", ["Private", "Shared"])
def test_every_preset_may_answer_requests_and_reach_nothing_of_the_systems(role: str, inbox: str) -> None:
    permissions = role_permissions(role, inbox)

    # A module may publish to any reply subject, and needs no leave to answer.
    assert permissions.responses is not None or "*.>" in permissions.publish_allow
    for allow, deny in (
        (permissions.publish_allow, permissions.publish_deny),
        (permissions.subscribe_allow, permissions.subscribe_deny),
    ):
        plain = [entry for entry in allow if "{" not in entry]
        assert "$SYS.>" in deny or not any(map(subjects.reaches_system, plain))


def test_the_inbox_is_ones_own_or_everybodys() -> None:
    assert "_INBOX_{id}.>" in role_permissions("device").subscribe_allow
    assert "_INBOX.>" in role_permissions("device", "Shared").subscribe_allow
    assert roles.inbox_prefix("Private", "weather-01") == "_INBOX_weather-01"
    assert roles.inbox_prefix("Shared", "weather-01") == "_INBOX"


@pytest.mark.parametrize("allow", ["*.REQ.>", "*.*", "*.REQ.SERVER.PING workers", "*.{id}.>"])
def test_a_wildcard_that_reaches_the_system_brings_its_denial(allow: str) -> None:
    publish = roles.combined(Permissions(), Permissions(publish_allow=(allow.split(" ", maxsplit=1)[0],)))
    subscribe = roles.combined(Permissions(), Permissions(subscribe_allow=(allow,)))

    assert "$SYS.>" in publish.publish_deny
    assert "$SYS.>" in subscribe.subscribe_deny


def test_a_denial_that_is_there_already_is_not_doubled() -> None:
    combined = roles.combined(Permissions(), Permissions(publish_allow=("*.a",), publish_deny=("$SYS.>",)))

    assert combined.publish_deny == ("$SYS.>",)


@pytest.mark.parametrize(
    ("publish", "subscribe", "answers"),
    [
        ("device.{id}.>", "{id}.>", True),
        ("{id}.x", "{id}.>", False),
        ("plant.{id}.>", "{id}.>", False),
        ("event.{id}", "event.*", False),
        ("a.b", "a.c workers", True),
        ("a.b", "a.> workers", False),
    ],
    ids=["the preset", "the same id", "an id may be `plant`", "a wildcard", "apart", "in a queue group"],
)
def test_who_hears_himself_may_not_answer(publish: str, subscribe: str, *, answers: bool) -> None:
    permissions = roles.safe(Permissions(publish_allow=(publish,), subscribe_allow=(subscribe,), responses=ANSWERS))

    assert (permissions.responses is not None) == answers


def test_templates_are_written_for_scopes_and_for_single_identities() -> None:
    permissions = Permissions(publish_allow=("device.{id}.>",), subscribe_allow=("_INBOX_{id}.>",))

    assert roles.as_scope(UserPermissionLimits(permissions=permissions)).permissions.publish_allow == (
        "device.{{name()}}.>",
    )
    assert roles.expanded(permissions, "weather-01").subscribe_allow == ("_INBOX_weather-01.>",)


@pytest.mark.parametrize("identity", ["device", "client", "event", "_INBOX", "_", "_INBOX_pump-07"])
def test_ids_that_would_own_the_subjects_of_others_are_reserved(identity: str) -> None:
    with pytest.raises(roles.ReservedIdError, match="reserved"):
        roles.check_identity_id(identity)


@pytest.mark.parametrize("identity", ["", "a.b", "*", ">", "$SYS", "a b", "x" * 65])
def test_an_id_is_one_literal_token(identity: str) -> None:
    with pytest.raises(subjects.InvalidSubject):
        roles.check_identity_id(identity)


def test_wildcards_alone_are_told() -> None:
    assert roles.unbounded(role_permissions("device-any")) == ("*.>",)
    assert roles.unbounded(role_permissions("device")) == ()
