"""Three servers, one of which dies, hangs, loses its volume or comes back with an old one.

The resolvers compare their accounts every ten minutes here: nobody but the operator repairs anything in time.
"""

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from fleet.conftest import ClusterSite
from fleet.key_holder import KeyHolder, issued_at, revocations, running_jwt, stored_jwt

from testbed.clients import Connected, connect_as, is_refused, wait_accepted
from testbed.nats_cluster import NatsCluster
from testbed.operator import Operator
from testbed.user import User, condition_of
from testbed.waiting import wait_until

pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture
def site(user: User, tmp_path: Path) -> Iterator[ClusterSite]:
    with NatsCluster(tmp_path / "cluster", 3, interval="10m") as cluster:
        user.apply_hub("plant", cluster.urls)
        cluster.mount(user.wait_secret("plant-nats-config"))
        cluster.start()
        cluster.wait_ready()
        wait_servers(user, 3)
        yield ClusterSite(user, cluster)


def wait_servers(user: User, number: int, *, within: float = 30) -> None:
    """Wait until the Hub knows so many servers, and all run what they should."""
    user.wait_for(
        "Hub",
        "plant",
        lambda hub: (
            len(hub["status"].get("servers", ())) == number and condition_of(hub, "Ready").get("status") == "True"
        ),
        within=within,
    )


def revoke(user: User, device: str) -> None:
    """Delete a Device and wait until it is gone."""
    user.delete("Device", device)
    user.wait_gone("Device", device)


@asynccontextmanager
async def connected_everywhere(site: ClusterSite, creds: str) -> AsyncIterator[list[Connected]]:
    """Log in at every server at once."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(connect_as(url, creds)) for url in site.cluster.urls]


async def test_a_deleted_device_is_cut_off_on_every_server_and_refused_by_each(site: ClusterSite) -> None:
    creds = site.user.issue_device("weather-01")

    async with connected_everywhere(site, creds) as connections:
        site.user.delete("Device", "weather-01")
        for connection in connections:
            await connection.wait_closed()

    site.user.wait_gone("Device", "weather-01")
    assert [await is_refused(url, creds) for url in site.cluster.urls] == [True, True, True]


async def test_two_devices_deleted_within_one_second_are_refused_by_every_server(site: ClusterSite) -> None:
    creds = [site.user.issue_device(device) for device in ("weather-01", "weather-02", "weather-03")]

    for device in ("weather-01", "weather-02", "weather-03"):
        revoke(site.user, device)

    refused = [await is_refused(url, each) for url in site.cluster.urls for each in creds]
    assert all(refused)


async def test_a_server_that_missed_a_deletion_refuses_the_device_at_once_when_it_returns(site: ClusterSite) -> None:
    creds = site.user.issue_device("weather-01")
    away = site.cluster.servers[1]
    away.kill()

    revoke(site.user, "weather-01")
    account = KeyHolder(site.user).account
    assert not revocations(stored_jwt(away, account))
    away.start()

    wait_until(lambda: revocations(stored_jwt(away, account)), within=3, what="the returned server was told")
    assert await is_refused(away.url, creds)
    wait_servers(site.user, 3)


async def test_a_device_that_slips_in_at_a_returning_server_is_cut_off_within_seconds(
    operator: Operator, site: ClusterSite
) -> None:
    creds = site.user.issue_device("weather-01")
    away = site.cluster.servers[1]
    away.kill()
    revoke(site.user, "weather-01")

    operator.running().signal(signal.SIGSTOP)
    try:
        away.start()
        async with connect_as(away.url, creds) as device:
            operator.running().signal(signal.SIGCONT)
            await device.wait_closed(within=5)
    finally:
        operator.running().signal(signal.SIGCONT)

    assert await is_refused(away.url, creds)


def test_a_killed_server_leaves_the_hub_within_seconds_and_holds_nobody_up(site: ClusterSite) -> None:
    site.user.issue_device("weather-01")
    site.cluster.servers[0].kill()

    site.user.delete("Device", "weather-01")
    site.user.wait_gone("Device", "weather-01", within=8)
    wait_servers(site.user, 2, within=8)


async def test_a_hung_server_is_left_for_another_and_holds_nobody_up(site: ClusterSite) -> None:
    creds = site.user.issue_device("weather-01")
    hung, *others = site.cluster.servers
    hung.running.signal(signal.SIGSTOP)

    site.user.delete("Device", "weather-01")
    site.user.wait_gone("Device", "weather-01", within=15)
    assert [await is_refused(server.url, creds) for server in others] == [True, True]

    hung.running.signal(signal.SIGCONT)
    wait_servers(site.user, 3)
    assert await is_refused(hung.url, creds)


async def test_a_server_that_lost_its_volume_gets_every_account_again(site: ClusterSite) -> None:
    old, creds = site.user.issue_device("weather-01"), site.user.issue_device("weather-02")
    revoke(site.user, "weather-01")
    wiped = site.cluster.servers[2]
    wiped.stop()
    wiped.wipe()

    wiped.start()

    account = KeyHolder(site.user).account
    wait_until(lambda: stored_jwt(wiped, account), within=5, what="the wiped server has the account")
    await wait_accepted(wiped.url, creds)
    assert await is_refused(wiped.url, old)


def test_an_account_lost_on_one_server_alone_is_found_and_repaired(site: ClusterSite) -> None:
    account = KeyHolder(site.user).account
    *others, server = site.cluster.servers
    (server.directory / "resolver" / f"{account}.jwt").unlink()

    wait_until(lambda: stored_jwt(server, account), within=20, what="the account is there again")

    wait_servers(site.user, 3)
    assert {stored_jwt(other, account) for other in others} == {stored_jwt(server, account)}


async def test_an_older_jwt_of_the_account_pushed_by_somebody_is_replaced(site: ClusterSite) -> None:
    creds = site.user.issue_device("weather-01")
    revoke(site.user, "weather-01")
    thief = KeyHolder(site.user)
    server = site.cluster.servers[0]
    good = stored_jwt(server, thief.account)

    await thief.push(server, thief.reissued(good, later=-60, revoked=frozenset()))
    await wait_accepted(server.url, creds)  # the attack works for a moment: this is what must be repaired

    wait_until(lambda: running_on_all(site, thief.account) == {good}, within=20, what="the right JWT is back")
    assert [await is_refused(url, creds) for url in site.cluster.urls] == [True, True, True]


async def test_a_newer_jwt_of_the_account_without_its_revocations_is_outdone_by_a_later_one(site: ClusterSite) -> None:
    creds = site.user.issue_device("weather-01")
    revoke(site.user, "weather-01")
    thief = KeyHolder(site.user)
    server = site.cluster.servers[0]
    good = stored_jwt(server, thief.account)

    async with connected_everywhere(site, site.user.issue_device("weather-02")) as bystanders:
        await thief.push(server, thief.reissued(good, later=1000, revoked=frozenset()))
        await wait_accepted(server.url, creds)

        def repaired() -> bool:
            running = running_on_all(site, thief.account)
            return len(running) == 1 and issued_at(min(running)) > issued_at(good) + 1000

        wait_until(repaired, within=20, what="a later JWT is everywhere")
        assert [await is_refused(url, creds) for url in site.cluster.urls] == [True, True, True]
        assert not any(bystander.closed.is_set() for bystander in bystanders)
    assert revocations(stored_jwt(server, thief.account)) == revocations(good)


def running_on_all(site: ClusterSite, account: str) -> set[str]:
    """What the servers run and store for an account, told apart."""
    found = {running_jwt(server, account) for server in site.cluster.servers} - {""}
    return found | {stored_jwt(server, account) for server in site.cluster.servers}
