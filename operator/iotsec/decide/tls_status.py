"""What a TLSPolicy's status says: the CAs, the certificates of the servers, and how far everybody is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iotsec.decide import conditions, names
from iotsec.decide.authorities import Authorities, Generation, Phase
from iotsec.decide.ca_rotation import Convergence, Pace, waits_for
from iotsec.decide.conditions import Condition, Reason
from iotsec.decide.consumers import Consumers
from iotsec.decide.rollout import (
    Away,
    Current,
    Loaded,
    Overruled,
    ReloadRefused,
    Restart,
    RestartNeeded,
    ServerRollout,
    kicks_clients,
)
from iotsec.decide.server_certificates import ServerCertificate
from iotsec.decide.times import rfc3339, unix

NO_PACE = Pace()
"""Of a rotation where there is no policy."""

_LISTED = 256
_MESSAGE = 1024
_ID = 64
_PHASES = {Phase.TRUST: Reason.CA_ADDED, Phase.USE: Reason.CA_REPLACED, Phase.RETIRE: Reason.CA_RETIRING}


@dataclass(frozen=True, slots=True)
class ServerState:
    """How far one server is."""

    loaded: Loaded
    rollout: ServerRollout
    served: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsState:
    """Everything a TLSPolicy's status is made of."""

    authorities: Authorities | None
    pace: Pace
    certificates: Mapping[str, ServerCertificate]
    """Those of the servers, and the operator's own, by name."""
    renewals: Mapping[str, int]
    """When each is renewed, in unix seconds."""
    missing: Mapping[str, str]
    """What keeps each from being as it should, where something does."""
    servers: Sequence[ServerState]
    seen: Convergence
    problem: str = ""
    """Why the servers cannot be asked; empty while they can."""
    restart: Restart | None = None
    consumers: Consumers | None = None
    conflicts: Sequence[str] = ()
    """ConfigMaps of the trust bundle's name that are somebody else's."""
    leaf_life: int = 0
    """How long certificates are to live, in seconds."""
    trouble: tuple[Reason, str] | None = None
    """Why the policy cannot be carried out as it is now."""
    revocation_unserved: bool = False
    """Servers are told to ask about certificates, and the operator has no endpoint that answers."""
    heeded: Sequence[str] = ()
    """The tokens that asked for another CA, or for other certificates, and were heeded."""


def tls_conditions(state: TlsState, *, now: int) -> tuple[Condition, ...]:
    """Return the conditions of a policy that counts for its Hub."""
    facts = tuple(_facts(state, now))
    failed = next((fact for fact in facts if fact.status == "False"), None)
    warnings = tuple(_warnings(state, now))
    if state.trouble is not None:
        return (*conditions.stalled(*state.trouble), *facts, *warnings)
    if failed is not None:
        return (*conditions.waiting(failed.reason, failed.message), *facts, *warnings)
    message = next(fact.message for fact in facts if fact.type == conditions.ENCRYPTED)
    return (*conditions.ready(message, reason=Reason.ENCRYPTED), *facts, *warnings)


def tls_status(
    previous: Mapping[str, Any],
    wanted: Sequence[Condition],
    *,
    generation: int,
    now: int,
    hub: str = "",
    state: TlsState | None = None,
) -> dict[str, Any]:
    """Return the status; without a state only the conditions change, and what was known stays."""
    told = conditions.merge(previous.get("conditions") or (), wanted, generation=generation, now=rfc3339(now))
    status: dict[str, Any] = {
        **({} if state else previous),
        "observedGeneration": generation,
        "conditions": told,
    }
    if state is None:
        return status
    if state.authorities is not None:
        listed = {
            one.id: one for one in state.authorities.generations
        }  # a former one that is wanted again is there once
        status["authorities"] = [_authority(one, state.authorities) for one in listed.values()]
        status["expiresAt"] = rfc3339(state.authorities.signing.expires_at)
        if state.authorities.phase is not Phase.STEADY:
            status["rotation"] = _rotation(state.authorities, state)
    if state.certificates:
        status["certificates"] = [
            _certificate(hub, name, held, state.renewals.get(name)) for name, held in sorted(state.certificates.items())
        ]
    if state.servers:
        servers = {one.loaded.name: one for one in state.servers}
        status["servers"] = [_server(servers[name]) for name in sorted(servers)[:_LISTED]]
    if state.restart is not None:
        status["restart"] = _restart(state.restart)
    if state.consumers is not None:
        status["consumers"] = _consumers(state.consumers)
    if heeded := [token for token in state.heeded if token]:
        status["rotated"] = heeded
    return status


def is_established(status: Mapping[str, Any], *, generation: int) -> bool:
    """Tell whether every server was seen to be encrypted as the policy of this generation says, by its status.

    What was so of an earlier one tells nothing: the client listener may have had no TLS by that.
    """
    return any(
        (one.get("type"), one.get("status"), one.get("observedGeneration"))
        == (conditions.ENCRYPTED, "True", generation)
        for one in status.get("conditions") or ()
    )


def restart_of(status: Mapping[str, Any]) -> Restart | None:
    """Return the change that only a restart brings, by the policy's status."""
    told = status.get("restart")
    if not told:
        return None
    return Restart(
        unix(told["since"]),
        str(told.get("reason", "")),
        *(tuple(told.get(key) or ()) for key in ("listeners", "servers")),
    )


def servers_behind(servers: Sequence[ServerState], problem: str) -> str:
    """Return what is missing at the servers, in words; empty where each runs what was written last."""
    if problem:
        return problem
    if not servers:
        return "no server answers"
    behind = sorted(
        f"{one.loaded.name} ({_missing(one.rollout)})" for one in servers if not isinstance(one.rollout, Current)
    )
    return f"not on every server yet: {', '.join(behind)}" if behind else ""


def _facts(state: TlsState, now: int) -> Iterator[Condition]:
    ended = {name: one.facts.expires_at for name, one in state.certificates.items() if one.facts.expires_at <= now}
    told = {name: f"it ended at {rfc3339(at)}" for name, at in ended.items()}
    for name, why in state.missing.items():
        if why:
            told[name] = f"{told[name]}, and {why}" if name in told else why
    message = "; ".join(f"certificate {name}: {why}" for name, why in sorted(told.items()))
    if ended or any(name not in state.certificates for name in told):
        yield Condition(conditions.CERTIFICATE_ISSUED, "False", Reason.ISSUER_NOT_READY, message)
        return
    have = "the servers have certificates of the CA"
    message = f"{have}; {message}" if message else have
    yield Condition(conditions.CERTIFICATE_ISSUED, "True", Reason.ISSUED, message)
    behind = servers_behind(state.servers, state.problem)
    if not behind:
        message = f"{len(state.servers)} of {len(state.servers)} servers run the configuration as it was written last"
        yield Condition(conditions.ENCRYPTED, "True", Reason.ENCRYPTED, message)
        return
    yield Condition(conditions.ENCRYPTED, "False", _reason(state), behind)


def _reason(state: TlsState) -> Reason:
    if state.problem or not state.servers:
        return Reason.NATS_UNAVAILABLE
    found = [one.rollout for one in state.servers]
    if any(isinstance(one, RestartNeeded) for one in found):
        return Reason.RESTART_NEEDED
    if any(isinstance(one, ReloadRefused | Overruled) for one in found):
        return Reason.RELOAD_REFUSED
    return Reason.RELOAD_PENDING


def _warnings(state: TlsState, now: int) -> Iterator[Condition]:
    if state.revocation_unserved:
        message = (
            "servers are told to ask about certificates, and this operator answers nobody: run it with "
            "IOTSEC_REVOCATION, or leave spec.revocation out"
        )
        yield Condition(conditions.REVOCATION_UNSERVED, "True", Reason.NO_ENDPOINT, message)
    authorities = state.authorities
    if authorities is not None and authorities.phase is not Phase.STEADY:
        message = waits_for(authorities, state.seen, state.pace)
        yield Condition(conditions.ROTATING, "True", _PHASES[authorities.phase], message)
    old = sorted({one.loaded.version for one in state.servers if kicks_clients(one.loaded.version)})
    if old:
        message = (
            f"NATS server {', '.join(old)} disconnects clients of MQTT and those that send their key at every reload: "
            "run 2.14.8, 2.15.0 or later"
        )
        yield Condition(conditions.RELOAD_DISCONNECTS, "True", Reason.OLD_SERVER, message)
    if authorities is not None and authorities.signing.expires_at < now + state.leaf_life:
        end = rfc3339(authorities.signing.expires_at)
        message = (
            f"the CA ends at {end}, before a certificate issued now would: its end is the certificate's; renew the "
            "CA, or give certificates a shorter duration"
            if authorities.signing.expires_at > now
            else f"the CA ended at {end}, and all that it issued with it: renew the CA"
        )
        yield Condition(conditions.LIFE_CAPPED, "True", Reason.CA_ENDS_FIRST, message)
    if state.conflicts:
        message = f"not the operator's, and left alone: ConfigMap {', '.join(sorted(state.conflicts)[:10])}"
        yield Condition(conditions.BUNDLE_CONFLICT, "True", Reason.CONFIG_MAP_CONFLICT, message)


def _missing(rollout: ServerRollout) -> str:
    match rollout:
        case ReloadRefused(error):
            return f"it refuses: {error}"
        case RestartNeeded(why) | Overruled(why):
            return why
        case Away():
            return "it does not answer"
        case _:
            return "it is being reloaded, once it has the file"


def _authority(one: Generation, state: Authorities) -> dict[str, Any]:
    order = "Current" if one.number == state.current else "Next" if one.number > state.current else "Former"
    return {
        "id": one.id,
        "keyId": one.key_id[:_ID],
        "subject": one.subject[:_MESSAGE],
        "state": order,
        "expiresAt": rfc3339(one.expires_at),
    }


def _rotation(authorities: Authorities, state: TlsState) -> dict[str, Any]:
    return {
        "phase": str(authorities.phase),
        "since": rfc3339(authorities.since),
        "message": waits_for(authorities, state.seen, state.pace)[:_MESSAGE],
    }


def _restart(restart: Restart) -> dict[str, Any]:
    lists = {"listeners": list(restart.listeners), "servers": list(restart.servers[:_LISTED])}
    told = {name: entries for name, entries in lists.items() if entries}
    return {"since": rfc3339(restart.since), "reason": restart.why[:_MESSAGE], **told}


def _consumers(seen: Consumers) -> dict[str, Any]:
    told = {"total": seen.total, "bundle": seen.with_bundle, "certificate": seen.with_certificate}
    return {name: number for name, number in told.items() if number is not None}


def _certificate(hub: str, name: str, held: ServerCertificate, renewal: int | None) -> dict[str, Any]:
    facts = held.facts
    return {
        "name": name,
        "secretName": names.server_certificate_secret(hub, name),
        "serial": f"{facts.serial:x}",
        "issuer": facts.issuer_key_id[:_ID],
        "issuedAt": rfc3339(facts.issued_at),
        "expiresAt": rfc3339(facts.expires_at),
        **({"renewalTime": rfc3339(renewal)} if renewal is not None else {}),
    }


def _server(state: ServerState) -> dict[str, Any]:
    name = type(state.rollout).__name__
    return {
        "name": state.loaded.name,
        "version": state.loaded.version,
        "state": name,
        **({"message": _missing(state.rollout)[:_MESSAGE]} if not isinstance(state.rollout, Current) else {}),
        **({"served": state.served} if state.served else {}),
    }
