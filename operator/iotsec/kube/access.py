"""Where the API server is and how we log in: a pod's service account, or a kubeconfig."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class Access:
    """One way to the API server; the token is read anew from its file, as projected tokens change."""

    server: str
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    token_file: Path | None = None
    fixed_token: str | None = field(default=None, repr=False)

    def ssl_context(self) -> ssl.SSLContext:
        """Return the TLS settings: the cluster's CA, and the client certificate where there is one."""
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.cert_file:
            context.load_cert_chain(self.cert_file, self.key_file)
        return context

    def token(self) -> str | None:
        """Return the bearer token of this moment."""
        return self.token_file.read_text().strip() if self.token_file else self.fixed_token


def find_access(kubeconfig: str | None, in_cluster_host: str | None, in_cluster_port: str | None) -> Access:
    """Return the access of the pod we run in, or the kubeconfig's current context.

    Raises:
        kubernetes.config.ConfigException: there is neither.

    """
    if kubeconfig is None and in_cluster_host and (_SERVICE_ACCOUNT / "token").exists():
        host = f"[{in_cluster_host}]" if ":" in in_cluster_host else in_cluster_host
        return Access(
            server=f"https://{host}:{in_cluster_port}",
            ca_file=str(_SERVICE_ACCOUNT / "ca.crt"),
            token_file=_SERVICE_ACCOUNT / "token",
        )
    # The package costs 18 MiB and a second: only where a kubeconfig, with its exec plugins and all, must be read.
    from kubernetes import client, config  # noqa: PLC0415

    loaded = client.Configuration()
    config.load_kube_config(config_file=kubeconfig, client_configuration=loaded)  # type: ignore[no-untyped-call]
    header = loaded.get_api_key_with_prefix("BearerToken") or ""
    return Access(
        server=loaded.host,
        ca_file=loaded.ssl_ca_cert,
        cert_file=loaded.cert_file,
        key_file=loaded.key_file,
        fixed_token=header.removeprefix("Bearer ") or None,
    )
