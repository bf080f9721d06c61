"""A Kubernetes control plane as processes of this machine: etcd, kube-apiserver, kube-controller-manager."""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed import kubeconfig
from testbed.api import Api, RequestRefusedError
from testbed.api_server import ApiServer
from testbed.apply import apply
from testbed.binaries import find
from testbed.certificates import Authority
from testbed.etcd import Etcd
from testbed.processes import Process, with_fresh_ports

_CONTROLLERS = (
    "garbage-collector-controller",
    "namespace-controller",
    "clusterrole-aggregation-controller",  # fills the roles admin, edit and view
    "serviceaccount-controller",
    "serviceaccount-token-controller",
)
_TOKEN_SECONDS = 24 * 3600


class ControlPlane:
    """A Kubernetes API that serves while the `with` block runs; all its files are under `directory`.

    RBAC is on, and each request is one JSON line in `audit_log` (metadata only). No pods run here: the controller
    manager collects garbage, empties deleted namespaces, gives namespaces their ServiceAccount, nothing else.

    `manifests`, CustomResourceDefinitions above all, are applied before the controller manager starts: garbage of the
    kinds it finds then is collected at once, of later kinds only after its next look around, up to 30 seconds.
    `controllers` run beside those, and pods reach the API server at `address`, where there are nodes.
    """

    def __init__(
        self,
        directory: Path,
        controller_manager: bool = True,  # noqa: FBT001, FBT002 (there is no other argument like it)
        *,
        manifests: Sequence[Path] = (),
        api_server_flags: Sequence[str] = (),
        controllers: Sequence[str] = (),
        address: str | None = None,
    ) -> None:
        self.directory = directory.absolute()
        self.kubeconfig = self.directory / "kubeconfig"
        """For an administrator who may do everything (group system:masters)."""
        self._with_controller_manager = controller_manager
        self._manifests = manifests
        self._flags = api_server_flags
        self._controllers = (*_CONTROLLERS, *controllers)
        self._address = address
        self._running = contextlib.ExitStack()

    @property
    def url(self) -> str:
        """The API server's address; an outage does not change it."""
        return self._api_server.url

    @property
    def ca(self) -> Path:
        """The certificate that verifies the API server."""
        return self._authority.path

    @property
    def audit_log(self) -> Path:
        """One JSON object a line, of kind audit.k8s.io/v1 Event, for each request."""
        return self._api_server.audit_log

    def __enter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._drop_database()  # of a run that was killed
        self._authority = Authority.create(self.directory)
        with contextlib.ExitStack() as starting:
            starting.callback(self._drop_database)
            self._etcd = with_fresh_ports(lambda: Etcd(self.directory))
            starting.callback(self._etcd.stop)
            self._api_server = with_fresh_ports(lambda: self._start_api_server(self._etcd.url))
            starting.callback(self._api_server.stop)
            self._write_kubeconfig()
            self.apply(*self._manifests)
            if self._with_controller_manager:
                starting.enter_context(self._start_controller_manager())
            self._running = starting.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    @property
    def api(self) -> Api:
        """A small client that may do everything; the `kubernetes` package does more, with `kubeconfig`."""
        return self._api_server.admin

    def apply(self, *paths: Path) -> None:
        """Server-side apply of YAML files, or folders of them, as the administrator."""
        apply(self.api, paths)

    def stop_api_server(self) -> None:
        """An outage: connections to `url` are refused until `start_api_server`; etcd keeps every object."""
        self._api_server.stop()

    def start_api_server(self) -> None:
        """The end of the outage; returns when the API server is ready."""
        self._api_server.start()

    def back_up(self, target: Path) -> None:
        """Copy the database into a folder that is not there yet; the API server is away for as long."""
        with self._database_stopped():
            self._etcd.back_up(target)

    def restore(self, backup: Path) -> None:
        """Lose the database, and go on with one of before. Watches end, as with any outage."""
        with self._database_stopped():
            self._etcd.restore(backup)

    @contextlib.contextmanager
    def _database_stopped(self) -> Iterator[None]:
        self.stop_api_server()
        self._etcd.stop()
        yield
        self._etcd.start()
        self.start_api_server()

    def kubeconfig_for(self, service_account: str) -> Path:
        """A kubeconfig that may do, for a day, what the existing ServiceAccount "namespace/name" may do."""
        namespace, name = service_account.split("/")
        answer = self.api.request(
            "POST",
            f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"expirationSeconds": _TOKEN_SECONDS},
            },
        )
        path = self.directory / f"kubeconfig-{namespace}-{name}"
        return kubeconfig.write(path, url=self.url, ca=self.ca, user=answer["status"]["token"])

    def kubeconfig_of(self, user: str, *, group: str | None = None) -> Path:
        """A kubeconfig of a user by certificate, a part of Kubernetes itself for instance."""
        path = self.directory / f"kubeconfig-{user.replace(':', '-')}"
        return kubeconfig.write(path, url=self.url, ca=self.ca, user=self._authority.issue(user, group=group))

    def _start_api_server(self, etcd_url: str) -> ApiServer:
        server = ApiServer(self.directory, self._authority, etcd_url=etcd_url, flags=self._flags, address=self._address)
        server.start()
        return server

    def _write_kubeconfig(self) -> None:
        kubeconfig.write(self.kubeconfig, url=self.url, ca=self.ca, user=self._api_server.admin_files)

    def _start_controller_manager(self) -> Process:
        own = self.kubeconfig_of("system:kube-controller-manager", group="system:masters")
        return Process.serving(
            [
                find("kube-controller-manager"),
                f"--kubeconfig={own}",
                f"--controllers={','.join(self._controllers)}",
                "--leader-elect=false",
                f"--service-account-private-key-file={self._api_server.service_account_key}",
                f"--root-ca-file={self.ca}",
                "--secure-port=0",  # nobody asks it anything
                # Its default of 20 requests a second would make thousands of deletions take minutes.
                "--kube-api-qps=500",
                "--kube-api-burst=1000",
            ],
            self.directory / "kube-controller-manager.log",
            ready=lambda _: self._has_default_service_account(),
        )

    def _has_default_service_account(self) -> bool:
        """The controller manager's first visible deed."""
        try:
            self.api.request("GET", "/api/v1/namespaces/default/serviceaccounts/default")
        except RequestRefusedError:
            return False
        return True

    def _drop_database(self) -> None:
        """The bulk of what was written; logs and configurations stay for who wonders."""
        shutil.rmtree(self.directory / "etcd", ignore_errors=True)
