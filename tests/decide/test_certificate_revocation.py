"""Certificates that end early: of whom was deleted, suspended, or is somebody else now; and of nobody else."""

import copy
from dataclasses import replace
from typing import Any

import pytest
from decide.encrypted_world import CREDS, DAY, TLS, EncryptedWorld, authority, condition
from decide.secret_store import Object
from decide.world import NOW, ready

from iotsec.api.issuers import IssuerRef
from iotsec.decide import names
from iotsec.decide.ending import plan_orphan
from iotsec.decide.plan import Plan
from iotsec.decide.secrets import facts_of
from iotsec.decide.times import CLOCK_LAG_SECONDS


@pytest.fixture
def shown() -> EncryptedWorld:
    """A world whose Device has its credential and its certificate."""
    plant = EncryptedWorld()
    plant.settle()
    return plant


def test_a_deleted_device_leaves_when_its_certificate_is_written_down_as_revoked(shown: EncryptedWorld) -> None:
    shown.delete()

    first = shown.reconcile()
    shown.live = dict(shown.written)
    waiting = shown.reconcile()
    shown.push()
    last = shown.reconcile()

    assert [one.serial for one in first.revoke_certificates] == [shown.shown[-1].facts.serial]
    assert (waiting.release, waiting.drop) == (False, ())
    assert ready(shown.status) == ("False", "Deleting")
    assert last.release
    assert not shown.accepts(shown.shown[-1])


def test_everything_a_deleted_device_was_ever_given_and_may_still_show_is_revoked(shown: EncryptedWorld) -> None:
    shown.encrypt(policy=replace(shown.tls.policy, renew_before=80 * DAY))  # type: ignore[union-attr]
    for _ in range(3):
        shown.now += 12 * DAY
        shown.settle()
    assert len(shown.shown) > 2

    shown.delete()
    shown.reconcile()
    shown.push()

    assert not any(shown.accepts(one) for one in shown.shown)


def test_a_suspended_device_keeps_its_secrets_and_its_certificate_is_revoked(shown: EncryptedWorld) -> None:
    shown.change(suspended=True)

    shown.settle()

    assert ready(shown.status) == ("False", "Suspended")
    assert shown.secrets.objects.keys() == {CREDS, TLS}
    assert not shown.accepts(shown.shown[-1])


def test_a_suspended_devices_secrets_stay_until_its_certificate_is_written_down_as_revoked(
    shown: EncryptedWorld,
) -> None:
    shown.change(suspended=True)
    for name in tuple(shown.secrets.objects):
        shown.secrets.delete(name)
    shown.reconcile()
    shown.asked_for = []  # the Hub's worker has not written it down
    shown.push()

    waiting = shown.reconcile()

    assert [one.serial for one in waiting.revoke_certificates] == [shown.shown[-1].facts.serial]
    assert (waiting.revoke, waiting.drop) == ((), ())
    assert ready(shown.status) == ("False", "RevocationPending")
    shown.settle()
    assert shown.secrets.objects == {}


def test_a_device_that_comes_back_gets_another_certificate(shown: EncryptedWorld) -> None:
    shown.change(suspended=True)
    shown.settle()

    shown.now += 5
    shown.change(suspended=None)
    shown.settle()

    first, second = shown.shown
    assert ready(shown.status) == ("True", "Issued")
    assert (shown.accepts(first), shown.accepts(second)) == (False, True)
    assert first.facts.public != second.facts.public


def test_a_device_that_takes_another_id_ends_the_certificate_of_the_former(shown: EncryptedWorld) -> None:
    shown.change(deviceId="weather-02")

    shown.settle()

    first, second = shown.shown
    assert second.facts.names.common_name == "weather-02"
    assert (shown.accepts(first), shown.accepts(second)) == (False, True)


def test_a_name_that_is_taken_away_ends_the_certificate_that_says_it(shown: EncryptedWorld) -> None:
    shown.change(certificate={"dnsNames": ["a.example.com", "b.example.com"]})
    shown.settle()

    shown.change(certificate={"dnsNames": ["a.example.com"]})
    shown.settle()

    first, second, third = shown.shown
    assert third.facts.names.dns_names == ("a.example.com",)
    assert not shown.accepts(second)
    assert shown.accepts(third)
    assert not shown.accepts(first), "what it showed before is refused with it"


def test_a_name_that_is_added_ends_nothing(shown: EncryptedWorld) -> None:
    shown.change(certificate={"dnsNames": ["a.example.com"], "ipAddresses": ["10.0.0.7"]})

    shown.settle()

    first, second = shown.shown
    assert shown.accepts(first)
    assert shown.accepts(second)


def test_a_certificate_that_was_lost_with_its_secret_is_revoked_by_what_the_status_knows(shown: EncryptedWorld) -> None:
    shown.secrets.objects.pop(TLS)
    shown.restart()

    shown.settle()

    first, second = shown.shown
    assert (shown.accepts(first), shown.accepts(second)) == (False, True)


def test_a_secret_put_back_as_it_once_was_does_not_bring_its_certificate_back(shown: EncryptedWorld) -> None:
    backup = copy.deepcopy(shown.secrets.objects[TLS])
    shown.now += 75 * DAY
    shown.settle()
    lost = shown.shown[-1]

    restored = {key: backup["metadata"][key] for key in ("labels", "annotations")}
    shown.secrets.patch(TLS, {"metadata": restored, "data": backup["data"]}, manager="velero")
    shown.settle()

    assert not shown.accepts(lost)
    assert len(shown.shown) == 3
    assert shown.accepts(shown.shown[-1])


def test_a_refused_device_keeps_its_certificate_unless_it_is_to_be_cut_off(shown: EncryptedWorld) -> None:
    shown.change(role="nobody")
    shown.settle()
    assert shown.accepts(shown.shown[-1])
    assert condition(shown.status, "Stalled")[1] == "RoleUnknown"

    shown.change(suspended=True)
    shown.settle()

    assert not shown.accepts(shown.shown[-1])


def test_without_a_ca_of_ours_nothing_is_revoked_and_nobody_waits(shown: EncryptedWorld) -> None:
    shown.encrypt(authority=None, issuer=IssuerRef(name="company"))
    shown.delete()

    shown.reconcile()
    shown.push()
    plan = shown.reconcile()

    assert plan.release
    assert not shown.asked_for


def test_a_deletion_waits_for_nothing_when_the_policy_is_gone(shown: EncryptedWorld) -> None:
    shown.tls = None
    shown.delete()

    shown.reconcile()
    shown.push()

    assert shown.reconcile().release


def test_while_the_cas_key_is_not_at_hand_what_is_to_be_revoked_is_written_down_all_the_same(
    shown: EncryptedWorld,
) -> None:
    shown.encrypt(authority=None, generation="", problem="the Secret plant-own-ca is gone")
    shown.delete()

    plan = shown.reconcile()

    assert [one.serial for one in plan.revoke_certificates] == [shown.shown[-1].facts.serial]
    assert not plan.release


def test_a_certificate_that_a_server_whose_clock_lags_takes_for_a_good_one_is_revoked(shown: EncryptedWorld) -> None:
    certificate = shown.shown[-1].facts
    shown.now = certificate.expires_at + CLOCK_LAG_SECONDS
    shown.delete()

    assert [one.serial for one in shown.reconcile().revoke_certificates] == [certificate.serial]


def test_so_is_one_that_only_the_status_knows(shown: EncryptedWorld) -> None:
    certificate = shown.shown[-1].facts
    shown.secrets.objects.pop(TLS)
    shown.restart()
    shown.now = certificate.expires_at + CLOCK_LAG_SECONDS
    shown.delete()

    assert [one.serial for one in shown.reconcile().revoke_certificates] == [certificate.serial]


def test_an_expired_certificate_is_not_worth_a_word(shown: EncryptedWorld) -> None:
    shown.now = shown.shown[-1].facts.expires_at + CLOCK_LAG_SECONDS + 1
    shown.delete()

    assert shown.reconcile().revoke_certificates == ()


def test_certificates_of_a_ca_that_nobody_trusts_any_more_end_with_it(shown: EncryptedWorld) -> None:
    second = authority(2)
    shown.trust(second, use=second)
    shown.settle()

    first, latest = shown.shown
    assert (shown.accepts(first), shown.accepts(latest)) == (False, True)


# What is left of a Device that went without a word.


def test_what_a_vanished_device_left_is_revoked_and_then_goes(shown: EncryptedWorld) -> None:
    secret = facts_of(shown.certificate_secret()["metadata"])

    first = plan_orphan(secret, shown.view(), now=NOW)
    shown.carry_out(first)
    shown.push()
    second = plan_orphan(secret, shown.view(), now=NOW)

    assert [one.serial for one in first.revoke_certificates] == [shown.shown[-1].facts.serial]
    assert first.drop == ()
    assert second.drop == (secret,)
    assert not shown.accepts(shown.shown[-1])


def _forged(metadata: Object, note: dict[str, Any]) -> Object:
    told = shown_note(metadata, note)
    return {**metadata, "annotations": {**metadata["annotations"], names.CERTIFICATE_ISSUED: told}}


def shown_note(metadata: Object, changes: dict[str, Any]) -> str:
    """The note of a Secret as somebody would like to have it."""
    note = facts_of(metadata).certificate
    assert note is not None
    return replace(note, **changes).to_json()


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
def test_a_copy_of_a_certificate_secret_revokes_nobody(shown: EncryptedWorld, forgery: Object) -> None:
    secret = facts_of({**shown.certificate_secret()["metadata"], **forgery})

    assert plan_orphan(secret, shown.view(), now=NOW) == Plan()


def test_a_forged_note_on_ones_own_secret_revokes_nobody_elses_certificate(shown: EncryptedWorld) -> None:
    metadata = shown.certificate_secret()["metadata"]
    forged = _forged(metadata, {"serial": 4711, "revision": 9})
    shown.secrets.patch(TLS, {"metadata": {"annotations": forged["annotations"]}}, manager="kubectl")

    shown.delete()
    shown.reconcile()
    shown.push()
    shown.reconcile()

    assert not shown.revoked().covers(4711, shown.shown[-1].facts.issuer_key_id)
    assert not shown.accepts(shown.shown[-1]), "the status knows what was really issued"


def test_a_note_of_a_credential_is_none_of_a_certificate(shown: EncryptedWorld) -> None:
    """The seal of one kind of note does not fit the other."""
    creds = shown.secrets.objects[CREDS]["metadata"]
    note = shown.note()
    stolen = {**creds["annotations"], names.CERTIFICATE_ISSUED: note.to_json()}
    del stolen[names.ISSUED]

    secret = facts_of({**creds, "annotations": stolen, "labels": {names.COMPONENT: names.CERTIFICATE}})

    assert plan_orphan(secret, shown.view(), now=NOW).revoke_certificates == ()
