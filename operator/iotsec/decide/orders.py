"""Certificates that somebody else is asked to sign: what is ordered, and what came of it."""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum

from iotsec.api.issuers import IssuerRef
from iotsec.x509.keys import PrivateKey
from iotsec.x509.names import Names, Usage


@dataclass(frozen=True, slots=True)
class Order:
    """One certificate as it is wanted; ``request`` is the signed request for it, PEM."""

    issuer: IssuerRef
    names: Names
    usage: Usage
    duration: int
    """How long it is to be valid, in seconds."""
    request: bytes

    @property
    def wanted(self) -> str:
        """Names what is ordered, whatever the key."""
        body = (*self.issuer.to_json().items(), self.names, str(self.usage), self.duration)
        return hashlib.sha256(repr(body).encode()).hexdigest()[:12]


class OrderState(StrEnum):
    """How far an order is."""

    OPEN = "open"
    SIGNED = "signed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an issuer made of an order; nothing is in it that was not checked."""

    state: OrderState = OrderState.OPEN
    message: str = ""
    """What is being waited for, or why it was refused, in the issuer's words."""
    certificate: bytes = b""
    """The leaf and what signed it, PEM, without the root."""
    root: bytes = b""
    """The root, PEM, as the issuer tells it."""
    starts_at: int = 0
    """When a certificate that is not valid yet will be, in unix seconds."""
    expires_at: int = 0
    """When it ends, or a CA above it, whichever is first, in unix seconds."""


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """An order somebody was given, and the answer."""

    order: Order
    key: PrivateKey | None = field(repr=False)
    """``None`` where the key is the device's own."""
    state: OrderState = OrderState.OPEN
    message: str = ""
    """What is being waited for, or why it was refused, in the issuer's words."""
    certificate: bytes = b""
    """The leaf and what signed it, PEM, without the root; checked to be what was ordered."""
    root: bytes = b""
    """The root, PEM, as the issuer tells it: what the certificate was checked to lead to."""
    expires_at: int = 0
    """When the certificate ends, or a CA above it, whichever is first, in unix seconds."""
    retry_at: int = 0
    """When a refused order may be placed again, in unix seconds."""

    def is_for(self, order: Order, key: PrivateKey | None) -> bool:
        """Tell whether this is what another order asks for; a key of ours may be any of its type."""
        if order.wanted != self.order.wanted:
            return False
        if key is None or self.key is None:
            return key is self.key and order.request == self.order.request
        return key.key_type == self.key.key_type
