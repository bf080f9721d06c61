"""A deployment that somebody set up by hand is taken over: its users notice nothing, and all it says stays."""

import pytest
from fleet.nsc_hand import NscHand
from fleet.takeover import adopt, claims_of, forged, give, pushes, take_over

from iotsec.nats import creds, jwt
from iotsec.nats.claims import UserClaims
from iotsec.nats.keys import Seed
from testbed.clients import connect_as, is_accepted, is_refused
from testbed.existing_trust import ExistingTrust
from testbed.nats_server import NatsServer
from testbed.operator import Operator
from testbed.user import User, condition_of

pytestmark = pytest.mark.usefixtures("operator")


async def test_a_takeover_keeps_all_that_an_account_says_and_disconnects_nobody(
    user: User, server: NatsServer, trust: ExistingTrust, hand: NscHand
) -> None:
    before = claims_of(hand.stored())
    async with connect_as(server.url, trust.lasting_user.creds) as existing:
        hub = take_over(user, server, trust)

        assert await existing.may_publish("device.weather-01.telemetry")
        assert not existing.closed.is_set()
    assert await is_accepted(server.url, trust.expiring_user.creds)
    assert await is_refused(server.url, trust.revoked_user.creds)

    after = claims_of(hand.stored())
    assert (after.limits, after.exports, after.revocations) == (before.limits, before.exports, before.revocations)
    assert set(before.signing_keys) < set(after.signing_keys)
    status = hub["status"]
    assert status["operatorPublicKey"] == jwt.decode(trust.operator_jwt).subject
    assert status["systemAccountPublicKey"] == trust.system_account
    assert [account["publicKey"] for account in status["accounts"]] == [trust.account]


def test_a_hub_that_took_over_makes_no_keys_that_others_hold_and_no_config_for_servers_that_have_one(
    user: User, server: NatsServer, trust: ExistingTrust
) -> None:
    hub = take_over(user, server, trust)

    assert set(user.wait_secret("plant-identity-keys")) == {"seal.mir"}
    assert not any(name.startswith(("operator", "system")) for name in user.wait_secret("plant-signing-keys"))
    assert user.get("Secret", "plant-nats-config") is None
    assert "configSecretName" not in hub["status"]
    assert condition_of(hub, "ConfigWritten") == {}


async def test_a_new_device_works_beside_the_users_that_were_there(
    user: User, server: NatsServer, trust: ExistingTrust
) -> None:
    take_over(user, server, trust)
    async with connect_as(server.url, trust.lasting_user.creds) as existing:
        user.apply_device("pump-01")
        user.wait_ready("Device", "pump-01")

        async with connect_as(server.url, user.creds("pump-01")) as device:
            assert await device.may_publish("device.pump-01.telemetry")
            assert not await device.may_publish("device.weather-01.telemetry")
        assert await existing.may_publish("device.weather-01.telemetry")


@pytest.mark.parametrize("end", ["deleted", "suspended"])
async def test_a_device_with_the_key_of_an_existing_user_goes_on_and_its_end_ends_the_jwt_that_never_expires(
    operator: Operator, user: User, server: NatsServer, trust: ExistingTrust, end: str
) -> None:
    take_over(user, server, trust)
    old = trust.lasting_user
    async with connect_as(server.url, old.creds) as device:
        user.apply_device("weather-01", publicKey=old.public_key)
        user.wait_ready("Device", "weather-01")
        assert await device.may_publish("device.weather-01.telemetry")
        ours = user.wait_secret("weather-01-device-creds")["user.jwt"].decode()
        assert await is_accepted(server.url, creds.format_creds(ours, Seed(old.seed.encode())).decode())
        assert await is_accepted(server.url, old.creds)

        match end:
            case "deleted":
                user.delete("Device", "weather-01")
                user.wait_gone("Device", "weather-01")
            case "suspended":
                user.apply_device("weather-01", publicKey=old.public_key, suspended=True)
                user.wait_reason("Device", "weather-01", "Suspended")
        await device.wait_closed()

    assert await is_refused(server.url, old.creds)
    operator.kill()
    operator.start()
    user.apply_device("pump-01")  # whose end is one more push
    user.wait_ready("Device", "pump-01")
    user.delete("Device", "pump-01")
    user.wait_gone("Device", "pump-01")
    assert await is_refused(server.url, old.creds)
    assert await is_accepted(server.url, trust.expiring_user.creds)


async def test_a_deleted_hub_gives_its_accounts_back_and_leaves_nobody_in_whom_it_let_in(
    user: User, server: NatsServer, trust: ExistingTrust, hand: NscHand
) -> None:
    before = claims_of(hand.stored())
    take_over(user, server, trust)
    user.apply_device("pump-01")
    user.wait_ready("Device", "pump-01")
    device, stolen = user.creds("pump-01"), forged(user, trust.account)
    assert await is_accepted(server.url, stolen)

    async with connect_as(server.url, trust.lasting_user.creds) as existing:
        user.delete("Device", "pump-01")
        user.delete("Hub", "plant")
        user.wait_gone("Hub", "plant")

        assert await existing.may_publish("device.weather-01.telemetry")
    assert await is_accepted(server.url, trust.expiring_user.creds)
    assert await is_refused(server.url, device)
    assert await is_refused(server.url, stolen)
    after = claims_of(hand.stored())
    assert after.signing_keys == before.signing_keys
    assert before.revocations.items() < after.revocations.items()
    assert user.get("Secret", "op") is not None


async def test_who_comes_back_gets_in_with_what_is_issued_then_and_never_with_the_old_jwt(
    user: User, server: NatsServer, trust: ExistingTrust
) -> None:
    old = trust.lasting_user
    for _ in range(2):  # the Hub comes back, too
        if user.get("Secret", "op") is None:
            give(user, trust)
        adopt(user, server)
        user.apply_device("weather-01", publicKey=old.public_key)
        user.wait_ready("Device", "weather-01")
        ours = user.wait_secret("weather-01-device-creds")["user.jwt"].decode()
        user.delete("Device", "weather-01")
        user.wait_gone("Device", "weather-01")
        user.apply_device("weather-01", publicKey=old.public_key)
        user.wait_ready("Device", "weather-01")
        again = user.wait_secret("weather-01-device-creds")["user.jwt"].decode()

        for token in (old.jwt, ours):
            assert await is_refused(server.url, creds.format_creds(token, Seed(old.seed.encode())).decode())
        assert await is_accepted(server.url, creds.format_creds(again, Seed(old.seed.encode())).decode())
        user.delete("Device", "weather-01")
        user.delete("Hub", "plant")
        user.wait_gone("Hub", "plant")


def test_a_device_that_somebody_else_holds_is_cut_off_by_one_push(
    operator: Operator, user: User, server: NatsServer, trust: ExistingTrust
) -> None:
    take_over(user, server, trust)
    user.apply("Device", "held", {"hubRef": {"name": "plant"}}, finalizers=["example.com/inventory"])
    user.wait_ready("Device", "held")
    pushed = pushes(operator, trust.account)

    user.delete("Device", "held")
    user.wait_for("Device", "held", lambda it: it["metadata"]["finalizers"] == ["example.com/inventory"])
    user.issue_device("another")  # worked on after what was queued for the first

    assert pushes(operator, trust.account) == pushed + 1
    user.patch("Device", "held", {"metadata": {"finalizers": None}})
    user.wait_gone("Device", "held")


async def test_an_account_that_was_not_there_is_made_and_ends_with_the_hub(
    user: User, server: NatsServer, trust: ExistingTrust
) -> None:
    take_over(user, server, trust, "mir", "lab")
    user.apply_device("probe-01", account="lab")
    user.wait_ready("Device", "probe-01")
    lab = jwt.decode(user.wait_secret("probe-01-device-creds")["user.jwt"].decode()).claims
    assert isinstance(lab, UserClaims)
    assert lab.issuer_account != trust.account
    stolen = forged(user, lab.issuer_account, "account.lab.unscoped")
    assert await is_accepted(server.url, stolen)

    user.delete("Device", "probe-01")
    user.delete("Hub", "plant")
    user.wait_gone("Hub", "plant")

    assert await is_refused(server.url, stolen)
    assert await is_accepted(server.url, trust.lasting_user.creds)


def test_after_a_restart_nothing_is_pushed(
    operator: Operator, user: User, server: NatsServer, trust: ExistingTrust, hand: NscHand
) -> None:
    take_over(user, server, trust)
    user.apply_device("pump-01")
    user.wait_ready("Device", "pump-01")
    before, pushed = hand.stored(), pushes(operator, trust.account)

    operator.stop()
    operator.start()
    user.apply_device("pump-02")
    user.wait_ready("Device", "pump-02")

    assert hand.stored() == before
    assert pushes(operator, trust.account) == pushed
