"""Our own signing keys in somebody's account are replaced; those of others are left alone."""

import pytest
from fleet.nsc_hand import NscHand
from fleet.takeover import claims_of, forged, take_over

from iotsec.nats.claims import signing_key_of
from testbed.clients import connect_as, is_accepted, is_refused, wait_accepted
from testbed.existing_trust import ExistingTrust
from testbed.nats_server import NatsServer
from testbed.user import User
from testbed.waiting import wait_until

pytestmark = pytest.mark.usefixtures("operator")


async def test_our_keys_in_an_adopted_account_are_replaced_and_its_users_notice_nothing(
    user: User, server: NatsServer, trust: ExistingTrust, hand: NscHand
) -> None:
    theirs = {signing_key_of(key) for key in claims_of(hand.stored()).signing_keys}
    take_over(user, server, trust)
    user.patch("Hub", "plant", {"spec": {"rotation": {"jwt": {"duration": "1h", "overlap": "10s"}}}})
    user.apply_device("pump-01")
    user.wait_ready("Device", "pump-01")
    attack = forged(user, trust.account)
    ours = {signing_key_of(key) for key in claims_of(hand.stored()).signing_keys} - theirs
    await wait_accepted(server.url, attack)

    async with connect_as(server.url, trust.lasting_user.creds) as existing:
        user.annotate("Hub", "plant", {"iotsec.dev/rotate": "after-the-theft"})
        wait_until(
            lambda: not ours & {signing_key_of(key) for key in claims_of(hand.stored()).signing_keys},
            within=60,
            what="all our former keys are out of the account",
        )
        assert not existing.closed.is_set()

    assert theirs < {signing_key_of(key) for key in claims_of(hand.stored()).signing_keys}
    assert await is_refused(server.url, attack)
    assert await is_accepted(server.url, user.creds("pump-01"))
    assert await is_accepted(server.url, trust.expiring_user.creds)
    assert not [name for name in user.wait_secret("plant-signing-keys") if name.startswith(("operator", "system"))]
