import json
from pathlib import Path

import pytest
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from testbed.api import RequestRefusedError
from testbed.control_plane import ControlPlane
from testbed.waiting import wait_until

WIDGETS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object}}
---
apiVersion: example.org/v1
kind: Widget
metadata: {name: first, namespace: shelf}
---
apiVersion: v1
kind: Namespace
metadata: {name: shelf}
"""


def token_kubeconfig(plane: ControlPlane, namespace: str) -> Path | None:
    try:
        return plane.kubeconfig_for(f"{namespace}/default")
    except RequestRefusedError:
        return None


def running_in(directory: Path) -> list[str]:
    """The names of all processes of this machine that have this directory in their command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(directory) in command:
            found.append(Path(command.split("\0")[0]).name)
    return found


def may_list_secrets(who: client.ApiClient, namespace: str) -> bool:
    attributes = {"namespace": namespace, "verb": "list", "resource": "secrets"}
    review = client.AuthorizationV1Api(who).create_self_subject_access_review(
        {"spec": {"resourceAttributes": attributes}}
    )
    return review.status.allowed


def secret_exists(core: client.CoreV1Api, name: str, namespace: str) -> bool:
    names = [secret.metadata.name for secret in core.list_namespaced_secret(namespace).items]
    return name in names


def test_a_service_account_may_do_nothing_until_rbac_says_so(
    control_plane: ControlPlane, admin: client.ApiClient, namespace: str
) -> None:
    kubeconfig = wait_until(lambda: token_kubeconfig(control_plane, namespace))
    with config.new_client_from_config(str(kubeconfig)) as nobody:
        core = client.CoreV1Api(nobody)
        with pytest.raises(ApiException, match="cannot list resource"):
            core.list_namespaced_secret(namespace)
        client.RbacAuthorizationV1Api(admin).create_namespaced_role_binding(
            namespace,
            {
                "metadata": {"name": "all"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
                "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}],
            },
        )
        assert wait_until(lambda: may_list_secrets(nobody, namespace))
        assert core.list_namespaced_secret(namespace).items == []


def test_every_write_is_one_line_of_the_audit_log(
    control_plane: ControlPlane, admin: client.ApiClient, namespace: str
) -> None:
    client.CoreV1Api(admin).create_namespaced_secret(
        namespace, {"metadata": {"name": "seen"}, "stringData": {"password": "swordfish"}}
    )
    log = control_plane.audit_log.read_text()
    events = [json.loads(line) for line in log.splitlines()]
    writes = [event for event in events if event["verb"] == "create" and f"{namespace}/secrets" in event["requestURI"]]
    assert [event["user"]["username"] for event in writes] == ["admin"]
    assert "swordfish" not in log


def test_a_secret_goes_with_its_owner(admin: client.ApiClient, namespace: str) -> None:
    core = client.CoreV1Api(admin)
    owner = core.create_namespaced_config_map(namespace, {"metadata": {"name": "owner"}})
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.metadata.uid}
    core.create_namespaced_secret(namespace, {"metadata": {"name": "owned", "ownerReferences": [reference]}})
    core.create_namespaced_secret(namespace, {"metadata": {"name": "free"}})
    core.delete_namespaced_config_map("owner", namespace)
    assert wait_until(lambda: not secret_exists(core, "owned", namespace))
    assert secret_exists(core, "free", namespace)


def test_mutating_admission_policies_are_served(admin: client.ApiClient) -> None:
    assert client.AdmissionregistrationV1Api(admin).list_mutating_admission_policy().items == []


def test_two_control_planes_side_by_side_know_nothing_of_each_other(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    with ControlPlane(tmp_path, controller_manager=False) as other:
        assert other.url != control_plane.url
        assert control_plane.api.request("GET", f"/api/v1/namespaces/{namespace}")["kind"] == "Namespace"
        with pytest.raises(RequestRefusedError, match="not found"):
            other.api.request("GET", f"/api/v1/namespaces/{namespace}")


def test_objects_and_address_survive_an_outage_of_the_api_server(tmp_path: Path) -> None:
    (tmp_path / "widgets.yaml").write_text(WIDGETS)
    widget = "/apis/example.org/v1/namespaces/shelf/widgets/first"
    with ControlPlane(tmp_path / "plane", controller_manager=False, manifests=[tmp_path / "widgets.yaml"]) as plane:
        plane.stop_api_server()
        with pytest.raises(ConnectionRefusedError):
            plane.api.request("GET", widget)
        plane.start_api_server()
        assert plane.api.request("GET", widget)["metadata"]["name"] == "first"


def test_nothing_is_left_running_when_the_block_fails(tmp_path: Path) -> None:
    def block() -> None:
        with ControlPlane(tmp_path):
            assert sorted(running_in(tmp_path)) == ["etcd", "kube-apiserver", "kube-controller-manager"]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        block()
    assert running_in(tmp_path) == []


def test_nothing_is_left_running_when_the_start_fails(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="unknown flag: --no-such-flag"),
        ControlPlane(tmp_path, api_server_flags=["--no-such-flag"]),
    ):
        pytest.fail("it must not start")
    assert running_in(tmp_path) == []
