"""A trust root as outsiders have it: its servers let its users in and keep everybody else out."""

from pathlib import Path

import pytest

from testbed.clients import connect_as, is_refused
from testbed.existing_trust import ExistingTrust, ExistingUser
from testbed.nats_cluster import NatsCluster
from testbed.nats_server import NatsServer


@pytest.fixture(scope="module")
def trust() -> ExistingTrust:
    return ExistingTrust.create()


@pytest.fixture(scope="module")
def stranger() -> ExistingUser:
    """A user of a trust root that looks the same and has other keys."""
    return ExistingTrust.create().lasting_user


async def test_its_server_lets_existing_users_do_their_work_and_nobody_else_in(
    tmp_path: Path, trust: ExistingTrust, stranger: ExistingUser
) -> None:
    with NatsServer(tmp_path) as server:
        server.mount(trust.nats_config)
        server.start()
        server.wait_ready()
        await trust.push_account(server.url)

        for user in (trust.lasting_user, trust.expiring_user):
            async with connect_as(server.url, user.creds) as device:
                assert await device.may_publish(f"device.{user.name}.telemetry")
                assert await device.may_subscribe(f"{user.name}.>")
                assert not await device.may_publish("device.pump-08.telemetry")
                assert not await device.may_subscribe("pump-08.>")
        assert await is_refused(server.url, trust.revoked_user.creds)
        assert await is_refused(server.url, stranger.creds)


async def test_its_servers_form_a_cluster_that_knows_the_account_everywhere(
    tmp_path: Path, trust: ExistingTrust, stranger: ExistingUser
) -> None:
    with NatsCluster(tmp_path, 3) as cluster:
        cluster.mount(trust.nats_config)
        cluster.start()
        cluster.wait_ready()
        await trust.push_account(cluster.urls[0], servers=3)

        for url in cluster.urls:
            async with connect_as(url, trust.expiring_user.creds) as device:
                assert await device.may_publish("device.pump-07.telemetry")
            assert await is_refused(url, trust.revoked_user.creds)
            assert await is_refused(url, stranger.creds)


async def test_its_account_has_jetstream(tmp_path: Path, trust: ExistingTrust) -> None:
    with NatsServer(tmp_path) as server:
        server.mount(trust.nats_config)
        server.start()
        server.wait_ready()
        await trust.push_account(server.url)
        async with connect_as(server.url, trust.lasting_user.creds) as device:
            await device.client.flush()

            accounts = server.monitor("/jsz?accounts=true")["account_details"]

            assert trust.account in {account["id"] for account in accounts}


def test_what_it_prints_of_itself_holds_no_secret(trust: ExistingTrust) -> None:
    printed = repr(trust)

    held = [trust.operator_signing_seed, trust.system_creds]
    for user in (trust.lasting_user, trust.expiring_user, trust.revoked_user):
        held += [user.seed, user.jwt, user.creds]
    assert not any(secret in printed for secret in held)
    assert trust.account in printed
