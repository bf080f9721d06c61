"""What a kubelet does for the pods of NATS: a Secret that changes is brought to where they have it mounted."""

import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

from testbed.api import RequestRefusedError
from testbed.nats_server import NatsServer
from testbed.user import User

_LOOK_SECONDS = 0.2


class Kubelet:
    """Keeps a Secret mounted at some servers, as long as the `with` block lasts.

    `pause` holds it back, as a node does that is slow: a Secret takes a minute or more to get there.
    """

    def __init__(self, user: User, secret: str, servers: Iterable[NatsServer]) -> None:
        self._user = user
        self._secret = secret
        self._servers = tuple(servers)
        self._paused: set[str] = set()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"kubelet {secret}", daemon=True)
        self._brought: dict[str, Mapping[str, bytes]] = {}

    def pause(self, server: NatsServer) -> None:
        """Bring nothing to a server until `resume`."""
        with self._lock:
            self._paused.add(server.name)

    def resume(self, server: NatsServer) -> None:
        """Bring a server what it missed, and all that comes."""
        with self._lock:
            self._paused.discard(server.name)

    def brought(self, server: NatsServer) -> Mapping[str, bytes]:
        """What it last brought to a server; whoever wants the next before a restart waits for it here.

        Nothing else mounts what a kubelet mounts.
        """
        with self._lock:
            return self._brought.get(server.name, {})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            try:
                files = self._user.secret(self._secret)
            except (RequestRefusedError, OSError):
                continue
            if files is None:
                continue
            for server in self._servers:
                with self._lock:
                    if server.name not in self._paused and self._brought.get(server.name) != files:
                        server.mount(files)
                        self._brought[server.name] = files
