"""A role that left the Hub's spec while a Device has it: the Device's credentials are replaced as ever."""

import pytest
from fleet.conftest import Site

from testbed.clients import connect_as
from testbed.user import condition_of

pytestmark = pytest.mark.usefixtures("operator")

GATEWAY = {"name": "gateway", "publish": {"allow": ["event.gateway.{id}"]}}


async def test_who_has_a_role_that_left_the_spec_is_not_left_to_expire(site: Site) -> None:
    site.user.apply_hub("plant", [site.url], roles=[GATEWAY])
    site.user.wait_ready("Hub", "plant")
    site.ready_device("gw-1", role="gateway")
    site.user.apply_hub("plant", [site.url])
    site.user.wait_reason("Hub", "plant", "RoleInUse")

    site.user.annotate("Device", "gw-1", {"iotsec.dev/rotate": "1"})
    device = site.user.wait_for("Device", "gw-1", lambda found: found["status"].get("rotated") == ["1"])

    assert condition_of(device, "Ready")["status"] == "True"
    async with connect_as(site.url, site.user.creds("gw-1")) as gateway:
        assert await gateway.may_publish("event.gateway.gw-1")
        assert not await gateway.may_publish("device.gw-1.telemetry")
