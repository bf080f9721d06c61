"""What is left of a Device that went without a word to us, and what only looks like it."""

from dataclasses import replace
from typing import Any

import pytest
from decide.world import NOW, World

from iotsec.decide.ending import plan_orphan
from iotsec.decide.plan import Plan
from iotsec.decide.secrets import facts_of


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


def test_what_a_vanished_device_of_a_vanished_account_left_goes(issued: World) -> None:
    secret, hub = facts_of(orphan(issued)), replace(issued.view(), accounts={})

    assert plan_orphan(secret, hub, now=NOW).drop == (secret,)


@pytest.mark.parametrize("without", ["annotations", "ownerReferences"])
def test_a_secret_that_is_not_as_we_write_them_stays_though_its_hub_vanished(issued: World, without: str) -> None:
    found = orphan(issued)
    del found[without]

    assert plan_orphan(facts_of(found), None, now=NOW).drop == ()
