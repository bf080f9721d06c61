"""What can keep a Hub from coming up, and what its status says of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from iotsec.api.model import SpecError
from iotsec.broker.connection import UnavailableError
from iotsec.broker.existing_accounts import NotTakenError
from iotsec.decide import hub as hub_decisions
from iotsec.decide.adoption import AdoptionRefusedError
from iotsec.decide.conditions import Reason
from iotsec.decide.existing_trust import ExistingTrustError
from iotsec.decide.seeds import TrustDamagedError
from iotsec.kube.errors import ApiError
from iotsec.kube.hub_secret_keeper import SecretTakenError
from iotsec.kube.hub_secrets import TrustMissingError

_REFUSED = {HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY}  # for want of rights, by a quota or a policy


class SecretRefusedError(Exception):
    """The API server does not take a Secret of a Hub, or does not show it."""


_REASONS: dict[type[Exception], Reason] = {
    SpecError: Reason.INVALID_SPEC,
    TrustMissingError: Reason.TRUST_LOST,
    TrustDamagedError: Reason.TRUST_LOST,
    SecretTakenError: Reason.SECRET_CONFLICT,
    SecretRefusedError: Reason.SECRET_REFUSED,
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


@contextmanager
def refusals_told() -> Iterator[None]:
    """Make a trouble of what the API server refuses while the Hub's Secrets are worked on, which its status tells.

    In a namespace that goes nothing is taken, and nothing is missed.

    Raises:
        SecretRefusedError: it says what is refused.
        ApiError: the API server does not work; try again.

    """
    try:
        yield
    except ApiError as error:
        if error.code not in _REFUSED or error.in_ending_namespace:
            raise
        raise SecretRefusedError(f"the API server refuses a Secret of the Hub: {error}") from None
