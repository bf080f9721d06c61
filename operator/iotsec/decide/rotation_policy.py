"""When an identity's JWT and key are replaced: its own rotation where it has one, else its Hub's."""

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from iotsec.api.hub import HubSpec
from iotsec.api.rotation import DEFAULT_DURATION, JwtRotation, KeyRotation, Rotation
from iotsec.api.rotation import Window as DeclaredWindow
from iotsec.decide.conditions import Reason
from iotsec.decide.refusal import RefusedError
from iotsec.decide.rotation import Policy
from iotsec.decide.rotation_checks import check_window, unsatisfiable
from iotsec.decide.views import Identity
from iotsec.decide.windows import Window


@dataclass(frozen=True, slots=True)
class IdentityPolicy:
    """The policies of what an identity has."""

    jwt: Policy
    key: Policy | None
    """``None`` where the key is kept."""


def identity_policy(identity: Identity, hub: HubSpec) -> IdentityPolicy:
    """Return the policies of an identity.

    What it says itself replaces what the Hub says part by part, each part as a whole: a mix of two could renew after
    the end. A window of the Hub that is none is left out, and the Hub tells: nobody's credentials end for it.

    Raises:
        RefusedError: a window of the identity's own is none.

    """
    own = identity.spec.rotation or Rotation()
    of_hub = hub.rotation
    for number, declared in enumerate(own.windows):
        if fault := window_fault(declared):
            raise RefusedError(Reason.INVALID_ROTATION, f"spec.rotation.windows[{number}]: {fault}")
    windows = tuple(window(declared) for declared in own.windows or of_hub.windows if not window_fault(declared))
    keys = own.keys or of_hub.keys
    return IdentityPolicy(
        jwt=_jwt_policy(own.jwt or of_hub.jwt or JwtRotation(), windows),
        key=_key_policy(keys, windows) if keys is not None and identity.spec.public_key is None else None,
    )


def window(declared: DeclaredWindow) -> Window:
    """Return a window as the engine takes it."""
    return Window(cron=declared.cron, duration=seconds(declared.duration), time_zone=declared.time_zone)


@lru_cache(maxsize=1024)
def window_fault(declared: DeclaredWindow) -> str:
    """Return what is wrong with a window, and what to write instead; empty where nothing is."""
    return check_window(declared.cron, seconds(declared.duration), declared.time_zone)


def hub_window_fault(spec: HubSpec) -> str:
    """Return what is wrong with the first of a Hub's windows that is none; empty where there is no such window."""
    faults = ((number, window_fault(declared)) for number, declared in enumerate(spec.rotation.windows))
    return next((f"spec.rotation.windows[{number}]: {fault}" for number, fault in faults if fault), "")


def late_windows(spec: HubSpec, *, now: int) -> str:
    """Return why rotations by a Hub's policy will miss its windows; empty where each finds one open in time."""
    sound = tuple(window(declared) for declared in spec.rotation.windows if not window_fault(declared))
    return unsatisfiable(_jwt_policy(spec.rotation.jwt or JwtRotation(), sound), now=now)


def seconds(duration: timedelta) -> int:
    """Return whole seconds."""
    return int(duration.total_seconds())


def _jwt_policy(jwt: JwtRotation, windows: tuple[Window, ...]) -> Policy:
    return Policy(
        duration=seconds(jwt.duration or DEFAULT_DURATION),
        renew_before=seconds(jwt.renew_before) if jwt.renew_before is not None else None,
        renew_before_percentage=jwt.renew_before_percentage,
        overlap=seconds(jwt.overlap) if jwt.overlap is not None else None,
        windows=windows,
    )


def _key_policy(keys: KeyRotation, windows: tuple[Window, ...]) -> Policy:
    return Policy(
        duration=seconds(keys.duration),
        overlap=seconds(keys.overlap) if keys.overlap is not None else None,
        windows=windows,
    )
