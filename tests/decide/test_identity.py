"""One identity's plan: cut off, kept, waited for, told."""

import copy

import pytest
from decide.world import NAMESPACE, UID, World, as_object, decide, ready
from kstatus import faults, kstatus

from iotsec.decide.identity import plan_identity
from iotsec.decide.times import CLOCK_LAG_SECONDS
from iotsec.decide.views import Declared, Observed


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

    plan = plan_identity(broken, issued.view(), issued.observed(), **issued.given())

    assert [r.key for r in plan.revoke] == [issued.tokens[-1].key]


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


def test_deletion_ends_a_jwt_that_a_server_whose_clock_lags_takes_for_a_good_one(issued: World) -> None:
    token = issued.tokens[-1]
    issued.now = token.expires_at + CLOCK_LAG_SECONDS
    issued.delete()

    assert [revocation.key for revocation in issued.reconcile().revoke] == [token.key]
    issued.push()

    assert issued.reconcile().release
    issued.now = token.expires_at - 1  # as late as it is for that server
    assert not issued.lets_in(token)


def test_deletion_waits_for_nobody_once_the_jwt_has_expired_for_every_server(issued: World) -> None:
    issued.now = issued.tokens[-1].expires_at + CLOCK_LAG_SECONDS + 1
    issued.delete()

    assert issued.reconcile().release


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
    issued.prune()

    assert issued.now < long_lived.expires_at
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
    issued.now += 1300
    issued.prune()

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


def test_a_suspended_devices_secret_that_is_deleted_stays_until_every_server_refuses_it(
    issued: World,
) -> None:
    issued.change(suspended=True)
    issued.secrets.delete(issued.secret()["metadata"]["name"])

    waiting = issued.reconcile()

    assert ([r.key for r in waiting.revoke], waiting.drop) == ([issued.tokens[-1].key], ())
    assert ready(issued.status) == ("False", "RevocationPending")
    issued.settle()
    assert issued.secrets.objects == {}
    assert not issued.lets_in(issued.tokens[-1])


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
    twin = copy.deepcopy(issued.secret())
    twin["metadata"]["name"] = "copy"
    issued.secrets.create(twin, manager="kubectl")

    plan = issued.settle()

    assert set(issued.secrets.objects) == {"copy", "weather-01-device-creds"}
    assert issued.lets_in(issued.tokens[-1])
    assert plan.action == ""


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
