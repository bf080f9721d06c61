"""JetStream's encryption at rest: its key, what servers are told of it, and how it is replaced.

The configuration names variables of the server's environment, not the key, and a reload never sees another one: it
would refuse it, and everything else with it, and write both keys into the log (``reload.go``, diffOptions: "config
reload not supported for JetStreamKey: old=…, new=…"). By the key's name VARZ shows what a process was started with.

A server that starts with another key cannot be relied on to read what it stored, ``prev_key`` or not. In a cluster it
does not start: the keys of its Raft groups are never tried with ``prev_key`` (``filestore.go``, recoverAEK). Alone it
reads its messages and loses its durable consumers (``filestore.go``, consumerFileStore.convertCipher). Seen on 2.15.1.
So servers get the new key with an empty volume, one after the other, and copy what the others have.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from iotsec.api.encryption_at_rest import Cipher
from iotsec.api.meta import GROUP
from iotsec.decide import conditions
from iotsec.decide.conditions import Condition, Reason
from iotsec.decide.seeds import RESTORE, TrustDamagedError

ROTATE_JETSTREAM_KEY = f"{GROUP}/rotate-jetstream-key"
"""On a Hub: a token nobody heeded yet asks for another key."""

"""The type of the Hub's condition."""

KEY, PREVIOUS_KEY, CIPHER, KEY_ID = "key", "previous-key", "cipher", "key-id"
"""The entries of the Secret that servers have in their environment."""

METADATA_KEY = "iotsec_jetstream_key"
"""What a server's metadata calls the key that it was started with (VARZ, ``metadata``)."""
# In these letters: one block of each spelling counts, so that others of `server_metadata` are read as well (opts.go,
# processConfigFileLine; seen on 2.15.1).
METADATA_CONF = f"SERVER_METADATA: {{ {METADATA_KEY}: $IOTSEC_JETSTREAM_KEY_ID }}\n"
"""What ``server.conf`` ends with while there is a key, so that servers tell which they were started with."""

_FORMER_KEY, _RECORDS = "former-key", "records.json"
_KEY = re.compile(r"k[0-9a-f]{64}")
_ID_DIGITS = 12
_MESSAGE_LENGTH, _SERVERS_TOLD = 1024, 256  # as much as a Hub's status holds
_VARIABLES = b"""\
# How JetStream encrypts what it stores. The key is in the environment: here a reload would write it into the log.
# Managed by iot-security-operator: changes made here are overwritten.
cipher: $IOTSEC_JETSTREAM_CIPHER
key: $IOTSEC_JETSTREAM_KEY
prev_key: $IOTSEC_JETSTREAM_PREVIOUS_KEY
"""
_CIPHERS: dict[Cipher, str] = {"ChaCha": "chacha", "AES": "aes"}


class Phase(StrEnum):
    """Whether servers have yet to be restarted."""

    RESTART_NEEDED = "RestartNeeded"
    ACTIVE = "Active"


@dataclass(frozen=True, slots=True)
class EncryptionState:
    """The key of one Hub's JetStream, and the one that it replaces until every server was restarted."""

    key: str
    cipher: Cipher
    heeded: str = ""
    """The token that asked for a key last."""
    former: str = ""
    alone: bool = False
    """It was one server when the key was replaced: it is given the former one, too, to save what it can."""

    def __repr__(self) -> str:
        return f"EncryptionState({self.loaded_id})"

    @property
    def key_id(self) -> str:
        """What names the key."""
        return key_id(self.key)

    @property
    def loaded_id(self) -> str:
        """What a server tells that was started with this key and cipher."""
        return f"{self.key_id}-{_CIPHERS[self.cipher]}"

    def to_data(self) -> dict[str, bytes]:
        """Return what the Secret holds."""
        previous = self.former if self.former and self.alone else self.key  # an unset variable would be an error
        data = {KEY: self.key, PREVIOUS_KEY: previous, CIPHER: _CIPHERS[self.cipher], KEY_ID: self.loaded_id}
        records = {"heeded": self.heeded, "alone": self.alone}
        former = {_FORMER_KEY: self.former} if self.former else {}
        return {k: v.encode() for k, v in (data | former | {_RECORDS: json.dumps(records, sort_keys=True)}).items()}

    def is_in(self, found: Mapping[str, bytes]) -> bool:
        """Tell whether a Secret that does not say whose it is holds this key, or the one that it replaces."""
        return found.get(KEY, b"").decode(errors="replace") in {self.key, self.former} - {""}

    def stale(self, found: Mapping[str, bytes]) -> frozenset[str]:
        """Return the entries to take out of a Secret that holds this: a key that is no longer needed."""
        return frozenset(found.keys() & {_FORMER_KEY} - self.to_data().keys())


@dataclass(frozen=True, slots=True)
class Progress:
    """How far encryption has come on the servers."""

    state: EncryptionState
    servers: Mapping[str, bool]
    """By name, whether each was started with the key and the cipher as they are now."""

    @property
    def phase(self) -> Phase:
        """Whether one has yet to be restarted; where none is known nothing is known."""
        current = bool(self.servers) and all(self.servers.values())
        return Phase.ACTIVE if current else Phase.RESTART_NEEDED

    @property
    def message(self) -> str:
        """What is so, and what to do."""
        state, have = self.state, sorted(name for name, current in self.servers.items() if current)
        if self.phase is Phase.ACTIVE:
            return f"{len(have)} of {len(have)} servers encrypt with {state.cipher} what JetStream stores"
        if not self.servers:
            return "no nats-server has told yet which key it was started with"
        count = f"{len(have)} of {len(self.servers)} have{': ' if have else ''}{', '.join(have)}"
        if not state.former:
            how = "restart every nats-server of this Hub one at a time with the key's Secret in its environment"
            return f"{how}, e.g. kubectl rollout restart statefulset/nats; {count}"
        if state.alone:
            return (
                "back up its streams, restart the nats-server of this Hub with an empty JetStream volume, and restore "
                f"them; restarted as it is it keeps its messages and loses its durable consumers; {count}"
            )
        return (
            "restart every nats-server of this Hub with an empty JetStream volume, one at a time, the next when the "
            f"one before has caught up: what a server stored it cannot read with another key; {count}"
        )

    def to_status(self) -> dict[str, Any]:
        """Return it as the Hub's status holds it."""
        names_ = sorted(self.servers)[:_SERVERS_TOLD]
        return {
            "phase": str(self.phase),
            "message": self.message[:_MESSAGE_LENGTH],
            "cipher": self.state.cipher,
            "keyId": self.state.key_id,
            "servers": [{"name": name, "current": self.servers[name]} for name in names_],
        }

    def condition(self) -> Condition:
        """Return it as a condition of the Hub."""
        if self.phase is Phase.ACTIVE:
            return Condition(conditions.ENCRYPTED_AT_REST, "True", Reason.ENCRYPTED, self.message)
        return Condition(conditions.ENCRYPTED_AT_REST, "False", Reason.RESTART_NEEDED, self.message)


def key_secret(hub: str) -> str:
    """Name of the Secret with the key of a Hub's JetStream."""
    return f"{hub}-jetstream-key"


def key_id(key: str) -> str:
    """Return what names a key and tells nothing of it."""
    # It begins with a letter: what nats-server reads from the environment would else be taken for a number.
    return f"k{hashlib.sha256(f'iotsec key id {key}'.encode()).hexdigest()[:_ID_DIGITS]}"


def jetstream_conf(state: EncryptionState | None) -> bytes:
    """Return the text of ``jetstream.conf``, to be included within ``jetstream {}``: empty while nothing is encrypted.

    It stays as it is while keys and ciphers change.
    """
    return b"" if state is None else _VARIABLES


def in_use(status: Mapping[str, Any]) -> str:
    """Return the name of the key that a Hub's status tells of, empty where there never was one."""
    return str((status.get("encryptionAtRest") or {}).get("keyId", ""))


def read_state(data: Mapping[str, bytes], *, secret: str, known: str = "") -> EncryptionState:
    """Read the key from the Secret of this name; ``known`` is the name of the key that the Hub's status tells of.

    Raises:
        TrustDamagedError: it is damaged, or another than what was stored is encrypted with; it is never shown.

    """
    try:
        key, former = data[KEY].decode(), data.get(_FORMER_KEY, b"").decode()
        cipher = next(name for name, word in _CIPHERS.items() if word == data.get(CIPHER, b"").decode())
    except (KeyError, UnicodeDecodeError, StopIteration):
        raise TrustDamagedError(f"Secret {secret} holds no key of JetStream: {RESTORE}") from None
    if not _KEY.fullmatch(key) or (former and not _KEY.fullmatch(former)):
        raise TrustDamagedError(f"Secret {secret} holds a damaged key of JetStream: {RESTORE}")
    # A key that was just replaced is known by the status a moment longer.
    if known and known not in {key_id(key), *([key_id(former)] if former else [])}:
        raise TrustDamagedError(f"Secret {secret} holds another key than what JetStream stored needs: {RESTORE}")
    heeded, alone = _records(data.get(_RECORDS, b"{}"))
    return EncryptionState(key, cipher, heeded=heeded, former=former, alone=alone)


def key_lost(secret: str) -> str:
    """Return the message about a key that is gone."""
    return (
        f"Secret {secret} is gone and with it the key of what JetStream stored: restore it from a backup. A new key "
        "could not read that, so none is made"
    )


def brought_up(
    found: EncryptionState | None, *, cipher: Cipher, token: str, entropy: Callable[[], bytes]
) -> EncryptionState:
    """Return the key that there is, or a new one, with the cipher that is wanted.

    Another cipher needs no other key: servers convert what they stored when they start. ``entropy`` gives 32 bytes.
    """
    if found is None:
        return EncryptionState(
            _new_key(entropy), cipher, heeded=token
        )  # whoever asks before there is one has a new one
    return replace(found, cipher=cipher)


def advanced(
    state: EncryptionState, *, token: str, servers: Mapping[str, bool], entropy: Callable[[], bytes]
) -> EncryptionState:
    """Return the state after the next step: a key that is asked for, or the former one gone.

    Nothing is replaced before every server was seen with what there is now: a third key could not be told.
    """
    if not servers or not all(servers.values()):
        return state
    if state.former:
        return replace(state, former="", alone=False)
    if not token or token == state.heeded:
        return state
    return replace(state, key=_new_key(entropy), former=state.key, heeded=token, alone=len(servers) == 1)


def _new_key(entropy: Callable[[], bytes]) -> str:
    return f"k{entropy().hex()}"


def _records(text: bytes) -> tuple[str, bool]:
    """Read the records; where they are lost or damaged nothing is known."""
    try:
        body = json.loads(text)
        return str(body.get("heeded", "")), body.get("alone") is True
    except (ValueError, AttributeError):
        return "", False
