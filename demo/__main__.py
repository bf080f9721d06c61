"""Show the main job from beginning to end: ``python -m demo``; it ends with 0 only if every line is true.

With ``--tls mutual`` the same fleet is encrypted, and shows certificates.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from demo.fleet import DEVICE, HUB, ROOT, apply_quickstart, show_device
from demo.mutual_tls import apply_policy, show_mutual_tls, wait_encrypted
from demo.telling import NotSoError, say
from testbed.control_plane import ControlPlane
from testbed.kubelet import Kubelet
from testbed.nats_server import NatsServer
from testbed.operator import Operator
from testbed.user import User


def show(directory: Path, *, mutual: bool) -> None:
    """Run the whole demo in a directory of its own."""
    say("starting etcd, kube-apiserver and kube-controller-manager …")
    started = time.monotonic()
    with ControlPlane(directory / "control-plane", manifests=[ROOT / "crds", ROOT / "manifests"]) as plane:
        say(f"control plane ready after {time.monotonic() - started:.1f} s")
        user = User(plane.api, "iot")
        with NatsServer(directory / "nats") as server, Operator(plane, directory), ExitStack() as nodes:
            apply_quickstart(user, server.url)
            if mutual:
                apply_policy(user)
            server.mount(user.wait_secret(f"{HUB}-nats-config"))
            server.start()
            nodes.enter_context(Kubelet(user, f"{HUB}-nats-config", [server]))
            user.wait_ready("Hub", HUB)
            say(f"  ✓ Hub {HUB} Ready: nats-server runs with the Secret {HUB}-nats-config")
            if mutual:
                wait_encrypted(user)
            user.wait_ready("Device", DEVICE)
            say(f"  ✓ Device {DEVICE} Ready: creds in the Secret {DEVICE}-device-creds")
            asyncio.run(show_mutual_tls(user, server, directory) if mutual else show_device(user, server.url))


def main() -> int:
    """Run the demo; return 0 if everything it shows is so."""
    parser = argparse.ArgumentParser(prog="python -m demo", description="The main job, from beginning to end.")
    parser.add_argument("--tls", choices=["mutual"], help="encrypted, and with a certificate for everybody")
    arguments = parser.parse_args()
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns of how streams end that have TLS, and closes them
    with tempfile.TemporaryDirectory(prefix="iotsec-demo-", ignore_cleanup_errors=True) as directory:
        try:
            show(Path(directory), mutual=arguments.tls == "mutual")
        except (NotSoError, TimeoutError) as error:
            say(f"  ✗ {error}")
            return 1
        except KeyboardInterrupt:
            say("interrupted; everything was stopped")
            return 130
    say("all of it was so")
    return 0


if __name__ == "__main__":
    sys.exit(main())
