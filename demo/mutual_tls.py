"""The same fleet with mutual TLS: who gets to the NATS protocol at all, and how the CA is replaced under load."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from demo.fleet import DEVICE, show_cut_off, show_permissions
from demo.telling import expect, say
from testbed.certificates import Authority
from testbed.clients import connect_as
from testbed.handshakes import shake_hands
from testbed.nats_server import NatsServer
from testbed.user import User

POLICY = "plant"
_DISTRIBUTE = "10s"
_READY_SECONDS = 60
_ROTATION_SECONDS = 180
_PAUSE_SECONDS = 0.02
_STEP_SECONDS = 0.5
_MEANING = {"Trust": "everybody gets the new root", "Use": "the new CA signs", "Retire": "the former root goes"}


def apply_policy(user: User) -> None:
    """Encrypt the Hub, and wait until its servers can be started so."""
    spec = f"mode: Mutual, caRotation: {{distributeFor: {_DISTRIBUTE}}}"
    say(f"  ✓ TLSPolicy {POLICY} applied: {spec}")
    user.apply_tls_policy(POLICY, mode="Mutual", caRotation={"distributeFor": _DISTRIBUTE})
    user.wait_for("Secret", "plant-nats-config", lambda s: any(name.endswith(".key") for name in s["data"]))


def wait_encrypted(user: User) -> None:
    """Wait until the operator has seen that the servers are encrypted as they should be."""
    policy = user.wait_ready("TLSPolicy", POLICY, within=_READY_SECONDS)
    (server,) = policy["status"]["servers"]
    expect(
        server["state"] == "Current", f"TLSPolicy {POLICY} Ready: {server['name']} was seen to serve its certificate"
    )


def certificate_of(user: User, directory: Path) -> ssl.SSLContext:
    """What the device trusts and shows, by its Secret."""
    secret = user.wait_secret(f"{DEVICE}-device-tls")
    for name in ("tls.crt", "tls.key"):
        (directory / name).write_bytes(secret[name])
    return _showing(secret["ca.crt"], directory / "tls.crt", directory / "tls.key")


async def show_mutual_tls(user: User, server: NatsServer, directory: Path) -> None:
    """Show who is let in, a rotation of the CA, and who is cut off."""
    own = certificate_of(user, directory)
    await _show_handshakes(user, server, own, directory)
    inbox = user.wait_secret(f"{DEVICE}-device-creds")["inbox-prefix"].decode()
    async with connect_as(server.url, user.creds(DEVICE), inbox_prefix=inbox, tls=own) as device:
        expect(device.client.is_connected, f"{DEVICE} connected with the certificate and the creds file of its Secrets")
        await show_permissions(device)
        await _show_rotation(user, server, directory)
        expect(await device.may_publish(f"device.{DEVICE}.telemetry"), f"{DEVICE} stayed connected all the while")
        await show_cut_off(user, server.url, device, tls=certificate_of(user, directory))


async def _show_handshakes(user: User, server: NatsServer, own: ssl.SSLContext, directory: Path) -> None:
    bundle = user.wait_secret(f"{DEVICE}-device-creds")["ca.crt"]
    folder = directory / "another-ca"
    folder.mkdir()
    forged = Authority.create(folder).issue(DEVICE)
    port = server.ports.client.number
    expect((await shake_hands(port, own)).accepted, f"handshake: {DEVICE} and the server verify each other")
    stranger = await shake_hands(port, ssl.create_default_context())
    expect("VERIFY_FAILED" in stranger.error, "refused by the client: the server, where nobody knows its CA")
    bare = await shake_hands(port, _showing(bundle))
    expect("CERTIFICATE_REQUIRED" in bare.error, "refused at the handshake: a device without a certificate")
    foreign = await shake_hands(port, _showing(bundle, forged.certificate, forged.key))
    expect(_is_distrusted(foreign.error), f"refused at the handshake: a {DEVICE} whose certificate is of another CA")


async def _show_rotation(user: User, server: NatsServer, directory: Path) -> None:
    former = certificate_of(user, directory)
    before, _ = await asyncio.to_thread(_rotation, user)
    async with _reconnecting(user, server, directory) as seen:
        started, told = time.monotonic(), ""
        await asyncio.to_thread(user.annotate, "TLSPolicy", POLICY, {"iotsec.dev/rotate-ca": "demo"})
        say("  … another CA, asked for with the annotation iotsec.dev/rotate-ca")
        while True:
            authorities, phase = await asyncio.to_thread(_rotation, user)
            if phase not in {"", told}:
                say(f"  ✓ {phase}: {_MEANING[phase]}")
                told = phase
            if not phase and not authorities & before:
                break
            if time.monotonic() > started + _ROTATION_SECONDS:
                raise TimeoutError(f"the rotation of the CA takes more than {_ROTATION_SECONDS} s; it is in {phase}")
            await asyncio.sleep(_STEP_SECONDS)
        took = time.monotonic() - started
    say(f"  ✓ replaced in {took:.0f} s")
    expect(seen.made and not seen.refused, f"{seen.made} handshakes of {DEVICE} meanwhile, {len(seen.refused)} refused")
    former.check_hostname, former.verify_mode = False, ssl.CERT_NONE  # whatever the server shows by now
    after = await shake_hands(server.ports.client.number, former)
    expect(_is_distrusted(after.error), "refused at the handshake: a certificate of the former CA")


def _rotation(user: User) -> tuple[set[str], str]:
    """Return the CAs that are trusted, and the phase of the rotation; empty while there is none."""
    status = (user.get("TLSPolicy", POLICY) or {})["status"]
    return {str(one["id"]) for one in status["authorities"]}, str((status.get("rotation") or {}).get("phase", ""))


@dataclass
class _Seen:
    made: int = 0
    refused: list[str] = field(default_factory=list)


@asynccontextmanager
async def _reconnecting(user: User, server: NatsServer, directory: Path) -> AsyncIterator[_Seen]:
    """Have the device shake hands all the time, with what its Secret holds."""
    seen, over = _Seen(), asyncio.Event()

    async def reconnect() -> None:
        while not over.is_set():
            context = await asyncio.to_thread(certificate_of, user, directory)
            met = await shake_hands(server.ports.client.number, context)
            seen.made += met.accepted
            seen.refused += [met.error] * (not met.accepted)
            await asyncio.sleep(_PAUSE_SECONDS)

    task = asyncio.create_task(reconnect())
    try:
        yield seen
    finally:
        over.set()
        await task


def _showing(bundle: bytes, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=bundle.decode())
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


def _is_distrusted(error: str) -> bool:
    """Tell whether a server refused a certificate for whose it is; nats-server says so in these words of TLS."""
    return any(word in error for word in ("UNKNOWN_CA", "BAD_CERTIFICATE"))
