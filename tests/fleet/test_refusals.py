"""What cannot be is told, with what to do instead; what is there already is not touched, and everything heals."""

from contextlib import suppress

import pytest
from fleet.conftest import Site

from testbed.api import RequestRefusedError
from testbed.clients import connect_as, is_refused, wait_accepted
from testbed.user import User, condition_of

BAD_CHECKSUM = "U" + "A" * 55


async def test_the_later_of_two_devices_with_one_id_is_stalled_until_the_first_goes(site: Site) -> None:
    site.user.apply_device("first", deviceId="weather-01")
    site.user.wait_ready("Device", "first")
    creds = site.user.creds("first")

    site.user.apply_device("later", deviceId="weather-01")

    later = site.user.wait_reason("Device", "later", "IdTaken")
    assert f"Device {site.user.namespace}/first" in condition_of(later, "Stalled")["message"]
    assert site.user.secret("later-device-creds") is None
    async with connect_as(site.url, creds) as first:
        assert await first.may_publish("device.weather-01.telemetry")

    site.user.delete("Device", "first")
    site.user.wait_ready("Device", "later")
    assert await is_refused(site.url, creds)


async def test_the_same_id_is_taken_whether_the_account_is_named_or_not(site: Site) -> None:
    site.user.apply_device("first", deviceId="weather-01")
    site.user.wait_ready("Device", "first")

    site.user.apply_device("later", deviceId="weather-01", account="iot")

    site.user.wait_reason("Device", "later", "IdTaken")


async def test_a_public_key_is_one_identitys_own(site: Site) -> None:
    site.user.apply_device("first")
    key = site.user.wait_ready("Device", "first")["status"]["publicKey"]

    site.user.apply_device("thief", publicKey=key)

    site.user.wait_reason("Device", "thief", "PublicKeyTaken")
    await wait_accepted(site.url, site.user.creds("first"))


async def test_a_device_waits_for_its_hub_and_follows_it(site: Site) -> None:
    site.user.apply_device("early", hub="later")
    waiting = site.user.wait_reason("Device", "early", "HubNotFound")
    assert condition_of(waiting, "Reconciling")["status"] == "True"

    site.user.apply_hub("later", [site.url])

    site.user.wait_for("Device", "early", lambda d: condition_of(d, "Ready").get("reason") != "HubNotFound")
    assert site.user.wait_secret("early-device-creds")


async def test_a_namespace_is_let_in_and_cut_off_as_the_hub_says(site: Site) -> None:
    guests = User(site.user.api, f"{site.user.namespace}-guests")
    guests.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": guests.namespace}})
    reference = {"hubRef": {"name": "plant", "namespace": site.user.namespace}}
    guests.apply("Device", "guest", reference)
    guests.wait_reason("Device", "guest", "NamespaceNotAdmitted")

    site.user.apply_hub("plant", [site.url], accounts=[{"name": "iot", "namespaces": {"from": "All"}}])
    guests.wait_ready("Device", "guest")
    creds = guests.creds("guest")
    async with connect_as(site.url, creds) as guest:
        site.user.apply_hub("plant", [site.url], accounts=[{"name": "iot"}])
        await guest.wait_closed()

    guests.wait_reason("Device", "guest", "NamespaceNotAdmitted")
    assert await is_refused(site.url, creds)
    guests.api.request("DELETE", f"/api/v1/namespaces/{guests.namespace}")


async def test_accounts_are_worlds_apart_and_must_be_named_where_there_are_several(site: Site) -> None:
    site.user.apply_hub("plant", [site.url], accounts=[{"name": "iot"}, {"name": "lab"}])
    site.user.wait_ready("Hub", "plant")
    site.user.apply_device("nowhere")
    site.user.wait_reason("Device", "nowhere", "AccountRequired")
    site.user.apply_device("stranger", account="office")
    site.user.wait_reason("Device", "stranger", "AccountUnknown")

    site.user.apply_device("one", account="iot", role="device-any")
    site.user.apply_device("other", account="lab")
    site.user.wait_ready("Device", "one")
    site.user.wait_ready("Device", "other")

    async with connect_as(site.url, site.user.creds("one")) as listener:
        heard = await listener.client.subscribe("*.>")
        await listener.client.flush()
        async with connect_as(site.url, site.user.creds("other")) as other:
            assert await other.may_publish("device.other.telemetry")
        await listener.client.flush()
        assert heard.pending_msgs == 0


async def test_a_key_with_a_wrong_checksum_is_told(site: Site) -> None:
    site.user.apply_device("typo", publicKey=BAD_CHECKSUM)

    site.user.wait_reason("Device", "typo", "InvalidPublicKey")


async def test_a_secret_that_is_not_ours_is_never_touched(site: Site) -> None:
    site.user.create("Secret", "weather-01-device-creds", stringData={"nats.creds": "mine"})

    site.user.apply_device("weather-01")

    site.user.wait_reason("Device", "weather-01", "SecretConflict")
    assert site.user.secret("weather-01-device-creds") == {"nats.creds": b"mine"}
    site.user.delete("Secret", "weather-01-device-creds")
    site.user.wait_ready("Device", "weather-01", within=90)


@pytest.mark.parametrize("name", ["device", "client", "event", "_INBOX_pump-07", "_INBOX"])
async def test_an_id_that_would_own_the_subjects_of_others_gets_nothing(site: Site, name: str) -> None:
    with suppress(RequestRefusedError):  # by admission, or else by the operator
        site.user.apply_device("greedy", deviceId=name)
        site.user.wait_reason("Device", "greedy", "InvalidId")

    assert site.user.secret("greedy-device-creds") is None
