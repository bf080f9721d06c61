"""What cannot be taken over is told and left alone, and mending it helps."""

import os
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from fleet.nsc_hand import NscHand
from fleet.takeover import adopt, give

from iotsec.nats.keys import KeyType, SigningKey
from testbed.clients import is_accepted
from testbed.existing_trust import ExistingTrust
from testbed.nats_server import NatsServer
from testbed.user import User, condition_of

pytestmark = pytest.mark.usefixtures("operator")


STRANGER = SigningKey.generate(KeyType.OPERATOR, bytes(32))
ACCOUNT_SEED = SigningKey.generate(KeyType.ACCOUNT, bytes(32)).seed.reveal()


@dataclass(frozen=True)
class Harm:
    """What is wrong with a Secret that a Hub was given, and what the Hub says of it."""

    secret: str
    data: Mapping[str, bytes | None]
    says: str


HARMS = {
    "damaged seed": Harm("op", {"seed": b"SOMETHING"}, "key seed of Secret op"),
    "seed of another kind": Harm("op", {"seed": ACCOUNT_SEED}, "seed of an operator key"),
    "no seed": Harm("op", {"seed": None}, "Secret op has no key seed"),
    "seed of a stranger": Harm("op", {"seed": STRANGER.seed.reveal()}, "not every server trusts"),
    "damaged creds": Harm("sys", {"sys.creds": b"-----BEGIN"}, "key sys.creds of Secret sys"),
    "no creds": Harm("sys", {"sys.creds": None}, "Secret sys has no key sys.creds"),
}


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
async def test_what_cannot_be_used_is_told_nothing_is_touched_and_mending_it_helps(
    user: User, server: NatsServer, trust: ExistingTrust, hand: NscHand, harm: Harm
) -> None:
    give(user, trust)
    whole = user.get("Secret", harm.secret)
    assert whole is not None
    user.patch("Secret", harm.secret, {"data": {k: v and b64encode(v).decode() for k, v in harm.data.items()}})
    before = hand.stored()

    adopt(user, server)

    message = condition_of(user.wait_reason("Hub", "plant", "TrustUnusable"), "Stalled")["message"]
    assert harm.says in message
    assert not any(value.decode() in message for value in harm.data.values() if value)
    assert hand.stored() == before
    user.patch("Secret", harm.secret, {"data": whole["data"]})
    user.wait_ready("Hub", "plant")
    assert await is_accepted(server.url, trust.lasting_user.creds)


def test_a_secret_that_is_not_there_yet_is_waited_for(user: User, server: NatsServer, trust: ExistingTrust) -> None:
    adopt(user, server)
    stalled = user.wait_reason("Hub", "plant", "TrustUnusable")
    assert "Secret op does not exist" in condition_of(stalled, "Stalled")["message"]

    give(user, trust)

    user.wait_ready("Hub", "plant")


def test_system_creds_that_the_servers_refuse_are_told(user: User, server: NatsServer, trust: ExistingTrust) -> None:
    give(user, trust)
    stranger = ExistingTrust.create().system_creds
    user.patch("Secret", "sys", {"data": {"sys.creds": b64encode(stranger.encode()).decode()}})

    adopt(user, server)

    waiting = user.wait_reason("Hub", "plant", "NatsRefused")
    assert "systemCredentialsSecretRef" in condition_of(waiting, "Ready")["message"]
    user.patch("Secret", "sys", {"data": {"sys.creds": b64encode(trust.system_creds.encode()).decode()}})
    user.wait_ready("Hub", "plant")


async def test_two_accounts_of_one_name_are_both_left_alone(
    user: User, server: NatsServer, trust: ExistingTrust, hand: NscHand
) -> None:
    other = SigningKey.generate(KeyType.ACCOUNT, os.urandom(32)).public
    await hand.push_account(other, "mir")
    before = hand.stored()
    give(user, trust)

    adopt(user, server)

    message = condition_of(user.wait_reason("Hub", "plant", "AdoptionRefused"), "Stalled")["message"]
    assert trust.account in message
    assert other in message
    assert hand.stored() == before


async def test_an_account_that_says_what_would_be_lost_is_left_alone_until_it_does_not(
    user: User, server: NatsServer, trust: ExistingTrust, hand: NscHand
) -> None:
    unknown = await hand.push_edited(trust.account_jwt, limits_of_tomorrow={"tea": 3})
    give(user, trust)

    adopt(user, server)

    refused = user.wait_reason("Hub", "plant", "AdoptionRefused")
    assert "limits_of_tomorrow" in condition_of(refused, "Stalled")["message"]
    assert hand.stored() == unknown
    await hand.push_edited(unknown, limits_of_tomorrow=None)
    user.wait_ready("Hub", "plant")


async def test_a_hub_that_was_refused_its_keys_goes_without_a_trace(
    user: User, server: NatsServer, hand: NscHand
) -> None:
    before = hand.stored()
    adopt(user, server)
    user.wait_reason("Hub", "plant", "TrustUnusable")

    user.delete("Hub", "plant")

    user.wait_gone("Hub", "plant")
    assert hand.stored() == before
