"""The keys that sign for devices are replaced while a fleet connects all the time; who stole one has nothing of it."""

import os
import time
from base64 import b64encode

import pytest
from fleet.conftest import Site
from fleet.key_holder import KeyHolder
from fleet.logins import connecting_all_the_time, off_the_loop

from iotsec.nats import creds, jwt
from iotsec.nats.claims import UserClaims
from iotsec.nats.keys import KeyType, Seed, SigningKey
from testbed.clients import connect_as, is_accepted, is_refused, wait_accepted, wait_refused
from testbed.nats_server import NatsServer
from testbed.operator import Operator
from testbed.user import Object, User, condition_of
from testbed.waiting import wait_until

pytestmark = pytest.mark.usefixtures("operator")

ROLE_KEY = "account.iot.role.device"
OVERLAP = {"jwt": {"duration": "1h", "overlap": "10s"}}
DEVICES = [f"weather-{number:02}" for number in range(1, 31)]


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


def rotate(site: Site, annotation: str, token: str) -> None:
    """Ask for other signing keys."""
    site.user.annotate("Hub", "plant", {annotation: token})


def wait_told(site: Site, text: str) -> None:
    """Wait until the Hub says this of a rotation under way."""
    site.user.wait_for("Hub", "plant", lambda hub: text in rotating(hub))


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

    async with connecting_all_the_time(fleet.user, [fleet.url], DEVICES) as logins:
        rotate(fleet, "rotate.iotsec.dev/device", "after-the-theft")
        await off_the_loop(wait_told, fleet, "30 identities are on the new key")
        await off_the_loop(wait_replaced, fleet, ROLE_KEY, f"{ROLE_KEY}.2")
        await logins.two_more_rounds(len(DEVICES))

    assert logins.made > 5 * len(DEVICES)
    assert not logins.refused
    assert thief.public not in {signer_of(fleet, device) for device in DEVICES}
    assert await is_refused(fleet.url, attack)
    assert await is_refused(fleet.url, forged(fleet, thief, "forged-later"))
    fleet.user.wait_event("Hub", "plant", "SigningKeyReplaced", kind_of="Normal")


async def test_a_former_jwt_that_a_device_still_uses_keeps_the_former_key_until_its_overlap_is_over(
    site: Site,
) -> None:
    site.user.apply_hub("plant", [site.url], rotation={"jwt": {"duration": "1h", "overlap": "25s"}})
    site.user.wait_ready("Hub", "plant")
    site.ready_device("weather-01")
    former = site.user.creds("weather-01")

    async with connect_as(site.url, former) as slow_to_pick_up:
        rotate(site, "rotate.iotsec.dev/device", "please")
        wait_told(site, "all 1 identities are on the new key; the last JWT of the former one ends at")
        replaced = time.monotonic()
        assert await is_accepted(site.url, former)
        assert seeds_of(site, ROLE_KEY) == [ROLE_KEY, f"{ROLE_KEY}.2"]

        ended = await slow_to_pick_up.wait_closed(within=40)
        assert ended - replaced > 15
        wait_replaced(site, ROLE_KEY, f"{ROLE_KEY}.2")
    assert await is_refused(site.url, former)
    await wait_accepted(site.url, site.user.creds("weather-01"))


async def test_with_retire_immediate_a_stolen_key_is_worthless_within_seconds_and_devices_have_new_creds(
    fleet: Site,
) -> None:
    rotation = {**OVERLAP, "signingKeys": {"duration": "8760h", "retire": "Immediate"}}
    fleet.user.apply_hub("plant", [fleet.url], rotation=rotation)
    fleet.user.wait_ready("Hub", "plant")
    thief = stolen(fleet)
    attack = forged(fleet, thief)

    async with connect_as(fleet.url, attack) as intruder:
        asked = time.monotonic()
        rotate(fleet, "rotate.iotsec.dev/device", "stolen")
        gone = await intruder.wait_closed(within=20) - asked

    await wait_refused(fleet.url, attack, within=1)
    assert gone < 10
    assert seeds_of(fleet, ROLE_KEY) == [f"{ROLE_KEY}.2"]
    wait_until(
        lambda: thief.public not in {signer_of(fleet, device) for device in DEVICES},
        within=60,
        what="every device has a JWT of the new key",
    )
    for device in DEVICES:
        await wait_accepted(fleet.url, fleet.user.creds(device))
        fleet.user.wait_ready("Device", device)


async def test_a_stolen_seed_that_is_put_back_into_the_secret_is_taken_out_again(site: Site) -> None:
    before = site.user.wait_secret("plant-signing-keys")[ROLE_KEY]
    rotation = {"signingKeys": {"duration": "8760h", "retire": "Immediate"}}
    site.user.apply_hub("plant", [site.url], rotation=rotation)
    rotate(site, "rotate.iotsec.dev/device", "stolen")
    wait_replaced(site, ROLE_KEY, f"{ROLE_KEY}.2")

    site.user.patch("Secret", "plant-signing-keys", {"data": {ROLE_KEY: b64encode(before).decode()}})

    wait_until(lambda: seeds_of(site, ROLE_KEY) == [f"{ROLE_KEY}.2"], what="the former seed is out again")
    assert await is_refused(site.url, forged(site, SigningKey.from_seed(Seed(before))))


async def test_an_operator_that_is_killed_in_between_goes_on_where_it_was(fleet: Site, operator: Operator) -> None:
    thief = stolen(fleet)
    attack = forged(fleet, thief)

    async with connecting_all_the_time(fleet.user, [fleet.url], DEVICES) as logins:
        rotate(fleet, "rotate.iotsec.dev/device", "please")
        both = [ROLE_KEY, f"{ROLE_KEY}.2"]
        await off_the_loop(wait_until, lambda: seeds_of(fleet, ROLE_KEY) == both, what="the new seed is written")
        for _ in range(3):
            operator.kill()
            await off_the_loop(operator.start)
        await off_the_loop(wait_replaced, fleet, ROLE_KEY, f"{ROLE_KEY}.2")
        await logins.two_more_rounds(len(DEVICES))

    assert not logins.refused
    assert await is_refused(fleet.url, attack)
    revisions = {fleet.user.get("Device", device)["status"]["revision"] for device in DEVICES}  # type: ignore[index]
    assert revisions == {2}, "nothing was done twice"


async def test_one_token_replaces_every_key_once_and_the_operators_own_connection_moves_too(site: Site) -> None:
    site.user.apply_hub("plant", [site.url], rotation={"jwt": {"duration": "1h", "overlap": "10s"}})
    creds_before = site.ready_devices(["weather-01", "weather-02"])
    before = site.user.wait_secret("plant-signing-keys")
    thief = KeyHolder(site.user)

    rotate(site, "iotsec.dev/rotate", "yearly")
    site.user.wait_event("Hub", "plant", "SigningKeyReplaced", kind_of="Normal", within=60)
    for name in ("system", "account.iot.unscoped", ROLE_KEY):
        wait_replaced(site, name, f"{name}.2")

    after = site.user.wait_secret("plant-signing-keys")
    assert after["operator"] == before["operator"]
    assert not set(before.values()) - {before["operator"], before["records.json"]} & set(after.values())
    assert await is_refused(site.url, thief.system_creds().decode()), "whoever read the system account's key is out"
    assert await is_refused(site.url, thief.user_creds())
    assert [await is_refused(site.url, each) for each in creds_before.values()] == [True, True]
    site.user.delete("Device", "weather-02")
    site.user.wait_gone("Device", "weather-02")  # the servers still hear the operator
    await wait_accepted(site.url, site.user.creds("weather-01"))
    rotate(site, "example.com/note", "another annotation")
    site.ready_device("weather-03")
    assert site.user.wait_secret("plant-signing-keys") == after


async def test_a_server_that_lost_its_volume_after_a_rotation_still_knows_the_operator(site: Site) -> None:
    rotate(site, "iotsec.dev/rotate", "yearly")
    wait_replaced(site, "system", "system.2")
    site.ready_device("weather-01")

    site.server.stop()
    site.server.wipe()
    site.server.mount(site.user.wait_secret("plant-nats-config"))
    site.server.start()

    await wait_accepted(site.url, site.user.creds("weather-01"), within=20)
    site.user.wait_ready("Hub", "plant")


async def test_a_server_that_reloads_what_a_rotation_changed_still_takes_what_the_operator_tells(site: Site) -> None:
    gone = site.ready_devices(["weather-01"])["weather-01"]
    rotate(site, "iotsec.dev/rotate", "yearly")
    wait_until(lambda: seeds_of(site, "system") == ["system.2"], what="the operator's connection moved")

    site.server.mount(site.user.wait_secret("plant-nats-config"))
    site.server.reload()

    site.ready_device("weather-02")
    site.user.delete("Device", "weather-01")
    site.user.wait_gone("Device", "weather-01")
    assert await is_refused(site.url, gone)
    site.server.stop()
    site.server.start()
    await wait_accepted(site.url, site.user.creds("weather-02"), within=20)
    assert await is_refused(site.url, gone)


async def test_keys_are_replaced_again_and_again_as_the_schedule_says(site: Site) -> None:
    rotation = {"jwt": {"duration": "1h", "overlap": "10s"}, "signingKeys": {"duration": "20s"}}
    site.user.apply_hub("plant", [site.url], rotation=rotation)
    site.ready_devices(DEVICES[:3])

    async with connecting_all_the_time(site.user, [site.url], DEVICES[:3]) as logins:
        third = f"{ROLE_KEY}.3"
        await off_the_loop(wait_until, lambda: third in seeds_of(site, ROLE_KEY), within=120, what="the third key")
        await logins.two_more_rounds(3)

    assert not logins.refused


def test_a_hub_that_is_made_with_the_tokens_of_an_earlier_one_keeps_its_new_keys(
    user: User, server: NatsServer
) -> None:
    tokens = {"iotsec.dev/rotate": "yearly", "iotsec.dev/rotate-operator": "2026-11"}
    user.apply("Hub", "plant", {"nats": {"servers": [server.url]}}, annotations=tokens)
    server.mount(user.wait_secret("plant-nats-config"))
    server.start()
    hub = user.wait_ready("Hub", "plant")
    user.apply_device("weather-01")
    user.wait_ready("Device", "weather-01")

    assert "operatorRotation" not in hub["status"]
    assert not [name for name in user.wait_secret("plant-signing-keys") if name.endswith(".2")]


def test_an_annotation_for_a_role_that_has_no_key_is_told(plant: Site) -> None:
    rotate(plant, "rotate.iotsec.dev/gatway", "typo")

    told = plant.user.wait_event("Hub", "plant", "RoleUnknown")

    assert "rotate.iotsec.dev/gatway names no role" in told["note"]
