"""What cannot be granted is told, with what to do; what was granted before stays unless it must not."""

from dataclasses import replace
from typing import Any

import pytest
from decide.key_material import user_key
from decide.world import NOW, World, as_object, decide, ready
from kstatus import kstatus

from iotsec.decide.identity import plan_identity, plan_write_refused
from iotsec.decide.ledger import Ledger, with_revocations
from iotsec.decide.views import Declared, Observed, Obstacle, Rival

RIVAL = Rival("Device", "iot", "pump-07")


def test_a_spec_that_cannot_be_read_is_told_and_changes_nothing(issued: World) -> None:
    identity = issued.identity()
    broken = Declared(**{f: getattr(identity, f) for f in Declared.__slots__ if f != "fault"}, fault="spec.role: ?")

    plan = plan_identity(broken, issued.view(), issued.observed(), **issued.given())

    assert ready(plan.status or {}) == ("False", "InvalidSpec")
    assert (plan.revoke, plan.drop, plan.write, plan.settled) == ((), (), None, True)
    assert kstatus(as_object(issued, plan)) == "Failed"


def test_an_id_that_is_taken_is_told_with_who_has_it_and_nothing_is_made(world: World) -> None:
    world.rival = RIVAL

    world.settle()

    assert world.secrets.objects == {}
    condition = world.status["conditions"][0]
    assert (condition["reason"], kstatus(as_object(world))) == ("IdTaken", "Failed")
    assert "Device iot/pump-07" in condition["message"]
    assert "id" not in world.status


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
    assert "id" not in issued.status, "its old id is free"
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


def test_an_identity_stays_in_its_account_when_another_admits_it_too_and_a_new_one_must_choose(issued: World) -> None:
    token = issued.tokens[-1]
    issued.change(account=None)
    issued.settle()

    assert ready(issued.status) == ("True", "Issued")
    assert issued.status["account"] == "iot"
    assert issued.lets_in(token)

    newcomer = World()
    newcomer.change(account=None)
    newcomer.settle()
    assert ready(newcomer.status) == ("False", "AccountRequired")


def test_a_hub_that_is_being_deleted_gives_credentials_to_nobody_new(world: World) -> None:
    plan = decide(world, hub=replace(world.view(), ending=True))

    assert plan.write is None
    assert plan.status is not None
    assert ready(plan.status) == ("False", "HubNotReady")


def test_a_hub_that_is_being_deleted_leaves_what_it_gave(issued: World) -> None:
    plan = decide(issued, hub=replace(issued.view(), ending=True))

    assert plan.status is not None
    assert ready(plan.status) == ("True", "Issued")


def test_what_no_server_ever_heard_of_needs_only_to_be_written_down_to_be_refused(issued: World) -> None:
    issued.delete()
    view = issued.view()
    untold = {name: replace(account, live=None, untold=Ledger()) for name, account in view.accounts.items()}
    plan = decide(issued, hub=replace(view, accounts=untold))
    assert plan.revoke, "it must be in the first JWT there is"
    assert not plan.release

    written = with_revocations(Ledger(), plan.revoke, now=issued.now)
    untold = {name: replace(account, untold=written) for name, account in untold.items()}

    assert decide(issued, hub=replace(view, accounts=untold)).release


def test_a_reserved_name_is_refused_also_where_admission_let_it_pass(world: World) -> None:
    identity = replace(world.identity(), id="event")

    plan = plan_identity(identity, world.view(), Observed(), **world.given())

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


@pytest.mark.parametrize("asked", ["iot", None])
@pytest.mark.parametrize("accounts", [["iot"], ["iot", "other"]], ids=len)
def test_where_nobody_may_look_at_labels_who_was_admitted_by_them_is_neither_cut_off_nor_moved(
    issued: World, accounts: list[str], asked: str | None
) -> None:
    issued.change(account=asked)
    selector = {"matchLabels": {"stage": "live"}}
    by_labels = {"name": "iot", "namespaces": {"from": "Selector", "selector": selector}}
    issued.hub["accounts"] = [by_labels, *({"name": name} for name in accounts[1:])]
    unknown = dict.fromkeys([issued.identity().namespace])

    plan = decide(issued, hub=replace(issued.view(), namespaces=unknown))

    assert ready(plan.status or {}) == ("False", "NamespaceLabelsUnknown")
    assert kstatus(as_object(issued, plan)) == "Failed"
    assert (plan.write, plan.drop, plan.revoke) == (None, (), ())


def test_somebody_elses_secret_in_the_way_is_told_and_the_old_one_stays_in_use(issued: World) -> None:
    issued.change(secretName="taken")

    plan = decide(issued, hub=issued.view(), obstacle=Obstacle())

    assert ready(plan.status or {}) == ("False", "SecretConflict")
    assert kstatus(as_object(issued, plan)) == "Failed"
    assert (plan.write, plan.drop, plan.revoke) == (None, (), ())


def test_what_an_earlier_object_of_the_name_left_is_waited_for(world: World) -> None:
    plan = decide(world, hub=world.view(), obstacle=Obstacle(leaving=True))

    assert kstatus(as_object(world, plan)) == "InProgress"


def test_a_secret_the_api_server_refuses_is_told(world: World) -> None:
    plan = plan_write_refused(world.identity(), "403 Forbidden: exceeded quota", now=NOW)

    assert ready(plan.status or {}) == ("False", "SecretRefused")
    assert "exceeded quota" in (plan.status or {})["conditions"][0]["message"]
    assert kstatus(as_object(world, plan)) == "InProgress"
