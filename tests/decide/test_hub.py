"""What a Hub's status says."""

from dataclasses import replace

import pytest

from iotsec.decide import hub as hub_decisions
from iotsec.decide.conditions import Condition, Reason
from iotsec.decide.hub import AccountState, HubState, ServerState
from iotsec.decide.ledger import NEAR_LIMIT

WORKING = HubState(
    operator_key="O" * 56,
    system_key="A" * 56,
    accounts=[AccountState("iot", "A" * 56, 1_700_000_000, revocations=2, servers=2)],
    servers=[ServerState("nats-1", "2.15.1", current=True), ServerState("nats-0", "2.15.1", current=True)],
)


def said(state: HubState) -> dict[str, tuple[str, str]]:
    """Condition → its status and reason."""
    return {c.type: (c.status, str(c.reason)) for c in hub_decisions.hub_conditions("plant", state)}


def test_a_working_hub_says_so() -> None:
    assert said(WORKING) == {
        "Ready": ("True", "Distributed"),
        "ConfigWritten": ("True", "Written"),
        "Connected": ("True", "Connected"),
        "Pushed": ("True", "Distributed"),
    }


@pytest.mark.parametrize(
    ("state", "reason", "failed"),
    [
        (replace(WORKING, problem="no NATS server answers"), "NatsUnavailable", "Connected"),
        (replace(WORKING, problem="not accepted", refused=True), "NatsRefused", "Connected"),
        (replace(WORKING, push_error="jwt store is full"), "PushRefused", "Pushed"),
        (replace(WORKING, servers=()), "NotDistributed", "Pushed"),
        (replace(WORKING, servers=[ServerState("nats-0", "2.15.1", current=False)]), "NotDistributed", "Pushed"),
    ],
)
def test_a_hub_that_waits_says_for_what(state: HubState, reason: str, failed: str) -> None:
    found = said(state)

    assert found["Ready"] == ("False", reason)
    assert found["Reconciling"] == ("True", reason)
    assert found[failed] == ("False", reason)
    assert "Stalled" not in found


def test_a_full_account_is_stalled_though_everything_else_is_well() -> None:
    found = said(replace(WORKING, full="the account can carry no more"))

    assert found["Stalled"] == ("True", "RevocationsFull")
    assert found["Pushed"] == ("True", "Distributed")


def test_an_account_that_no_jwt_can_say_is_told_before_that_servers_do_not_run_it() -> None:
    found = said(replace(WORKING, full="the token has too many bytes", servers=()))

    assert found["Stalled"] == ("True", "RevocationsFull")
    assert found["Pushed"] == ("False", "NotDistributed")


def test_a_status_tells_plain_facts_in_a_stable_order() -> None:
    fresh = AccountState("mir", "A" * 56, 0, revocations=0, servers=0)
    state = replace(WORKING, accounts=[fresh, *WORKING.accounts])

    status = hub_decisions.hub_status({}, (), generation=3, now=1_700_000_000, hub="plant", state=state)

    assert status["observedGeneration"] == 3
    assert status["configSecretName"] == "plant-nats-config"
    assert [server["name"] for server in status["servers"]] == ["nats-0", "nats-1"]
    assert [account["name"] for account in status["accounts"]] == ["iot", "mir"]
    assert "issuedAt" not in status["accounts"][1]  # never given to a server


def test_a_status_without_a_state_keeps_what_was_known() -> None:
    known = {"operatorPublicKey": "O" * 56, "conditions": []}

    status = hub_decisions.hub_status(known, (), generation=1, now=1_700_000_000)

    assert status["operatorPublicKey"] == "O" * 56


@pytest.mark.parametrize(("number", "rest"), [(1, ""), (10, ""), (11, " and 1 more"), (1000, " and 990 more")])
def test_a_hub_in_use_names_ten_and_counts_the_rest(number: int, rest: str) -> None:
    ready = hub_decisions.in_use([f"Device iot/weather-{n:04}" for n in range(number)])[0]

    assert ready.reason == Reason.IN_USE
    assert ready.message.startswith(f"{number} identities")
    assert ready.message.count("Device") == min(number, 10)
    assert f"{rest})" in ready.message


def test_a_hub_that_is_ending_tells_how_to_end_it_all_the_same() -> None:
    def message(conditions: tuple[Condition, ...]) -> str:
        return conditions[0].message

    assert "force-delete=true" in message(hub_decisions.not_retired("no NATS server answers"))
    assert "force-delete=true" in message(hub_decisions.stalled(Reason.TRUST_LOST, "lost", ending=True))
    assert "force-delete" not in message(hub_decisions.stalled(Reason.TRUST_LOST, "lost", ending=False))


def test_only_a_hub_that_told_its_end_has_ended() -> None:
    def after(*wanted: Condition) -> bool:
        status = hub_decisions.hub_status({}, wanted, generation=1, now=1_700_000_000)
        return hub_decisions.is_ended(status)

    assert after(*hub_decisions.deleting())
    assert not after(*hub_decisions.not_retired("no NATS server answers"))
    assert not after(*hub_decisions.in_use(["Device iot/weather-01"]))
    assert not hub_decisions.is_ended({})


def test_a_role_that_left_the_spec_while_in_use_is_told_with_ten_of_its_users() -> None:
    users = [f"Device iot/d{n:02}" for n in range(12)]

    found = hub_decisions.hub_conditions("plant", replace(WORKING, removed_roles={"gateway": users}))

    ready = next(c for c in found if c.type == "Ready")
    assert (ready.status, ready.reason) == ("False", Reason.ROLE_IN_USE)
    assert "role gateway by Device iot/d00" in ready.message
    assert "Device iot/d09 and 2 more" in ready.message
    assert "Stalled" in {c.type for c in found}


def test_a_ledger_that_fills_is_told_while_all_still_works() -> None:
    crowded = AccountState("iot", "A" * 56, 1_700_000_000, revocations=NEAR_LIMIT, servers=2)

    found = said(replace(WORKING, accounts=[crowded]))

    assert found["Ready"] == ("True", "Distributed")
    assert found["RevocationsNearLimit"] == ("True", "NearLimit")


def test_an_account_that_no_namespace_can_use_is_told_on_a_hub_that_stays_ready() -> None:
    found = said(replace(WORKING, matching_nothing=("lab",)))

    assert found["Ready"] == ("True", "Distributed")
    assert found["SelectorMatchesNothing"] == ("True", "NoNamespace")
    assert "Stalled" not in found


def test_an_account_by_labels_that_nobody_may_look_at_is_told_as_that() -> None:
    found = said(replace(WORKING, matching_nothing=("lab",), labels_unknown=True))

    assert found["Ready"] == ("True", "Distributed")
    assert found["SelectorMatchesNothing"] == ("True", "NamespaceLabelsUnknown")


def test_windows_that_jwts_cannot_wait_for_are_told_before_any_rotation_misses_one() -> None:
    found = said(replace(WORKING, late_windows="windows open too seldom"))

    assert found["Ready"] == ("True", "Distributed")
    assert found["RotationWindowMissed"] == ("True", "NoWindowInTime")
