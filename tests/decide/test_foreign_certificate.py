"""What is told of somebody else's certificate, before and after anybody looked."""

from iotsec.decide.conditions import FOREIGN_CERTIFICATE, merge
from iotsec.decide.foreign_certificate import Foreign
from iotsec.decide.identity_status import foreign_conditions

FANS = Foreign("CN=fan", "ab" * 32, "Device iot/fan")
TOLD = {"conditions": merge((), foreign_conditions({}, (FANS,)), generation=1, now="2026-01-01T00:00:00Z")}


def test_who_shows_it_is_told_of() -> None:
    (condition,) = foreign_conditions({}, (FANS,))

    assert (condition.type, condition.status) == (FOREIGN_CERTIFICATE, "True")
    assert "Device iot/fan" in condition.message


def test_it_stays_told_while_nobody_looked() -> None:
    assert foreign_conditions(TOLD, None) == foreign_conditions({}, (FANS,))


def test_nothing_is_made_up_while_nobody_looked() -> None:
    assert foreign_conditions({}, None) == ()


def test_it_goes_when_somebody_looked_and_it_was_not_seen() -> None:
    assert foreign_conditions(TOLD, ()) == ()
