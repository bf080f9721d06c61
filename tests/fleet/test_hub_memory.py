"""What must be known of a Hub besides its spec: that it ends, and that servers were once told of its accounts."""

import pytest
from fleet.conftest import Site

from testbed.clients import is_refused
from testbed.operator import Operator
from testbed.user import condition_of
from testbed.waiting import wait_until

LEDGER = "plant-ledger-iot"


@pytest.mark.usefixtures("operator")
def test_nobody_new_gets_credentials_of_a_hub_that_is_being_deleted(site: Site) -> None:
    site.ready_device("weather-01")
    site.user.delete("Hub", "plant")
    site.user.wait_reason("Hub", "plant", "InUse")

    site.user.apply_device("weather-02")

    refused = site.user.wait_reason("Device", "weather-02", "HubNotReady")
    assert "being deleted" in condition_of(refused, "Ready")["message"]
    assert site.user.secret("weather-02-device-creds") is None


async def test_a_device_is_not_gone_before_it_is_cut_off_though_the_ledger_was_lost_and_no_server_answers(
    operator: Operator, site: Site
) -> None:
    site.ready_device("weather-01")
    creds = site.user.creds("weather-01")
    site.user.wait_for("Hub", "plant", lambda hub: "issuedAt" in hub["status"]["accounts"][0])
    operator.stop()
    site.server.stop()
    site.user.patch("Secret", LEDGER, {"metadata": {"finalizers": None}})
    site.user.delete("Secret", LEDGER)
    operator.start()
    site.user.wait_reason("Hub", "plant", "NatsUnavailable")

    site.user.delete("Device", "weather-01")
    wait_until(lambda: b"U" in (site.user.secret(LEDGER) or {}).get("ledger.json", b""), what="it is written down")
    site.user.wait_reason("Device", "weather-01", "NatsUnavailable")

    site.server.start()
    site.user.wait_gone("Device", "weather-01")
    assert await is_refused(site.url, creds)
