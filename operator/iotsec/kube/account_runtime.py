"""What the operator holds in memory of one account."""

from dataclasses import dataclass, field

from iotsec.broker.distribution import Distribution
from iotsec.decide.account import AccountDefinition, AccountToken
from iotsec.decide.ledger import Ledger, Revocation
from iotsec.decide.times import is_over


@dataclass(slots=True)
class AccountRuntime:
    """One account: what is written down, what was asked for since, and what the servers run."""

    ledger: Ledger = field(default_factory=Ledger)
    requested: dict[str, Revocation] = field(default_factory=dict)
    token: AccountToken | None = None
    signed_for: tuple[AccountDefinition, str] | None = None
    """What the token says, beside its ledger, and the public key of who signed it."""
    distribution: Distribution | None = None
    live: Ledger | None = None
    signers_live: frozenset[str] = frozenset()
    confirmed: bool = False
    """It is known what the servers had before us: nothing is signed before that, lest a lost ledger revive somebody."""
    stuck: int = 0
    """How many pushes in a row did not make every server run the JWT."""
    retry_due: float = 0.0
    """When to push again what was pushed in vain; by the event loop's clock."""
    compact_due: float = float("-inf")
    """When to look again whether its ledger can be made smaller; by the event loop's clock."""
    full: str = ""
    """Why not all can be said that there is to say."""
    blocked: str = ""
    """Why nothing can be signed for it, though it was adopted."""

    def settle(self, now: int) -> None:
        """Drop what was asked for and is in the ledger, or over."""
        for key, revocation in list(self.requested.items()):
            if self.ledger.covers(revocation) or is_over(revocation.until, now):
                del self.requested[key]
