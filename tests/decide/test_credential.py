"""When a credential is kept, renewed, re-issued or made anew."""

from base64 import b64encode
from typing import Any

import pytest
from decide.key_material import user_key
from decide.world import NOW, World, ready

from iotsec.decide import names
from iotsec.decide.issued import Issued


def test_a_new_device_gets_a_key_a_jwt_and_a_secret(world: World) -> None:
    plan = world.settle()

    assert ready(world.status) == ("True", "Issued")
    assert set(world.data()) == {"nats.creds", "user.jwt", "inbox-prefix"}
    assert plan.due is not None
    assert NOW < plan.due < NOW + 720 * 3600


def test_a_second_look_does_nothing(issued: World) -> None:
    before = (issued.secrets.version, issued.status_writes)

    plan = issued.settle()

    assert (issued.secrets.version, issued.status_writes) == before
    assert (plan.write, plan.drop, plan.revoke, plan.action) == (None, (), (), "")


def test_a_restart_reads_no_secret_and_writes_nothing(issued: World) -> None:
    before = (issued.secrets.version, issued.status_writes)

    issued.restart()
    issued.watch()
    plan = issued.plan()
    issued.carry_out(plan)

    assert plan.read_secret is None
    assert (issued.secrets.version, issued.status_writes) == before


def test_a_renewal_keeps_the_key_and_revokes_nothing(issued: World) -> None:
    old = issued.tokens[-1]
    plan = issued.reconcile()
    assert plan.due is not None

    issued.now = plan.due
    issued.settle()

    new = issued.tokens[-1]
    assert new.key == old.key
    assert new.issued_at > old.issued_at
    assert issued.lets_in(old)
    assert issued.lets_in(new)
    assert issued.status["revision"] == 2


CHANGES: list[dict[str, Any]] = [
    {"deviceId": "weather-02"},
    {"role": "device-any"},
    {"permissions": {"publish": {"allow": ["event.{id}"]}}},
    {"connectionTypes": ["WEBSOCKET"]},
    {"rotation": {"jwt": {"duration": "48h"}}},
    {"account": "other"},
    {"publicKey": user_key(7)},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_a_change_of_what_is_granted_ends_what_was_issued_before(issued: World, change: dict[str, Any]) -> None:
    old = issued.tokens[-1]

    issued.change(**change)
    issued.settle()

    assert not issued.lets_in(old)
    assert issued.lets_in(issued.tokens[-1])


@pytest.mark.parametrize(
    "change",
    [
        {"secretName": "creds"},
        {"credsKey": "mir.creds"},
        {"secretTemplate": {"labels": {"team": "weather"}}},
        {"rotation": {"jwt": {"renewBefore": "24h"}}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_change_of_how_it_is_presented_issues_nothing(issued: World, change: dict[str, Any]) -> None:
    token = issued.tokens[-1]

    issued.change(**change)
    issued.settle()

    assert {t.token for t in issued.tokens} == {token.token}
    assert issued.lets_in(token)
    assert issued.status["secretName"] == change.get("secretName", "weather-01-device-creds")


def test_a_template_label_that_is_gone_from_the_spec_goes_and_foreign_ones_stay(issued: World) -> None:
    issued.change(secretTemplate={"labels": {"team": "weather", "site": "roof"}, "annotations": {"note": "x"}})
    issued.settle()
    name = issued.secret()["metadata"]["name"]
    issued.secrets.patch(name, {"metadata": {"labels": {"foreign": "1"}}}, manager="kubectl")

    issued.change(secretTemplate={"labels": {"site": "roof"}})
    issued.settle()

    metadata = issued.secret()["metadata"]
    assert {"site", "foreign"} <= metadata["labels"].keys()
    assert "team" not in metadata["labels"]
    assert "note" not in metadata["annotations"]


def test_marks_of_deployment_tools_are_never_copied(world: World) -> None:
    marks = {
        "argocd.argoproj.io/tracking-id": "x",
        "kustomize.toolkit.fluxcd.io/name": "x",
        "helm.toolkit.fluxcd.io/name": "x",
        "meta.helm.sh/release-name": "x",
        "kubectl.kubernetes.io/last-applied-configuration": "x",
        "app.kubernetes.io/instance": "x",
    }
    world.change(secretTemplate={"labels": {**marks, "team": "a"}, "annotations": {**marks, "note": "b"}})

    world.settle()

    metadata = world.secret()["metadata"]
    assert metadata["labels"]["team"] == "a"
    assert metadata["annotations"]["note"] == "b"
    assert not marks.keys() & (metadata["labels"].keys() | metadata["annotations"].keys())


def test_a_device_that_holds_its_key_gets_no_seed(world: World) -> None:
    world.change(publicKey=user_key(1))

    world.settle()

    assert set(world.data()) == {"user.jwt", "inbox-prefix"}
    assert world.tokens[-1].key == user_key(1)


def test_a_key_the_device_takes_over_itself_leaves_no_seed_behind(issued: World) -> None:
    issued.change(publicKey=user_key(1))

    issued.settle()

    assert set(issued.data()) == {"user.jwt", "inbox-prefix"}


def test_the_same_key_in_another_account_gets_a_jwt_there_and_none_here(issued: World) -> None:
    here = issued.tokens[-1]

    issued.change(account="other")
    issued.settle()
    there = issued.tokens[-1]

    assert there.key == here.key
    assert there.account != here.account
    assert not issued.lets_in(here)
    issued.change(role="device-any")
    issued.settle()
    assert not issued.lets_in(here)
    assert not issued.lets_in(there)


def test_many_changes_while_the_servers_are_away_forget_nothing(issued: World) -> None:
    issued.problem = "no NATS server answers"
    for number in range(1, 41):
        issued.now += 1
        issued.change(publicKey=user_key(number))
        issued.reconcile()
        issued.requested = {name: [] for name in issued.keys}  # lost with the operator, each time

    issued.restart()
    issued.problem = ""
    issued.settle()

    assert [t.key for t in issued.tokens if issued.lets_in(t)] == [user_key(40)]


def test_a_key_that_comes_back_ends_with_all_it_ever_had(world: World) -> None:
    world.change(publicKey=user_key(1))
    world.reconcile()
    long_lived = world.tokens[-1]
    for key in (user_key(2), user_key(1)):  # the servers are away: what was superseded waits on the Secret
        world.change(publicKey=key, rotation={"jwt": {"duration": "20m"}})
        world.reconcile()

    note = Issued.from_json(world.secret()["metadata"]["annotations"][names.ISSUED])

    assert note.key == long_lived.key
    assert note.valid_until == long_lived.expires_at > note.expires_at


def test_secret_data_is_what_a_create_request_takes(issued: World) -> None:
    assert issued.secret()["data"]["inbox-prefix"] == b64encode(b"_INBOX_weather-01").decode()


def test_a_secret_that_is_only_to_look_otherwise_waits_for_its_turn(issued: World) -> None:
    issued.change(secretTemplate={"labels": {"team": "water"}})

    plan = issued.reconcile()

    assert plan.action == "re-present"
    assert plan.deadline is not None


def test_a_secret_whose_finalizer_was_taken_away_waits_for_nothing(issued: World) -> None:
    name = issued.secret()["metadata"]["name"]
    issued.secrets.patch(name, {"metadata": {"finalizers": None}}, manager="kubectl")

    plan = issued.reconcile()

    assert plan.write is not None
    assert plan.deadline is None
