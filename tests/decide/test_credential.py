"""When a credential is kept, renewed, re-issued or made anew."""

from base64 import b64encode
from typing import Any

import pytest
from decide.world import NOW, World, ready, user_key

from iotsec.decide import names
from iotsec.nats import creds
from iotsec.nats.keys import KeyType, SigningKey


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


def test_an_old_secret_put_back_does_not_bring_an_old_key_back(issued: World) -> None:
    import copy  # noqa: PLC0415

    backup = copy.deepcopy(issued.secret())
    issued.change(publicKey=user_key(3))
    issued.settle()
    issued.change(publicKey=None)
    issued.now += 10
    issued.settle()
    latest = issued.tokens[-1]

    found = issued.secret()
    metadata = {k: backup["metadata"][k] for k in ("labels", "annotations")}
    issued.secrets.patch(found["metadata"]["name"], {"metadata": metadata, "data": backup["data"]}, manager="velero")
    issued.settle()

    assert not issued.lets_in(issued.tokens[0])
    assert not issued.lets_in(latest)
    assert issued.tokens[-1].key not in {issued.tokens[0].key, latest.key}


def test_an_older_jwt_of_the_same_key_put_back_forgets_no_newer_one(issued: World) -> None:
    import copy  # noqa: PLC0415

    backup = copy.deepcopy(issued.secret())
    due = issued.reconcile().due
    assert due is not None
    issued.now = due
    issued.settle()
    renewed = issued.tokens[-1]

    found = issued.secret()
    metadata = {"annotations": backup["metadata"]["annotations"]}
    issued.secrets.patch(found["metadata"]["name"], {"metadata": metadata, "data": backup["data"]}, manager="velero")
    issued.reconcile()
    issued.delete()
    issued.settle()

    assert not issued.lets_in(renewed)


def test_a_seed_of_somebody_else_in_the_secret_is_never_issued_to(issued: World) -> None:
    thief = SigningKey.generate(KeyType.USER, b"t" * 32)
    old = issued.tokens[-1]
    for annotation in (names.ISSUED, names.SEAL):
        name = issued.secret()["metadata"]["name"]
        issued.secrets.patch(name, {"metadata": {"annotations": {annotation: None}}}, manager="kubectl")
    forged = creds.format_creds(_token_for(thief), thief)

    issued.edit(nats_creds=forged, user_jwt=_token_for(thief).encode())
    issued.settle()

    assert issued.tokens[-1].key not in {thief.public, old.key}
    assert not issued.lets_in(old)


@pytest.mark.parametrize("damage", [{"user_jwt": b"?"}, {"user_jwt": None}, {"inbox__prefix": b"_INBOX"}], ids=str)
def test_damage_beside_the_seed_is_repaired_with_the_very_same_jwt(issued: World, damage: dict[str, bytes]) -> None:
    before = issued.data()

    issued.edit(**damage)
    issued.settle()

    assert issued.data() == before
    assert issued.lets_in(issued.tokens[0])


@pytest.mark.parametrize("damage", [b"", b"garbage", None], ids=["emptied", "overwritten", "removed"])
def test_a_lost_seed_is_replaced_and_the_old_key_ends(issued: World, damage: bytes | None) -> None:
    old = issued.tokens[-1]

    issued.edit(nats_creds=damage)
    issued.settle()

    assert issued.tokens[-1].key != old.key
    assert not issued.lets_in(old)
    assert issued.lets_in(issued.tokens[-1])


@pytest.mark.parametrize(
    "annotation", [names.ISSUED, names.SEAL, names.HUB, names.CONTENT_HASH], ids=lambda name: name.partition("/")[2]
)
@pytest.mark.parametrize("restarted", [False, True], ids=["watched", "while away"])
def test_a_note_of_ours_that_was_removed_comes_back_and_nothing_is_issued(
    issued: World, annotation: str, *, restarted: bool
) -> None:
    before = issued.secret()["metadata"]["annotations"].copy()
    if restarted:
        issued.restart()

    name = issued.secret()["metadata"]["name"]
    issued.secrets.patch(name, {"metadata": {"annotations": {annotation: None}}}, manager="kubectl")
    issued.settle()

    assert issued.secret()["metadata"]["annotations"] == before
    assert issued.lets_in(issued.tokens[0])
    assert {t.token for t in issued.tokens} == {issued.tokens[0].token}


@pytest.mark.parametrize("key", [user_key(9), ""], ids=["another's key", "no key"])
def test_a_forged_note_revokes_nobody(issued: World, key: str) -> None:
    name = issued.secret()["metadata"]["name"]
    account = issued.keys["iot"].identity.public
    note = issued.secret()["metadata"]["annotations"][names.ISSUED]
    forged = note[:-1] + f',"superseded":[["{account}","{key}",{NOW + 99},{NOW + 999999}]]' + "}"

    issued.secrets.patch(name, {"metadata": {"annotations": {names.ISSUED: forged}}}, manager="kubectl")
    plan = issued.settle()

    assert plan.revoke == ()
    assert key not in issued.written["iot"].entries
    assert issued.secret()["metadata"]["annotations"][names.ISSUED] == note


def test_a_secret_deleted_by_hand_comes_back_as_it_was(issued: World) -> None:
    before = issued.secret()

    issued.secrets.delete(before["metadata"]["name"])
    issued.settle()

    after = issued.secret()
    assert after["data"] == before["data"]
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert names.FINALIZER in after["metadata"]["finalizers"]
    assert issued.lets_in(issued.tokens[0])


def test_a_secret_lost_with_its_finalizer_ends_what_it_held(issued: World) -> None:
    old = issued.tokens[-1]

    issued.secrets.objects.clear()
    issued.settle()

    assert not issued.lets_in(old)
    assert issued.tokens[-1].key != old.key
    assert issued.status["revision"] == 2


def test_a_foreign_key_beside_ours_does_not_count(issued: World) -> None:
    other = SigningKey.generate(KeyType.USER, b"o" * 32)
    before = issued.tokens[-1]

    issued.edit(backup_creds=creds.format_creds(_token_for(other), other))
    issued.settle()
    issued.change(credsKey="mir.creds")
    issued.settle()

    assert issued.tokens[-1].token == before.token
    assert set(issued.data()) == {"mir.creds", "user.jwt", "inbox-prefix", "backup.creds"}


def test_secret_data_is_what_a_create_request_takes(issued: World) -> None:
    assert issued.secret()["data"]["inbox-prefix"] == b64encode(b"_INBOX_weather-01").decode()


def _token_for(key: SigningKey) -> str:
    from iotsec.nats import jwt  # noqa: PLC0415
    from iotsec.nats.claims import UserClaims, UserPermissionLimits  # noqa: PLC0415

    account = SigningKey.generate(KeyType.ACCOUNT, b"a" * 32)
    return jwt.encode(UserClaims(limits=UserPermissionLimits()), account, subject=key.public, issued_at=1)
