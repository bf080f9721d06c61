"""What can be set from outside: environment variables, and the command line over them."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """How one operator process runs."""

    kubeconfig: str | None = None
    """Path of a kubeconfig; ``None``: the pod's service account, else the usual kubeconfig."""
    service_host: str | None = None
    """Set in every pod by the kubelet."""
    service_port: str | None = None
    workers: int = 16
    """How many objects are worked on at once."""
    log_level: str = "INFO"
    liveness: str | None = None
    """URL to answer liveness probes at, e.g. ``http://0.0.0.0:8080/healthz``; ``None``: nowhere."""
    writes_per_second: float = 50.0
    """API writes a second that work which can wait keeps within, together with all other work."""
    presence_writes: float = 10.0
    """How many statuses a second are written of who is connected, at most."""
    instance: str = "iotsec"
    """Who reports events: the pod's name."""


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Read the settings; what is not set has its default.

    Raises:
        ValueError: a number is none.

    """
    return Settings(
        kubeconfig=environment.get("KUBECONFIG") or None,
        service_host=environment.get("KUBERNETES_SERVICE_HOST"),
        service_port=environment.get("KUBERNETES_SERVICE_PORT"),
        workers=int(environment.get("IOTSEC_WORKERS", "16")),
        log_level=environment.get("IOTSEC_LOG_LEVEL", "INFO").upper(),
        liveness=environment.get("IOTSEC_LIVENESS") or None,
        writes_per_second=float(environment.get("IOTSEC_WRITES_PER_SECOND", "50")),
        presence_writes=float(environment.get("IOTSEC_PRESENCE_WRITES", "10")),
        instance=environment.get("POD_NAME", "iotsec"),
    )
