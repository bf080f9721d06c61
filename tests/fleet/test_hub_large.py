"""An account with as many revocations as its JWT can carry."""

import hashlib
import json
import time
from base64 import b64encode

import pytest
from fleet.conftest import Site
from fleet.key_holder import KeyHolder, revocations, stored_jwt

from iotsec.decide.ledger import MAX_REVOCATIONS, NEAR_LIMIT
from iotsec.nats.keys import KeyType, SigningKey
from testbed.clients import connect_as, is_refused
from testbed.operator import Operator
from testbed.user import User, condition_of

pytestmark = pytest.mark.usefixtures("operator")


def fill_ledger(operator: Operator, user: User, number: int, *, ago: int = 0) -> None:
    """Have the account revoke so many users, as if they had been deleted one by one so many seconds ago."""
    operator.stop()
    now = int(time.time()) - ago
    users = (SigningKey.generate(KeyType.USER, hashlib.sha256(str(n).encode()).digest()).public for n in range(number))
    ledger = json.loads(user.wait_secret("plant-ledger-iot")["ledger.json"])
    ledger["revocations"] |= {key: [now, now + ago + 86_400] for key in users}
    ledger["digest"] = ""
    data = {"ledger.json": b64encode(json.dumps(ledger).encode()).decode()}
    user.patch("Secret", "plant-ledger-iot", {"data": data})
    operator.start()


async def test_a_device_is_cut_off_by_the_last_revocation_there_is_room_for_and_the_next_is_told_why_not(
    operator: Operator, site: Site
) -> None:
    creds, next_creds = site.user.issue_device("weather-01"), site.user.issue_device("weather-02")
    fill_ledger(operator, site.user, MAX_REVOCATIONS - 1)

    async with connect_as(site.url, creds) as device, connect_as(site.url, next_creds) as other:
        site.user.delete("Device", "weather-01")
        await device.wait_closed(within=20)
        site.user.wait_gone("Device", "weather-01")
        assert await is_refused(site.url, creds)
        assert len(revocations(stored_jwt(site.server, KeyHolder(site.user).account))) == MAX_REVOCATIONS

        site.user.delete("Device", "weather-02")
        full = site.user.wait_reason("Hub", "plant", "RevocationsFull")
        assert condition_of(full, "Stalled")["status"] == "True"
        assert "several accounts" in condition_of(full, "Ready")["message"]
        assert await other.may_publish("device.weather-02.telemetry")  # nothing is claimed that is not so
        assert site.user.get("Device", "weather-02") is not None


async def test_revocations_from_before_anybodys_jwt_become_one_and_nobody_who_works_is_cut_off(
    operator: Operator, site: Site
) -> None:
    long_gone = site.user.issue_device("long-gone")
    site.user.delete("Device", "long-gone")
    site.user.wait_gone("Device", "long-gone")
    creds, other_creds = site.user.issue_device("weather-01"), site.user.issue_device("weather-02")
    fill_ledger(operator, site.user, MAX_REVOCATIONS - 1, ago=3600)

    async with connect_as(site.url, other_creds) as other, connect_as(site.url, creds) as device:
        site.user.delete("Device", "weather-01")
        await device.wait_closed(within=20)
        site.user.wait_gone("Device", "weather-01")

        revoked = revocations(stored_jwt(site.server, KeyHolder(site.user).account))
        assert "*" in revoked
        assert len(revoked) < 10
        assert await other.may_publish("device.weather-02.telemetry")
    assert await is_refused(site.url, creds)
    assert await is_refused(site.url, long_gone)


def test_a_hub_warns_before_its_accounts_can_revoke_nobody_any_more(operator: Operator, site: Site) -> None:
    site.user.issue_device("weather-01")

    fill_ledger(operator, site.user, NEAR_LIMIT)

    hub = site.user.wait_reason("Hub", "plant", "NearLimit", condition="RevocationsNearLimit")
    assert condition_of(hub, "Ready")["status"] == "True"
