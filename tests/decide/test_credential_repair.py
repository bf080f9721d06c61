"""What somebody did to a creds Secret, or put in its place, is told from what we wrote, and made right."""

import copy

import pytest
from decide.key_material import user_key
from decide.world import NOW, World

from iotsec.decide import names
from iotsec.nats import creds, jwt
from iotsec.nats.claims import UserClaims, UserPermissionLimits
from iotsec.nats.keys import KeyType, SigningKey


def test_an_old_secret_put_back_does_not_bring_an_old_key_back(issued: World) -> None:
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
    backup = copy.deepcopy(issued.secret())
    due = issued.reconcile().due
    assert due is not None
    issued.now = due
    issued.settle()
    renewed = issued.tokens[-1]

    found = issued.secret()
    metadata = {"annotations": backup["metadata"]["annotations"]}
    issued.secrets.patch(found["metadata"]["name"], {"metadata": metadata, "data": backup["data"]}, manager="velero")
    issued.settle()
    assert issued.tokens[-1].issued_at > renewed.issued_at
    assert not issued.lets_in(renewed)
    issued.delete()
    issued.settle()

    assert not [token for token in issued.tokens if issued.lets_in(token)]


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
    account = issued.keys["iot"].public
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


def _token_for(key: SigningKey) -> str:
    account = SigningKey.generate(KeyType.ACCOUNT, b"a" * 32)
    return jwt.encode(UserClaims(limits=UserPermissionLimits()), account, subject=key.public, issued_at=1)
