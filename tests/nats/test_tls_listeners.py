"""What may be said of a listener's TLS: what passes starts a real nats-server, what does not is refused or ignored."""

from dataclasses import fields
from pathlib import Path

import pytest

from iotsec.nats.listener_rules import (
    CIPHER_SUITES,
    CURVES,
    LISTENERS,
    MIN_VERSIONS,
    ListenerSettings,
    OcspPeer,
    check_listener,
)
from iotsec.nats.tls_config import ListenerTls, tls_block
from testbed.certificates import Authority
from testbed.nats_server import ConfigRefusedError, validate

SUITE = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
AROUND = {
    "client": "{}",
    "websocket": "websocket {{ listen: '127.0.0.1:-1'\n {} }}",
    "mqtt": "mqtt {{ listen: '127.0.0.1:-1'\n {} }}\njetstream: enabled",
    "leafnodes": "leafnodes {{ listen: '127.0.0.1:-1'\n {} }}",
    "cluster": "cluster {{ name: testbed, listen: '127.0.0.1:-1'\n {} }}",
    "gateway": "gateway {{ name: testbed, listen: '127.0.0.1:-1'\n {} }}",
}
"""Where each listener's block stands in a server's configuration."""


class Server:
    """A nats-server that is asked whether it would start."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._authority = Authority.create(directory)
        self._files = self._authority.issue("nats-0")

    def block(self, listener: str, settings: ListenerSettings, *, ca: bool = True) -> str:
        given = {entry.name: getattr(settings, entry.name) for entry in fields(ListenerSettings)}
        paths = {"certificate": str(self._files.certificate), "key": str(self._files.key)}
        return tls_block(listener, ListenerTls(**given, **paths, ca=str(self._authority.path) if ca else ""))

    def raw(self, line: str) -> str:
        """A block of a line that `tls_block` would not write."""
        files = (
            f"cert_file: '{self._files.certificate}', key_file: '{self._files.key}', ca_file: '{self._authority.path}'"
        )
        return f"tls {{ {files}\n {line} }}"

    def starts_with(self, listener: str, block: str) -> bool:
        config = self._directory / "nats.conf"
        config.write_text(f"server_name: nats-0\nlisten: '127.0.0.1:-1'\n{AROUND[listener].format(block)}\n")
        try:
            validate(config)
        except ConfigRefusedError:
            return False
        return True


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Server:
    return Server(tmp_path_factory.mktemp("listeners"))


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize(
    "settings",
    [
        ListenerSettings(),
        ListenerSettings(verify=True),
        *(ListenerSettings(min_version=version) for version in MIN_VERSIONS),
        ListenerSettings(min_version="1.2", cipher_suites=CIPHER_SUITES),
        ListenerSettings(curves=CURVES),
        ListenerSettings(timeout=60),
    ],
    ids=str,
)
def test_what_passes_starts_a_server_on_every_listener(
    server: Server, listener: str, settings: ListenerSettings
) -> None:
    assert check_listener(listener, settings) == ""
    assert server.starts_with(listener, server.block(listener, settings))


@pytest.mark.parametrize("listener", ["client", "leafnodes"])
@pytest.mark.parametrize(
    "settings",
    [
        *(ListenerSettings(handshake_first=first) for first in ("true", "auto", "1ms", "250ms", "10s")),
        ListenerSettings(verify=True, ocsp_peer=OcspPeer()),
        ListenerSettings(verify=True, ocsp_peer=OcspPeer(0, 9, unknown_is_good=True, allow_when_unreachable=True)),
        ListenerSettings(verify=True, ocsp_peer=OcspPeer(warn_only=True)),
    ],
    ids=str,
)
def test_what_only_some_listeners_know_starts_a_server_there(
    server: Server, listener: str, settings: ListenerSettings
) -> None:
    assert check_listener(listener, settings) == ""
    assert server.starts_with(listener, server.block(listener, settings))


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (ListenerSettings(min_version="1.1"), "min_version: '1.1'"),
        (ListenerSettings(min_version="1.4"), "min_version: '1.4'"),
        (ListenerSettings(min_version=""), "min_version: ''"),
        (ListenerSettings(min_version="1.2", cipher_suites=("AES",)), "cipher_suites: [AES]"),
        (
            ListenerSettings(min_version="1.2", cipher_suites=(SUITE.lower(),)),
            f"cipher_suites: ['{SUITE.lower()}']",
        ),
        (
            ListenerSettings(min_version="1.2", cipher_suites=("TLS_RSA_WITH_AES_128_GCM_SHA256",)),
            "cipher_suites: [TLS_RSA_WITH_AES_128_GCM_SHA256]",
        ),
        (
            ListenerSettings(min_version="1.2", cipher_suites=(SUITE, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA")),
            f"cipher_suites: [{SUITE}, TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA]",
        ),
        (ListenerSettings(curves=("P-256",)), "curve_preferences: ['P-256']"),
        (ListenerSettings(curves=("x25519",)), "curve_preferences: [x25519]"),
    ],
    ids=str,
)
def test_what_a_server_refuses_does_not_pass(
    server: Server, listener: str, settings: ListenerSettings, line: str
) -> None:
    assert check_listener(listener, settings).startswith(f"{listener}: ")
    assert not server.starts_with(listener, server.raw(line))


@pytest.mark.parametrize(
    ("listener", "settings", "line"),
    [
        ("client", ListenerSettings(cipher_suites=(SUITE,)), f"min_version: '1.3', cipher_suites: [{SUITE}]"),
        (
            "mqtt",
            ListenerSettings(min_version="1.2", cipher_suites=("TLS_AES_128_GCM_SHA256",)),
            "cipher_suites: [TLS_AES_128_GCM_SHA256]",
        ),
        (
            "client",
            ListenerSettings(min_version="1.2", curves=("X25519MLKEM768",)),
            "curve_preferences: [X25519MLKEM768]",
        ),
        *(
            (listener, ListenerSettings(handshake_first="true"), "handshake_first: true")
            for listener in ("websocket", "mqtt", "cluster", "gateway")
        ),
        ("client", ListenerSettings(handshake_first="-5s"), "handshake_first: '-5s'"),
        ("client", ListenerSettings(handshake_first="0s"), "handshake_first: '0s'"),
        ("client", ListenerSettings(handshake_first="1h"), "handshake_first: '1h'"),
        ("client", ListenerSettings(timeout=0), "timeout: 0"),
        ("client", ListenerSettings(timeout=-1), "timeout: -1"),
        *(
            (listener, ListenerSettings(verify=True, ocsp_peer=OcspPeer()), "verify: true, ocsp_peer: true")
            for listener in ("mqtt", "cluster", "gateway")
        ),
        (
            "client",
            ListenerSettings(verify=True, ocsp_peer=OcspPeer(clock_skew=-1)),
            "verify: true, ocsp_peer: { verify: true, allowed_clockskew: -1 }",
        ),
        ("client", ListenerSettings(curves=("X25519", "X25519")), "curve_preferences: [X25519, X25519]"),
    ],
    ids=str,
)
def test_what_a_server_takes_without_doing_it_does_not_pass_either(
    server: Server, listener: str, settings: ListenerSettings, line: str
) -> None:
    assert check_listener(listener, settings).startswith(f"{listener}: ")
    assert server.starts_with(listener, server.raw(line))


def test_a_refusal_says_what_to_write_instead() -> None:
    of_1_2 = ListenerSettings(cipher_suites=(SUITE,))

    assert check_listener("client", of_1_2) == (
        "client: cipherSuites are those of TLS 1.2, which minVersion 1.3 excludes: leave them out, or write 1.2"
    )
    assert "X25519MLKEM768" in check_listener("mqtt", ListenerSettings(curves=("P-256",)))
    assert "write one of client" in check_listener("telnet", ListenerSettings())


@pytest.mark.parametrize(
    ("key", "suite"),
    [("RSA", SUITE), ("ECDSA", SUITE.replace("ECDSA", "RSA")), ("Ed25519", SUITE.replace("ECDSA", "RSA"))],
)
def test_suites_that_the_key_cannot_serve_are_told(key: str, suite: str) -> None:
    settings = ListenerSettings(min_version="1.2", cipher_suites=(suite,))
    fitting = ListenerSettings(min_version="1.2", cipher_suites=CIPHER_SUITES)

    assert f"fits the certificate's {key} key" in check_listener("client", settings, key_algorithm=key)
    assert check_listener("client", fitting, key_algorithm=key) == ""


def test_ocsp_is_asked_about_certificates_that_are_asked_for() -> None:
    assert "write mode Mutual" in check_listener("client", ListenerSettings(ocsp_peer=OcspPeer()))


@pytest.mark.parametrize("listener", LISTENERS)
def test_a_block_that_verifies_names_the_ca_it_verifies_by(server: Server, listener: str) -> None:
    with pytest.raises(ValueError, match="by no CA"):
        server.block(listener, ListenerSettings(verify=True), ca=False)


@pytest.mark.parametrize("path", ['/tls"\nport: 1', "/tls\\", "/tls\nport: 1"])
def test_a_path_ends_no_string(path: str) -> None:
    with pytest.raises(ValueError, match="leave out quotes"):
        tls_block("client", ListenerTls(certificate=path, key="/tls.key"))
