"""Replaces a Hub's signing keys: gathers who uses which and what the servers know, and writes the next seeds down."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import structlog

from iotsec.broker.trusted_operators import trusted_operators
from iotsec.decide.conditions import Reason
from iotsec.decide.cutoff import is_sealed_for
from iotsec.decide.key_rotation import Signers, Standing, Step, Tally, Told, key_policy, next_keys, replacing, tokens
from iotsec.decide.operator_rotation import (
    ROTATE_OPERATOR,
    OperatorStep,
    Trusts,
    next_operator_key,
    phase_of,
    trusts,
)
from iotsec.decide.secrets import Owner
from iotsec.decide.seeds import OperatorPhase, TrustSeeds
from iotsec.kube.accounts import is_complete
from iotsec.kube.events import Event, EventRecorder
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.hub_secrets import HubSecrets
from iotsec.kube.object_record import ObjectRecord
from iotsec.kube.resources import HUBS
from iotsec.kube.secret_cache import SecretCache
from iotsec.kube.servers_seen import ServersSeen
from iotsec.nats import jwt

log = structlog.get_logger()

_LOOK_SECONDS = 2.0  # between two counts of who is on which key: each is a pass over all Secrets
_LONGEST_SLEEP = 60


@dataclass(slots=True)
class _Memory:
    """What is remembered of one Hub between two looks; a restart of the operator only looks again."""

    live_since: dict[str, int] = field(default_factory=dict)
    vouched: set[tuple[str, str]] = field(default_factory=set)
    """The Secrets whose notes were found to be ours, by uid and version."""
    seen: ServersSeen = field(default_factory=ServersSeen)
    look_due: float = float("-inf")
    """When to look again though nothing changed; by the event loop's clock."""
    looked_at: tuple[object, ...] = ()
    """What the last look was at."""


class KeyRotations:
    """Takes the keys of Hubs from step to step."""

    def __init__(
        self,
        secrets: HubSecrets,
        cache: SecretCache,
        events: EventRecorder,
        *,
        clock: Callable[[], int],
        entropy: Callable[[], bytes],
    ) -> None:
        self._secrets = secrets
        self._cache = cache
        self._events = events
        self._clock = clock
        self._entropy = entropy
        self._memories: defaultdict[str, _Memory] = defaultdict(_Memory)

    def forget(self, uid: str) -> None:
        """Forget a Hub that is gone."""
        self._memories.pop(uid, None)

    async def advance(self, record: ObjectRecord, hub: HubRuntime, owner: Owner) -> bool:
        """Make the next step there is to make; tell whether the seeds are others now.

        Raises:
            ApiError: they could not be written down, and are as they were.

        """
        if hub.seeds is None or hub.root is None or hub.spec is None or hub.stale or hub.view is None:
            return False
        memory = self._memories[hub.uid]
        operator = await self._operator_step(record, hub, hub.keys.asked.get(ROTATE_OPERATOR, ""), memory)
        step = self._step(hub, operator.seeds, tokens(hub.keys.asked), memory)
        if step is not None:
            hub.keys.conditions = step.conditions
        hub.keys.operator = operator.progress
        if operator.progress is not None:
            # One condition of a type: who has to do something comes first, the rest is in the events.
            others = [one for one in hub.keys.conditions if one.type != operator.progress.condition().type]
            hub.keys.conditions = (operator.progress.condition(), *others)
        wanted = step.seeds if step is not None else operator.seeds
        if wanted != hub.seeds:
            await self._secrets.change_signing_keys(hub, wanted, owner)
        self._tell(record, hub, (*operator.told, *(step.told if step is not None else ())))
        if hub.trust is not None and hub.keys.minted_by != hub.system_signer.public:
            hub.connection.abandon("its credentials are of a signing key that is being replaced")
        return hub.stale

    def _step(self, hub: HubRuntime, seeds: TrustSeeds, asked: Mapping[str, str], memory: _Memory) -> Step | None:
        """Look whether something is to be done; ``None`` where it is known that nothing is."""
        if hub.root is None or hub.spec is None:
            return None
        signers = Signers(hub.trust.system_signing if hub.trust is not None else (), hub.root.accounts)
        loop_now, now = asyncio.get_running_loop().time(), self._clock()
        at = (hub.spec.rotation, asked, seeds, hub.system.signers_live, hub.keys.minted_by)
        if at == memory.looked_at and loop_now < memory.look_due and seeds is hub.seeds:
            return None
        moving = replacing(signers)
        live = {key for account in (hub.system, *hub.accounts.values()) for key in account.signers_live}
        memory.live_since = {key: memory.live_since.get(key, now) for key in live}
        step = next_keys(
            hub.uid,
            seeds,
            signers,
            policy=key_policy(hub.spec),
            asked=asked,
            standing=Standing(
                live_since=memory.live_since,
                connected_by=hub.keys.minted_by,
                tally=self._tally(hub, [key.public for keys in moving.values() for key in keys], memory),
                now=now,
            ),
            entropy=self._entropy,
        )
        sleep = min(_LONGEST_SLEEP, max(0, step.due - now) if step.due is not None else _LONGEST_SLEEP)
        memory.looked_at, memory.look_due = at, loop_now + (_LOOK_SECONDS if moving else sleep)
        return step

    def _tally(self, hub: HubRuntime, keys: Iterable[str], memory: _Memory) -> Tally:
        """Count who is on each of these keys, by what is written on the creds Secrets."""
        watched = frozenset(keys)
        identities: defaultdict[str, int] = defaultdict(int)
        ends: defaultdict[str, int] = defaultdict(int)
        vouched: set[tuple[str, str]] = set()
        for facts in self._cache if watched else ():
            issued = facts.issued
            if issued is None:
                continue
            found = {former.signer: former.ends_at for former in issued.formers if former.signer in watched}
            if issued.signer in watched:
                found[issued.signer] = max(found.get(issued.signer, 0), issued.expires_at)
            if not found:
                continue
            version = facts.uid, facts.resource_version
            # A note that somebody else wrote must keep no key alive.
            if version not in memory.vouched and not is_sealed_for(
                facts, hub.view, facts.owner.uid if facts.owner else ""
            ):
                continue
            vouched.add(version)
            identities[issued.signer] += 1
            for signer, end in found.items():
                ends[signer] = max(ends[signer], end)
        memory.vouched = vouched
        return Tally(identities, ends)

    async def _operator_step(self, record: ObjectRecord, hub: HubRuntime, token: str, memory: _Memory) -> OperatorStep:
        if hub.seeds is None:
            raise RuntimeError("the Hub's keys are not loaded")
        under_way = hub.trust is not None and phase_of(hub.seeds) is not OperatorPhase.NONE
        if not under_way:
            memory.seen.clear()
        if not under_way and not token:
            return OperatorStep(hub.seeds)
        return next_operator_key(
            hub.key.name,
            hub.seeds,
            token=token,
            servers=await self._trusting(record, hub, memory) if under_way else {},
            resigned=_is_resigned(hub),
            entropy=self._entropy,
            now=self._clock(),
        )

    async def _trusting(self, record: ObjectRecord, hub: HubRuntime, memory: _Memory) -> dict[str, Trusts]:
        """Return what every server trusts, also of one that was there a while ago."""
        if hub.seeds is None:
            raise RuntimeError("the Hub's keys are not loaded")
        before = (record.status.get("operatorRotation") or {}).get("servers") or record.status.get("servers") or ()
        answers = await memory.seen.ask(trusted_operators, hub, before=before)
        return {name: trusts(answers[name], hub.seeds) if name in answers else Trusts.AWAY for name in memory.seen}

    def _tell(self, record: ObjectRecord, hub: HubRuntime, told: Iterable[Told]) -> None:
        for one in told:
            log.info("signing key", hub=str(hub.key), reason=str(one.reason), message=one.note, action="rotate")
            self._events.record(
                Event(
                    key=hub.key,
                    api_version=HUBS.api_version,
                    uid=record.uid,
                    type="Warning" if one.reason is Reason.ROLE_UNKNOWN else "Normal",
                    reason=one.reason,
                    note=one.note,
                    action="Rotate",
                )
            )


def _is_resigned(hub: HubRuntime) -> bool:
    """Tell whether every server runs all accounts' JWTs as signed by the key that signs them now."""
    if hub.trust is None:
        return False
    signer = hub.trust.account_signer.public
    accounts = hub.accounts.values()
    tokens_ = [hub.system_jwt, *(account.token.token for account in accounts if account.token is not None)]
    return (
        len(tokens_) == len(accounts) + 1
        and all(jwt.decode(token, verify=False).issuer == signer for token in tokens_)
        and all(map(is_complete, (hub.system, *accounts)))
    )
