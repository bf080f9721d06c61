"""How long credentials live and when they are renewed."""

from dataclasses import dataclass
from datetime import timedelta

from pydantic import Field, model_validator

from iotsec.api.constraints import Rule
from iotsec.api.durations import Duration, shorter
from iotsec.api.model import Model

DEFAULT_DURATION = timedelta(hours=720)

_BEFORE_END = "renewBefore must be shorter than duration, which is 720h unless given: write a shorter renewBefore"
_SHORTER_THAN_DEFAULT = shorter("self.renewBefore", "'720h'")


@dataclass(frozen=True, slots=True)
class JwtLifetime:
    """A rotation with its defaults filled in: ``renew_before`` is always shorter than ``duration``."""

    duration: timedelta
    renew_before: timedelta


class JwtRotation(Model):
    """Life of a user JWT."""

    cel_rules = (
        Rule(
            f"!has(self.renewBefore) || !has(self.duration) || {shorter('self.renewBefore', 'self.duration')}",
            _BEFORE_END,
            path=".renewBefore",
        ),
        Rule(
            f"!has(self.renewBefore) || has(self.duration) || {_SHORTER_THAN_DEFAULT}",
            _BEFORE_END,
            path=".renewBefore",
        ),
    )

    duration: Duration | None = Field(default=None, description="How long a JWT is valid; 720h by default.")
    renew_before: Duration | None = Field(
        default=None, description="How long before its end a JWT is renewed; a third of the duration by default."
    )

    @model_validator(mode="after")
    def _renews_before_the_end(self) -> "JwtRotation":
        if self.renew_before is not None and self.renew_before >= (self.duration or DEFAULT_DURATION):
            raise ValueError(_BEFORE_END)
        return self

    @property
    def lifetime(self) -> JwtLifetime:
        """The rotation with its defaults: 720 h, renewed when a third of the duration is left."""
        duration = self.duration or DEFAULT_DURATION
        third = timedelta(seconds=int(duration.total_seconds()) // 3)
        return JwtLifetime(duration=duration, renew_before=self.renew_before or third)


class Rotation(Model):
    """When credentials are renewed."""

    jwt: JwtRotation | None = Field(default=None, description="Life of the user JWT.")
