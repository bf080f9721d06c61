"""One identity's plan: cut off, kept, waited for, told."""

from dataclasses import replace
from typing import Any

import pytest
from decide.world import NAMESPACE, NOW, UID, World, ready, user_key
from kstatus import faults, kstatus

from iotsec.decide.identity import Plan, plan_identity, plan_orphan, plan_write_refused
from iotsec.decide.secrets import facts_of
from iotsec.decide.views import Declared, HubView, Observed, Obstacle, Rival

RIVAL = Rival("Device", "iot", "pump-07")


def decide(world: World, *, hub: HubView | None = None, **observed: Any) -> Plan:
    """Plan for a Hub that is not as the world has it, or with something else in view."""
    world.watch()
    seen = replace(world.observed(), **observed)
    return plan_identity(world.identity(), hub, seen, now=world.now, entropy=world.entropy.__next__)


def as_object(world: World, plan: Plan | None = None) -> dict[str, Any]:
    """The Device as the API server would show it."""
    metadata: dict[str, Any] = {"generation": world.generation}
    if world.deleting:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"metadata": metadata, "status": dict(plan.status or {}) if plan else world.status}


def test_deletion_waits_until_every_server_refuses_what_was_issued(issued: World) -> None:
    token = issued.tokens[-1]
    issued.delete()

    first = issued.reconcile()
    assert (first.release, first.drop) == (False, ())
    assert ready(issued.status) == ("False", "Deleting")
    issued.record()
    assert not issued.reconcile().release, "written down is not yet refused"
    issued.push()

    assert issued.reconcile().release
    assert not issued.lets_in(token)
    assert issued.secrets.objects == {}


def test_deletion_says_when_it_waits_for_nats(issued: World) -> None:
    issued.problem = "no NATS server answers at nats://nats:4222"
    issued.delete()

    issued.reconcile()

    assert ready(issued.status) == ("False", "NatsUnavailable")
    assert kstatus(as_object(issued)) == "Terminating"


def test_deletion_needs_no_readable_spec(issued: World) -> None:
    issued.delete()
    identity = issued.identity()
    broken = Declared(**{f: getattr(identity, f) for f in Declared.__slots__ if f != "fault"}, fault="spec: nonsense")

    plan = plan_identity(broken, issued.view(), issued.observed(), now=NOW, entropy=issued.entropy.__next__)

    assert [r.key for r in plan.revoke] == [issued.tokens[-1].key]


def test_a_spec_that_cannot_be_read_is_told_and_changes_nothing(issued: World) -> None:
    identity = issued.identity()
    broken = Declared(**{f: getattr(identity, f) for f in Declared.__slots__ if f != "fault"}, fault="spec.role: ?")

    plan = plan_identity(broken, issued.view(), issued.observed(), now=NOW, entropy=issued.entropy.__next__)

    assert ready(plan.status or {}) == ("False", "InvalidSpec")
    assert (plan.revoke, plan.drop, plan.write, plan.settled) == ((), (), None, True)
    assert kstatus(as_object(issued, plan)) == "Failed"


def test_deletion_of_a_device_that_never_had_anything_takes_one_look(world: World) -> None:
    world.delete()

    assert world.plan().release


def test_deletion_goes_through_when_the_hub_is_gone_for_good(issued: World) -> None:
    issued.delete()

    assert decide(issued, hub=None).release


@pytest.mark.parametrize("secrets_lost", [False, True])
def test_deletion_waits_for_a_hub_that_is_there_and_cannot_sign(issued: World, *, secrets_lost: bool) -> None:
    issued.delete()
    if secrets_lost:
        issued.secrets.objects.clear()

    plan = decide(issued, hub=None, hub_trouble="its Hub needs help")

    assert not plan.release
    assert ready(plan.status or {}) == ("False", "HubNotReady")


def test_deletion_ends_jwts_that_outlive_the_last_one(issued: World) -> None:
    long_lived = issued.tokens[-1]
    issued.hub["rotation"] = {"jwt": {"duration": "20m"}}
    due = issued.reconcile().due
    assert due is not None
    issued.now = due
    issued.settle()
    short_lived = issued.tokens[-1]
    assert short_lived.expires_at < long_lived.expires_at

    issued.delete()
    issued.settle()
    issued.now = short_lived.expires_at + 60
    issued.push()

    assert not issued.lets_in(long_lived)


def test_a_lost_secret_ends_jwts_that_outlive_the_one_the_status_knows(issued: World) -> None:
    long_lived = issued.tokens[-1]
    issued.hub["rotation"] = {"jwt": {"duration": "20m"}}
    due = issued.reconcile().due
    assert due is not None
    issued.now = due
    issued.settle()

    issued.secrets.objects.clear()
    issued.delete()
    issued.settle()
    issued.now += 3600
    issued.push()

    assert issued.now < long_lived.expires_at
    assert not issued.lets_in(long_lived)


def test_a_suspended_device_is_refused_and_not_stuck(issued: World) -> None:
    issued.change(suspended=True)

    issued.settle()

    assert not issued.lets_in(issued.tokens[-1])
    assert ready(issued.status) == ("False", "Suspended")
    assert [c["type"] for c in issued.status["conditions"]] == ["Ready"]
    assert kstatus(as_object(issued)) == "InProgress"  # as documented: it may not connect


def test_a_suspended_devices_secret_can_be_deleted(issued: World) -> None:
    issued.change(suspended=True)
    issued.settle()

    issued.secrets.delete(issued.secret()["metadata"]["name"])
    issued.settle()

    assert issued.secrets.objects == {}
    assert "secretName" not in issued.status
    issued.change(suspended=False)
    issued.settle()
    assert not issued.lets_in(issued.tokens[0])
    assert issued.lets_in(issued.tokens[-1])


def test_an_id_that_is_taken_is_told_with_who_has_it_and_nothing_is_made(world: World) -> None:
    world.rival = RIVAL

    world.settle()

    assert world.secrets.objects == {}
    condition = world.status["conditions"][0]
    assert (condition["reason"], kstatus(as_object(world))) == ("IdTaken", "Failed")
    assert "Device iot/pump-07" in condition["message"]
    assert "deviceId" not in world.status


def test_an_id_of_somebody_who_is_leaving_is_waited_for(world: World) -> None:
    world.rival = replace(RIVAL, leaving=True)

    world.reconcile()

    assert kstatus(as_object(world)) == "InProgress"
    world.rival = None
    world.settle()
    assert kstatus(as_object(world)) == "Current"


def test_whoever_asks_for_a_taken_id_gives_up_the_one_it_had(issued: World) -> None:
    issued.change(deviceId="pump-07")
    issued.rival = RIVAL

    issued.settle()

    assert not issued.lets_in(issued.tokens[-1])
    assert "deviceId" not in issued.status, "its old id is free"
    issued.change(deviceId=None)
    issued.rival = None
    issued.settle()
    assert issued.lets_in(issued.tokens[-1])


def test_a_bad_public_key_ends_the_one_it_replaces(world: World) -> None:
    world.change(publicKey=user_key(1))
    world.settle()

    world.change(publicKey="U" + "A" * 55)
    world.settle()

    assert ready(world.status) == ("False", "InvalidPublicKey")
    assert not world.lets_in(world.tokens[-1])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"account": "missing"}, "AccountUnknown"),
        ({"account": None}, "AccountRequired"),
        ({"permissions": {"publish": {"allow": ["a.{id}.b"]}}}, "Issued"),
    ],
)
def test_other_refusals_leave_what_was_granted(issued: World, change: dict[str, Any], reason: str) -> None:
    token = issued.tokens[-1]

    issued.change(**change)
    issued.settle()

    assert ready(issued.status)[1] == reason
    assert issued.lets_in(token) == (reason != "Issued")
    assert {"publicKey", "issuedAt", "secretName", "account"} <= issued.status.keys()


def test_a_reserved_name_is_refused_also_where_admission_let_it_pass(world: World) -> None:
    identity = replace(world.identity(), id="event")

    plan = plan_identity(identity, world.view(), Observed(), now=NOW, entropy=world.entropy.__next__)

    assert ready(plan.status or {}) == ("False", "InvalidId")
    assert plan.write is None


def test_a_hub_that_is_missing_is_waited_for_and_the_status_keeps_what_was_known(issued: World) -> None:
    plan = decide(issued, hub=None)

    assert ready(plan.status or {}) == ("False", "HubNotFound")
    assert kstatus(as_object(issued, plan)) == "InProgress"
    assert (plan.status or {})["publicKey"] == issued.status["publicKey"]
    assert not plan.settled


def test_a_namespace_that_is_no_longer_admitted_is_cut_off(issued: World) -> None:
    view = replace(issued.view(), namespace="elsewhere")

    plan = decide(issued, hub=view)

    assert [r.key for r in plan.revoke] == [issued.tokens[-1].key]
    assert ready(plan.status or {}) == ("False", "NamespaceNotAdmitted")


def test_somebody_elses_secret_in_the_way_is_told_and_the_old_one_stays_in_use(issued: World) -> None:
    issued.change(secretName="taken")

    plan = decide(issued, hub=issued.view(), obstacle=Obstacle())

    assert ready(plan.status or {}) == ("False", "SecretConflict")
    assert kstatus(as_object(issued, plan)) == "Failed"
    assert (plan.write, plan.drop, plan.revoke) == (None, (), ())


def test_what_an_earlier_object_of_the_name_left_is_waited_for(world: World) -> None:
    plan = decide(world, hub=world.view(), obstacle=Obstacle(leaving=True))

    assert kstatus(as_object(world, plan)) == "InProgress"


def test_a_restart_while_nats_is_away_is_no_news(issued: World) -> None:
    issued.restart()
    issued.problem = "no NATS server answers"
    before = issued.status_writes

    issued.reconcile()

    assert issued.status_writes == before


def test_a_change_while_nats_is_away_is_news(issued: World) -> None:
    issued.restart()
    issued.problem = "no NATS server answers"

    issued.change(role="device-any")
    issued.reconcile()

    assert ready(issued.status) == ("False", "NatsUnavailable")


def test_rights_on_every_subject_are_told(world: World) -> None:
    world.change(role="device-any")

    world.settle()

    assert "*.>" in world.status["conditions"][0]["message"]


def test_a_second_secret_of_another_key_goes_only_when_its_key_is_refused(issued: World) -> None:
    old = issued.tokens[-1]
    issued.restart()
    issued.change(secretName="creds")
    squatter = {
        "metadata": {
            "name": "creds",
            "namespace": NAMESPACE,
            "labels": {"iotsec.dev/component": "credentials"},
            "ownerReferences": [
                {"apiVersion": "iotsec.dev/v1alpha1", "kind": "Device", "name": "x", "uid": UID, "controller": True}
            ],
        },
        "data": {},
    }
    issued.secrets.create(squatter, manager="kubectl")

    first = issued.reconcile()
    assert "weather-01-device-creds" in issued.secrets.objects
    assert [r.key for r in first.revoke] == [old.key]
    issued.settle()

    assert set(issued.secrets.objects) == {"creds"}
    assert not issued.lets_in(old)
    assert issued.lets_in(issued.tokens[-1])


def test_a_copy_of_the_secret_in_the_namespace_is_left_alone(issued: World) -> None:
    import copy  # noqa: PLC0415

    twin = copy.deepcopy(issued.secret())
    twin["metadata"]["name"] = "copy"
    issued.secrets.create(twin, manager="kubectl")

    plan = issued.settle()

    assert set(issued.secrets.objects) == {"copy", "weather-01-device-creds"}
    assert issued.lets_in(issued.tokens[-1])
    assert plan.action == ""


def orphan(world: World, **metadata: Any) -> dict[str, Any]:
    return {**world.secret()["metadata"], **metadata}


def test_what_a_vanished_device_left_is_revoked_and_then_goes(issued: World) -> None:
    secret = facts_of(orphan(issued))

    first = plan_orphan(secret, issued.view(), now=NOW)
    issued.carry_out(first)
    issued.push()
    second = plan_orphan(secret, issued.view(), now=NOW)

    assert [r.key for r in first.revoke] == [issued.tokens[-1].key]
    assert first.drop == ()
    assert second.drop == (secret,)
    assert not issued.lets_in(issued.tokens[-1])


def test_what_a_vanished_device_of_a_vanished_hub_left_goes(issued: World) -> None:
    secret = facts_of(orphan(issued))

    assert plan_orphan(secret, None, now=NOW).drop == (secret,)


@pytest.mark.parametrize(
    "forgery",
    [
        {"namespace": "elsewhere"},
        {"name": "another-name"},
        {"ownerReferences": []},
        {
            "ownerReferences": [
                {"apiVersion": "iotsec.dev/v1alpha1", "kind": "Device", "name": "x", "uid": "y", "controller": True}
            ]
        },
    ],
    ids=["in another namespace", "of another name", "without an owner", "of another owner"],
)
def test_a_copy_of_a_creds_secret_revokes_nobody_and_is_not_ours_to_delete(
    issued: World, forgery: dict[str, Any]
) -> None:
    secret = facts_of(orphan(issued, **forgery))

    assert plan_orphan(secret, issued.view(), now=NOW) == Plan()
    deleted = replace(secret, deleting=True)
    assert plan_orphan(deleted, issued.view(), now=NOW) == Plan(drop=(deleted,)), "it does not wait for us"


def test_a_secret_the_api_server_refuses_is_told(world: World) -> None:
    plan = plan_write_refused(world.identity(), "403 Forbidden: exceeded quota", now=NOW)

    assert ready(plan.status or {}) == ("False", "SecretRefused")
    assert "exceeded quota" in (plan.status or {})["conditions"][0]["message"]
    assert kstatus(as_object(world, plan)) == "InProgress"


def test_every_status_keeps_the_rules_of_conditions(world: World) -> None:
    seen = []
    for change in ({}, {"role": "device-any"}, {"suspended": True}, {"suspended": None}, {"account": None}):
        world.change(**change)
        world.reconcile()
        seen += faults(as_object(world))
        world.settle()
        seen += faults(as_object(world))

    assert seen == []


def test_the_time_of_a_condition_moves_only_with_its_status(issued: World) -> None:
    since = issued.status["conditions"][0]["lastTransitionTime"]

    issued.now += 500
    issued.change(credsKey="mir.creds")
    issued.settle()
    assert issued.status["conditions"][0]["lastTransitionTime"] == since
    issued.change(suspended=True)
    issued.settle()

    assert issued.status["conditions"][0]["lastTransitionTime"] != since


def test_an_object_nobody_looked_at_is_in_progress() -> None:
    assert kstatus({"metadata": {"generation": 1}, "status": {"observedGeneration": -1}}) == "InProgress"


def test_plans_and_what_was_read_show_nothing_secret(world: World) -> None:
    world.watch()
    plan = world.plan()
    assert plan.write is not None
    seed = plan.write.manifest.data["nats.creds"].decode().split("SEED-----\n")[1].split("\n")[0]

    for text in (repr(plan), repr(world.view()), repr(Observed(secrets=world.observed().secrets))):
        assert seed not in text
        assert "eyJ" not in text
