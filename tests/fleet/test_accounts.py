"""What accounts of one Hub share, and with whom they do not, on a real server."""

import nats.errors
import pytest
from fleet.conftest import Site
from fleet.members import Json, connected, declare, member, settled
from nats.aio.msg import Msg

from testbed.clients import Connected, is_refused
from testbed.operator import Operator
from testbed.user import User, condition_of

ALARMS = {"name": "alarms", "type": "Stream", "subject": "alarms.>", "accounts": ["mir"]}
FROM_PLC = {"name": "alarms", "account": "plc", "type": "Stream", "subject": "alarms.>"}
PLC = {"name": "plc", "exports": [ALARMS]}
MIR = {"name": "mir", "imports": [FROM_PLC]}
LAB = {"name": "lab"}

SERVES = {"subscribe": {"allow": ["time.>"]}}
ASKS = {"publish": {"allow": ["clock.>"]}}


async def arrives(talker: Connected, listener: Connected, subject: str, heard_as: str = "") -> bool:
    """Tell whether what one publishes reaches the other: servers have dealt with it by their second answer."""
    heard = await listener.client.subscribe(heard_as or subject)
    await settled(listener)
    await talker.client.publish(subject, b"x")
    await settled(talker)
    await settled(listener)
    found = heard.pending_msgs
    await heard.unsubscribe()
    return bool(found)


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
            await settled(plc)

            answer = await mir.client.request("clock.utc", timeout=5)

            assert answer.data == b"time.utc"
            with pytest.raises(nats.errors.NoRespondersError):
                await lab.client.request("clock.utc", timeout=5)

    async def test_a_chain_of_services_that_turns_round_answers_in_its_new_direction(self, site: Site) -> None:
        offered = {"name": "time", "type": "Service", "subject": "time"}

        def account(name: str, *, asks: str = "") -> Json:
            return {"name": name, "exports": [offered], "imports": [offered | {"account": asks}] if asks else []}

        declare(site, account("a"), account("b", asks="c"), account("c", asks="a"))
        member(site, "a", {"publish": {"allow": ["time"]}})
        member(site, "b", {"subscribe": {"allow": ["time"]}})

        async with connected(site, "a") as a, connected(site, "b") as b:

            async def tell(request: Msg) -> None:
                await request.respond(b"noon")

            await b.client.subscribe("time", cb=tell)
            await settled(b)
            declare(site, account("a", asks="b"), account("b", asks="c"), account("c"))

            answer = await a.client.request("time", timeout=5)

            assert answer.data == b"noon"


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
