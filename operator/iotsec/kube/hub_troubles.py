"""What can keep a Hub from coming up, and what its status says of it."""

from iotsec.api.model import SpecError
from iotsec.broker.connection import UnavailableError
from iotsec.broker.existing_accounts import NotTakenError
from iotsec.decide import hub as hub_decisions
from iotsec.decide.adoption import AdoptionRefusedError
from iotsec.decide.conditions import Reason
from iotsec.decide.existing_trust import ExistingTrustError
from iotsec.decide.seeds import TrustDamagedError
from iotsec.kube.hub_secret_keeper import SecretTakenError
from iotsec.kube.hub_secrets import TrustMissingError

_REASONS: dict[type[Exception], Reason] = {
    SpecError: Reason.INVALID_SPEC,
    TrustMissingError: Reason.TRUST_LOST,
    TrustDamagedError: Reason.TRUST_LOST,
    SecretTakenError: Reason.SECRET_CONFLICT,
    ExistingTrustError: Reason.TRUST_UNUSABLE,
    AdoptionRefusedError: Reason.ADOPTION_REFUSED,
    NotTakenError: Reason.PUSH_REFUSED,
    UnavailableError: Reason.NATS_UNAVAILABLE,
}

TROUBLES = tuple(_REASONS)
"""Exceptions that need somebody's help, or other times."""


def trouble_of(error: Exception, *, refused: bool) -> tuple[Reason, str]:
    """Return what one of ``TROUBLES`` is called, and what is to be said of it.

    ``refused`` tells whether the servers are there and do not let us in.
    """
    reason = next(reason for kind, reason in _REASONS.items() if isinstance(error, kind))
    if isinstance(error, TrustMissingError):
        return reason, hub_decisions.trust_lost(str(error))
    return Reason.NATS_REFUSED if refused and reason is Reason.NATS_UNAVAILABLE else reason, str(error)
