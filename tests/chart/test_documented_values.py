"""The Helm values of NATS on all pages: nats-server runs by what the chart makes of them, TLS comes by the Secret.

The chart is applied as `rendering` tells it; it cannot be had from a package registry.
"""

import os
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import pytest
import yaml
from broker.one_account import Trust
from broker.tls_secret import mounted, new_pairs, tls_config
from chart.rendering import CONFIG_FOLDER, Json, config_of, merged, mounts_of, nats_conf
from docs.blocks import ROOT, yaml_blocks

from iotsec.nats.listener_rules import LISTENERS, ListenerSettings
from iotsec.nats.tls_config import DEFAULT_MOUNT_PATH
from testbed.binaries import find
from testbed.certificates import Authority
from testbed.nats_server import ConfigRefusedError, validate
from testbed.ports import Port
from testbed.processes import Process

BLOCKS = {
    "websocket": "websocket",
    "mqtt": "mqtt",
    "leafnodes": "leafnodes",
    "cluster": "cluster",
    "gateway": "gateway",
}
EVERYWHERE = {listener: ListenerSettings() for listener in LISTENERS}
OFF: dict[str, ListenerSettings] = {}
NOT_ENCRYPTED = {"jetstream.conf": b""}
"""What the Hub's Secret says of what JetStream stores, before it is to be encrypted."""


@pytest.fixture
def values() -> Json:
    """All that the pages say to write, for every listener there is."""
    found: Json = yaml.safe_load((ROOT / "examples" / "nats-values.yaml").read_text())
    for block in yaml_blocks("nats-values"):
        for values in block.documents:
            found = merged(found, values)
    return found


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path)


class Pod:
    """The files of a pod of the chart, below a folder; nothing of it is at the paths themselves."""

    def __init__(self, root: Path, values: Json, secret: Mapping[str, bytes]) -> None:
        self.root = root
        self.config = self._at(CONFIG_FOLDER) / "nats.conf"
        self.ports = {name: Port() for name in ("client", *BLOCKS)}
        self.config.parent.mkdir(parents=True)
        self.config.write_text(self._text(values))
        self._at(PurePosixPath("/var/run/nats")).mkdir(parents=True)
        for path in mounts_of(values):
            folder = self._at(path)
            folder.mkdir(parents=True)
            for name, content in secret.items():
                here = content.replace(f"{path}/".encode(), f"{folder}/".encode())
                (folder / name).write_bytes(here if name.endswith(".conf") else content)

    def _at(self, path: PurePosixPath) -> Path:
        return self.root / path.relative_to("/")

    def _text(self, values: Json) -> str:
        """What the chart writes, with free ports of this machine, and folders of the test's own."""
        config = config_of(values)
        blocks: Json = {name: {"merge": {"port": self.ports[name].number}} for name in BLOCKS}
        top = {"port": self.ports["client"].number, "http_port": -1}
        # The pods of the chart's route URLs are not there; without any route JetStream does not start.
        blocks["cluster"]["merge"]["routes"] = [f"nats://127.0.0.1:{self.ports['cluster']}"]
        assert blocks.keys() <= config.keys()
        text = nats_conf(merged(values, {"config": {**blocks, "merge": top}}))
        text = text.replace("$SERVER_NAME", "nats-0")
        return re.sub(r'"/(data|var)\b', rf'"{self.root}/\1', text)

    @contextmanager
    def running(self) -> Iterator[Process]:
        log = self.root / "nats-server.log"
        with Process.serving(
            [find("nats-server"), "-c", self.config], log, ready=lambda process: "Server is ready" in process.output()
        ) as process:
            yield process

    def speaks_tls(self, listener: str) -> bool:
        """Whether a listener goes on with TLS, after the first word that some have."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", self.ports[listener].number), timeout=5) as connection:
            if listener in ("client", "leafnodes"):
                connection.recv(65536)
            try:
                with context.wrap_socket(connection):
                    return True
            except (ssl.SSLError, ConnectionError):
                return False


@pytest.mark.parametrize("listeners", [OFF, EVERYWHERE], ids=["without TLS", "with TLS"])
def test_a_server_runs_by_them(
    tmp_path: Path, authority: Authority, values: Json, listeners: dict[str, ListenerSettings]
) -> None:
    secret = {**NOT_ENCRYPTED, **mounted(Trust(), tls_config(authority, new_pairs(authority), listeners))}
    pod = Pod(tmp_path / "pod", values, secret)
    validate(pod.config)

    with pod.running():
        assert {listener for listener in LISTENERS if pod.speaks_tls(listener)} == set(listeners)


@pytest.mark.parametrize("missing", ["server.conf", *NOT_ENCRYPTED, *(f"{name}.conf" for name in BLOCKS)])
def test_every_file_is_included(tmp_path: Path, authority: Authority, values: Json, missing: str) -> None:
    secret = {**NOT_ENCRYPTED, **mounted(Trust(), tls_config(authority, {}, OFF))}
    del secret[missing]

    with pytest.raises(ConfigRefusedError, match=re.escape(missing)):
        validate(Pod(tmp_path / "pod", values, secret).config)


def test_the_secret_is_mounted_where_the_files_name_each_other(values: Json) -> None:
    included = PurePosixPath(os.path.normpath(CONFIG_FOLDER / config_of(values)["00$include"]))

    assert mounts_of(values) == {included.parent: "plant-nats-config"}
    assert str(included.parent) == DEFAULT_MOUNT_PATH


def test_includes_come_before_what_the_chart_says_itself(values: Json) -> None:
    text = nats_conf(values)

    assert text.index("include ../nats-iotsec/server.conf;") < text.index("include ../nats-iotsec/cluster.conf;")
    assert re.search(r'"websocket": \{\s*include \.\./nats-iotsec/websocket\.conf;\s*"no_tls": true', text)
    assert re.search(r'"resolver": \{\s*"allow_delete": true', text)
