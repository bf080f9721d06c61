"""What may be said about TLS for each kind of listener, and what nats-server makes of it.

It refuses to start with some of what can be written, and takes other things without doing them, which is worse: both
are told here before a server sees them. Seen on nats-server 2.15.1; its ``opts.go`` (parseTLS), ``ciphersuites.go``.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

LISTENERS = ("client", "websocket", "mqtt", "leafnodes", "cluster", "gateway")
ALWAYS_MUTUAL = frozenset({"cluster", "gateway"})
"""Where the other side is a server, and verified whatever is written."""

_HANDSHAKE_FIRST = frozenset({"client", "leafnodes"})
_OCSP_PEER = frozenset({"client", "websocket", "leafnodes"})
MIN_VERSIONS = ("1.2", "1.3")
CIPHER_SUITES = tuple(
    f"TLS_ECDHE_{key}_WITH_{cipher}"
    for key in ("ECDSA", "RSA")
    for cipher in (
        "AES_128_GCM_SHA256",
        "AES_256_GCM_SHA384",
        "CHACHA20_POLY1305_SHA256",
        "AES_128_CBC_SHA",
        "AES_256_CBC_SHA",
    )
)
"""Those of TLS 1.2 that nats-server takes without being told to allow insecure ones."""
_CIPHER_SUITES_1_3 = frozenset({"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"})
CURVES = (
    "X25519MLKEM768",
    "SecP256r1MLKEM768",
    "SecP384r1MLKEM1024",
    "X25519",
    "CurveP256",
    "CurveP384",
    "CurveP521",
)
_HYBRID = frozenset(name for name in CURVES if "MLKEM" in name)
_DELAY = re.compile(r"([0-9]{1,6})(ms|s)")
_LONGEST_DELAY_MS = 10_000
_LONGEST_TIMEOUT = 60
_SIGNED_BY = {"ECDSA": "ECDSA", "Ed25519": "ECDSA", "RSA": "RSA"}


@dataclass(frozen=True, slots=True)
class OcspPeer:
    """How a listener asks whether a client's certificate still counts; times in seconds."""

    clock_skew: int = 30
    ca_timeout: int = 1
    unknown_is_good: bool = False
    """Let a client in whose certificate the responder does not know."""
    allow_when_unreachable: bool = False
    """Let a client in while the responder does not answer, unless it was last seen revoked."""
    warn_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """How one listener speaks TLS, whatever its certificate."""

    verify: bool = False
    """Ask clients for a certificate, too; between servers that is so anyway."""
    min_version: str = "1.3"
    cipher_suites: tuple[str, ...] = ()
    """Of TLS 1.2 alone; all of `CIPHER_SUITES` where there are none."""
    curves: tuple[str, ...] = ()
    handshake_first: str = ""
    """"true", "auto" (50 ms) or a delay such as "250ms", after which a client that says nothing is told ``INFO``."""
    timeout: int | None = None
    """Seconds that a handshake may take; 2 where it is not said."""
    ocsp_peer: OcspPeer | None = None


def check_listener(listener: str, settings: ListenerSettings, *, key_algorithm: str = "") -> str:
    """Tell what is wrong with the settings of a listener and what to write instead; "" where nothing is.

    With the algorithm of its certificate's key, cipher suites that this key cannot serve are told, too.
    """
    if listener not in LISTENERS:
        return f"there is no listener {listener!r}: write one of {_names(LISTENERS)}"
    wrong = (
        _version(settings)
        or _ciphers(settings, key_algorithm)
        or _curves(settings)
        or _first(listener, settings)
        or _timeout(settings)
        or _peer(listener, settings)
    )
    return f"{listener}: {wrong}" if wrong else ""


def _version(settings: ListenerSettings) -> str:
    if settings.min_version not in MIN_VERSIONS:
        return f"minVersion {settings.min_version!r} is not served: write {_names(MIN_VERSIONS)}"
    return ""


def _ciphers(settings: ListenerSettings, key_algorithm: str) -> str:
    for name in settings.cipher_suites:
        if name in _CIPHER_SUITES_1_3:
            return f"cipher suite {name} is of TLS 1.3, where the server has all or none: leave it out"
        if name not in CIPHER_SUITES:
            return f"cipher suite {name} is unknown or insecure: write one of {_names(CIPHER_SUITES)}"
    if settings.cipher_suites and settings.min_version == "1.3":
        return "cipherSuites are those of TLS 1.2, which minVersion 1.3 excludes: leave them out, or write 1.2"
    signed_by = _SIGNED_BY.get(key_algorithm, "")
    if settings.cipher_suites and signed_by and not any(f"_{signed_by}_" in name for name in settings.cipher_suites):
        return f"no cipher suite fits the certificate's {key_algorithm} key: add one of TLS_ECDHE_{signed_by}_…"
    return _twice("cipher suite", settings.cipher_suites)


def _curves(settings: ListenerSettings) -> str:
    for name in settings.curves:
        if name not in CURVES:
            return f"curve {name} is unknown: write one of {_names(CURVES)}"
    if settings.curves and settings.min_version == "1.2" and _HYBRID.issuperset(settings.curves):
        return (
            f"curves {_names(settings.curves)} are of TLS 1.3 alone: add X25519 or CurveP256, or write minVersion 1.3"
        )
    return _twice("curve", settings.curves)


def _first(listener: str, settings: ListenerSettings) -> str:
    first = settings.handshake_first
    if not first:
        return ""
    if listener not in _HANDSHAKE_FIRST:
        return f"handshakeFirst means nothing here: leave it out, only {_names(sorted(_HANDSHAKE_FIRST))} know it"
    if first in ("true", "auto"):
        return ""
    delay = _DELAY.fullmatch(first)
    if delay and 0 < int(delay[1]) * (1000 if delay[2] == "s" else 1) <= _LONGEST_DELAY_MS:
        return ""
    return f"handshakeFirst {first!r} is no such delay: write true, auto, or 1ms to {_LONGEST_DELAY_MS // 1000}s"


def _timeout(settings: ListenerSettings) -> str:
    if settings.timeout is not None and not 1 <= settings.timeout <= _LONGEST_TIMEOUT:
        return f"timeout {settings.timeout} s is too short or too long: write 1 to {_LONGEST_TIMEOUT}"
    return ""


def _peer(listener: str, settings: ListenerSettings) -> str:
    if settings.ocsp_peer is None:
        return ""
    if listener not in _OCSP_PEER:
        return f"OCSP is not asked here: leave ocspPeer out, only {_names(sorted(_OCSP_PEER))} ask"
    if not settings.verify:
        return "OCSP is asked about clients' certificates, which are not asked for: write mode Mutual"
    if settings.ocsp_peer.clock_skew < 0 or settings.ocsp_peer.ca_timeout < 1:
        return "OCSP: write a clock skew of 0 or more seconds, and a timeout of 1 or more"
    return ""


def _twice(what: str, names: tuple[str, ...]) -> str:
    again = next((name for name in names if names.count(name) > 1), "")
    return f"{what} {again} is there twice: write it once" if again else ""


def _names(names: Iterable[str]) -> str:
    return ", ".join(names)
