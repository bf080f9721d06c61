"""A takeover on several servers, and what crashes, outages and losses make of it: nothing."""

from pathlib import Path

import pytest
import yaml
from fleet.conftest import ROOT
from fleet.nsc_hand import NscHand
from fleet.takeover import adopt, claims_of, give, take_over

from testbed.clients import connect_as, is_accepted, is_refused, wait_accepted
from testbed.existing_trust import ExistingTrust
from testbed.nats_cluster import NatsCluster
from testbed.nats_server import NatsServer
from testbed.operator import Operator
from testbed.user import User

pytestmark = pytest.mark.usefixtures("operator")


async def test_on_every_server_of_a_cluster_old_users_stay_and_new_devices_get_in(
    tmp_path: Path, user: User, trust: ExistingTrust
) -> None:
    with NatsCluster(tmp_path / "cluster", 3, interval="2s") as cluster:
        cluster.mount(trust.nats_config)
        cluster.start()
        cluster.wait_ready()
        await trust.push_account(cluster.urls[0], servers=3)
        give(user, trust)
        old = trust.lasting_user.creds
        async with connect_as(cluster.urls[0], old) as a, connect_as(cluster.urls[1], old) as b:
            adopt(user, cluster)
            user.wait_for("Hub", "plant", lambda hub: len(hub["status"].get("servers", ())) == 3)
            user.wait_ready("Hub", "plant")

            assert await a.may_publish("device.weather-01.telemetry")
            assert await b.may_publish("device.weather-01.telemetry")
        user.apply_device("pump-01")
        user.wait_ready("Device", "pump-01")
        for url in cluster.urls:
            assert await is_accepted(url, user.creds("pump-01"))
            assert await is_refused(url, trust.revoked_user.creds)


@pytest.mark.parametrize("after", ["plant-identity-keys", "plant-signing-keys", "plant-ledger-mir"])
async def test_a_takeover_that_is_interrupted_goes_on_where_it_was(
    operator: Operator, user: User, server: NatsServer, trust: ExistingTrust, hand: NscHand, *, after: str
) -> None:
    before = claims_of(hand.stored())
    give(user, trust)
    adopt(user, server)
    user.wait_secret(after)
    operator.kill()

    operator.start()

    user.wait_ready("Hub", "plant")
    kept = claims_of(hand.stored())
    assert (kept.limits, kept.exports, kept.revocations) == (before.limits, before.exports, before.revocations)
    assert set(before.signing_keys) < set(kept.signing_keys)
    assert await is_accepted(server.url, trust.lasting_user.creds)


async def test_a_lost_ledger_revives_nobody_and_loses_nothing(
    operator: Operator, user: User, server: NatsServer, trust: ExistingTrust, hand: NscHand
) -> None:
    take_over(user, server, trust)
    old = trust.lasting_user
    user.apply_device("weather-01", publicKey=old.public_key)
    user.apply_device("pump-01")
    for name in ("weather-01", "pump-01"):
        user.wait_ready("Device", name)
    user.delete("Device", "weather-01")
    user.wait_gone("Device", "weather-01")
    operator.stop()
    user.patch("Secret", "plant-ledger-mir", {"metadata": {"finalizers": None}})
    user.delete("Secret", "plant-ledger-mir")
    user.wait_gone("Secret", "plant-ledger-mir")

    operator.start()
    user.wait_secret("plant-ledger-mir")
    user.delete("Device", "pump-01")
    user.wait_gone("Device", "pump-01")

    assert await is_refused(server.url, old.creds)
    assert await is_accepted(server.url, trust.expiring_user.creds)
    assert claims_of(hand.stored()).limits == claims_of(trust.account_jwt).limits


async def test_servers_that_are_away_when_the_operator_starts_are_waited_for(
    operator: Operator, user: User, server: NatsServer, trust: ExistingTrust
) -> None:
    take_over(user, server, trust)
    user.apply_device("pump-01")
    user.wait_ready("Device", "pump-01")
    operator.stop()
    server.stop()

    operator.start()
    user.wait_reason("Hub", "plant", "NatsUnavailable")
    user.delete("Device", "pump-01")
    server.start()

    user.wait_gone("Device", "pump-01")
    user.wait_ready("Hub", "plant")
    await wait_accepted(server.url, trust.lasting_user.creds)


async def test_the_example_takes_over_and_goes_on_with_a_user_that_was_there(
    user: User, server: NatsServer, trust: ExistingTrust
) -> None:
    folder = ROOT / "examples" / "existing-trust"
    things = [thing for file in sorted(folder.glob("*.yaml")) for thing in yaml.safe_load_all(file.read_text())]
    give(user, trust, operator=("nats-operator", "seed"), system=("nats-system", "sys.creds"))
    for thing in things:
        spec, name = thing["spec"], thing["metadata"]["name"]
        if thing["kind"] == "Hub":
            spec["nats"]["servers"] = [server.url]
        if "publicKey" in spec:
            spec["publicKey"] = trust.lasting_user.public_key
        user.apply(thing["kind"], name, spec)

    for thing in things:
        user.wait_ready(thing["kind"], thing["metadata"]["name"])

    assert await is_accepted(server.url, trust.lasting_user.creds)
    assert await is_accepted(server.url, user.creds("pump-01"))
