"""The crowd: 5,000 Devices with a role of the Hub's own, on one account, which several groups measure in turn."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bench.audit import Write
from bench.feeder import HUB, names
from bench.site import Fleet, Site

SIZE = 5000
ROLE = "sensor"

_HUB_SECRETS = f"{HUB}-"


@dataclass(frozen=True, slots=True)
class Crowd:
    """The Devices, all Ready, of a fleet that has no others."""

    fleet: Fleet
    names: list[str]


def role(*, also: Iterable[str] = (), description: str = "") -> dict[str, Any]:
    """The role of the crowd, which may publish to some more subjects `also`."""
    return {
        "name": ROLE,
        "description": description,
        "publish": {"allow": ["sensor.{id}.>", *also]},
        "subscribe": {"allow": ["{id}.>"]},
    }


async def new_crowd(site: Site, **spec: Any) -> Crowd:
    """Make a crowd; `spec` is what its Hub's spec has beside servers and roles."""
    fleet = await site.share(roles=[role()], **spec)
    return Crowd(fleet, await fleet.grow(site.size(SIZE), role=ROLE))


async def some_crowd(site: Site) -> Crowd:
    """Take over the crowd that another group made, else make one; either way the operator rests."""
    if site.shared is None:
        crowd = await new_crowd(site)
    else:
        crowd = Crowd(site.shared, names(site.size(SIZE)))
    await site.usage().wait_quiet()
    return crowd


def is_of_identity(write: Write) -> bool:
    """Tell whether a write is one of an identity: of a Device, its status, or a Secret that is not the Hub's."""
    kind = write.resource.partition("/")[0]
    return kind == "devices" or (kind == "secrets" and not write.name.startswith(_HUB_SECRETS))
