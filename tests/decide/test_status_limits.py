"""What is told never outgrows what the API takes: a status that is refused would never be written again."""

from dataclasses import replace

from decide.test_hub import WORKING
from decide.world import World

from iotsec.api.device import DeviceStatus
from iotsec.api.hub import HubStatus
from iotsec.decide import hub as hub_decisions
from iotsec.decide.hub import AccountState, ServerState
from iotsec.decide.operator_rotation import Progress, Trusts
from iotsec.decide.seeds import OperatorPhase

NOW = 1_800_000_000


def hub_status(state: hub_decisions.HubState) -> HubStatus:
    """The status of a Hub, read as the API server reads it."""
    wanted = hub_decisions.hub_conditions("plant", state)
    return HubStatus.parse(hub_decisions.hub_status({}, wanted, generation=1, now=NOW, hub="plant", state=state))


def test_a_rotation_is_asked_for_by_a_token_however_long_it_is_and_made_once(issued: World) -> None:
    for token in ("x" * 5000, "x" * 5000, "x" * 5001):
        issued.rotate = token
        issued.settle()

    assert issued.status["revision"] == 3
    assert len(DeviceStatus.parse(issued.status).rotated) == 1


def test_a_hub_whose_accounts_came_and_went_for_years_tells_of_them() -> None:
    gone = [AccountState(f"tenant-{n:03}", "A" * 56, NOW, revocations=1, servers=1) for n in range(300)]

    assert len(hub_status(replace(WORKING, accounts=gone)).accounts) == 256


def test_a_hub_with_more_servers_than_can_be_told_tells_of_some() -> None:
    servers = [ServerState(f"nats-{n}", "2.15.1", current=True) for n in range(300)]

    assert len(hub_status(replace(WORKING, servers=servers)).servers) == 256


def test_how_far_the_operators_key_has_come_is_told_of_many_servers_too() -> None:
    servers = {f"a-server-with-a-rather-long-name-{n}": Trusts.BOTH for n in range(300)}
    message = ", ".join(servers)

    rotation = hub_status(
        replace(WORKING, operator_rotation=Progress(OperatorPhase.PREPARED, message, servers))
    ).operator_rotation

    assert rotation is not None
    assert (len(rotation.message), len(rotation.servers)) == (1024, 256)


def test_that_servers_were_told_of_an_account_outlives_its_ledger() -> None:
    before = hub_decisions.hub_status({}, (), generation=1, now=NOW, hub="plant", state=WORKING)
    lost = replace(WORKING, accounts=[replace(account, issued_at=0) for account in WORKING.accounts])

    after = hub_decisions.hub_status(before, (), generation=1, now=NOW, hub="plant", state=lost)

    assert hub_decisions.told(after) == {"iot"}
