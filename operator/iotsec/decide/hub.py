"""A Hub's status: what its conditions say, and what is true of its accounts and servers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from iotsec.decide import conditions, names
from iotsec.decide.conditions import Condition, Reason
from iotsec.decide.encryption_at_rest import Progress as AtRest
from iotsec.decide.ledger import MAX_REVOCATIONS, NEAR_LIMIT
from iotsec.decide.listing import some_of
from iotsec.decide.network_status import NetworkState, hub_network_conditions
from iotsec.decide.operator_rotation import Progress
from iotsec.decide.times import rfc3339

SYSTEM_REFUSED = (
    "the NATS servers do not accept the credentials of spec.trust.existing.systemCredentialsSecretRef: write those of "
    "a user of their system account into that Secret"
)

_NAMED = 10
_LISTED = 256  # accounts and servers, as many as the API takes: of accounts also those that left the spec
_PASSING = (Reason.NATS_UNAVAILABLE, Reason.NATS_REFUSED, Reason.SECRET_REFUSED)


@dataclass(frozen=True, slots=True)
class AccountState:
    """One account as the servers have it."""

    name: str
    public_key: str
    issued_at: int
    """0 where no server was ever given a JWT of it."""
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
    blocked: str = ""
    """Why nothing can be signed for an account that was there before the Hub."""
    adopted: bool = False
    """Somebody else made the trust root, and configures the servers."""
    removed_roles: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Roles that left the spec while somebody has them, and who has."""
    matching_nothing: Sequence[str] = ()
    """Accounts whose namespace selector no namespace meets."""
    labels_unknown: bool = False
    """Nobody may look at labels of namespaces, so that none can meet it."""
    rotations: Sequence[Condition] = ()
    """What is to be known of signing keys that are being replaced, or will be late."""
    operator_rotation: Progress | None = None
    at_rest: AtRest | None = None
    """The key of its JetStream, and how far it has come."""
    late_windows: str = ""
    """Why rotations of JWTs will miss the Hub's windows."""
    network: NetworkState | None = None
    """Its NetworkPolicies, where it asks for any."""


def hub_conditions(hub: str, state: HubState) -> tuple[Condition, ...]:
    """Return a working or waiting Hub's conditions; whatever it waits for, its network may be the reason."""
    return (*_readiness(hub, state), *hub_network_conditions(state.network))


def _readiness(hub: str, state: HubState) -> tuple[Condition, ...]:
    facts = hub_facts(hub, state)
    if state.blocked and not state.problem:
        return (*conditions.stalled(Reason.ADOPTION_REFUSED, state.blocked), *facts)
    failed = next((fact for fact in facts if fact.status == "False"), None)
    if state.full and (failed is None or failed.reason is Reason.NOT_DISTRIBUTED):
        return (*conditions.stalled(Reason.REVOCATIONS_FULL, state.full), *facts)
    if failed is not None:
        return (*conditions.waiting(failed.reason, failed.message), *facts)
    facts = (*facts, *_warnings(state))
    if state.removed_roles:
        return (*conditions.stalled(Reason.ROLE_IN_USE, _still_had(state.removed_roles)), *facts)
    message = next(fact.message for fact in facts if fact.type == conditions.PUSHED)
    return (*conditions.ready(message, reason=Reason.DISTRIBUTED), *facts)


def _warnings(state: HubState) -> tuple[Condition, ...]:
    """Return what works and should be seen to all the same."""
    late = (Condition(conditions.ROTATION_WINDOW_MISSED, "True", Reason.NO_WINDOW_IN_TIME, state.late_windows),)
    told = any(condition.type == conditions.ROTATION_WINDOW_MISSED for condition in state.rotations)
    rotations = (*state.rotations, *(late if state.late_windows and not told else ()))
    at_rest = (state.at_rest.condition(),) if state.at_rest is not None else ()
    return (*_near_limit(state), *_matching_nothing(state), *at_rest, *rotations)


def _matching_nothing(state: HubState) -> tuple[Condition, ...]:
    if not state.matching_nothing:
        return ()
    accounts = ", ".join(sorted(state.matching_nothing))
    if state.labels_unknown:
        message = (
            f"account {accounts} is for namespaces by their labels, which this operator may not look at, so nobody "
            "new can be in it: set spec.accounts[].namespaces.from to Same or All, or run the operator for the cluster"
        )
        return (Condition(conditions.SELECTOR_MATCHES_NOTHING, "True", Reason.NAMESPACE_LABELS_UNKNOWN, message),)
    message = (
        f"no namespace has the labels that account {accounts} asks for, so nobody can "
        "be in it: label a namespace, or correct spec.accounts[].namespaces.selector"
    )
    return (Condition(conditions.SELECTOR_MATCHES_NOTHING, "True", Reason.NO_NAMESPACE, message),)


def _near_limit(state: HubState) -> tuple[Condition, ...]:
    near = sorted(account.name for account in state.accounts if account.revocations >= NEAR_LIMIT)
    if not near:
        return ()
    message = (
        f"account {', '.join(near)} revokes more than {NEAR_LIMIT} keys of the {MAX_REVOCATIONS} its JWT can carry: "
        "give JWTs a shorter duration, or spread the fleet over several accounts"
    )
    return (Condition(conditions.REVOCATIONS_NEAR_LIMIT, "True", Reason.NEAR_LIMIT, message),)


def hub_facts(hub: str, state: HubState) -> tuple[Condition, ...]:
    """Return what is so, one after the other: each is there only where the one before it is true."""
    config = names.nats_config_secret(hub)
    written: tuple[Condition, ...] = ()
    if not state.adopted:
        message = f"Secret {config} holds the configuration"
        written = (Condition(conditions.CONFIG_WRITTEN, "True", Reason.WRITTEN, message),)
    if state.problem:
        reason = Reason.NATS_REFUSED if state.refused else Reason.NATS_UNAVAILABLE
        problem = SYSTEM_REFUSED if state.refused and state.adopted else state.problem
        return *written, Condition(conditions.CONNECTED, "False", reason, problem)
    connected = Condition(conditions.CONNECTED, "True", Reason.CONNECTED, "the servers answer the system account")
    behind = [server.name for server in state.servers if not server.current]
    if state.push_error:
        pushed = Condition(conditions.PUSHED, "False", Reason.PUSH_REFUSED, state.push_error)
    elif behind or not state.servers:
        message = f"not on every server yet: {', '.join(sorted(behind)) or 'none answers'}"
        pushed = Condition(conditions.PUSHED, "False", Reason.NOT_DISTRIBUTED, message)
    else:
        message = f"{len(state.servers)} of {len(state.servers)} servers run the current JWT of every account"
        pushed = Condition(conditions.PUSHED, "True", Reason.DISTRIBUTED, message)
    return *written, connected, pushed


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
    # A ledger may be lost; that servers were given a JWT must not be lost with it.
    issued = {a["name"]: a["issuedAt"] for a in previous.get("accounts") or () if a.get("issuedAt")}
    issued |= {account.name: rfc3339(account.issued_at) for account in state.accounts if account.issued_at}
    return status | {
        "operatorPublicKey": state.operator_key,
        "systemAccountPublicKey": state.system_key,
        **({} if state.adopted else {"configSecretName": names.nats_config_secret(hub)}),
        "accounts": [
            {
                "name": account.name,
                "publicKey": account.public_key,
                "revocations": account.revocations,
                **({"issuedAt": issued[account.name]} if account.name in issued else {}),
                "distributed": f"{account.servers}/{len(state.servers)}",
            }
            for account in sorted(state.accounts, key=lambda a: a.name)[:_LISTED]
        ],
        "servers": [
            {"name": server.name, "version": server.version, "accountsCurrent": server.current}
            for server in sorted({s.name: s for s in state.servers}.values(), key=lambda s: s.name)[:_LISTED]
        ],
        **({"operatorRotation": state.operator_rotation.to_status()} if state.operator_rotation else {}),
        **({"encryptionAtRest": state.at_rest.to_status()} if state.at_rest else {}),
    }


def _still_had(removed: Mapping[str, Sequence[str]]) -> str:
    """Return why roles that left the spec have not gone yet."""
    told = (f"role {role} by {_some(removed[role])}" for role in sorted(removed))
    return f"still in use: {'; '.join(told)}: give them other roles first; until then they keep what they had"


def in_use(identities: Sequence[str]) -> tuple[Condition, ...]:
    """Return the conditions of a Hub that cannot go yet: it names who still needs it."""
    return conditions.waiting(
        Reason.IN_USE, f"{len(identities)} identities still use this Hub: delete them first ({_some(identities)})"
    )


def _some(identities: Sequence[str]) -> str:
    return some_of(sorted(identities), _NAMED)


def not_retired(why: str) -> tuple[Condition, ...]:
    """Return the conditions of a Hub that should go while its servers cannot be told."""
    return conditions.waiting(Reason.NATS_UNAVAILABLE, f"its accounts cannot be retired: {why}. {_FORCE}")


def deleting() -> tuple[Condition, ...]:
    """Return the conditions of a Hub of which nothing is left to end on the servers; there is no way back from here."""
    return conditions.waiting(Reason.DELETING, "its accounts have ended; its Secrets go, and then it does")


def told(status: Mapping[str, Any]) -> frozenset[str]:
    """Return the accounts that servers were ever given a JWT of, by a Hub's status."""
    return frozenset(account["name"] for account in status.get("accounts") or () if account.get("issuedAt"))


def is_ended(status: Mapping[str, Any]) -> bool:
    """Tell whether this status says that nothing is left to end on the servers."""
    return conditions.reason_of(status, conditions.READY) == Reason.DELETING


def trust_lost(secret: str) -> str:
    """Return the message about keys that are gone: new ones must never be made by themselves."""
    return (
        f"Secret {secret} is gone and with it this Hub's keys: restore it from a backup. "
        "New keys would lock out every device, so none are made"
    )


def stalled(reason: Reason, message: str, *, ending: bool) -> tuple[Condition, ...]:
    """Return the conditions of a Hub that needs somebody's help, or whose servers do."""
    make = conditions.waiting if reason in _PASSING else conditions.stalled
    return make(reason, f"{message}. {_FORCE}" if ending else message)


_FORCE = f"To delete the Hub all the same, annotate it {names.FORCE_DELETE}=true"
