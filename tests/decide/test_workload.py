"""A Module's workload is restarted once for each credential that took another's place, whatever stops in between."""

from typing import Any

import pytest
from decide.module_world import WORKLOAD, ModuleWorld
from decide.world import World, ready

from iotsec.decide.identity import plan_identity
from iotsec.decide.times import rfc3339
from iotsec.decide.views import Observed
from iotsec.decide.workload import RETRY_SECONDS

WRITTEN, RESTARTED = 1, 4
"""After which effect the power is cut: the Secret, the restart."""


@pytest.fixture
def module() -> ModuleWorld:
    world = ModuleWorld()
    world.settle()
    return world


def pending(world: World) -> str:
    """Why a restart is still owed."""
    return next((c["reason"] for c in world.status["conditions"] if c["type"] == "RestartPending"), "")


def test_the_first_credential_restarts_nothing(module: ModuleWorld) -> None:
    assert module.marks == []
    assert "restartedAt" not in module.status


def test_a_renewal_restarts_it_and_says_when(module: ModuleWorld) -> None:
    due = module.reconcile().due
    assert due is not None

    module.now = due
    module.settle()

    assert module.marks == [rfc3339(due)]
    assert module.status["restartedAt"] == rfc3339(due)


def test_only_the_annotation_is_touched(module: ModuleWorld) -> None:
    module.rotate_now("1")

    plan = module.reconcile()

    assert plan.restart is not None
    annotations = {"iotsec.dev/restartedAt": plan.restart.mark}
    assert plan.restart.to_patch() == {"spec": {"template": {"metadata": {"annotations": annotations}}}}


def test_each_rotation_restarts_it_once_even_in_one_second(module: ModuleWorld) -> None:
    for token in ("1", "2", "3"):
        module.rotate_now(token)
        module.settle()
        module.settle()

    assert len(module.marks) == len(set(module.marks)) == 3
    assert module.marks == sorted(module.marks)


@pytest.mark.parametrize("effects", [WRITTEN, RESTARTED], ids=["before the restart", "after it"])
def test_after_a_crash_it_is_restarted_neither_twice_nor_never(module: ModuleWorld, effects: int) -> None:
    module.rotate_now("1")
    module.reconcile(effects)

    module.restart()
    module.now += 600
    module.settle()

    assert len(module.marks) == 1


@pytest.mark.parametrize("effects", [WRITTEN, RESTARTED], ids=["before the restart", "after it"])
def test_the_same_holds_for_every_later_rotation(module: ModuleWorld, effects: int) -> None:
    module.rotate_now("1")
    module.settle()

    module.rotate_now("2")
    module.reconcile(effects)
    module.restart()
    module.settle()

    assert len(module.marks) == 2


def test_a_restart_of_the_operator_alone_restarts_nothing(module: ModuleWorld) -> None:
    module.rotate_now("1")
    module.settle()

    module.restart()
    module.settle()

    assert len(module.marks) == 1


@pytest.mark.parametrize("effects", [0, WRITTEN, 99], ids=["asked for", "issued", "restarted"])
def test_what_was_owed_is_made_up_for_after_a_refusal(module: ModuleWorld, effects: int) -> None:
    module.rotate_now("1")
    module.reconcile(effects)
    module.restart()

    refused(module)
    refused(module)
    assert ready(module.status) == ("False", "HubNotReady")
    module.settle()

    assert len(module.marks) == 1


def refused(world: ModuleWorld) -> None:
    """A look at the Module while the Hub's keys are gone."""
    world.watch()
    seen = Observed(secrets=world.observed().secrets, hub_trouble="its keys are gone")
    world.carry_out(plan_identity(world.identity(), None, seen, **world.given()))


def test_a_workload_that_is_missing_is_told_and_restarted_when_it_is_there(module: ModuleWorld) -> None:
    module.there = False
    module.rotate_now("1")
    module.settle()
    assert pending(module) == "WorkloadNotFound"
    assert ready(module.status) == ("True", "Issued")
    assert "restartedAt" not in module.status

    module.there = True
    module.now += RETRY_SECONDS
    module.settle()

    assert len(module.marks) == 1
    assert pending(module) == ""


def test_one_that_goes_missing_later_keeps_when_it_was_last_restarted(module: ModuleWorld) -> None:
    module.rotate_now("1")
    module.settle()
    last = module.status["restartedAt"]

    module.there = False
    module.now += 60
    module.rotate_now("2")
    module.settle()

    assert module.status["restartedAt"] == last
    assert pending(module) == "WorkloadNotFound"


@pytest.mark.parametrize("workload", [None, {"kind": "Deployment", "name": "ingest"}], ids=["none", "not to restart"])
def test_nothing_is_restarted_that_is_not_asked_for(module: ModuleWorld, workload: dict[str, Any] | None) -> None:
    module.change(workload=workload)
    module.rotate_now("1")
    module.settle()

    assert module.marks == []


def test_asking_for_restarts_later_restarts_nothing_by_itself(module: ModuleWorld) -> None:
    module.rotate_now("1")
    module.settle()
    module.change(workload=None)
    module.now += 60
    module.rotate_now("2")
    module.settle()
    assert "restartedAt" not in module.status

    module.change(workload=WORKLOAD)
    module.settle()
    assert len(module.marks) == 1

    module.now += 60
    module.rotate_now("3")
    module.settle()
    assert len(module.marks) == 2


def test_a_change_of_how_the_secret_looks_restarts_nothing(module: ModuleWorld) -> None:
    module.change(secretTemplate={"labels": {"team": "weather"}})
    module.settle()

    assert module.marks == []


def test_a_suspended_module_is_left_alone_until_it_is_let_in_again(module: ModuleWorld) -> None:
    module.change(suspended=True)
    module.settle()
    assert module.marks == []

    module.change(suspended=None)
    module.settle()

    assert len(module.marks) == 1
