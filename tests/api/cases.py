"""All objects that are accepted and refused: held against both the parser and a real API server."""

from api import accounts, identities, objects, roles, rotations
from api.objects import Json, Refused

ACCEPTED: dict[str, Json] = {
    **objects.ACCEPTED,
    **identities.ACCEPTED,
    **roles.ACCEPTED,
    **accounts.ACCEPTED,
    **rotations.ACCEPTED,
}

REFUSED: tuple[Refused, ...] = (
    *objects.REFUSED,
    *identities.REFUSED,
    *roles.REFUSED,
    *accounts.REFUSED,
    *rotations.REFUSED,
)

REFUSED_BY_LIMITS: tuple[Refused, ...] = (
    *objects.REFUSED_BY_LIMITS,
    *identities.REFUSED_BY_LIMITS,
    *roles.REFUSED_BY_LIMITS,
    *accounts.REFUSED_BY_LIMITS,
    *rotations.REFUSED_BY_LIMITS,
)
