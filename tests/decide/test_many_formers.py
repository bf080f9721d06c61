"""Whoever replaces a key all the time is left with a Secret that the API server takes, and with no key too many."""

from decide.test_credential_rotation import accepted
from decide.world import World

from iotsec.decide import names
from iotsec.decide.issued import Issued


def test_of_keys_that_overlap_for_long_only_the_latest_go_on_working(issued: World) -> None:
    for number in range(80):
        issued.now += 60
        issued.rotate = str(number)
        issued.settle()

    note = Issued.from_json(issued.secret()["metadata"]["annotations"][names.ISSUED])
    assert len(note.formers) == 64
    assert accepted(issued) == set(issued.tokens[-65:])
