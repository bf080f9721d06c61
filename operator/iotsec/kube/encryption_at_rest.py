"""The key of each Hub's JetStream: made once, written down before servers are told, replaced when asked for."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from iotsec.broker.jetstream_keys import jetstream_keys
from iotsec.decide import encryption_at_rest as decisions
from iotsec.decide.encryption_at_rest import ROTATE_JETSTREAM_KEY, EncryptionState, Phase, Progress
from iotsec.decide.secrets import Owner, data_of
from iotsec.decide.seeds import TrustDamagedError
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.hub_secret_keeper import HubSecretKeeper, Secret, check_ours, hub_manifest
from iotsec.kube.secret_writer import SecretWriter
from iotsec.kube.servers_seen import ServersSeen

log = structlog.get_logger()

COMPONENT = "jetstream-key"

_LOOK_SECONDS = 2.0  # between two questions while a restart is waited for
_IDLE_SECONDS = 60.0


@dataclass(slots=True)
class _Memory:
    """What is known of one Hub; a restart of the operator reads it back, and asks the servers again."""

    progress: Progress | None = None
    """The key, and how far it has come on the servers."""
    seen: ServersSeen = field(default_factory=ServersSeen)
    look_due: float = float("-inf")
    """When to ask the servers again; by the event loop's clock."""


class EncryptionAtRest:
    """Keeps the keys of Hubs whose JetStream encrypts what it stores."""

    def __init__(self, writer: SecretWriter, keeper: HubSecretKeeper, *, entropy: Callable[[], bytes]) -> None:
        self._writer = writer
        self._keeper = keeper
        self._entropy = entropy
        self._memories: defaultdict[str, _Memory] = defaultdict(_Memory)

    def forget(self, uid: str) -> None:
        """Forget a Hub that is gone."""
        self._memories.pop(uid, None)

    async def bring_up(
        self, hub: HubRuntime, owner: Owner, *, status: Mapping[str, Any], asked: str, ending: bool
    ) -> Progress | None:
        """Read the key, or make it where there never was one; ``None`` where nothing is to be encrypted.

        What was held in memory outlives a Secret that somebody deletes or edits. ``status`` is the Hub's; ``asked`` is
        the token of ``ROTATE_JETSTREAM_KEY``, which whoever writes it before there is a key has heeded at once.

        Raises:
            TrustDamagedError: the key is gone, damaged, or another than what was stored needs.
            SecretTakenError: somebody else's Secret is in the way.

        """
        if hub.spec is None:
            raise RuntimeError("the Hub's spec is not known")
        wanted, known = hub.spec.nats.encryption_at_rest, decisions.in_use(status)
        memory = self._memories[hub.uid]
        before = memory.progress
        if wanted is None and not known and before is None:
            return None
        name = decisions.key_secret(hub.key.name)
        found = await self._writer.read(hub.key.namespace, name)
        state = before.state if before is not None else _read(found, owner, name, known=known)
        # What was encrypted once stays so, whatever an older CustomResourceDefinition makes of the spec.
        cipher = wanted.cipher if wanted is not None else state.cipher if state is not None else "ChaCha"
        new = decisions.brought_up(state, cipher=cipher, token=asked, entropy=self._entropy)
        await self._keep(hub, new, found, owner, ending=ending)
        if before is None or new != before.state:
            servers = dict.fromkeys(before.servers if before is not None else (), False)
            memory.progress, memory.look_due = Progress(new, servers), float("-inf")
        return memory.progress

    async def advance(
        self, hub: HubRuntime, owner: Owner, *, status: Mapping[str, Any], asked: Mapping[str, str]
    ) -> Progress | None:
        """Ask the servers which key they have, where it is time, and make the next step there is to make.

        ``asked`` are the Hub's annotations.

        Raises:
            ApiError: the step could not be written down; all is as it was.

        """
        memory = self._memories[hub.uid]
        before = memory.progress
        if before is None:
            return None
        now, token = asyncio.get_running_loop().time(), asked.get(ROTATE_JETSTREAM_KEY, "")
        is_asked = before.phase is Phase.ACTIVE and token not in {"", before.state.heeded}
        if now < memory.look_due and not is_asked:
            return before
        told = (status.get("encryptionAtRest") or {}).get("servers") or ()
        answers = await memory.seen.ask(jetstream_keys, hub, before=told)
        servers = {name: answers.get(name, "") == before.state.loaded_id for name in memory.seen}
        state = decisions.advanced(before.state, token=token, servers=servers, entropy=self._entropy)
        if state != before.state:
            found = await self._writer.read(hub.key.namespace, decisions.key_secret(hub.key.name))
            await self._keep(hub, state, found, owner, ending=False)
        servers = {name: answers.get(name, "") == state.loaded_id for name in memory.seen}
        memory.progress = Progress(state, servers)
        is_pending = memory.progress.phase is Phase.RESTART_NEEDED
        memory.look_due = now + (_LOOK_SECONDS if is_pending else _IDLE_SECONDS)
        return memory.progress

    async def _keep(
        self, hub: HubRuntime, state: EncryptionState, found: Secret | None, owner: Owner, *, ending: bool
    ) -> None:
        """Make the Secret so; of a Hub that is ending nothing is made again that somebody deletes."""
        if found is not None and not state.is_in(data_of(found)):
            check_ours(found, owner)
        name = decisions.key_secret(hub.key.name)
        manifest = hub_manifest(hub.key, name, state.to_data(), COMPONENT, owner)
        if found is not None:
            manifest = replace(manifest, stale_data=state.stale(data_of(found)))
        await self._keeper.keep(manifest, found, ending=ending)


def _read(found: Secret | None, owner: Owner, name: str, *, known: str) -> EncryptionState | None:
    """Read the key where there ever was one; ``known`` is the name of it that the Hub's status tells."""
    if found is None:
        if known:
            raise TrustDamagedError(decisions.key_lost(name))
        return None
    if not known:
        check_ours(found, owner)
    # A Secret that was restored without its metadata is known by what it holds.
    return decisions.read_state(data_of(found), secret=name, known=known)
