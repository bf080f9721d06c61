"""One CA takes the place of another, step by step, and what each step waits for."""

from dataclasses import replace

import pytest
from decide.trusting_world import CA_LIFE, DISTRIBUTE, START, new_ca

from iotsec.decide.authorities import Authorities, Phase, first
from iotsec.decide.ca_rotation import Convergence, Pace, Retire, advanced, begin, may_begin, next_step, waits_for
from iotsec.decide.times import rfc3339

PACE = Pace(distribute_for=DISTRIBUTE)
AT_EXPIRY, IMMEDIATE = Pace("AtExpiry", DISTRIBUTE), Pace("Immediate", DISTRIBUTE)
EVERYBODY = Convergence("")
SERVERS = Convergence("not on every server yet: nats-0 (it does not answer)")
BUNDLES = Convergence("", bundles_behind=2, examples=("iot/weather-01", "iot/weather-02"))
CERTIFICATES = Convergence("", certificates_behind=1, examples=("iot/weather-01",))
OLD, NEW, THIRD = (replace(new_ca(START), source=source) for source in ("selfSigned/a", "selfSigned/b", "selfSigned/c"))
STEADY = first(OLD, now=START)
TRUST = begin(STEADY, NEW, PACE, now=START)


def after(state: Authorities, *steps: tuple[Convergence, int], pace: Pace = PACE) -> Authorities:
    """The state after the operator saw this at these seconds."""
    for seen, at in steps:
        state = advanced(state, seen, pace, now=START + at)
    return state


USE = after(TRUST, (EVERYBODY, 0), (EVERYBODY, DISTRIBUTE))
RETIRE = after(USE, (EVERYBODY, 150))


def numbers(state: Authorities) -> list[int]:
    return [one.number for one in state.generations]


def test_at_first_everybody_gets_the_new_root_while_the_former_ca_signs() -> None:
    assert (TRUST.phase, TRUST.current, numbers(TRUST)) == (Phase.TRUST, 1, [1, 2])
    assert (OLD.root in TRUST.bundle, NEW.root in TRUST.bundle) == (True, True)
    assert TRUST.signing.id == OLD.id


@pytest.mark.parametrize("behind", [SERVERS, BUNDLES])
def test_the_new_ca_is_not_used_while_somebody_lacks_its_root(behind: Convergence) -> None:
    assert after(TRUST, (behind, 0), (behind, 100 * DISTRIBUTE)) == TRUST


def test_the_time_to_fetch_a_root_counts_from_when_the_last_secret_has_it() -> None:
    late = after(TRUST, (BUNDLES, 0), (BUNDLES, 10 * DISTRIBUTE), (EVERYBODY, 11 * DISTRIBUTE))

    assert late.phase is Phase.TRUST
    assert after(late, (EVERYBODY, 12 * DISTRIBUTE - 1)).phase is Phase.TRUST
    assert after(late, (EVERYBODY, 12 * DISTRIBUTE)).phase is Phase.USE


def test_then_the_new_ca_signs_and_the_former_is_trusted_still() -> None:
    assert (USE.phase, USE.current, numbers(USE), USE.since) == (Phase.USE, 2, [1, 2], START + DISTRIBUTE)
    assert OLD.root in USE.bundle


@pytest.mark.parametrize("behind", [SERVERS, CERTIFICATES])
def test_the_former_ca_stays_while_somebody_has_a_certificate_of_it(behind: Convergence) -> None:
    assert after(USE, (behind, 100 * DISTRIBUTE)) == USE


def test_the_former_root_goes_once_whoever_fetches_late_has_his_certificate() -> None:
    assert (RETIRE.phase, numbers(RETIRE)) == (Phase.RETIRE, [1, 2])
    assert numbers(after(RETIRE, (EVERYBODY, 150 + DISTRIBUTE - 1))) == [1, 2]
    assert numbers(after(RETIRE, (EVERYBODY, 150 + DISTRIBUTE))) == [2]


@pytest.mark.parametrize("behind", [SERVERS, CERTIFICATES])
def test_a_certificate_of_the_former_ca_that_turns_up_again_keeps_its_root(behind: Convergence) -> None:
    assert numbers(after(RETIRE, (behind, 100 * DISTRIBUTE))) == [1, 2]


def test_a_rotation_is_over_once_the_former_root_is_nowhere() -> None:
    gone = after(RETIRE, (EVERYBODY, 1000))

    assert after(gone, (BUNDLES, 1001)).phase is Phase.RETIRE
    assert after(gone, (SERVERS, 1001)).phase is Phase.RETIRE
    assert after(gone, (EVERYBODY, 1001)).phase is Phase.STEADY


def test_a_former_root_may_stay_until_it_ends() -> None:
    kept = after(USE, (EVERYBODY, 150), pace=AT_EXPIRY)

    assert (kept.phase, numbers(kept)) == (Phase.STEADY, [1, 2])
    assert numbers(after(kept, (EVERYBODY, CA_LIFE - 1), pace=AT_EXPIRY)) == [1, 2]
    assert numbers(after(kept, (EVERYBODY, CA_LIFE), pace=AT_EXPIRY)) == [2]


def test_a_former_root_that_is_to_go_after_all_goes_by_the_same_steps() -> None:
    kept = after(USE, (EVERYBODY, 150), pace=AT_EXPIRY)

    again = after(kept, (EVERYBODY, 200))

    assert (again.phase, numbers(again)) == (Phase.USE, [1, 2])
    assert after(again, (CERTIFICATES, 201)) == again
    assert numbers(after(again, (EVERYBODY, 202), (EVERYBODY, 202 + DISTRIBUTE))) == [2]


def test_a_former_root_that_is_to_stay_after_all_stays() -> None:
    kept = after(RETIRE, (EVERYBODY, 10 * DISTRIBUTE), pace=AT_EXPIRY)

    assert (kept.phase, numbers(kept)) == (Phase.STEADY, [1, 2])


def test_a_former_ca_is_distrusted_at_once_where_that_is_asked_for() -> None:
    at_once = begin(STEADY, NEW, IMMEDIATE, now=START)

    assert (at_once.phase, numbers(at_once)) == (Phase.USE, [2])
    assert OLD.root not in at_once.bundle
    assert after(at_once, (SERVERS, 1), pace=IMMEDIATE).phase is Phase.USE
    assert after(at_once, (EVERYBODY, 1), (EVERYBODY, 2), pace=IMMEDIATE).phase is Phase.STEADY


@pytest.mark.parametrize("under_way", [TRUST, USE, RETIRE])
def test_a_rotation_under_way_ends_at_once_where_that_is_asked_for(under_way: Authorities) -> None:
    at_once = after(under_way, (SERVERS, 1), pace=IMMEDIATE)

    assert (at_once.phase, numbers(at_once), at_once.signing.id) == (Phase.USE, [2], NEW.id)


def test_while_one_ca_is_half_in_use_there_is_no_third() -> None:
    assert [may_begin(state, PACE) for state in (STEADY, TRUST, USE, RETIRE)] == [True, True, False, False]
    assert may_begin(USE, IMMEDIATE)


def test_one_that_was_to_sign_and_never_did_goes_when_another_is_wanted() -> None:
    instead = begin(replace(TRUST, arrived=START), THIRD, PACE, now=START + 5)

    assert [one.id for one in instead.generations] == [OLD.id, THIRD.id]
    assert (instead.phase, instead.current, instead.since, instead.arrived) == (Phase.TRUST, 1, START + 5, 0)


def test_one_that_was_to_sign_goes_when_the_one_in_use_is_wanted_again() -> None:
    back = begin(TRUST, OLD, PACE, now=START + 5)

    assert [one.id for one in back.generations] == [OLD.id]
    assert after(back, (EVERYBODY, 6), (EVERYBODY, 7)).phase is Phase.STEADY


def test_a_former_ca_stays_trusted_though_its_successors_successor_is_called_off() -> None:
    kept = after(USE, (EVERYBODY, 150), pace=AT_EXPIRY)

    back = begin(begin(kept, THIRD, AT_EXPIRY, now=START + 200), NEW, AT_EXPIRY, now=START + 300)

    assert [one.id for one in back.generations] == [OLD.id, NEW.id]


def test_a_former_ca_that_is_wanted_again_and_then_no_more_is_trusted_as_before() -> None:
    kept = after(USE, (EVERYBODY, 150), pace=AT_EXPIRY)

    again = begin(kept, OLD, AT_EXPIRY, now=START + 200)
    another = begin(again, THIRD, AT_EXPIRY, now=START + 300)

    assert [one.id for one in again.generations] == [OLD.id, NEW.id, OLD.id]
    assert again.bundle == kept.bundle
    assert [one.id for one in another.generations] == [OLD.id, NEW.id, THIRD.id]


def test_a_ca_of_a_root_that_everybody_has_is_used_at_once() -> None:
    renewed = replace(NEW, root=OLD.root)

    assert after(begin(STEADY, renewed, PACE, now=START), (SERVERS, 1)).phase is Phase.USE


def test_a_ca_that_ends_before_everybody_was_ready_is_replaced_all_the_same() -> None:
    assert after(TRUST, (SERVERS, CA_LIFE - 1)).phase is Phase.TRUST
    assert after(TRUST, (SERVERS, CA_LIFE)).phase is Phase.USE


def test_a_ca_without_its_key_is_not_used() -> None:
    keyless = replace(TRUST, generations=(OLD, replace(TRUST.newest, authority=None)))

    assert after(keyless, (EVERYBODY, 0), (EVERYBODY, CA_LIFE)).phase is Phase.TRUST
    assert "restore its Secret" in waits_for(keyless, EVERYBODY, PACE)


def test_a_ca_of_somebody_who_is_asked_to_sign_needs_no_key() -> None:
    asked = replace(NEW, authority=None, key=None, certificate=b"", source="certManager/cert-manager.io/Issuer/plant")

    state = begin(STEADY, asked, PACE, now=START)

    assert after(state, (EVERYBODY, 0), (EVERYBODY, DISTRIBUTE)).signing.source == asked.source


def test_a_ca_whose_key_is_lost_while_it_is_half_in_use_makes_way_for_a_third() -> None:
    lost = replace(USE, generations=(OLD, replace(USE.newest, authority=None, key=None)))

    third = begin(lost, THIRD, PACE, now=START + 200)

    assert may_begin(lost, PACE)
    assert (third.phase, numbers(third)) == (Phase.TRUST, [1, 2, 3])
    assert all(one.root in third.bundle for one in (OLD, NEW, THIRD))


def test_the_token_that_asked_for_another_ca_is_remembered() -> None:
    asked = begin(STEADY, NEW, PACE, now=START, token="2030-01-31")  # noqa: S106 - no password

    assert asked.heeded == "2030-01-31"
    assert begin(asked, THIRD, PACE, now=START).heeded == "2030-01-31"


@pytest.mark.parametrize(
    ("state", "seen", "told"),
    [
        (STEADY, SERVERS, ""),
        (TRUST, SERVERS, "not on every server yet: nats-0 (it does not answer)"),
        (TRUST, BUNDLES, "2 Secrets and ConfigMaps have yet to get the trust bundle (iot/weather-01, iot/weather-02)"),
        (TRUST, CERTIFICATES, "everybody has what is needed"),
        (TRUST, replace(BUNDLES, servers="no server answers", examples=()), "no server answers; 2 Secrets and Config"),
        (after(TRUST, (EVERYBODY, 0)), EVERYBODY, f"those who fetch it late have until {rfc3339(START + DISTRIBUTE)}"),
        (USE, CERTIFICATES, "1 certificates have yet to be issued by the new CA (iot/weather-01)"),
        (USE, BUNDLES, "everybody has what is needed"),
        (RETIRE, CERTIFICATES, "1 certificates have yet to be issued by the new CA"),
        (RETIRE, EVERYBODY, f"have until {rfc3339(RETIRE.since + DISTRIBUTE)}"),
        (after(RETIRE, (EVERYBODY, 1000)), BUNDLES, "2 Secrets and ConfigMaps have yet to get the trust bundle"),
    ],
)
def test_what_is_waited_for_is_told(state: Authorities, seen: Convergence, told: str) -> None:
    found = waits_for(state, seen, PACE)

    assert told in found
    assert bool(found) == bool(told)


@pytest.mark.parametrize(
    ("state", "at"),
    [
        (STEADY, None),
        (TRUST, CA_LIFE),
        (after(TRUST, (EVERYBODY, 0)), DISTRIBUTE),
        (USE, CA_LIFE),
        (RETIRE, 150 + DISTRIBUTE),
        (after(RETIRE, (EVERYBODY, 1000)), None),
        (after(USE, (EVERYBODY, 150), pace=AT_EXPIRY), CA_LIFE),
    ],
)
def test_time_alone_is_waited_for_where_it_lets_a_rotation_go_on(state: Authorities, at: int | None) -> None:
    assert next_step(state, PACE, now=START) == (None if at is None else START + at)


def test_a_moment_that_passed_is_not_waited_for() -> None:
    late = START + DISTRIBUTE + 1

    assert next_step(after(TRUST, (EVERYBODY, 0)), PACE, now=late) == START + CA_LIFE


@pytest.mark.parametrize("retire", ["AfterConvergence", "AtExpiry", "Immediate"])
def test_in_peace_nothing_changes(retire: Retire) -> None:
    assert after(STEADY, (SERVERS, 1), (EVERYBODY, 2), pace=Pace(retire, DISTRIBUTE)) == STEADY
