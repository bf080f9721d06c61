"""An account whose roles are more than a JWT can carry says so, and keeps no other account from its work."""

import pytest
from fleet.conftest import Site

from testbed.clients import connect_as, is_refused
from testbed.user import condition_of

pytestmark = pytest.mark.usefixtures("operator")

ACCOUNTS = [{"name": "huge"}, {"name": "small", "roles": ["device"]}]


def subjects(role: int, part: str) -> list[str]:
    """As many long subjects as a list takes."""
    return [f"{part}{role}.{number}.{'x' * 220}" for number in range(64)]


async def test_its_devices_stay_and_those_of_other_accounts_are_cut_off_as_ever(site: Site) -> None:
    site.user.apply_hub("plant", [site.url], accounts=ACCOUNTS)
    site.user.wait_ready("Hub", "plant")
    site.ready_device("there", account="huge")
    site.ready_device("elsewhere", account="small")
    creds = site.user.creds("elsewhere")
    roles = [
        {"name": f"role-{n}", "publish": {"allow": subjects(n, "p")}, "subscribe": {"allow": subjects(n, "s")}}
        for n in range(29)
    ]

    site.user.apply_hub("plant", [site.url], accounts=ACCOUNTS, roles=roles)
    told = site.user.wait_reason("Hub", "plant", "RevocationsFull", within=30)

    assert "put less into it" in condition_of(told, "Ready")["message"]
    async with connect_as(site.url, site.user.creds("there")) as there, connect_as(site.url, creds) as elsewhere:
        site.user.delete("Device", "elsewhere")
        await elsewhere.wait_closed()
        site.user.wait_gone("Device", "elsewhere")
        assert await there.may_publish("device.there.telemetry")
    assert await is_refused(site.url, creds)
