"""What can be set from outside: environment variables, and the command line over them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from math import inf, nan
from urllib.parse import urlsplit

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

_LARGEST_PORT = 65535
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: an IP address and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class LeasePlace:
    """The Lease by which replicas choose who works."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class ProbeUrl:
    """Where probes are answered."""

    host: str
    port: int
    path: str


@dataclass(frozen=True, slots=True)
class Settings:
    """How one operator process runs.

    Raises:
        ValueError: ``liveness`` is no URL that can be answered at; the message says what to write.

    """

    kubeconfig: str | None = None
    """Path of a kubeconfig; ``None``: the pod's service account, else the usual kubeconfig."""
    service_host: str | None = None
    """Set in every pod by the kubelet."""
    service_port: str | None = None
    workers: int = 16
    """How many objects are worked on at once."""
    log_level: str = "INFO"
    liveness: str | None = None
    """URL to answer liveness probes at, e.g. ``http://0.0.0.0:8080/healthz``; ``None``: nowhere.

    Readiness probes are answered there too, at ``/readyz``.
    """
    metrics: Address | None = None
    """Where Prometheus is answered; ``None``: nowhere."""
    revocation: Address | None = None
    """Where is told which certificates are revoked, as CRL and by OCSP; ``None``: nowhere."""
    writes_per_second: float = 50.0
    """API writes a second that work which can wait keeps within, together with all other work."""
    presence_writes: float = 10.0
    """How many statuses a second are written of who is connected, at most."""
    instance: str = "iotsec"
    """Who reports events, and holds the lease: the pod's name."""
    namespace: str | None = None
    """The namespace of the pod, from where NATS is reached; ``None``: it runs outside of the cluster."""
    namespaces: tuple[str, ...] = ()
    """The only ones to work in; empty: all."""
    pod_ip: str | None = None
    """Where other replicas reach this one."""
    lease: LeasePlace | None = None
    """By which replicas choose who works; ``None``: this is the only one."""
    lease_seconds: int = 15
    """After which another replica takes the place of one that is heard of no more."""

    def __post_init__(self) -> None:
        self.probe_url()

    def reached_at(self) -> Address | None:
        """Return where other replicas are answered which certificates are revoked, if that can be told."""
        if self.revocation is None or not ip_address(self.revocation.host).is_unspecified:
            return self.revocation
        return Address(self.pod_ip, self.revocation.port) if self.pod_ip else None

    def probe_url(self) -> ProbeUrl | None:
        """Return where probes are answered; ``None``: nowhere."""
        if self.liveness is None:
            return None
        try:
            url = urlsplit(self.liveness)
            host, port = url.hostname, url.port
        except ValueError:
            host = port = None
        if not host or not port or url.scheme != "http" or not url.path.strip("/") or url.path == "/readyz":
            raise ValueError(
                f"the URL for liveness probes is {self.liveness!r}: write one like http://0.0.0.0:8080/healthz"
            )
        return ProbeUrl(host, port, url.path)


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Read the settings; what is not set has its default.

    Raises:
        ValueError: one cannot be used; the message names it and says what to write.

    """
    default = Settings()
    level = environment.get("IOTSEC_LOG_LEVEL", default.log_level).upper()
    if level not in LOG_LEVELS:
        raise ValueError(f"IOTSEC_LOG_LEVEL is {level!r}: write one of {', '.join(LOG_LEVELS)}")
    if environment.get("IOTSEC_LEASE") and not environment.get("POD_NAME"):
        raise ValueError("IOTSEC_LEASE is set, and POD_NAME is not: set it to the pod's name, by which replicas differ")
    return Settings(
        kubeconfig=environment.get("KUBECONFIG") or None,
        service_host=environment.get("KUBERNETES_SERVICE_HOST"),
        service_port=environment.get("KUBERNETES_SERVICE_PORT"),
        workers=int(_number(environment, "IOTSEC_WORKERS", default.workers, least=1)),
        log_level=level,
        liveness=environment.get("IOTSEC_LIVENESS") or None,
        metrics=_address(environment, "IOTSEC_METRICS"),
        revocation=_address(environment, "IOTSEC_REVOCATION"),
        # Work that can wait is given four fifths of it, and needs one write a second to come to an end.
        writes_per_second=_number(environment, "IOTSEC_WRITES_PER_SECOND", default.writes_per_second, least=2),
        presence_writes=_number(environment, "IOTSEC_PRESENCE_WRITES", default.presence_writes, least=0.1),
        instance=_name(environment, "POD_NAME") or default.instance,
        namespace=environment.get("POD_NAMESPACE") or None,
        namespaces=_namespaces(environment, "IOTSEC_NAMESPACES"),
        pod_ip=_ip(environment, "POD_IP"),
        lease=_lease(environment, "IOTSEC_LEASE"),
        lease_seconds=int(_number(environment, "IOTSEC_LEASE_SECONDS", default.lease_seconds, least=1)),
    )


def _name(environment: Mapping[str, str], name: str) -> str:
    text = environment.get(name, "")
    if text and not _NAME.fullmatch(text):
        raise ValueError(f"{name} is {text!r}: write the name of an object, such as iotsec-0")
    return text


def _namespaces(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    text = environment.get(name)
    if not text:
        return ()
    found = [part.strip() for part in text.split(",")]
    if not all(map(_LABEL.fullmatch, found)):
        raise ValueError(f"{name} is {text!r}: write names of namespaces with commas between them, such as iot,lab")
    return tuple(dict.fromkeys(found))


def _lease(environment: Mapping[str, str], name: str) -> LeasePlace | None:
    text = environment.get(name)
    if not text:
        return None
    namespace, _, lease = text.partition("/")
    if not (_LABEL.fullmatch(namespace) and _NAME.fullmatch(lease)):
        raise ValueError(f"{name} is {text!r}: write <namespace>/<name> of a Lease, such as iot/iot-security-operator")
    return LeasePlace(namespace, lease)


def _number(environment: Mapping[str, str], name: str, default: float, *, least: float) -> float:
    text = environment.get(name)
    if not text:
        return default
    try:
        found = float(text)
    except ValueError:
        found = nan
    if not least <= found < inf:
        raise ValueError(f"{name} is {text!r}: write a number, {least} or more")
    return found


def _address(environment: Mapping[str, str], name: str) -> Address | None:
    text = environment.get(name)
    if not text:
        return None
    found = address(text)
    if found is None:
        raise ValueError(f"{name} is {text!r}: write an IP address and a port, such as 0.0.0.0:9090 or [::]:9090")
    return found


def address(text: str) -> Address | None:
    """Read an IP address and a port; ``None`` where the text is none."""
    host, _, port = text.rpartition(":")
    plain = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    return Address(plain, int(port)) if _is_host(plain, bracketed=plain != host) and _is_port(port) else None


def _ip(environment: Mapping[str, str], name: str) -> str | None:
    text = environment.get(name)
    if not text:
        return None
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(f"{name} is {text!r}: write the IP address of the pod") from None


def _is_host(text: str, *, bracketed: bool) -> bool:
    try:
        return (ip_address(text).version == 6) == bracketed  # noqa: PLR2004 - the versions of IP have these names
    except ValueError:
        return False


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 0 < int(text) <= _LARGEST_PORT
