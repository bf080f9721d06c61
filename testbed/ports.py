"""TCP ports on loopback that stay ours from the moment they are chosen."""

import contextlib
import os
import socket
import sys
import weakref


class Port:
    """A free port of 127.0.0.1, reserved while this object lives.

    Its number may be written into configurations long before a server listens there, and the server may stop and
    start again: nothing else that asks the kernel for a port is given this one meanwhile.
    """

    def __init__(self) -> None:
        with contextlib.closing(socket.socket()) as holder:
            holder.bind(("127.0.0.1", 0))
            self.number: int = holder.getsockname()[1]
            if sys.platform == "linux":
                # Bound but never listening: Linux lets a server that sets SO_REUSEADDR, as every Go program does,
                # share the port, while the kernel hands it to nobody else. Set after bind, so that the choice
                # itself is not shared. Other systems refuse the server: there the port is only picked.
                holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                weakref.finalize(self, os.close, holder.detach())

    def __str__(self) -> str:
        return str(self.number)
