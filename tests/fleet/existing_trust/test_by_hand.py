"""An adopted account that people go on working on by hand: what they change counts, and our part stays in it."""

import os

import pytest
from fleet.nsc_hand import NscHand, payload_of, user_creds
from fleet.takeover import adopt, claims_of, forged, pushes, take_over

from iotsec.nats import jwt
from iotsec.nats.keys import KeyType, SigningKey
from testbed.clients import connect_as, is_accepted, is_refused, wait_accepted, wait_refused
from testbed.existing_trust import ExistingTrust
from testbed.nats_server import NatsServer
from testbed.operator import Operator
from testbed.user import User
from testbed.waiting import wait_until

pytestmark = pytest.mark.usefixtures("operator")


async def test_what_somebody_changes_by_hand_is_kept_and_our_part_put_into_it_once(
    operator: Operator, user: User, server: NatsServer, trust: ExistingTrust, hand: NscHand
) -> None:
    take_over(user, server, trust)
    for name in ("pump-01", "pump-02"):
        user.apply_device(name)
        user.wait_ready("Device", name)
    cut_off, device = user.creds("pump-01"), user.creds("pump-02")
    user.delete("Device", "pump-01")
    user.wait_gone("Device", "pump-01")
    pushed = pushes(operator, trust.account)

    # From the copy that was there before us: our keys and revocations are not in it.
    await hand.push_edited(trust.account_jwt, description="by hand", revocations={"*": 1})

    await wait_accepted(server.url, device, within=30)
    assert await is_refused(server.url, cut_off)
    kept = claims_of(hand.stored())
    assert kept.description == "by hand"
    assert kept.revocations["*"] == 1
    assert trust.revoked_user.public_key not in kept.revocations  # it was taken out by hand
    user.wait_ready("Hub", "plant")
    user.apply_device("pump-03")
    user.wait_ready("Device", "pump-03")
    assert pushes(operator, trust.account) == pushed + 1
    assert claims_of(hand.stored()) == kept


async def test_a_key_of_ours_that_comes_back_in_somebodys_copy_goes_with_the_hub(
    user: User, server: NatsServer, trust: ExistingTrust, hand: NscHand
) -> None:
    take_over(user, server, trust)
    stolen = forged(user, trust.account)
    await hand.push_edited(hand.stored(), description="pulled, edited and pushed")
    wait_until(lambda: "device" in str(claims_of(hand.stored()).signing_keys), what="our part is in again")

    user.delete("Hub", "plant")
    user.wait_gone("Hub", "plant")

    assert claims_of(hand.stored()).description == "pulled, edited and pushed"
    assert await is_refused(server.url, stolen)


async def test_a_stolen_key_of_ours_that_was_replaced_does_not_come_back_with_a_copy_and_theirs_is_left_alone(
    user: User, server: NatsServer, trust: ExistingTrust, hand: NscHand
) -> None:
    take_over(user, server, trust)
    user.patch("Hub", "plant", {"spec": {"rotation": {"signingKeys": {"duration": "8760h", "retire": "Immediate"}}}})
    stolen, pulled = forged(user, trust.account), hand.stored()
    assert await is_accepted(server.url, stolen)

    user.annotate("Hub", "plant", {"iotsec.dev/rotate": "stolen", "iotsec.dev/rotate-operator": "not ours to do"})
    await wait_refused(server.url, stolen, within=30)
    edited = await hand.push_edited(pulled, description="pulled before, pushed after", later=1)
    wait_until(lambda: hand.stored() != edited, what="our part is in again")

    assert await is_refused(server.url, stolen)
    assert await is_accepted(server.url, trust.lasting_user.creds)
    kept = claims_of(hand.stored())
    assert kept.description == "pulled before, pushed after"
    assert set(claims_of(trust.account_jwt).signing_keys) < set(kept.signing_keys)
    assert not any(name.startswith(("operator", "system")) for name in user.wait_secret("plant-signing-keys"))


async def test_an_account_that_the_server_lost_comes_back_with_the_users_that_were_there(
    user: User, server: NatsServer, trust: ExistingTrust
) -> None:
    take_over(user, server, trust)
    server.stop()
    server.wipe()

    server.start()

    await wait_accepted(server.url, trust.lasting_user.creds, within=30)
    assert await is_refused(server.url, trust.revoked_user.creds)


async def test_users_of_a_scoped_key_whose_lists_are_in_no_order_stay_connected(
    user: User, server: NatsServer, trust: ExistingTrust, hand: NscHand
) -> None:
    signer = SigningKey.generate(KeyType.ACCOUNT, os.urandom(32))
    template = {"pub": {"allow": ["z.>", "a.>"]}, "sub": {"allow": ["_INBOX.>"]}}
    scope = {"kind": "user_scope", "key": signer.public, "role": "made", "template": template, "description": "by hand"}
    keys = [*payload_of(trust.account_jwt)["nats"]["signing_keys"], scope]
    await hand.push_edited(trust.account_jwt, signing_keys=keys)

    async with connect_as(server.url, user_creds(trust.account, signer)) as existing:
        take_over(user, server, trust)

        assert await existing.may_publish("a.1")
        assert not await existing.may_publish("b.1")
        assert not existing.closed.is_set()


async def test_an_edit_that_cannot_be_kept_is_left_alone_and_told(
    user: User, server: NatsServer, trust: ExistingTrust, hand: NscHand
) -> None:
    take_over(user, server, trust)

    unknown = await hand.push_edited(hand.stored(), limits_of_tomorrow={"tea": 3})

    user.wait_reason("Hub", "plant", "AdoptionRefused")
    assert hand.stored() == unknown
    edited = await hand.push_edited(hand.stored(), limits_of_tomorrow=None)
    user.wait_ready("Hub", "plant")
    assert jwt.decode(hand.stored()).issued_at > jwt.decode(edited).issued_at


async def test_two_hubs_that_adopt_one_account_come_to_rest(
    operator: Operator, user: User, server: NatsServer, trust: ExistingTrust, hand: NscHand
) -> None:
    take_over(user, server, trust)
    adopt(user, server, hub="annex")
    user.wait_ready("Hub", "annex")
    user.apply_device("pump-01")
    user.apply_device("pump-02", hub="annex")
    for name in ("pump-01", "pump-02"):
        user.wait_ready("Device", name)
        await wait_accepted(server.url, user.creds(name), within=30)
    both = hand.stored()
    pushed = pushes(operator, trust.account)

    user.apply_device("pump-03", hub="annex")
    user.wait_ready("Device", "pump-03")

    assert await is_accepted(server.url, user.creds("pump-01"))
    assert await is_accepted(server.url, user.creds("pump-03"))
    assert hand.stored() == both
    assert pushes(operator, trust.account) == pushed
