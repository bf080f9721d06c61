"""Whether the name is free that an identity's Secret needs, and whose Secret stands there."""

from iotsec.decide import identity_secrets
from iotsec.decide.conditions import Reason
from iotsec.decide.cutoff import is_sealed_for
from iotsec.decide.identity_secrets import certificates_of
from iotsec.decide.refusal import RefusedError
from iotsec.decide.secrets import SecretFacts
from iotsec.decide.views import Declared, HubView, Identity, Observed, Obstacle


def belongs_to(secret: SecretFacts, identity: Declared, hub: HubView | None) -> bool:
    """Tell whether a Secret is this identity's, though its labels, or its owner, may have been taken away."""
    if secret.owner is not None:
        return secret.owner.uid == identity.uid
    return is_sealed_for(secret, hub, identity.uid)


def obstacle_of(secret: SecretFacts, identity: Declared, hub: HubView | None) -> Obstacle | None:
    """Return what a Secret of the wanted name is to the identity: nothing in its way, or somebody else's."""
    if belongs_to(secret, identity, hub):
        return None
    owner = secret.owner
    return Obstacle(leaving=owner is not None and (owner.kind, owner.name) == (identity.kind, identity.name))


def check_obstacle(observed: Observed, identity: Identity) -> None:
    """Check that nothing else has the name the identity's creds Secret needs.

    Raises:
        RefusedError: one has.

    """
    name = identity_secrets.credential(identity)
    if any(secret.name == name for secret in certificates_of(identity, observed.secrets)):
        message = f"Secret {name} holds its certificate: set another spec.secretName"
        raise RefusedError(Reason.SECRET_CONFLICT, message)
    if observed.obstacle is None or any(secret.name == name for secret in observed.secrets):
        return
    if observed.obstacle.leaving:
        message = f"Secret {name} of an earlier object of this name is still being cut off"
        raise RefusedError(Reason.SECRET_CONFLICT, message, stalled=False)
    raise RefusedError(
        Reason.SECRET_CONFLICT, f"Secret {name} exists and is not ours: set spec.secretName, or delete that Secret"
    )
