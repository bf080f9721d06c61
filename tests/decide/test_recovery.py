"""A damaged note of what was issued leaves nobody connected whose time is not known any more."""

from decide.test_credential_rotation import accepted
from decide.world import World

from iotsec.decide.times import unix


def test_former_keys_end_though_the_damage_is_found_when_a_renewal_is_due(issued: World) -> None:
    issued.change(rotation={"jwt": {"duration": "48h"}, "keys": {"duration": "240h", "overlap": "47h"}})
    issued.settle()
    issued.rotate = "1"
    issued.settle()
    assert len({token.key for token in accepted(issued)}) == 2
    issued.now = unix(issued.status["renewalTime"])
    name = issued.secret()["metadata"]["name"]
    issued.secrets.patch(name, {"metadata": {"annotations": {"iotsec.dev/issued": "?"}}}, manager="kubectl")

    issued.settle()

    assert {token.key for token in accepted(issued)} == {issued.tokens[-1].key}
