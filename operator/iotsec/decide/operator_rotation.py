"""How the operator's signing key is replaced: step by step, as far as the servers have been restarted.

A nats-server reads the operator JWT when it starts and never again (``reload.go``: "config reload not supported for
TrustedOperators"), so every server is restarted twice: to trust the new key beside the old one, and to trust the old
one no longer. What each process trusts is in its VARZ (``trusted_operators_claim``), whatever its files say by now.
Account JWTs are signed with a key only while every server is seen to trust it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from iotsec.api.meta import GROUP
from iotsec.decide import names
from iotsec.decide.conditions import ROTATING, Condition, Reason
from iotsec.decide.key_rotation import Told, tokens
from iotsec.decide.seeds import (
    OPERATOR,
    Entropy,
    OperatorPhase,
    TrustSeeds,
    generations,
    newest_alone,
    public_of,
    records,
    with_generation,
    with_records,
)
from iotsec.nats.keys import KeyType

ROTATE_OPERATOR = f"{GROUP}/rotate-operator"
"""On a Hub: a token nobody heeded yet asks for another signing key of the operator."""

_MESSAGE_LENGTH, _SERVERS_TOLD = 1024, 256  # as much as a Hub's status holds
_HOW = "restart every nats-server of this Hub, e.g. kubectl rollout restart statefulset/nats"


class Trusts(StrEnum):
    """Which of the operator's two signing keys a server trusts."""

    OLD = "Old"
    BOTH = "Both"
    NEW = "New"
    NEITHER = "Neither"
    AWAY = "Away"
    """It does not answer, and did not long ago."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What is told of a replacement under way."""

    phase: OperatorPhase
    message: str
    servers: Mapping[str, Trusts]
    """By name."""

    def to_status(self) -> dict[str, Any]:
        """Return it as the Hub's status holds it."""
        names_ = sorted(self.servers)[:_SERVERS_TOLD]
        servers = [{"name": name, "operatorKeys": str(self.servers[name])} for name in names_]
        return {"phase": str(self.phase), "message": self.message[:_MESSAGE_LENGTH], "servers": servers}

    def condition(self) -> Condition:
        """Return it as a condition of the Hub."""
        return Condition(ROTATING, "True", Reason.OPERATOR_KEY_ADDED, self.message)


@dataclass(frozen=True, slots=True)
class OperatorStep:
    """What is to be done about the operator's signing key now."""

    seeds: TrustSeeds
    """The seeds as they should be: those there are, where nothing is to be done."""
    progress: Progress | None = None
    told: tuple[Told, ...] = ()


def asked(annotations: Mapping[str, str]) -> dict[str, str]:
    """Return every token on a Hub that asks for another key of any kind, by its annotation."""
    operator = annotations.get(ROTATE_OPERATOR)
    return {**tokens(annotations), **({ROTATE_OPERATOR: operator} if operator else {})}


def phase_of(seeds: TrustSeeds) -> OperatorPhase:
    """Return how far a replacement has come, also where the record of it was lost: then it is looked at anew."""
    if len(generations(seeds.signing, OPERATOR)) < 2:  # noqa: PLR2004 - the old one and the new one
        return OperatorPhase.NONE
    return records(seeds.signing).operator or OperatorPhase.PREPARED


def trusts(found: Collection[str], seeds: TrustSeeds) -> Trusts:
    """Return which of the two keys is among those that a server trusts, by their public halves."""
    old, new = (public_of(seeds.signing, entry) in found for entry in generations(seeds.signing, OPERATOR)[-2:])
    if old and new:
        return Trusts.BOTH
    if old or new:
        return Trusts.OLD if old else Trusts.NEW
    return Trusts.NEITHER


def next_operator_key(
    hub: str,
    seeds: TrustSeeds,
    *,
    token: str,
    servers: Mapping[str, Trusts],
    resigned: bool,
    entropy: Entropy,
    now: int,
) -> OperatorStep:
    """Return the next step for the operator's signing key of a Hub (its name).

    ``servers``: what each trusts, by name; ``resigned``: every server runs every account's JWT, the system account's
    too, as signed by the new key. A token that comes while a replacement is under way is heeded after it.
    """
    known = records(seeds.signing)
    phase = phase_of(seeds)
    if phase is OperatorPhase.NONE:
        if not token or known.heeded.get(ROTATE_OPERATOR) == token or not generations(seeds.signing, OPERATOR):
            return OperatorStep(seeds)
        made = with_generation(seeds, OPERATOR, KeyType.OPERATOR, entropy=entropy, now=now)
        heeded = {**known.heeded, ROTATE_OPERATOR: token}
        begun = replace(records(made.signing), operator=OperatorPhase.PREPARED, heeded=heeded)
        note = f"another signing key of the operator is in Secret {names.nats_config_secret(hub)}: {_HOW}"
        return OperatorStep(with_records(made, begun), told=(Told(Reason.OPERATOR_KEY_ADDED, note),))
    if phase is OperatorPhase.RESIGNED and _all(servers, {Trusts.NEW}):
        alone = newest_alone(seeds, OPERATOR)
        ended = with_records(alone, replace(records(alone.signing), operator=OperatorPhase.NONE))
        note = "every server trusts the new signing key of the operator alone; the former one is gone"
        return OperatorStep(ended, told=(Told(Reason.OPERATOR_KEY_REPLACED, note),))
    following = _following(phase, servers, resigned=resigned)
    if following is not known.operator:
        seeds = with_records(seeds, replace(known, operator=following))
    told: tuple[Told, ...] = ()
    if following is OperatorPhase.RESIGNED and following is not phase:
        told = (
            Told(Reason.OPERATOR_KEY_ADDED, f"all accounts are signed by the operator's new key: {_HOW} once more"),
        )
    return OperatorStep(seeds, Progress(following, _message(hub, following, servers), servers), told)


def _following(phase: OperatorPhase, servers: Mapping[str, Trusts], *, resigned: bool) -> OperatorPhase:
    """Return the phase to be in, given what the servers trust."""
    if phase is OperatorPhase.PREPARED and _all(servers, {Trusts.BOTH, Trusts.NEW}):
        return OperatorPhase.RESIGNING
    if phase is OperatorPhase.RESIGNING:
        # One that started late with an older configuration would take nothing that the new key signs.
        if {Trusts.OLD, Trusts.NEITHER} & set(servers.values()):
            return OperatorPhase.PREPARED
        if resigned and _all(servers, {Trusts.BOTH, Trusts.NEW}):
            return OperatorPhase.RESIGNED
    return phase


def _all(servers: Mapping[str, Trusts], wanted: Collection[Trusts]) -> bool:
    return bool(servers) and all(found in wanted for found in servers.values())


def _message(hub: str, phase: OperatorPhase, servers: Mapping[str, Trusts]) -> str:
    """Return what to do, or what is being waited for."""
    config = names.nats_config_secret(hub)
    if phase is OperatorPhase.RESIGNING:
        return _with_away("every server trusts the new key: the accounts are being signed with it", servers)
    if phase is OperatorPhase.PREPARED:
        done = {Trusts.BOTH, Trusts.NEW}
        text = f"{_HOW}: Secret {config} names the new key beside the old one; {_count(servers, done)}"
        return _with_away(text, servers)
    text = f"{_HOW}, once more: Secret {config} names the new key alone; {_count(servers, {Trusts.NEW})}"
    late = _those(servers, {Trusts.OLD, Trusts.NEITHER})
    if late:
        text += (
            f". {', '.join(late)} started with an older Secret, does not trust the new key and lets nobody in: "
            "see that it has the Secret as it is now, and restart it"
        )
    return _with_away(text, servers)


def _count(servers: Mapping[str, Trusts], done: Collection[Trusts]) -> str:
    have = _those(servers, done)
    return f"{len(have)} of {len(servers)} have{': ' if have else ''}{', '.join(have)}"


def _with_away(text: str, servers: Mapping[str, Trusts]) -> str:
    away = _those(servers, {Trusts.AWAY})
    return f"{text}. {', '.join(away)} does not answer and is waited for" if away else text


def _those(servers: Mapping[str, Trusts], wanted: Collection[Trusts]) -> list[str]:
    return sorted(name for name, found in servers.items() if found in wanted)
