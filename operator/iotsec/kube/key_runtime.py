"""What is held in memory of a Hub's signing keys while they are being replaced."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from iotsec.decide.conditions import Condition
from iotsec.decide.operator_rotation import Progress


@dataclass(slots=True)
class KeyRuntime:
    """How things stand with the keys of one Hub."""

    asked: Mapping[str, str] = field(default_factory=dict)
    """The tokens on the Hub that ask for other keys, by their annotations."""
    conditions: tuple[Condition, ...] = ()
    """What is to be known of keys that are being replaced, or will be late."""
    operator: Progress | None = None
    """How far the replacement of the operator's key has come."""
    minted_by: str = ""
    """Public key of who signed the latest credentials of our own connection."""
