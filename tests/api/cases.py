"""All objects that are accepted and refused: held against both the parser and a real API server."""

from api import (
    accounts,
    certificates,
    encryption,
    identities,
    network_access,
    objects,
    roles,
    rotations,
    tls_listeners,
    tls_policies,
)
from api.objects import Json, Refused

ACCEPTED: dict[str, Json] = {
    **objects.ACCEPTED,
    **identities.ACCEPTED,
    **roles.ACCEPTED,
    **accounts.ACCEPTED,
    **rotations.ACCEPTED,
    **encryption.ACCEPTED,
    **network_access.ACCEPTED,
    **certificates.ACCEPTED,
    **tls_policies.ACCEPTED,
}

REFUSED: tuple[Refused, ...] = (
    *objects.REFUSED,
    *identities.REFUSED,
    *roles.REFUSED,
    *accounts.REFUSED,
    *rotations.REFUSED,
    *encryption.REFUSED,
    *network_access.REFUSED,
    *certificates.REFUSED,
    *tls_policies.REFUSED,
    *tls_listeners.REFUSED,
)

REFUSED_BY_LIMITS: tuple[Refused, ...] = (
    *objects.REFUSED_BY_LIMITS,
    *identities.REFUSED_BY_LIMITS,
    *roles.REFUSED_BY_LIMITS,
    *accounts.REFUSED_BY_LIMITS,
    *rotations.REFUSED_BY_LIMITS,
    *encryption.REFUSED_BY_LIMITS,
    *network_access.REFUSED_BY_LIMITS,
    *certificates.REFUSED_BY_LIMITS,
    *tls_policies.REFUSED_BY_LIMITS,
    *tls_listeners.REFUSED_BY_LIMITS,
)
