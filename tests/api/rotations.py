"""Rotations as Hubs and identities have them, and what is refused in them."""

from typing import Any

from api.objects import Json, Refused, device, hub, jwt

NIGHTLY = {"cron": "0 2 * * SUN", "duration": "4h", "timeZone": "Europe/Berlin"}


def keys(**times: str) -> Json:
    return hub(rotation={"keys": times})


def window(**fields: Any) -> Json:
    return hub(rotation={"windows": [NIGHTLY | fields]})


def cron(line: str) -> Json:
    return window(cron=line)


OF_AN_IDENTITY = {
    "jwt": {"duration": "720h", "renewBeforePercentage": 33, "overlap": "24h"},
    "keys": {"duration": "8760h", "overlap": "720h"},
    "windows": [NIGHTLY, {"cron": "30 1-5/2 1,15 * *", "duration": "1m"}],
}

ACCEPTED: dict[str, Json] = {
    "a rotation with every field": hub(
        rotation=OF_AN_IDENTITY | {"signingKeys": {"duration": "8760h", "retire": "Immediate"}}
    ),
    "a device's rotation with every field": device(rotation=OF_AN_IDENTITY),
    "a rotation of little": device(rotation={"jwt": {"overlap": "10s"}, "keys": {"duration": "1h"}}),
    "a line of every minute": cron("* * * * *"),
    "a line of lists, ranges and steps": cron("0,15,30-45/5 */2 1-7,L JAN-MAR,12 MON-FRI"),
    "the first and the last weekday": cron("0 2 * * SUN#1,5L"),
    "the last working day": cron("59 23 LW 12 7"),
    "the zone of Greenwich": window(timeZone="Etc/GMT+1"),
    "a zone of three words": window(timeZone="America/Argentina/Buenos_Aires"),
}

_JWT = "spec.rotation.jwt"
_KEYS = "spec.rotation.keys"
_WINDOW = "spec.rotation.windows[0]"
_CRON = f"{_WINDOW}.cron"
_FIVE_FIELDS = "write a cron expression of five fields"

REFUSED: tuple[Refused, ...] = (
    Refused(
        "a renewal in two ways",
        device(rotation={"jwt": {"renewBefore": "1h", "renewBeforePercentage": 10}}),
        _JWT,
        "renewBefore or renewBeforePercentage, not both",
    ),
    Refused("an overlap as long", device(rotation=jwt(duration="1h", overlap="60m")), _JWT, "overlap must be shorter"),
    Refused("an overlap as long as the default", hub(rotation=jwt(overlap="720h")), _JWT, "overlap must be shorter"),
    Refused("keys that overlap too long", keys(duration="1h", overlap="2h"), _KEYS, "overlap must be shorter"),
    Refused("keys for days", keys(duration="365d"), f"{_KEYS}.duration", "write a duration"),
    Refused("a cron line of six fields", cron("0 0 2 * * SUN"), _CRON, _FIVE_FIELDS),
    Refused("a cron line of four fields", cron("0 2 * *"), _CRON, _FIVE_FIELDS),
    Refused("no cron line", cron(""), _CRON, _FIVE_FIELDS),
    Refused("a word for a cron line", cron("@daily"), _CRON, _FIVE_FIELDS),
    Refused("the 60th minute", cron("60 2 * * *"), _CRON, _FIVE_FIELDS),
    Refused("the 24th hour", cron("0 24 * * *"), _CRON, _FIVE_FIELDS),
    Refused("the 32nd day", cron("0 2 32 * *"), _CRON, _FIVE_FIELDS),
    Refused("the day before the first", cron("0 2 0 * *"), _CRON, _FIVE_FIELDS),
    Refused("the 13th month", cron("0 2 * 13 *"), _CRON, _FIVE_FIELDS),
    Refused("the eighth weekday", cron("0 2 * * 8"), _CRON, _FIVE_FIELDS),
    Refused("a weekday in full", cron("0 2 * * SUNDAY"), _CRON, _FIVE_FIELDS),
    Refused("a weekday in small letters", cron("0 2 * * sun"), _CRON, "names in capitals"),
    Refused("a month for a weekday", cron("0 2 * * JAN"), _CRON, _FIVE_FIELDS),
    Refused("a step of nothing", cron("*/0 2 * * *"), _CRON, _FIVE_FIELDS),
    Refused("two spaces in a cron line", cron("0  2 * * SUN"), _CRON, _FIVE_FIELDS),
    Refused("a line break after a cron line", cron("0 2 * * SUN\n"), _CRON, _FIVE_FIELDS),
    Refused("a time zone with a space", window(timeZone="Europe/New Berlin"), f"{_WINDOW}.timeZone", "Europe/Berlin"),
    Refused("a time zone by its offset", window(timeZone="+02:00"), f"{_WINDOW}.timeZone", "the name of a time zone"),
    Refused("a time zone that is a path", window(timeZone="../UTC"), f"{_WINDOW}.timeZone", "the name of a time zone"),
    Refused("a window of seconds", window(duration="59s"), _WINDOW, "write 1m or more"),
    Refused("a window of days", window(duration="1d"), f"{_WINDOW}.duration", "write a duration"),
)

REFUSED_BY_LIMITS: tuple[Refused, ...] = (
    Refused(
        "a renewal at the start",
        hub(rotation={"jwt": {"renewBeforePercentage": 100}}),
        f"{_JWT}.renewBeforePercentage",
        "should be less than or equal to 99",
    ),
    Refused("keys for ever", keys(overlap="1h"), f"{_KEYS}.duration", "Required value"),
    Refused(
        "a window without an end",
        hub(rotation={"windows": [{"cron": "* * * * *"}]}),
        f"{_WINDOW}.duration",
        "Required value",
    ),
    Refused(
        "another way to retire",
        hub(rotation={"signingKeys": {"duration": "1h", "retire": "Never"}}),
        "spec.rotation.signingKeys.retire",
        'supported values: "AfterOverlap", "Immediate"',
    ),
)
