"""A Hub's status: what its conditions say, and what is true of its accounts and servers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iotsec.decide import conditions, names
from iotsec.decide.conditions import Condition, Reason
from iotsec.decide.times import rfc3339

_NAMED = 10


@dataclass(frozen=True, slots=True)
class AccountState:
    """One account as the servers have it."""

    name: str
    public_key: str
    issued_at: int
    revocations: int
    servers: int
    """How many servers run its current JWT."""


@dataclass(frozen=True, slots=True)
class ServerState:
    """One server that answers."""

    name: str
    version: str
    current: bool
    """It runs every account's current JWT."""


@dataclass(frozen=True, slots=True)
class HubState:
    """Everything a Hub's status is made of."""

    operator_key: str
    system_key: str
    accounts: Sequence[AccountState]
    servers: Sequence[ServerState]
    problem: str = ""
    """Why the servers cannot be asked; empty while they can."""
    refused: bool = False
    """They are there and do not trust this Hub."""
    push_error: str = ""
    """What a server said against a JWT."""
    full: str = ""
    """Why a revocation could not be taken in."""


def hub_conditions(hub: str, state: HubState) -> tuple[Condition, ...]:
    """Return a working or waiting Hub's conditions."""
    config = names.nats_config_secret(hub)
    facts = [Condition(conditions.CONFIG_WRITTEN, "True", Reason.WRITTEN, f"Secret {config} holds the configuration")]
    if state.problem:
        reason = Reason.NATS_REFUSED if state.refused else Reason.NATS_UNAVAILABLE
        facts.append(Condition(conditions.CONNECTED, "False", reason, state.problem))
        return (*conditions.waiting(reason, state.problem), *facts)
    facts.append(Condition(conditions.CONNECTED, "True", Reason.CONNECTED, "The servers answer the system account"))
    behind = [server.name for server in state.servers if not server.current]
    if state.push_error or behind or not state.servers:
        reason = Reason.PUSH_REFUSED if state.push_error else Reason.NOT_DISTRIBUTED
        message = state.push_error or f"not on every server yet: {', '.join(behind) or 'none answers'}"
        facts.append(Condition(conditions.PUSHED, "False", reason, message))
        return (*conditions.waiting(reason, message), *facts)
    message = f"{len(state.servers)} of {len(state.servers)} servers run the current JWT of every account"
    facts.append(Condition(conditions.PUSHED, "True", Reason.DISTRIBUTED, message))
    if state.full:
        return (*conditions.stalled(Reason.REVOCATIONS_FULL, state.full), *facts)
    return (*conditions.ready(message, reason=Reason.DISTRIBUTED), *facts)


def hub_status(
    previous: Mapping[str, Any],
    wanted: Iterable[Condition],
    *,
    generation: int,
    now: int,
    hub: str = "",
    state: HubState | None = None,
) -> dict[str, Any]:
    """Return the status; without a state only the conditions change and what was known stays."""
    status: dict[str, Any] = {
        **({} if state else previous),
        "observedGeneration": generation,
        "conditions": conditions.merge(
            previous.get("conditions") or (), wanted, generation=generation, now=rfc3339(now)
        ),
    }
    if state is None:
        return status
    return status | {
        "operatorPublicKey": state.operator_key,
        "systemAccountPublicKey": state.system_key,
        "configSecretName": names.nats_config_secret(hub),
        "accounts": [
            {
                "name": account.name,
                "publicKey": account.public_key,
                "revocations": account.revocations,
                "issuedAt": rfc3339(account.issued_at),
                "distributed": f"{account.servers}/{len(state.servers)}",
            }
            for account in sorted(state.accounts, key=lambda a: a.name)
        ],
        "servers": [
            {"name": server.name, "version": server.version, "accountsCurrent": server.current}
            for server in sorted({s.name: s for s in state.servers}.values(), key=lambda s: s.name)
        ],
    }


def in_use(identities: Sequence[str]) -> tuple[Condition, ...]:
    """Return the conditions of a Hub that cannot go yet: it names who still needs it."""
    shown = ", ".join(sorted(identities)[:_NAMED])
    more = f" and {len(identities) - _NAMED} more" if len(identities) > _NAMED else ""
    return conditions.waiting(
        Reason.IN_USE, f"{len(identities)} identities still use this Hub: delete them first ({shown}{more})"
    )


def trust_lost(secret: str) -> tuple[Condition, ...]:
    """Return the conditions of a Hub whose keys are gone: it must never make new ones by itself."""
    return conditions.stalled(
        Reason.TRUST_LOST,
        f"Secret {secret} is gone and with it this Hub's keys: restore it from a backup. "
        "New keys would lock out every device, so none are made",
    )
