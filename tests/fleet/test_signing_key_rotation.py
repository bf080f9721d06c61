"""The keys that sign for devices are replaced under a fleet that connects all the time; whoever stole one has nothing."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from fleet.conftest import Site

from iotsec.nats import creds, jwt
from iotsec.nats.claims import UserClaims
from iotsec.nats.keys import KeyType, Seed, SigningKey
from testbed.clients import connect_as, is_accepted, is_refused, wait_accepted, wait_refused
from testbed.operator import Operator
from testbed.user import Object, condition_of
from testbed.waiting import wait_until

pytestmark = pytest.mark.usefixtures("operator")

ROLE_KEY = "account.iot.role.device"
OVERLAP = {"jwt": {"duration": "1h", "overlap": "10s"}}
DEVICES = [f"weather-{number:02}" for number in range(1, 31)]


@dataclass
class Logins:
    """What a fleet met with while it connected."""

    made: int = 0
    refused: list[str] = field(default_factory=list)


@asynccontextmanager
async def connecting_all_the_time(site: Site, devices: Iterable[str]) -> AsyncIterator[Logins]:
    """Have every device log in again and again, each time with the creds that its Secret holds by then."""
    logins = Logins()

    async def device(name: str) -> None:
        while True:
            held = await asyncio.to_thread(site.user.creds, name)
            if await is_refused(site.url, held):
                logins.refused.append(name)
            logins.made += 1
            await asyncio.sleep(0.2)

    tasks = [asyncio.create_task(device(name)) for name in devices]
    try:
        yield logins
    finally:
        for task in tasks:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in done), done


def stolen(site: Site, entry: str = ROLE_KEY) -> SigningKey:
    """A signing key that somebody copied from the Hub's Secret."""
    return SigningKey.from_seed(Seed(site.user.wait_secret("plant-signing-keys")[entry]))


def forged(site: Site, signer: SigningKey, name: str = "forged") -> str:
    """Creds of a device that nobody declared, signed with a stolen key of its role."""
    identity = site.user.wait_secret("plant-identity-keys")["account.iot"]
    key = SigningKey.generate(KeyType.USER, os.urandom(32))
    now = int(time.time())
    token = jwt.encode(
        UserClaims(issuer_account=SigningKey.from_seed(Seed(identity)).public),
        signer,
        subject=key.public,
        name=name,
        issued_at=now,
        expires_at=now + 3600,
    )
    return creds.format_creds(token, key).decode()


def signer_of(site: Site, device: str) -> str:
    """Public key of who signed a device's JWT."""
    return jwt.decode(site.user.creds(device).splitlines()[1]).issuer


def seeds_of(site: Site, name: str) -> list[str]:
    """The entries of the Hub's signing keys of a name, the oldest first."""
    found = site.user.wait_secret("plant-signing-keys")
    return sorted(entry for entry in found if entry == name or entry.removeprefix(f"{name}.").isdecimal())


def rotating(hub: Object) -> str:
    """What the Hub says of a rotation under way."""
    return str(condition_of(hub, "Rotating").get("message", ""))


def rotate(site: Site, **annotations: str) -> None:
    """Ask for other signing keys."""
    site.user.annotate("Hub", "plant", {name.replace("__", "/").replace("_", "."): v for name, v in annotations.items()})


def wait_replaced(site: Site, name: str, entry: str, *, within: float = 90) -> None:
    """Wait until one key of a name is left, in this entry, and the Hub is at rest."""
    wait_until(lambda: seeds_of(site, name) == [entry], within=within, what=f"{entry} alone is left")
    site.user.wait_for("Hub", "plant", lambda hub: not rotating(hub))
    site.user.wait_ready("Hub", "plant")


@pytest.fixture
def fleet(site: Site) -> Site:
    """A Hub with thirty devices whose former JWTs work for some seconds."""
    site.user.apply_hub("plant", [site.url], rotation=OVERLAP)
    site.user.wait_ready("Hub", "plant")
    site.ready_devices(DEVICES)
    return site


async def test_a_role_key_is_replaced_without_one_refused_login_and_the_stolen_one_is_worth_nothing(
    fleet: Site,
) -> None:
    thief = stolen(fleet)
    attack = forged(fleet, thief)
    await wait_accepted(fleet.url, attack)

    async with connecting_all_the_time(fleet, DEVICES) as logins:
        rotate(fleet, rotate_iotsec_dev__device="after-the-theft")
        await asyncio.to_thread(
            fleet.user.wait_for, "Hub", "plant", lambda hub: "of 30 identities are on the new key" in rotating(hub)
        )
        await asyncio.to_thread(wait_replaced, fleet, ROLE_KEY, f"{ROLE_KEY}.2")
        made = logins.made
        wait_until(lambda: True, what="nothing")
        while logins.made < made + len(DEVICES):
            await asyncio.sleep(0.1)

    assert logins.made > 10 * len(DEVICES)
    assert not logins.refused
    assert thief.public not in {signer_of(fleet, device) for device in DEVICES}
    assert await is_refused(fleet.url, attack)
    assert await is_refused(fleet.url, forged(fleet, thief, "forged-later"))
    fleet.user.wait_event("Hub", "plant", "SigningKeyReplaced", kind_of="Normal")
