"""What is to be done for one identity, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iotsec.decide.certificate_note import IssuedCertificate
from iotsec.decide.ledger import Revocation
from iotsec.decide.orders import Order
from iotsec.decide.secrets import SecretFacts, SecretWrite
from iotsec.decide.workload import Restart
from iotsec.x509.keys import PrivateKey


@dataclass(frozen=True, slots=True)
class Placing:
    """A certificate to order from somebody else."""

    order: Order
    key: PrivateKey | None
    """``None`` where the key is the device's own."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done for one identity, in this order."""

    add_finalizer: bool = False
    read_secret: SecretFacts | None = None
    """Nothing else but what must be revoked can be decided before the data of this creds Secret is read."""
    read_certificate: SecretFacts | None = None
    """The same of its certificate Secret."""
    awaits_turn: bool = False
    """What is to be written is made only when its turn has come: ask again then."""
    deadline: int | None = None
    """Until when, in unix seconds, all of it may wait for its turn; ``None`` where it may not wait."""
    write: SecretWrite | None = None
    """The creds Secret."""
    write_certificate: SecretWrite | None = None
    order: Placing | None = None
    order_over: bool = False
    """What came of the order is in the Secret, or of no use."""
    found_root: bytes = b""
    """The root, PEM, that whoever signs signs by now; the Hub is to have everybody trust it first."""
    drop: tuple[SecretFacts, ...] = ()
    """Secrets of ours to let go and delete."""
    revoke: tuple[Revocation, ...] = ()
    """What must be refused and is not yet, on every reachable server."""
    revoke_certificates: tuple[IssuedCertificate, ...] = ()
    """Certificates that must be refused and are not written down so yet."""
    restart: Restart | None = None
    """The workload whose pods have yet to get what the Secrets hold."""
    status: Mapping[str, Any] | None = None
    """The status as it should be; ``None`` where the object is about to go."""
    release: bool = False
    """Everything is cut off: take the finalizer away."""
    due: int | None = None
    """The unix second at which to look again, though nothing happens."""
    settled: bool = True
    """Nothing is being waited for at the Hub."""
    action: str = ""
    """What is done, for the log; empty where nothing is."""

    @property
    def writes(self) -> int:
        """How many API writes it makes, or will once what it asks for was read: of Secrets, and one of the status."""
        certificate = self.write_certificate or self.read_certificate or self.awaits_turn
        secrets = (self.write or self.read_secret, certificate, self.order)
        return sum(map(bool, secrets)) + 2 * len(self.drop) + 1
