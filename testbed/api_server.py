"""The Kubernetes API server, which may go away and come back."""

import json
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from testbed.api import Api
from testbed.binaries import find
from testbed.certificates import Authority, KeyPairFiles, write_key
from testbed.ports import Port
from testbed.processes import Process

_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],  # one line for each request
    "rules": [{"level": "Metadata"}],
}
_SERVICE = "10.96.0.1"
_SERVICE_NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
_LOOPBACK_ONLY = (
    "--bind-address=127.0.0.1",
    "--advertise-address=127.0.0.1",
    "--endpoint-reconciler-type=none",  # it refuses to publish a loopback address
)


class ApiServer:
    """A kube-apiserver on one port of loopback, with RBAC and an audit log.

    Nothing runs until `start`. `admin` is a client that may do everything. Where there are pods it serves them, too: at
    `address`, which the Service `kubernetes` leads to.
    """

    def __init__(
        self,
        directory: Path,
        authority: Authority,
        *,
        etcd_url: str,
        flags: Sequence[str] = (),
        address: str | None = None,
    ) -> None:
        self.audit_log = directory / "audit.log"
        self.admin_files = authority.issue("admin", group="system:masters")
        self.service_account_key = directory / "service-accounts.key"
        write_key(self.service_account_key, ec.generate_private_key(ec.SECP256R1()))
        policy = directory / "audit-policy.json"
        policy.write_text(json.dumps(_AUDIT_POLICY))
        self._log = directory / "kube-apiserver.log"
        self._port = Port()
        self.url = f"https://127.0.0.1:{self._port}"
        self.admin = Api(self._port.number, ca=authority.path, client=self.admin_files)
        server = authority.issue(
            "kube-apiserver", addresses=[address, _SERVICE] if address else [], names=_SERVICE_NAMES
        )
        self._command: list[str | Path] = [
            find("kube-apiserver"),
            *(_for_pods(address, self.admin_files) if address else _LOOPBACK_ONLY),
            f"--secure-port={self._port}",
            f"--etcd-servers={etcd_url}",
            f"--cert-dir={directory}",
            f"--tls-cert-file={server.certificate}",
            f"--tls-private-key-file={server.key}",
            f"--client-ca-file={authority.path}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={self.service_account_key}",
            f"--service-account-signing-key-file={self.service_account_key}",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=RBAC",
            f"--audit-policy-file={policy}",
            f"--audit-log-path={self.audit_log}",
            "--audit-log-maxsize=100000",  # megabytes: never begun anew, so that its lines can be counted
            "--profiling=false",
            *flags,
        ]
        self._process: Process | None = None

    def start(self) -> None:
        """Return when it is ready, RBAC's own roles included."""
        self._process = Process.serving(self._command, self._log, ready=lambda _: self.admin.ready())

    def stop(self) -> None:
        """End it at once if it runs: politely it would wait for its watchers; etcd keeps every object."""
        if self._process:
            self._process.kill()
            self._process = None


def _for_pods(address: str, admin: KeyPairFiles) -> list[str]:
    """The flags of a server that pods reach, and that reaches their kubelet."""
    return [
        "--bind-address=0.0.0.0",
        f"--advertise-address={address}",
        "--authorization-mode=Node",
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-client-certificate={admin.certificate}",
        f"--kubelet-client-key={admin.key}",
        "--allow-privileged",
    ]
