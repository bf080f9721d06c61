"""Renewals come in time, spread out, and at the same moment after any restart."""

from hypothesis import given
from hypothesis import strategies as st

from iotsec.decide.rotation import renewal_time

NOW = 1_800_000_000
seconds = st.integers(10, 87_600 * 3600)


@given(duration=seconds, before=seconds, salt=st.text(max_size=36))
def test_a_renewal_is_after_the_issue_and_before_the_end(duration: int, before: int, salt: str) -> None:
    due = renewal_time(issued_at=NOW, expires_at=NOW + duration, renew_before=before, salt=salt)

    assert NOW < due < NOW + duration


@given(duration=seconds, share=st.floats(0.01, 0.95), salt=st.text(max_size=36))
def test_the_jitter_only_pulls_forward_and_by_a_tenth_at_most(duration: int, share: float, salt: str) -> None:
    before = max(1, int(duration * share))

    due = renewal_time(issued_at=NOW, expires_at=NOW + duration, renew_before=before, salt=salt)

    latest = NOW + duration - before
    assert latest - (latest - NOW) / 10 - 1 <= due <= latest


def test_the_same_credential_is_always_due_at_the_same_time() -> None:
    due = {renewal_time(issued_at=NOW, expires_at=NOW + 9000, renew_before=3000, salt="uid") for _ in range(3)}

    assert len(due) == 1


def test_a_fleet_made_in_one_second_is_not_renewed_in_one() -> None:
    due = [
        renewal_time(issued_at=NOW, expires_at=NOW + 720 * 3600, renew_before=240 * 3600, salt=f"uid-{n}")
        for n in range(1000)
    ]

    assert max(due) - min(due) > 40 * 3600
    assert len(set(due)) > 990
