"""What the operator holds in memory of a trust root that somebody else made."""

from dataclasses import dataclass

from iotsec.decide.existing_trust import AdoptedTrust, SystemAccess


@dataclass(slots=True)
class ExistingRuntime:
    """What was given with a Hub, and what came of it; nothing where the Hub made its trust root itself."""

    trust: AdoptedTrust | None = None
    """The keys, once the servers were seen to trust them."""
    access: SystemAccess | None = None
    """The system credentials."""
    reread_due: float = float("inf")
    """When what was given is to be read again; by the event loop's clock."""
