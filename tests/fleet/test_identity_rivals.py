"""Ids and keys are one identity's own: from hand to hand without a fault, and from nobody by force."""

import os

import pytest
from fleet.conftest import Site, new_namespace
from fleet.test_identity_status import phases, watched

from iotsec.nats.keys import KeyType, SigningKey
from testbed.clients import connect_as, is_refused, wait_accepted
from testbed.control_plane import ControlPlane
from testbed.user import condition_of


def new_key() -> str:
    return SigningKey.generate(KeyType.USER, os.urandom(32)).public


async def test_a_device_whose_object_is_renamed_never_looks_stuck(plant: Site) -> None:
    plant.ready_device("old-object", deviceId="renamed-1")
    old = plant.user.creds("old-object")

    with watched(plant.user, "new-object") as versions:
        plant.user.delete("Device", "old-object")
        plant.user.apply_device("new-object", deviceId="renamed-1")
        plant.user.wait_ready("Device", "new-object")

    assert phases(versions) == ["InProgress", "Current"]
    assert await is_refused(plant.url, old)
    await wait_accepted(plant.url, plant.user.creds("new-object"))


async def test_two_devices_that_swap_their_ids_at_once_both_get_them(plant: Site) -> None:
    plant.ready_device("swap-a", deviceId="id-a")
    plant.ready_device("swap-b", deviceId="id-b")
    before = [plant.user.creds("swap-a"), plant.user.creds("swap-b")]

    plant.user.apply_device("swap-a", deviceId="id-b")
    plant.user.apply_device("swap-b", deviceId="id-a")

    assert plant.user.wait_ready("Device", "swap-a")["status"]["id"] == "id-b"
    assert plant.user.wait_ready("Device", "swap-b")["status"]["id"] == "id-a"
    for creds in before:
        assert await is_refused(plant.url, creds)
    for name, device_id in (("swap-a", "id-b"), ("swap-b", "id-a")):
        async with connect_as(plant.url, plant.user.creds(name)) as device:
            assert await device.may_publish(f"device.{device_id}.telemetry")


async def test_who_asks_for_a_taken_id_loses_the_one_it_had_and_another_may_have_that(plant: Site) -> None:
    plant.ready_device("holder", deviceId="held")
    plant.ready_device("mover", deviceId="left-behind")
    before = plant.user.creds("mover")

    plant.user.apply_device("mover", deviceId="held")
    plant.user.wait_reason("Device", "mover", "IdTaken")
    plant.ready_device("heir", deviceId="left-behind")

    assert await is_refused(plant.url, before)
    await wait_accepted(plant.url, plant.user.creds("holder"))
    plant.user.apply_device("mover", deviceId="left-behind")
    plant.user.wait_reason("Device", "mover", "IdTaken")
    await wait_accepted(plant.url, plant.user.creds("heir"))


async def test_a_thief_of_a_public_key_gets_nothing_and_its_end_hurts_nobody(plant: Site) -> None:
    key = plant.ready_device("robbed")["status"]["publicKey"]
    async with connect_as(plant.url, plant.user.creds("robbed")) as device:
        plant.user.apply_device("robber", publicKey=key)
        plant.user.wait_reason("Device", "robber", "PublicKeyTaken")
        assert plant.user.secret("robber-device-creds") is None
        plant.user.delete("Device", "robber")
        plant.user.wait_gone("Device", "robber")
        plant.ready_device("after-the-robbery")

        assert await device.may_publish("device.robbed.telemetry")


async def test_the_later_of_two_with_one_public_key_gets_it_when_the_first_goes(plant: Site) -> None:
    key = new_key()
    plant.ready_device("first-key", publicKey=key)

    plant.user.apply_device("later-key", publicKey=key)
    stuck = plant.user.wait_reason("Device", "later-key", "PublicKeyTaken")
    assert "first-key" in condition_of(stuck, "Stalled")["message"]

    plant.user.delete("Device", "first-key")
    assert plant.user.wait_ready("Device", "later-key")["status"]["publicKey"] == key


def test_nobody_from_a_namespace_that_is_not_admitted_can_occupy_an_id(plant: Site, plane: ControlPlane) -> None:
    reference = {"hubRef": {"name": "plant", "namespace": plant.user.namespace}}
    with new_namespace(plane) as stranger:
        for name, account in (("squatter", {"account": "iot"}), ("squatter-2", {})):
            stranger.apply("Device", name, {**reference, **account, "deviceId": "occupied"})
            stranger.wait_reason("Device", name, "NamespaceNotAdmitted")

        plant.ready_device("rightful", deviceId="occupied")


@pytest.mark.parametrize("healed_by", ["deletion", "another name"])
def test_somebody_elses_secret_is_not_touched_and_the_conflict_ends_soon_after_it_is_solved(
    plant: Site, healed_by: str
) -> None:
    name = f"conflict-{len(healed_by)}"
    plant.user.create("Secret", f"{name}-device-creds", stringData={"nats.creds": "mine"})
    plant.user.apply_device(name)
    stuck = plant.user.wait_reason("Device", name, "SecretConflict")
    assert f"{name}-device-creds" in condition_of(stuck, "Stalled")["message"]
    assert plant.user.secret(f"{name}-device-creds") == {"nats.creds": b"mine"}

    if healed_by == "deletion":
        plant.user.delete("Secret", f"{name}-device-creds")
    else:
        plant.user.apply_device(name, secretName=f"{name}-other")

    plant.user.wait_ready("Device", name, within=15)
    if healed_by != "deletion":
        assert plant.user.secret(f"{name}-device-creds") == {"nats.creds": b"mine"}


def test_the_secret_of_another_device_is_somebody_elses(plant: Site) -> None:
    plant.ready_device("owner-of-it")
    before = plant.user.wait_secret("owner-of-it-device-creds")

    plant.user.apply_device("envious", secretName="owner-of-it-device-creds")

    plant.user.wait_reason("Device", "envious", "SecretConflict")
    assert plant.user.wait_secret("owner-of-it-device-creds") == before


def test_keys_of_the_hub_are_nobodys_to_name(plant: Site) -> None:
    before = plant.user.wait_secret("plant-signing-keys")

    plant.user.apply_device("greedy-secret", secretName="plant-signing-keys")

    plant.user.wait_reason("Device", "greedy-secret", "SecretConflict")
    assert plant.user.wait_secret("plant-signing-keys") == before
