"""How far a change of the servers' configuration has come on each of them, and when to ask for the next reload.

A server tells in its metadata which revision it has loaded, so none is believed to have a change before it says so.
What a reload can do, and what it silently leaves as it was, is seen on nats-server 2.15.1 (``reload.go``).
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

_PAUSES = (1, 2, 5, 10, 20, 30)  # seconds between reloads; the kubelet brings a file within some 60 to 90
_PAUSES_IF_KICKED = (90, 180, 300)  # each throws clients out: not before the file must be there
_PAUSE_FOR_RESTART = 300  # a server that must restart takes its file then; somebody may take the change back instead
_CLOCKS_APART = 10
_LONGEST_TOLD = 300
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(-.+)?")
_FIXED_2_12, _FIXED = (2, 12, 16), (2, 14, 8)
# What stands behind this is a value of the configuration: keys of JetStream, passwords, JWTs.
_VALUES = re.compile(r"[:,]?\s*\b(old|new)=.*", re.DOTALL)
_SECRETS = re.compile(r"eyJ[\w-]{6,}(\.[\w-]*)*|\bS[NCOAUX][A-Z2-7]{20,}|(?<=://)[^/]*@|-----BEGIN.*", re.DOTALL)
_UNSUPPORTED = re.compile(r'config reload (?:is )?not supported for (?P<what>[\w ]*\w)(?:: field "(?P<field>\w+)")?')
_WHAT: Mapping[str, str] = {
    "TrustedOperators": "the operator JWT changed",
    "LeafNode": "TLS of its leafnodes listener was switched on or off, or the timeout changed",
    "Gateway": "TLS of its gateway listener was switched on or off, or the timeout changed",
    "MQTT": "the TLS timeout or another setting of its mqtt listener changed",
}
"""What a server names when it refuses a reload, in words."""
_SILENT: Mapping[str, str] = {
    "websocket": "it goes on as it started",
    "cluster": "routes that are there stay as they are",
}
"""Listeners whose TLS is switched by a reload that changes nothing, or not all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a running server has loaded, as it says itself; times in unix seconds."""

    id: str
    name: str
    version: str
    digest: str = ""
    """Of the configuration; empty where it tells none, as before there was one."""
    started_at: int = 0
    loaded_at: int = 0
    addresses: tuple[str, ...] = ()
    """Where clients may reach it, ``host:port``; those of other servers of its cluster may be among them."""
    ports: Mapping[str, int]
    """By listener, those that it has."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A reload that was asked for, and what the server said against it."""

    at: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class Restart:
    """A change that only a start brings, and since when it is in the servers' configuration."""

    since: int
    why: str
    listeners: tuple[str, ...] = ()
    """Only servers with one of these must; all where none is named."""
    servers: tuple[str, ...] = ()
    """Ids of those that ran then: a server has another after each start."""

    def is_needed_by(self, server: Loaded) -> bool:
        """Tell whether a server runs since before the change, and has what it is about."""
        concerned = not self.listeners or any(listener in server.ports for listener in self.listeners)
        # Clocks differ a little: of one that began about then only its id tells.
        return concerned and (server.id in self.servers or server.started_at < self.since - _CLOCKS_APART)


@dataclass(frozen=True, slots=True)
class Current:
    """It has loaded what is wanted, and does it."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """It goes on with what it had: its file has not come yet, as far as is known."""


@dataclass(frozen=True, slots=True)
class ReloadRefused:
    """It read the file and goes on with what it had; a restart with this file would fail, too."""

    error: str


@dataclass(frozen=True, slots=True)
class RestartNeeded:
    """Only a restart brings the change."""

    why: str


@dataclass(frozen=True, slots=True)
class Overruled:
    """It has loaded what is wanted, but serves something else."""

    why: str


@dataclass(frozen=True, slots=True)
class Away:
    """It does not answer."""


ServerRollout: TypeAlias = Current | Waiting | ReloadRefused | RestartNeeded | Overruled | Away


def server_rollout(
    loaded: Loaded | None,
    *,
    wanted: str,
    attempts: Sequence[Attempt] = (),
    restart: Restart | None = None,
    expected: str = "",
    served: str = "",
) -> ServerRollout:
    """Tell how far the revision ``wanted`` has come on one server.

    ``attempts`` are those since that revision was written. Where both are known, the fingerprint of the certificate
    that the server was seen to serve is compared with that of the one it should.
    """
    if loaded is None:
        return Away()
    if loaded.digest == wanted:
        if restart and restart.is_needed_by(loaded):
            return RestartNeeded(restart.why)
        if expected and served and expected != served:
            return Overruled("it serves another certificate: take tls {} out of its own configuration")
        return Current()
    error = attempts[-1].error if attempts else ""
    why = needs_restart(error)
    if why:
        return RestartNeeded(why)
    return ReloadRefused(error) if error else Waiting()


def reload_due(attempts: Sequence[Attempt], *, written_at: int, version: str) -> int:
    """Tell when to ask a server that is behind for its next reload, in unix seconds.

    ``written_at`` is when the revision was written that it lacks, ``attempts`` those since.
    """
    pauses = _PAUSES_IF_KICKED if kicks_clients(version) else _PAUSES
    pause = pauses[min(len(attempts), len(pauses) - 1)]
    if attempts and needs_restart(attempts[-1].error):
        pause = _PAUSE_FOR_RESTART
    return (attempts[-1].at if attempts else written_at) + pause


def kicks_clients(version: str) -> bool:
    """Tell whether a reload disconnects MQTT clients and those that send their nkey (nats-server issue 8606).

    So it was before 2.12.16 and 2.14.8; of a version that cannot be read it is assumed.
    """
    read = _VERSION.fullmatch(version)
    if not read:
        return True
    number = (int(read[1]), int(read[2]), int(read[3]))
    fixed = _FIXED_2_12 if number[:2] == _FIXED_2_12[:2] else _FIXED
    return number < fixed or (number in (fixed, (2, 15, 0)) and read[4] is not None)


def restart_for(
    before: Collection[str], after: Collection[str], *, since: int, servers: Collection[str] = ()
) -> Restart | None:
    """Tell why servers must restart where the listeners with TLS were and are now these; ``None`` where none must.

    Only what a reload takes without doing it is told; what it refuses, the server says (`needs_restart`). ``since`` is
    when that came into their configuration, in unix seconds, ``servers`` are the ids of those that ran then.
    """
    switched = tuple(listener for listener in _SILENT if (listener in before) != (listener in after))
    if not switched:
        return None
    told = (f"TLS of {one} was switched {'on' if one in after else 'off'}, {_SILENT[one]}" for one in switched)
    return Restart(since, f"{'; '.join(told)}: restart it", switched, tuple(sorted(servers)))


def needs_restart(error: str) -> str:
    """Put into words why the server that refused a reload must restart; "" where that would not help."""
    found = _UNSUPPORTED.search(error)
    if not found:
        moved = "moving to or from an account resolver" in error
        return "its resolver was added or removed, which it takes only at its start: restart it" if moved else ""
    what = _WHAT.get(found["what"], f"{found['what']} of its configuration changed")
    return f"{what}, which it takes only at its start, and until then no other change either: restart it"


def told(error: str) -> str:
    """Take out of a server's words what is nobody's business: values of its configuration, tokens, keys."""
    first = _SECRETS.sub("…", _VALUES.sub("", error)).strip().partition("\n")[0].strip()
    return first if len(first) <= _LONGEST_TOLD else f"{first[: _LONGEST_TOLD - 1]}…"
