"""What accounts of one Hub share and how much they may use, each proven by a try at more on a real server."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import nats.errors
import nats.js.errors
import pytest
from fleet.conftest import Site
from nats.aio.msg import Msg

from iotsec.nats import creds as creds_files
from iotsec.nats import jwt
from iotsec.nats.claims import UserClaims, UserPermissionLimits
from iotsec.nats.keys import KeyType, Seed, SigningKey
from testbed.clients import Connected, connect_as, is_refused
from testbed.operator import Operator
from testbed.user import User, condition_of
from testbed.waiting import wait_until_async

Json = dict[str, Any]

ALARMS = {"name": "alarms", "type": "Stream", "subject": "alarms.>", "accounts": ["mir"]}
FROM_PLC = {"name": "alarms", "account": "plc", "type": "Stream", "subject": "alarms.>"}
PLC = {"name": "plc", "exports": [ALARMS]}
MIR = {"name": "mir", "imports": [FROM_PLC]}
LAB = {"name": "lab"}

TALKS = {"publish": {"allow": ["alarms.>"]}, "subscribe": {"allow": ["alarms.>", "plc.>"]}}
SERVES = {"subscribe": {"allow": ["time.>"]}}
ASKS = {"publish": {"allow": ["clock.>"]}}
STREAMS = {"publish": {"allow": ["$JS.API.>", "data.>"]}}
KIBIBYTE = 1024


def declare(site: Site, *accounts: Json, **spec: Any) -> None:
    """Apply the Hub with these accounts and wait until every server has them."""
    site.user.apply_hub("plant", [site.url], accounts=list(accounts), **spec)
    site.user.wait_ready("Hub", "plant")


def member(site: Site, account: str, permissions: Json = TALKS) -> str:
    """The creds of a Device of the account's name, that may talk and listen."""
    site.ready_device(f"in-{account}", account=account, permissions=permissions)
    return site.user.creds(f"in-{account}")


@asynccontextmanager
async def connected(site: Site, account: str) -> AsyncIterator[Connected]:
    """A connection of the Device in an account."""
    creds = site.user.creds(f"in-{account}")
    async with connect_as(site.url, creds, inbox_prefix=f"_INBOX_in-{account}") as device:
        yield device


async def arrives(talker: Connected, listener: Connected, subject: str, heard_as: str = "") -> bool:
    """Tell whether what one publishes reaches the other, who hears what he says to himself at the latest."""
    heard = await listener.client.subscribe(heard_as or subject)
    await _settled(listener)
    await talker.client.publish(subject, b"x")
    await _settled(talker)
    await _settled(listener)
    found = heard.pending_msgs
    await heard.unsubscribe()
    return bool(found)


async def _settled(device: Connected) -> None:
    """What was sent before has been dealt with once the second answer is there."""
    await device.client.flush()
    await device.client.flush()


class TestStreams:
    async def test_a_stream_reaches_the_account_it_is_for_and_no_other(self, site: Site) -> None:
        declare(site, PLC, MIR, LAB)
        for account in ("plc", "mir", "lab"):
            member(site, account)

        async with connected(site, "plc") as plc, connected(site, "mir") as mir, connected(site, "lab") as lab:
            assert await arrives(plc, mir, "alarms.boiler")
            assert not await arrives(plc, lab, "alarms.boiler")
            assert not await arrives(mir, plc, "alarms.boiler")

    async def test_an_import_that_goes_takes_the_flow_from_a_live_connection_and_one_that_returns_gives_it_back(
        self, site: Site
    ) -> None:
        declare(site, PLC, MIR)
        for account in ("plc", "mir"):
            member(site, account)

        async with connected(site, "plc") as plc, connected(site, "mir") as mir:
            assert await arrives(plc, mir, "alarms.boiler")
            declare(site, PLC, {"name": "mir"})
            assert not await arrives(plc, mir, "alarms.boiler")
            declare(site, PLC, MIR)
            assert await arrives(plc, mir, "alarms.boiler")
            assert not mir.closed.is_set()

    async def test_leave_that_is_withdrawn_ends_the_flow(self, site: Site) -> None:
        declare(site, PLC, MIR, LAB)
        for account in ("plc", "mir"):
            member(site, account)

        async with connected(site, "plc") as plc, connected(site, "mir") as mir:
            assert await arrives(plc, mir, "alarms.boiler")
            to_lab = PLC | {"exports": [ALARMS | {"accounts": ["lab"]}]}
            declare(site, to_lab, {"name": "mir"}, LAB | {"imports": [FROM_PLC]})
            assert not await arrives(plc, mir, "alarms.boiler")

    async def test_an_import_by_another_name_is_there_under_that_name_alone(self, site: Site) -> None:
        declare(site, PLC, MIR | {"imports": [FROM_PLC | {"localSubject": "plc.>"}]})
        for account in ("plc", "mir"):
            member(site, account)

        async with connected(site, "plc") as plc, connected(site, "mir") as mir:
            assert await arrives(plc, mir, "alarms.boiler", heard_as="plc.boiler")
            assert not await arrives(plc, mir, "alarms.boiler")


class TestServices:
    async def test_a_service_answers_the_account_it_is_for_and_no_other(self, site: Site) -> None:
        time_service = {"name": "time", "type": "Service", "subject": "time.*", "accounts": ["mir"]}
        clock = {"name": "time", "account": "plc", "type": "Service", "subject": "time.*", "localSubject": "clock.*"}
        declare(site, {"name": "plc", "exports": [time_service]}, {"name": "mir", "imports": [clock]}, LAB)
        for account, permissions in (("plc", SERVES), ("mir", ASKS), ("lab", ASKS)):
            member(site, account, permissions)

        async with connected(site, "plc") as plc, connected(site, "mir") as mir, connected(site, "lab") as lab:

            async def tell(request: Msg) -> None:
                await request.respond(request.subject.encode())

            await plc.client.subscribe("time.*", cb=tell)
            await _settled(plc)

            answer = await mir.client.request("clock.utc", timeout=5)

            assert answer.data == b"time.utc"
            with pytest.raises(nats.errors.NoRespondersError):
                await lab.client.request("clock.utc", timeout=5)


class TestFaults:
    async def test_an_import_without_leave_is_refused_and_what_was_live_goes_on(self, site: Site) -> None:
        declare(site, PLC, MIR, LAB)
        for account in ("plc", "mir", "lab"):
            member(site, account)

        site.user.apply_hub("plant", [site.url], accounts=[PLC, MIR, LAB | {"imports": [FROM_PLC]}])

        stalled = site.user.wait_reason("Hub", "plant", "InvalidSpec", condition="Stalled")
        assert condition_of(stalled, "Ready")["message"] == (
            "spec.accounts[2].imports[0].subject: export alarms of account plc is not for account lab: "
            "add lab to its accounts, or leave this import out"
        )
        async with connected(site, "plc") as plc, connected(site, "mir") as mir, connected(site, "lab") as lab:
            assert not await arrives(plc, lab, "alarms.boiler")
            assert await arrives(plc, mir, "alarms.boiler")
        site.ready_device("newcomer", account="mir")  # the Hub's work goes on
        declare(site, PLC, MIR, LAB)

    async def test_an_operator_that_starts_on_a_fault_grants_no_more_and_cuts_off_all_the_same(
        self, site: Site, operator: Operator
    ) -> None:
        declare(site, PLC, MIR, LAB)
        creds = {account: member(site, account) for account in ("plc", "mir", "lab")}
        site.user.apply_hub("plant", [site.url], accounts=[PLC, MIR, LAB | {"imports": [FROM_PLC]}])
        site.user.wait_reason("Hub", "plant", "InvalidSpec", condition="Stalled")

        operator.stop()
        site.user.delete("Device", "in-lab")
        operator.start()

        site.user.wait_gone("Device", "in-lab")
        assert await is_refused(site.url, creds["lab"])
        async with connected(site, "plc") as plc, connected(site, "mir") as mir:
            assert await arrives(plc, mir, "alarms.boiler")

    async def test_a_service_that_would_ask_itself_is_refused_where_servers_leave_it_out_in_silence(
        self, site: Site
    ) -> None:
        offered = {"name": "time", "type": "Service", "subject": "time"}
        taken = offered | {"account": "plc"}
        plc = {"name": "plc", "exports": [offered], "imports": [offered | {"account": "mir"}]}

        site.user.apply_hub(
            "plant", [site.url], accounts=[{"name": "mir", "exports": [offered], "imports": [taken]}, plc]
        )

        stalled = site.user.wait_reason("Hub", "plant", "InvalidSpec", condition="Stalled")
        assert "leads from 'time' back to account mir" in condition_of(stalled, "Stalled")["message"]

    def test_a_hub_that_begins_with_a_fault_makes_no_keys_before_it_is_mended(
        self,
        operator: Operator,  # noqa: ARG002 - it refuses the Hub
        user: User,
    ) -> None:
        servers = ["nats://127.0.0.1:4222"]
        user.apply_hub("plant", servers, accounts=[{"name": "plc"}, MIR])
        stalled = user.wait_reason("Hub", "plant", "InvalidSpec", condition="Stalled")
        assert "account plc exports no Stream that covers 'alarms.>'" in condition_of(stalled, "Stalled")["message"]
        assert user.secret("plant-identity-keys") is None

        user.apply_hub("plant", servers, accounts=[PLC, MIR])

        user.wait_secret("plant-nats-config")

    async def test_a_window_that_is_none_is_told_and_credentials_are_issued_all_the_same(self, site: Site) -> None:
        never = {"cron": "0 0 31 2 *", "duration": "1h", "timeZone": "Etc/UTC"}
        site.user.apply_hub("plant", [site.url], rotation={"windows": [never]})

        stalled = site.user.wait_reason("Hub", "plant", "InvalidSpec", condition="Stalled")
        site.ready_device("weather-01")

        assert condition_of(stalled, "Stalled")["message"].startswith("spec.rotation.windows[0]: ")


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
