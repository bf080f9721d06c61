"""Connections from within: out of a pod's own network, or out of a machine's that stands beside the node."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_IP = "/usr/sbin/ip"
_DIAL = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1.5).close()
except ConnectionRefusedError:
    pass  # somebody answered that nobody listens: packets pass
except TimeoutError:
    sys.exit(1)
"""


@dataclass(frozen=True)
class Network:
    """A network namespace of the node."""

    name: str

    def passes(self, address: str, port: int) -> bool:
        """Whether a connection to an address is answered by whoever is there, and not kept from it."""
        dial = [_IP, "netns", "exec", self.name, sys.executable, "-I", "-c", _DIAL, address, str(port)]
        done = subprocess.run(dial, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        return done.returncode == 0


def network_of(address: str) -> Network:
    """The network of the pod with an address."""
    names = (line.split()[0] for line in _ip("netns", "list").splitlines())
    found = next((name for name in names if address in _addresses_in(name)), None)
    if found is None:
        raise LookupError(f"no network has {address}")
    return Network(found)


@contextmanager
def beside_the_node(name: str, address: str, gateway: str) -> Iterator[Network]:
    """A machine beside the node, with this address, whose way to pods leads through the node at `gateway`."""
    _ip("netns", "add", name)
    try:
        _ip("link", "add", f"{name}0", "type", "veth", "peer", "name", f"{name}1", "netns", name)
        _ip("address", "add", f"{gateway}/24", "dev", f"{name}0")
        _ip("link", "set", f"{name}0", "up")
        for command in (
            ("address", "add", f"{address}/24", "dev", f"{name}1"),
            ("link", "set", f"{name}1", "up"),
            ("route", "add", "default", "via", gateway),
        ):
            _ip("-netns", name, *command)
        yield Network(name)
    finally:
        _ip("netns", "delete", name)  # and the link with it


def _addresses_in(network: str) -> set[str]:
    """The addresses of a network; none of one that goes with its pod in this moment."""
    try:
        links = json.loads(_ip("-json", "-netns", network, "address"))
    except subprocess.CalledProcessError:
        return set()
    return {info["local"] for link in links for info in link["addr_info"] if "local" in info}


def _ip(*command: str) -> str:
    return subprocess.run([_IP, *command], capture_output=True, text=True, check=True).stdout
