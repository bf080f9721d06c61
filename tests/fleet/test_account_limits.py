"""How much an account may use, and its users by default, each proven by a try at more on a real server."""

import os
import time

import nats.errors
import nats.js.errors
import pytest
from fleet.conftest import Site
from fleet.members import connected, declare, member

from iotsec.nats import creds as creds_files
from iotsec.nats import jwt
from iotsec.nats.claims import UserClaims, UserPermissionLimits
from iotsec.nats.keys import KeyType, Seed, SigningKey
from testbed.clients import Connected, connect_as, is_refused
from testbed.waiting import wait_until_async

STREAMS = {"publish": {"allow": ["$JS.API.>", "data.>"]}}
KIBIBYTE = 1024


class TestLimits:
    async def test_a_connection_too_many_is_refused(self, site: Site) -> None:
        declare(site, {"name": "mir", "limits": {"connections": 1}})
        creds = member(site, "mir")

        async with connect_as(site.url, creds):
            with pytest.raises(nats.errors.Error, match="maximum account active connections exceeded"):
                async with connect_as(site.url, creds):
                    pass

    async def test_a_message_too_big_ends_the_connection(self, site: Site) -> None:
        declare(site, {"name": "mir", "limits": {"payload": "1Ki"}})
        member(site, "mir")

        async with connected(site, "mir") as device:
            assert await device.may_publish("alarms.boiler", b"x" * KIBIBYTE)
            device.client._max_payload = 10 * KIBIBYTE  # noqa: SLF001 - a client that does not heed the limit
            await device.client.publish("alarms.boiler", b"x" * (KIBIBYTE + 1))
            await device.wait_closed()

    async def test_a_subscription_too_many_is_refused(self, site: Site) -> None:
        declare(site, {"name": "mir", "limits": {"subscriptions": 1}})
        member(site, "mir")

        async with connected(site, "mir") as device:
            assert await device.may_subscribe("alarms.one")
            await device.client.subscribe("alarms.two")
            await device.wait_closed()
            assert "maximum subscriptions exceeded" in str(device.client.last_error)

    async def test_a_bearer_jwt_is_refused_where_the_account_wants_none(self, site: Site) -> None:
        bearer = UserPermissionLimits(bearer_token=True)
        before = made_by_hand(site, "iot", bearer)
        async with connect_as(site.url, before) as device:
            declare(site, {"name": "iot", "limits": {"disallowBearer": True}})
            await device.wait_closed()

        assert await is_refused(site.url, before)

    async def test_users_without_permissions_have_those_of_the_account_and_never_the_systems(self, site: Site) -> None:
        by_default = {"publish": {"allow": ["*.telemetry"]}, "subscribe": {"deny": ["secrets.>"]}}
        declare(site, {"name": "iot", "defaultPermissions": by_default})

        async with connect_as(site.url, made_by_hand(site, "iot", UserPermissionLimits())) as existing:
            assert await existing.may_publish("pump.telemetry")
            assert not await existing.may_publish("pump.command")
            assert await existing.may_subscribe("pump.command")
            assert not await existing.may_subscribe("secrets.pump")
            assert not await existing.may_publish("$SYS.REQ.SERVER.PING.CONNZ")
            assert not await existing.may_subscribe("$SYS.>")


def made_by_hand(site: Site, account: str, limits: UserPermissionLimits) -> str:
    """Creds as an existing user of the account has them, signed with the account's own key."""
    (declared,) = (a for a in site.user.get("Hub", "plant")["status"]["accounts"] if a["name"] == account)  # type: ignore[index]
    seed = site.user.wait_secret("plant-signing-keys")[f"account.{account}.unscoped"]
    signer, key = SigningKey.from_seed(Seed(seed)), SigningKey.generate(KeyType.USER, os.urandom(32))
    claims = UserClaims(issuer_account=declared["publicKey"], limits=limits)
    now = int(time.time())
    token = jwt.encode(claims, signer, subject=key.public, name="existing", issued_at=now, expires_at=now + 600)
    return creds_files.format_creds(token, key).decode()


class TestJetStream:
    async def test_an_account_without_jetstream_has_no_streams(self, site: Site) -> None:
        declare(site, {"name": "mir"})
        member(site, "mir", STREAMS)

        async with connected(site, "mir") as device:
            with pytest.raises(nats.js.errors.ServiceUnavailableError):
                await device.client.jetstream().add_stream(name="DATA", subjects=["data.>"])

    async def test_streams_take_no_more_than_the_account_may(self, site: Site) -> None:
        declare(site, {"name": "mir", "jetStream": {"diskStorage": "1Mi", "streams": 2}})
        member(site, "mir", STREAMS)

        async with connected(site, "mir") as device:
            await self._takes(device, "SMALL", 512 * KIBIBYTE)
            await self._refuses(device, "BIG", 600 * KIBIBYTE, "insufficient storage")
            await self._refuses(device, "MEMORY", KIBIBYTE, "insufficient memory", storage="memory")
            await self._takes(device, "SECOND", KIBIBYTE)
            await self._refuses(device, "THIRD", KIBIBYTE, "maximum number of streams")

    async def test_a_tier_is_for_streams_of_its_replicas(self, site: Site) -> None:
        tiers = [{"replicas": 1, "diskStorage": "1Mi"}]
        declare(site, {"name": "mir", "jetStream": {"tiers": tiers}})
        member(site, "mir", STREAMS)

        async with connected(site, "mir") as device:
            await self._takes(device, "SMALL", 512 * KIBIBYTE)
            await self._refuses(device, "BIG", 600 * KIBIBYTE, "insufficient storage")

    async def test_an_account_of_another_tier_has_no_streams_of_one_replica(self, site: Site) -> None:
        declare(site, {"name": "mir", "jetStream": {"tiers": [{"replicas": 3, "diskStorage": "1Mi"}]}})
        member(site, "mir", STREAMS)

        async with connected(site, "mir") as device:
            await self._refuses(device, "SMALL", KIBIBYTE, "no JetStream default or applicable tiered limit present")

    async def _takes(self, device: Connected, name: str, size: int) -> None:
        async def taken() -> bool:
            try:
                await device.client.jetstream().add_stream(name=name, subjects=[f"data.{name}"], max_bytes=size)
            except nats.js.errors.ServiceUnavailableError:
                return False  # JetStream of an account starts a moment after its JWT is there
            return True

        await wait_until_async(taken)

    async def _refuses(self, device: Connected, name: str, size: int, why: str, storage: str = "file") -> None:
        with pytest.raises(nats.js.errors.APIError, match=why):
            await device.client.jetstream().add_stream(
                name=name, subjects=[f"data.{name}"], max_bytes=size, storage=storage
            )
