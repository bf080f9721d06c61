"""The fleet that is shown: the quickstart example, and what its one device may do."""

import asyncio
import ssl
import time
from pathlib import Path

import yaml

from demo.telling import expect, say
from testbed.clients import Connected, connect_as, is_refused
from testbed.user import User

ROOT = Path(__file__).parent.parent
HUB, DEVICE = "plant", "weather-01"
_ORDER = ("Namespace", "Hub", "Device")


def apply_quickstart(user: User, server: str) -> None:
    """Apply the example as it stands, but for the servers' address: there is no cluster DNS here."""
    files = (ROOT / "examples" / "quickstart").glob("*.yaml")
    manifests = [manifest for file in files for manifest in yaml.safe_load_all(file.read_text())]
    for manifest in sorted(manifests, key=lambda m: _ORDER.index(m["kind"])):
        if manifest["kind"] == "Namespace":
            user.api.request("POST", "/api/v1/namespaces", manifest)
            continue
        if manifest["kind"] == "Hub":
            manifest["spec"]["nats"]["servers"] = [server]
        user.apply(manifest["kind"], manifest["metadata"]["name"], manifest["spec"])


async def show_permissions(device: Connected) -> None:
    """Show what the role `device` allows and what it does not."""
    expect(await device.may_publish(f"device.{DEVICE}.telemetry"), f"allowed: publish device.{DEVICE}.telemetry")
    expect(await device.may_subscribe(f"{DEVICE}.commands"), f"allowed: subscribe {DEVICE}.commands")
    expect(not await device.may_publish("event.alarm"), "refused: publish event.alarm")
    expect(not await device.may_publish("device.pump-07.telemetry"), "refused: publish device.pump-07.telemetry")
    expect(not await device.may_subscribe("pump-07.>"), "refused: another device's subjects, pump-07.>")
    expect(not await device.may_subscribe("_INBOX_pump-07.>"), "refused: another device's inbox, _INBOX_pump-07.>")
    expect(not await device.may_subscribe("$SYS.>"), "refused: the system's subjects, $SYS.>")


async def show_cut_off(user: User, server: str, device: Connected, *, tls: ssl.SSLContext | None = None) -> None:
    """Show that a device is out that is deleted."""
    creds = user.creds(DEVICE)
    started = time.monotonic()
    await asyncio.to_thread(user.delete, "Device", DEVICE)
    closed = await device.wait_closed()
    say(f"  ✓ deleted → disconnected in {(closed - started) * 1000:.0f} ms")
    await asyncio.to_thread(user.wait_gone, "Device", DEVICE)
    expect(await is_refused(server, creds, tls=tls), "reconnect with the same creds file refused")


async def show_device(user: User, server: str) -> None:
    """Show a device at work, held to its role, and cut off."""
    inbox = user.wait_secret(f"{DEVICE}-device-creds")["inbox-prefix"].decode()
    async with connect_as(server, user.creds(DEVICE), inbox_prefix=inbox) as device:
        expect(device.client.is_connected, f"{DEVICE} connected with the creds file of its Secret")
        await show_permissions(device)
        await show_cut_off(user, server, device)
