"""Show the main job from beginning to end: ``python -m demo``; it ends with 0 only if every line is true."""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import yaml

from testbed.clients import Connected, connect_as, is_refused
from testbed.control_plane import ControlPlane
from testbed.nats_server import NatsServer
from testbed.operator import Operator
from testbed.user import User

ROOT = Path(__file__).parent.parent
ORDER = ("Namespace", "Hub", "Device")
HUB, DEVICE = "plant", "weather-01"


class NotSoError(Exception):
    """Something the demo shows is not so."""


def say(text: str) -> None:
    """Print one line at once."""
    print(text, flush=True)


def expect(true: object, text: str) -> None:
    """Print what is shown, or fail with it."""
    if not true:
        raise NotSoError(text)
    say(f"  ✓ {text}")


def apply_quickstart(user: User, server: str) -> None:
    """Apply the example as it stands, but for the servers' address: there is no cluster DNS here."""
    files = (ROOT / "examples" / "quickstart").glob("*.yaml")
    manifests = [manifest for file in files for manifest in yaml.safe_load_all(file.read_text())]
    for manifest in sorted(manifests, key=lambda m: ORDER.index(m["kind"])):
        if manifest["kind"] == "Namespace":
            user.api.request("POST", "/api/v1/namespaces", manifest)
            continue
        if manifest["kind"] == "Hub":
            manifest["spec"]["nats"]["servers"] = [server]
        user.apply(manifest["kind"], manifest["metadata"]["name"], manifest["spec"])


async def show_device(user: User, server: str) -> None:
    """Show a device at work, held to its role, and cut off."""
    creds = user.creds(DEVICE)
    inbox = user.wait_secret(f"{DEVICE}-device-creds")["inbox-prefix"].decode()
    async with connect_as(server, creds, inbox_prefix=inbox) as device:
        expect(device.client.is_connected, f"{DEVICE} connected with the creds file of its Secret")
        await show_permissions(device)
        started = time.monotonic()
        await asyncio.to_thread(user.delete, "Device", DEVICE)
        closed = await device.wait_closed()
        say(f"  ✓ deleted → disconnected in {(closed - started) * 1000:.0f} ms")
    await asyncio.to_thread(user.wait_gone, "Device", DEVICE)
    expect(await is_refused(server, creds), "reconnect with the same creds file refused")


async def show_permissions(device: Connected) -> None:
    """Show what the role `device` allows and what it does not."""
    expect(await device.may_publish(f"device.{DEVICE}.telemetry"), f"allowed: publish device.{DEVICE}.telemetry")
    expect(await device.may_subscribe(f"{DEVICE}.commands"), f"allowed: subscribe {DEVICE}.commands")
    expect(not await device.may_publish("event.alarm"), "refused: publish event.alarm")
    expect(not await device.may_publish("device.pump-07.telemetry"), "refused: publish device.pump-07.telemetry")
    expect(not await device.may_subscribe("pump-07.>"), "refused: another device's subjects, pump-07.>")
    expect(not await device.may_subscribe("_INBOX_pump-07.>"), "refused: another device's inbox, _INBOX_pump-07.>")
    expect(not await device.may_subscribe("$SYS.>"), "refused: the system's subjects, $SYS.>")


def show(directory: Path) -> None:
    """Run the whole demo in a directory of its own."""
    say("starting etcd, kube-apiserver and kube-controller-manager …")
    started = time.monotonic()
    with ControlPlane(directory / "control-plane", manifests=[ROOT / "crds", ROOT / "manifests"]) as plane:
        say(f"control plane ready after {time.monotonic() - started:.1f} s")
        user = User(plane.api, "iot")
        with NatsServer(directory / "nats") as server, Operator(plane, directory):
            apply_quickstart(user, server.url)
            server.mount(user.wait_secret(f"{HUB}-nats-config"))
            server.start()
            user.wait_ready("Hub", HUB)
            say(f"  ✓ Hub {HUB} Ready: nats-server runs with the Secret {HUB}-nats-config")
            user.wait_ready("Device", DEVICE)
            say(f"  ✓ Device {DEVICE} Ready: creds in the Secret {DEVICE}-device-creds")
            asyncio.run(show_device(user, server.url))


def main() -> int:
    """Run the demo; return 0 if everything it shows is so."""
    with tempfile.TemporaryDirectory(prefix="iotsec-demo-", ignore_cleanup_errors=True) as directory:
        try:
            show(Path(directory))
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
