"""What each listener of nats-server is told about TLS: its ``tls {}`` block, and the files that the block names.

The names of certificates are made of what is in them. A server that reads while the files are being swapped finds all
of one generation or misses a file and goes on as it was, never a key beside the certificate of another; and whoever
watches only the ``.conf`` files sees every renewal. Keys and limits: nats-server ``opts.go``, parseTLS.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from iotsec.nats.listener_rules import ALWAYS_MUTUAL, LISTENERS, ListenerSettings, check_listener

_SERVER, _ROUTES = "server", "routes"
GROUPS: Mapping[str, str] = {name: _ROUTES if name in ALWAYS_MUTUAL else _SERVER for name in LISTENERS}
"""Which certificate each listener serves: that for clients of any kind, or that between servers."""

DEFAULT_MOUNT_PATH = "/etc/nats-iotsec"
_MOUNT_PATH = re.compile(r"/[A-Za-z0-9._/-]+")
_FINGERPRINT_DIGITS = 12
_BLOCK = b"tls: {"
_VERIFY = b'"verify": true\n'
# The client listener's block, and the lines that count for all of them, as `config_files` writes them.
_SERVER_PARTS = re.compile(rb"^(?:tls: \{\n(?:.*\n)*?\}\n|ocsp: .*\n|ocsp_cache: .*\n)", re.MULTILINE)
_CONTENT_NAME = re.compile(rf"(server|routes|ca)-[0-9a-f]{{{_FINGERPRINT_DIGITS}}}[.](crt|key)")
# Servers refuse to start without a staple, so that a certificate that must have one never goes without.
_STAPLING = "ocsp: { mode: always }\n"
# Else a certificate that was seen revoked is let in again while nobody answers (nats-server ocsp_responsecache.go).
_CACHE = "ocsp_cache: { type: local, preserve_revoked: true }\n"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate with its chain, and its private key; both PEM."""

    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerTls(ListenerSettings):
    """One listener's block; paths are as nats-server sees them, that of the CA empty where it is not needed."""

    certificate: str
    key: str
    ca: str = ""
    peer: str = ""
    """Between servers, the URI that certificates of servers have; whoever shows another is no server."""


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """What TLS adds to the Secret that servers mount."""

    server: str
    """What goes into ``server.conf``: the client listener's block, and what counts for all listeners."""
    files: Mapping[str, bytes] = field(repr=False)
    """The other listeners' ``.conf`` files, empty where TLS is off, and the certificates, keys and CAs they name."""

    def is_in(self, config: Mapping[str, bytes]) -> bool:
        """Tell whether the data of a Secret has all of it."""
        return self.server.encode() in config.get("server.conf", b"") and self.files.items() <= config.items()


def tls_block(listener: str, tls: ListenerTls) -> str:
    """Write the ``tls {}`` block of a listener.

    Raises:
        ValueError: nats-server would refuse it, or not do what it says; the message is that of `check_listener`.

    """
    wrong = check_listener(listener, tls)
    if not wrong and (tls.verify or listener in ALWAYS_MUTUAL) and not tls.ca:
        wrong = f"{listener}: clients are verified, but by no CA: write the path of the CA's certificate"
    if wrong:
        raise ValueError(wrong)
    lines = [
        ("cert_file", _quoted(tls.certificate)),
        ("key_file", _quoted(tls.key)),
        ("ca_file", _quoted(tls.ca) if tls.ca else ""),
        ("verify_and_map" if tls.peer else "verify", "true" if tls.verify or listener in ALWAYS_MUTUAL else ""),
        ("min_version", _quoted(tls.min_version)),
        ("cipher_suites", _list(tls.cipher_suites)),
        ("curve_preferences", _list(tls.curves)),
        ("handshake_first", _quoted(tls.handshake_first) if tls.handshake_first else ""),
        ("timeout", str(tls.timeout) if tls.timeout else ""),
        ("ocsp_peer", _ocsp_peer(tls)),
    ]
    # The keys are quoted so that the chart's reloader, which looks for bare ones, does not follow files that go.
    # Whoever has any certificate of the CA is let in as a server otherwise (nats-server auth.go, isRouterAuthorized).
    peers = [f"authorization: {{ user: {_quoted(tls.peer)} }}"] if tls.peer else []
    return "\n".join(["tls: {", *(f'  "{key}": {value}' for key, value in lines if value), "}", *peers, ""])


def config_files(
    *,
    certificates: Mapping[str, KeyPair],
    bundle: bytes,
    listeners: Mapping[str, ListenerSettings],
    mount_path: str = DEFAULT_MOUNT_PATH,
    ocsp_stapling: bool = False,
    peer: str = "",
) -> TlsConfig:
    """Write all that servers mount for TLS; the same for the same arguments.

    ``certificates`` are by group (`GROUPS`: "server", "routes"), ``bundle`` the CAs that clients and other servers are
    verified by, PEM; TLS is off where ``listeners`` has no settings. With ``ocsp_stapling`` a server does not start
    before the responder named in its certificates answers. ``peer`` is the URI of the certificate "routes": with it
    nobody else is let in between servers.

    Raises:
        ValueError: nats-server would refuse a block; or a certificate, the CAs or a usable mount path is missing.

    """
    if not _MOUNT_PATH.fullmatch(mount_path):
        raise ValueError(f"mount path {mount_path!r}: write an absolute path of letters, digits, '.', '_', '-' and '/'")
    files: dict[str, bytes] = {}
    blocks = dict.fromkeys(LISTENERS, "")
    for listener, settings in listeners.items():
        wrong = check_listener(listener, settings)
        if wrong:
            raise ValueError(wrong)
        group = GROUPS[listener]
        if group not in certificates:
            raise ValueError(f"{listener}: there is no certificate for it: issue that of {group!r} first")
        pair = certificates[group]
        stem = f"{group}-{_fingerprint(pair.certificate)}"
        named = {f"{stem}.crt": pair.certificate, f"{stem}.key": pair.key}
        certificate, key, ca = f"{stem}.crt", f"{stem}.key", ""
        # A staple is checked by the issuer's certificate, which a chain need not have.
        if settings.verify or listener in ALWAYS_MUTUAL or ocsp_stapling:
            if not bundle:
                raise ValueError(f"{listener}: there is no CA to verify by: write at least one into the bundle")
            ca = f"ca-{_fingerprint(bundle)}.crt"
            named[ca] = bundle
        files |= named
        at = mount_path.rstrip("/")
        given: dict[str, Any] = {entry.name: getattr(settings, entry.name) for entry in fields(ListenerSettings)}
        given |= {"certificate": f"{at}/{certificate}", "key": f"{at}/{key}", "ca": f"{at}/{ca}" if ca else ""}
        given["peer"] = peer if listener in ALWAYS_MUTUAL else ""
        blocks[listener] = tls_block(listener, ListenerTls(**given))
    own = {f"{name}.conf": blocks[name].encode() for name in LISTENERS if name != "client"}
    asks = any(settings.ocsp_peer is not None for settings in listeners.values())
    beside = (_STAPLING if ocsp_stapling and listeners else "") + (_CACHE if asks else "")
    return TlsConfig(blocks["client"] + beside, files | own)


def encrypted_listeners(config: Mapping[str, bytes]) -> frozenset[str]:
    """Return the listeners that have TLS by the data of the Secret."""
    texts = {name: config.get("server.conf" if name == "client" else f"{name}.conf", b"") for name in LISTENERS}
    return frozenset(name for name, text in texts.items() if _BLOCK in text)


def tls_config_in(config: Mapping[str, bytes]) -> TlsConfig | None:
    """Return what TLS adds to the data of a Secret as it is, ``None`` where that is nothing."""
    server = b"".join(_SERVER_PARTS.findall(config.get("server.conf", b"")))
    named = {name: data for name, data in config.items() if is_named_by_content(name)}
    if not named:
        return None
    own = {f"{name}.conf": config.get(f"{name}.conf", b"") for name in LISTENERS if name != "client"}
    return TlsConfig(server.decode(), named | own)


def verifies_clients(config: Mapping[str, bytes]) -> bool:
    """Tell whether clients of NATS have to show a certificate by the data of the Secret."""
    return any(_VERIFY in block for block in _SERVER_PARTS.findall(config.get("server.conf", b"")))


def is_named_by_content(name: str) -> bool:
    """Tell whether an entry of the Secret is one that `config_files` names by what is in it: it goes with that."""
    return _CONTENT_NAME.fullmatch(name) is not None


def _fingerprint(pem: bytes) -> str:
    return hashlib.sha256(pem).hexdigest()[:_FINGERPRINT_DIGITS]


def _quoted(text: str) -> str:
    """Write a string; nothing of what is written here has quotes or escapes in it."""
    if re.search(r'["\\\x00-\x1f]', text):
        raise ValueError(f"{text!r} cannot be written into a server's configuration: leave out quotes and backslashes")
    return f'"{text}"'


def _list(names: tuple[str, ...]) -> str:
    return f"[{', '.join(map(_quoted, names))}]" if names else ""


def _ocsp_peer(tls: ListenerTls) -> str:
    if tls.ocsp_peer is None:
        return ""
    peer = tls.ocsp_peer
    entries = [
        "verify: true",
        f'allowed_clockskew: "{peer.clock_skew}s"',
        f'ca_timeout: "{peer.ca_timeout}s"',
        f"unknown_is_good: {str(peer.unknown_is_good).lower()}",
        f"allow_when_ca_unreachable: {str(peer.allow_when_unreachable).lower()}",
        f"warn_only: {str(peer.warn_only).lower()}",
    ]
    return f"{{ {', '.join(entries)} }}"
