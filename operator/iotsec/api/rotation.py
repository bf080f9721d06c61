"""How long credentials live and when they are renewed."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from iotsec.api.constraints import Items, Rule, Text
from iotsec.api.durations import Duration, shorter
from iotsec.api.model import Model

DEFAULT_DURATION = timedelta(hours=720)

_BEFORE_END = "renewBefore must be shorter than duration, which is 720h unless given: write a shorter renewBefore"
_OVERLAP = "overlap must be shorter than duration, which is 720h unless given: write a shorter overlap"
_ONE_OF = "write renewBefore or renewBeforePercentage, not both"
_KEY_OVERLAP = "overlap must be shorter than duration: write a shorter overlap"


def _within_duration(field: str, message: str) -> tuple[Rule, Rule]:
    """The rules that a field is shorter than ``duration``, given or by default."""
    default = shorter(f"self.{field}", "'720h'")
    return (
        Rule(
            f"!has(self.{field}) || !has(self.duration) || {shorter(f'self.{field}', 'self.duration')}",
            message,
            path=f".{field}",
        ),
        Rule(f"!has(self.{field}) || has(self.duration) || {default}", message, path=f".{field}"),
    )


class JwtRotation(Model):
    """Life of a user JWT."""

    cel_rules = (
        *_within_duration("renewBefore", _BEFORE_END),
        *_within_duration("overlap", _OVERLAP),
        Rule("!has(self.renewBefore) || !has(self.renewBeforePercentage)", _ONE_OF, path=".renewBeforePercentage"),
    )

    duration: Duration | None = Field(default=None, description="How long a JWT is valid; 720h by default.")
    renew_before: Duration | None = Field(
        default=None, description="How long before its end a JWT is renewed; a third of the duration by default."
    )
    renew_before_percentage: Annotated[int, Field(ge=1, le=99)] | None = Field(
        default=None, description="The same as a share of what the JWT in use really lives, in percent."
    )
    overlap: Duration | None = Field(
        default=None,
        description="How long the former JWT works beside the new one, and is then revoked; to its own end by default.",
    )

    @model_validator(mode="after")
    def _renews_before_the_end(self) -> "JwtRotation":
        duration = self.duration or DEFAULT_DURATION
        if self.renew_before is not None and self.renew_before >= duration:
            raise ValueError(_BEFORE_END)
        if self.overlap is not None and self.overlap >= duration:
            raise ValueError(_OVERLAP)
        if self.renew_before is not None and self.renew_before_percentage is not None:
            raise ValueError(_ONE_OF)
        return self


class KeyRotation(Model):
    """Life of a user's key pair."""

    cel_rules = (
        Rule(
            f"!has(self.overlap) || {shorter('self.overlap', 'self.duration')}",
            _KEY_OVERLAP,
            path=".overlap",
        ),
    )

    duration: Duration = Field(description="How long a key is used before another takes its place.")
    overlap: Duration | None = Field(
        default=None,
        description="How long the former key works beside the new one; as long as its JWT is valid by default.",
    )

    @model_validator(mode="after")
    def _overlaps_less_than_it_lives(self) -> "KeyRotation":
        if self.overlap is not None and self.overlap >= self.duration:
            raise ValueError(_KEY_OVERLAP)
        return self


class SigningKeyRotation(Model):
    """Life of the keys that sign for the accounts' roles, and for the system account."""

    duration: Duration = Field(description="How long a signing key is used before another takes its place.")
    retire: Literal["AfterOverlap", "Immediate"] = Field(
        default="AfterOverlap",
        description="AfterOverlap, the default: a former key goes when nothing is left of it; "
        "Immediate: at once, with all it signed.",
    )


def _listed(value: str, *others: str) -> str:
    """The pattern of a field of cron: values, ranges and steps, separated by commas."""
    entry = "|".join((f"([*]|{value}(-{value})?)(/[1-9][0-9]?)?", *others))
    return f"({entry})(,({entry}))*"


_WEEKDAY = "([0-7]|SUN|MON|TUE|WED|THU|FRI|SAT)"
_FIELDS = (
    _listed("[0-5]?[0-9]"),
    _listed("([01]?[0-9]|2[0-3])"),
    _listed("(0?[1-9]|[12][0-9]|3[01])", "LW?"),
    _listed("(0?[1-9]|1[0-2]|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)"),
    _listed(_WEEKDAY, f"{_WEEKDAY}#[1-5]", "[0-7]L"),
)
_CRON = f"^{' '.join(_FIELDS)}$"
_NO_CRON = (
    "write a cron expression of five fields, minute hour day month weekday, such as 0 2 * * SUN: numbers within "
    "their range, names in capitals, one space between fields"
)
_TOO_SHORT = "a window of less than a minute is too short to work in: write 1m or more"


class Window(Model):
    """A time in which credentials may be replaced."""

    cel_rules = (Rule(shorter("'59s'", "self.duration"), _TOO_SHORT, path=".duration"),)

    cron: Annotated[str, Text(128, _CRON, _NO_CRON, checked="rule")] = Field(
        description="When it opens, as a cron expression of five fields."
    )
    duration: Duration = Field(description="How long it stays open.")
    time_zone: Annotated[
        str,
        Text(
            64,
            "^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$",
            "write the name of a time zone, for example Europe/Berlin",
        ),
    ] = Field(default="UTC", description="Time zone of the expression; UTC by default.")

    @model_validator(mode="after")
    def _is_long_enough(self) -> "Window":
        if self.duration < timedelta(minutes=1):
            raise ValueError(_TOO_SHORT)
        return self


_WINDOWS = "Times in which credentials are replaced; any time by default. A credential about to end does not wait."


class Rotation(Model):
    """When the credentials of an identity are replaced."""

    jwt: JwtRotation | None = Field(default=None, description="Life of the user JWT.")
    keys: KeyRotation | None = Field(default=None, description="Life of the user key; it is kept by default.")
    windows: Annotated[tuple[Window, ...], Items(16)] = Field(default=(), description=_WINDOWS)


class HubRotation(Rotation):
    """When the credentials of a Hub and its identities are replaced."""

    signing_keys: SigningKeyRotation | None = Field(
        default=None, description="Life of the signing keys; they are kept by default."
    )
