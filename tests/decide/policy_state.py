"""How far a TLSPolicy is, and what its status says of that."""

from typing import Any

from decide.trusting_world import START, new_ca
from x509.pki import DAY, NATS, P256, leaf

from iotsec.api.tls_policy import TLSPolicyStatus
from iotsec.decide import conditions, rollout
from iotsec.decide.authorities import Authorities, first
from iotsec.decide.ca_rotation import Convergence, Pace, begin
from iotsec.decide.rollout import Current, Loaded, Restart, RestartNeeded, ServerRollout
from iotsec.decide.server_certificates import ServerCertificate
from iotsec.decide.tls_status import (
    ServerState,
    TlsState,
    tls_conditions,
    tls_status,
)
from iotsec.x509.certificate import read_certificate
from iotsec.x509.keys import generate
from iotsec.x509.names import Usage

PACE = Pace(distribute_for=100)
CA, NEXT = new_ca(START, life=3650 * DAY), new_ca(START, life=3650 * DAY)
STEADY = first(CA, now=START)
TRUST = begin(STEADY, NEXT, PACE, now=START)
REFUSED = rollout.ReloadRefused('unknown field "tsl"')
RESTART = RestartNeeded("TLS of websocket was switched on: restart it")
OWED = Restart(START, RESTART.why, ("websocket",), ("N-nats-0",))
OVERRULED = rollout.Overruled("it serves another certificate: take tls {} out of its own configuration")


def certificate() -> ServerCertificate:
    assert CA.authority is not None
    key = generate(P256)
    pem = leaf(CA.authority, key, names=NATS, usage=Usage.SERVER, now=START)
    return ServerCertificate(pem, key, read_certificate(pem))


SERVER = certificate()


def server(name: str, standing: ServerRollout, *, version: str = "2.15.1", served: str = "") -> ServerState:
    return ServerState(Loaded(id=f"N-{name}", name=name, version=version, ports={}), standing, served)


def state(*servers: ServerState, authorities: Authorities | None = STEADY, **fields: Any) -> TlsState:
    whole: dict[str, Any] = {
        "authorities": authorities,
        "pace": PACE,
        "certificates": {"server": SERVER},
        "renewals": {"server": START + 60 * DAY},
        "missing": {},
        "servers": servers or (server("nats-0", Current()),),
        "seen": Convergence(""),
        "leaf_life": 90 * DAY,
    }
    return TlsState(**(whole | fields))


GOOD = state()


def told(of: TlsState, *, now: int = START) -> dict[str, conditions.Condition]:
    return {one.type: one for one in tls_conditions(of, now=now)}


def written(of: TlsState | None, *, now: int = START, previous: dict[str, Any] | None = None) -> dict[str, Any]:
    wanted = tls_conditions(of or GOOD, now=now)
    status = tls_status(previous or {}, wanted, generation=3, now=now, hub="plant", state=of)
    assert TLSPolicyStatus.parse(status).to_json() == status
    return status
