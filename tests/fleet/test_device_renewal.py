"""JWTs end, and are renewed before; renewals here are seconds apart instead of weeks."""

import time
from datetime import datetime

import pytest
from fleet.conftest import Site

from iotsec.nats import jwt
from testbed.clients import connect_as, is_refused, wait_accepted, wait_refused
from testbed.operator import Operator

SHORT = {"jwt": {"duration": "12s", "renewBefore": "10s"}}


def instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def token_of(creds: str) -> jwt.Decoded:
    return jwt.decode(creds.splitlines()[1])


async def test_a_jwt_is_renewed_in_time_and_the_old_one_works_to_its_own_end_and_no_longer(plant: Site) -> None:
    first = plant.ready_device("renewed", rotation=SHORT)["status"]
    old = plant.user.creds("renewed")
    assert instant(first["expiresAt"]) - instant(first["issuedAt"]) == 12
    assert instant(first["renewalTime"]) <= instant(first["expiresAt"]) - 10

    async with connect_as(plant.url, old) as device:
        second = plant.user.wait_for("Device", "renewed", lambda d: d["status"]["revision"] == 2)["status"]
        fresh = plant.user.creds("renewed")

        assert instant(second["issuedAt"]) < instant(first["expiresAt"]), "renewed before the end"
        assert second["publicKey"] == first["publicKey"]
        assert token_of(fresh).subject == token_of(old).subject
        assert token_of(fresh).issued_at > token_of(old).issued_at
        assert await device.may_publish("device.renewed.telemetry"), "nobody is cut off by a renewal"
        await wait_accepted(plant.url, fresh)
        await wait_accepted(plant.url, old)

        await device.wait_closed(within=20)
    assert time.time() >= instant(first["expiresAt"]) - 1
    await wait_refused(plant.url, old)  # ends at the server, whatever the operator does


async def test_renewals_missed_by_an_operator_that_was_away_are_made_up_for(plant: Site, operator: Operator) -> None:
    plant.ready_device("missed", rotation={"jwt": {"duration": "10s"}})
    old = plant.user.creds("missed")
    async with connect_as(plant.url, old) as device:
        operator.stop()
        await device.wait_closed(within=20)
    await wait_refused(plant.url, old)

    operator.start()

    plant.user.wait_for("Device", "missed", lambda d: d["status"]["revision"] == 2)
    await wait_accepted(plant.url, plant.user.creds("missed"))


async def test_a_renewed_device_that_is_deleted_is_refused_with_every_jwt_it_ever_had(plant: Site) -> None:
    plant.ready_device("twice", rotation=SHORT)
    first = plant.user.creds("twice")
    plant.user.wait_for("Device", "twice", lambda d: d["status"]["revision"] == 2)
    second = plant.user.creds("twice")
    await wait_accepted(plant.url, first)

    plant.user.delete("Device", "twice")
    plant.user.wait_gone("Device", "twice")

    assert await is_refused(plant.url, first)
    assert await is_refused(plant.url, second)


async def test_a_shorter_life_in_the_spec_ends_what_was_issued_for_longer(plant: Site) -> None:
    plant.ready_device("shortened")
    old = plant.user.creds("shortened")

    async with connect_as(plant.url, old) as device:
        plant.ready_device("shortened", rotation={"jwt": {"duration": "1h"}})
        await device.wait_closed()

    assert await is_refused(plant.url, old)
    fresh = token_of(plant.user.creds("shortened"))
    assert fresh.expires_at == fresh.issued_at + 3600


async def test_a_hubs_rotation_holds_for_its_devices_and_a_devices_own_comes_first(site: Site) -> None:
    site.user.apply_hub("plant", [site.url], rotation={"jwt": {"duration": "2h", "renewBefore": "30m"}})
    site.user.wait_ready("Hub", "plant")
    theirs = site.ready_device("as-the-hub-says")["status"]
    own = site.ready_device("as-it-says-itself", rotation={"jwt": {"duration": "1h"}})["status"]

    assert instant(theirs["expiresAt"]) - instant(theirs["issuedAt"]) == 7200
    assert 1800 <= instant(theirs["expiresAt"]) - instant(theirs["renewalTime"]) <= 1800 + 540
    assert instant(own["expiresAt"]) - instant(own["issuedAt"]) == 3600
    assert 1200 <= instant(own["expiresAt"]) - instant(own["renewalTime"]) <= 1200 + 240


@pytest.mark.parametrize(
    "rotation",
    [
        {"duration": "1h", "renewBefore": "1h"},
        {"duration": "1h", "renewBefore": "2h"},
        {"renewBefore": "721h"},
        {"duration": "9s"},
        {"duration": "1d"},
        {"duration": "-1h"},
    ],
    ids=str,
)
def test_a_rotation_that_cannot_be_is_refused_for_devices_and_hubs(plant: Site, rotation: dict[str, str]) -> None:
    for kind, spec in (("Device", {"hubRef": {"name": "plant"}}), ("Hub", {"nats": {"servers": [plant.url]}})):
        with pytest.raises(Exception, match="duration"):
            plant.user.apply(kind, "impossible", {**spec, "rotation": {"jwt": rotation}})


async def test_a_renewal_while_nats_is_down_waits_for_nobody(site: Site) -> None:
    site.ready_device("offline", rotation=SHORT)

    site.server.kill()
    site.user.wait_for("Device", "offline", lambda d: d["status"]["revision"] == 2)
    site.server.start()

    await wait_accepted(site.url, site.user.creds("offline"), within=20)
    site.user.wait_ready("Device", "offline")
