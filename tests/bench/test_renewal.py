"""When the renewals fall due that the benchmark makes, by the operator's own rules."""

import pytest

from bench.groups.renewal import Due, Lives
from iotsec.api.durations import parse_duration
from iotsec.decide.rotation import Life, Policy, Turn, turn

ISSUED = 1_800_000_000


def turns(lives: Lives) -> list[Turn]:
    rotation = lives.rotation()["jwt"]
    duration, renew_before = (int(parse_duration(rotation[key]).total_seconds()) for key in ("duration", "renewBefore"))
    policy = Policy(duration, renew_before=renew_before)
    life = Life(ISSUED, ISSUED + duration)
    return [turn(life, policy, salt=str(number), now=ISSUED) for number in range(1000)]


def test_all_that_is_issued_together_is_due_ten_minutes_before_its_deadline() -> None:
    for one in turns(Lives.of(devices=5000, scale=1.0)):
        assert 600 <= one.deadline - one.due <= 630


def test_a_smaller_run_has_a_smaller_window_but_one_in_which_work_may_wait() -> None:
    for one in turns(Lives.of(devices=100, scale=0.02)):
        assert 70 <= one.deadline - one.due <= 80


def test_nothing_is_due_before_the_last_of_the_fleet_can_be_ready() -> None:
    assert min(one.due for one in turns(Lives.of(devices=5000, scale=1.0))) - ISSUED >= 5000 / 25


def test_the_status_of_a_device_tells_by_when_it_must_be_renewed() -> None:
    status = {
        "issuedAt": "2026-01-02T03:00:00Z",
        "renewalTime": "2026-01-02T03:04:00Z",
        "expiresAt": "2026-01-02T03:20:00Z",
    }
    due = Due.of(status)
    assert (due.expires - due.renewal, due.expires - due.deadline) == pytest.approx((960, 60))
