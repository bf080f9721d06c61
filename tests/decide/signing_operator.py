"""An operator with certificates of servers to care for, a CA of its own, and an issuer to ask."""

import os
from dataclasses import dataclass, field, replace
from typing import Any

from x509.pki import DAY, NATS, NOW, P256, leaf, root

from iotsec.api.issuers import IssuerRef
from iotsec.decide.authorities import Generation, of_authority, of_root, source_of
from iotsec.decide.orders import Order, OrderState, PlacedOrder
from iotsec.decide.rotation import Policy
from iotsec.decide.server_certificates import (
    Outcome,
    ServerCertificate,
    plan_server_certificate,
)
from iotsec.decide.tls_view import TlsView
from iotsec.x509.authority import Authority
from iotsec.x509.certificate import read_certificate
from iotsec.x509.keys import KeyType, PrivateKey, generate
from iotsec.x509.names import Names, Usage
from iotsec.x509.requests import make_request

OURS, THEIRS = root(name="ours"), root(name="theirs")
SIGNING = of_authority(OURS, "selfSigned/ECDSA 256")
ISSUER = IssuerRef(name="plant")
ASKED = of_root(THEIRS.root, source_of(ISSUER))
WANTED = (NATS, Usage.SERVER)
VIEW = TlsView(
    bundle=OURS.root,
    digest="",
    mutual=False,
    policy=Policy(90 * DAY),
    key_type=P256,
    keep_key=False,
    trust_domain="plant.iot",
    authority=OURS,
)
ASKING = replace(VIEW, authority=None, issuer=ISSUER)


@dataclass
class Operator:
    """Decides, and counts the keys it made for that."""

    made: list[PrivateKey] = field(default_factory=list)

    def make_key(self, key_type: KeyType) -> PrivateKey:
        self.made.append(generate(key_type))
        return self.made[-1]

    def plan(
        self,
        held: ServerCertificate | None,
        tls: TlsView = VIEW,
        signing: Generation | None = SIGNING,
        *,
        wanted: tuple[Names, Usage] = WANTED,
        now: int = NOW,
        forced: bool = False,
        placed: PlacedOrder | None = None,
    ) -> Outcome:
        return plan_server_certificate(
            held,
            wanted,
            tls,
            signing,
            salt="uid/server",
            forced=forced,
            placed=placed,
            make_key=self.make_key,
            now=now,
            entropy=lambda: os.urandom(32),
        )


def issued(now: int = NOW, **of_view: Any) -> ServerCertificate:
    held = Operator().plan(None, replace(VIEW, **of_view), now=now).certificate
    assert held is not None
    return held


HELD = issued()


def order(key: PrivateKey, tls: TlsView = ASKING) -> Order:
    return Order(tls.issuer or ISSUER, *WANTED, tls.policy.duration, make_request(key, *WANTED))


def placed(state: OrderState, *, by: Authority = THEIRS, now: int = NOW, message: str = "") -> PlacedOrder:
    key = generate(P256)
    signed = leaf(by, key, names=NATS, usage=Usage.SERVER, now=now) if state is OrderState.SIGNED else b""
    return PlacedOrder(order(key), key, state, message, certificate=signed, root=by.root if signed else b"")


def signed_by_issuer() -> ServerCertificate:
    answer = placed(OrderState.SIGNED)
    assert answer.key is not None
    return ServerCertificate(answer.certificate, answer.key, read_certificate(answer.certificate))
