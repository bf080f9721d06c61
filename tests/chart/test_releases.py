"""The chart on a real API server: installed, upgraded, uninstalled and installed again; and what must be refused."""

import os
import re
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart.cluster import Cluster
from chart.helm import CHART, RELEASE, Helm, HelmRefusedError, Object, Values

from iotsec.decide.names import FINALIZER
from testbed.api import RequestRefusedError
from testbed.apply import apply_objects, apply_one
from testbed.binaries import find
from testbed.control_plane import ControlPlane
from testbed.crds import prometheus_operator_crds
from testbed.waiting import wait_until

PAGE = Path(__file__).parents[2] / "docs" / "install.md"
POD_SECURITY = "pod-security.kubernetes.io/enforce"
EVERYTHING: Values = {
    "finalizerPolicy": "always",
    "admissionPolicies": "always",
    "replicas": 1,
    "revocation": {"enabled": True},
    "priorityClassName": "system-cluster-critical",
    "image": {"repository": "here/iotsec", "pullSecrets": ["registry"]},
    "tolerations": [{"key": "edge", "operator": "Exists"}],
    "extraEnv": [{"name": "TZ", "value": "UTC"}],
    "networkPolicy": {"apiServer": {"cidrs": ["10.0.0.1/32", "fd00::1/128"]}},
}


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A control plane that judges and keeps nothing; Prometheus is there."""
    folder = tmp_path_factory.mktemp("judge")
    with ControlPlane(folder, manifests=prometheus_operator_crds()) as plane:
        yield Cluster(plane, Helm(folder / "helm", plane.kubeconfig))


def operator_of(cluster: Cluster, namespace: str = "iotsec") -> Object | None:
    return cluster.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/{RELEASE}")


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["by default", "everything"])
def test_the_api_server_takes_every_object(judge: Cluster, values: Values) -> None:
    namespace = judge.namespace()
    rendered = judge.helm.render(values, namespace=namespace)

    apply_objects(judge.plane.api, rendered.objects, dry_run=True)


@pytest.mark.parametrize("monitor", ["serviceMonitor", "podMonitor"])
def test_the_api_server_takes_what_prometheus_is_told(judge: Cluster, monitor: str) -> None:
    values = {"metrics": {monitor: {"enabled": True, "interval": "1m30s", "labels": {"release": "prometheus"}}}}
    told = judge.helm.render(values, namespace=judge.namespace()).one(f"{monitor[0].upper()}{monitor[1:]}")

    apply_objects(judge.plane.api, [told], dry_run=True)


def test_the_api_server_takes_every_object_for_some_namespaces(judge: Cluster) -> None:
    own, one, other = (judge.namespace() for _ in range(3))
    values = {"watchNamespaces": [one, other], **dict.fromkeys(("finalizerPolicy", "admissionPolicies"), "always")}
    rendered = judge.helm.render(values, namespace=own)

    apply_objects(judge.plane.api, rendered.objects, dry_run=True)


def pod_of(judge: Cluster, namespace: str) -> Object:
    template = judge.helm.render(EVERYTHING, namespace=namespace).one("Deployment")["spec"]["template"]
    template["spec"]["serviceAccountName"] = "default"
    pod: Object = {"apiVersion": "v1", "kind": "Pod", **template}
    pod["metadata"] |= {"name": "operator", "namespace": namespace}
    return pod


@pytest.fixture
def restricted(judge: Cluster) -> str:
    name = judge.namespace(**{POD_SECURITY: "restricted"})
    wait_until(lambda: judge.get(f"/api/v1/namespaces/{name}/serviceaccounts/default"))
    return name


def test_the_strictest_pod_security_admits_the_pods(judge: Cluster, restricted: str) -> None:
    apply_objects(judge.plane.api, [pod_of(judge, restricted)], dry_run=True)


@pytest.mark.parametrize(
    ("part", "key"),
    [("container", "allowPrivilegeEscalation"), ("container", "capabilities"), ("pod", "seccompProfile")],
)
def test_pod_security_would_refuse_a_pod_with_less(judge: Cluster, restricted: str, part: str, key: str) -> None:
    pod = pod_of(judge, restricted)
    (container,) = pod["spec"]["containers"]
    del {"container": container, "pod": pod["spec"]}[part]["securityContext"][key]

    with pytest.raises(RequestRefusedError, match="violates PodSecurity"):
        apply_objects(judge.plane.api, [pod], dry_run=True)


def test_what_users_made_stays_when_the_release_goes_and_is_taken_up_again(cluster: Cluster) -> None:
    notes = cluster.helm.install()
    namespace = cluster.namespace()
    uid = cluster.device(namespace)["metadata"]["uid"]
    assert "WARNING: image.digest is empty" in notes

    cluster.helm.upgrade({"replicas": 3})
    deployment = operator_of(cluster)
    assert deployment is not None
    assert deployment["spec"]["replicas"] == 3

    cluster.helm.uninstall()
    assert operator_of(cluster) is None
    assert cluster.get("/apis/rbac.authorization.k8s.io/v1/clusterroles/iot-security-operator") is None
    device = cluster.device_again(namespace)
    assert device is not None
    assert device["metadata"]["uid"] == uid
    assert cluster.secret(namespace)

    cluster.helm.install()
    assert operator_of(cluster)
    device = cluster.device_again(namespace)
    assert device is not None
    assert device["metadata"]["uid"] == uid


def test_a_release_of_another_name_takes_over_what_was_left(cluster: Cluster) -> None:
    cluster.helm.install()
    cluster.helm.uninstall()

    with pytest.raises(HelmRefusedError, match="invalid ownership metadata"):
        cluster.helm.install(name="another")
    cluster.helm.install(None, "--take-ownership", name="another")

    definition = cluster.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/hubs.iotsec.dev")
    assert definition is not None
    assert definition["metadata"]["annotations"]["meta.helm.sh/release-name"] == "another"


def test_a_second_operator_for_all_namespaces_is_refused_with_what_to_do(cluster: Cluster) -> None:
    cluster.helm.install()

    with pytest.raises(HelmRefusedError) as refused:
        cluster.helm.install(name="second", namespace="elsewhere")

    said = str(refused.value)
    assert 'The whole cluster is looked after already by release "iot-security-operator" in namespace "iotsec"' in said
    assert "helm upgrade iot-security-operator --namespace iotsec" in said
    assert "watchNamespaces" in said


def test_operators_share_a_cluster_by_namespaces_and_never_one_of_them(cluster: Cluster) -> None:
    one, other = cluster.namespace(), cluster.namespace()
    beside = {"crds": {"enabled": False}, "rbac": {"userRoles": False}}
    cluster.helm.install({"watchNamespaces": [one]})

    with pytest.raises(HelmRefusedError, match=f"Namespace {one} is looked after already by release"):
        cluster.helm.install({"watchNamespaces": [one, other], **beside}, name="second", namespace="elsewhere")
    cluster.helm.install({"watchNamespaces": [other], **beside}, name="second", namespace="elsewhere")

    assert operator_of(cluster)
    assert cluster.get(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{other}/roles/iot-security-operator")


def test_an_operator_for_some_namespaces_is_refused_beside_one_for_all_and_the_other_way_round(
    cluster: Cluster,
) -> None:
    mine = cluster.namespace()
    alone = {"crds": {"enabled": False}, "rbac": {"userRoles": False}}
    some = {"watchNamespaces": [mine], **alone}

    cluster.helm.install()
    with pytest.raises(HelmRefusedError, match="The whole cluster is looked after already by release"):
        cluster.helm.install(some, name="second", namespace="elsewhere")

    cluster.helm.uninstall()
    cluster.helm.install(some, name="second", namespace="elsewhere")
    with pytest.raises(HelmRefusedError, match=f'Namespace {mine} is looked after already by release "second"'):
        cluster.helm.install(alone)


def may(cluster: Cluster, verb: str, what: str, namespace: str) -> bool:
    group, resource = what.split("/")
    attributes = {"verb": verb, "group": group, "resource": resource, "namespace": namespace}
    spec = {"user": f"system:serviceaccount:iotsec:{RELEASE}", "resourceAttributes": attributes}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    answer = cluster.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    allowed: bool = answer["status"]["allowed"]
    return allowed


def test_an_operator_for_some_namespaces_reads_no_secret_elsewhere(cluster: Cluster) -> None:
    mine, theirs = cluster.namespace(), cluster.namespace()
    cluster.helm.install({"watchNamespaces": [mine]})

    wait_until(lambda: may(cluster, "get", "/secrets", mine))
    assert may(cluster, "list", "iotsec.dev/devices", mine)
    for verb in ("get", "list", "watch", "create", "patch", "delete"):
        assert not may(cluster, verb, "/secrets", theirs)
        assert not may(cluster, verb, "/secrets", "")
        assert not may(cluster, verb, "/secrets", "iotsec")
    assert not may(cluster, "list", "iotsec.dev/devices", theirs)
    assert may(cluster, "create", "coordination.k8s.io/leases", "iotsec")
    assert not may(cluster, "create", "coordination.k8s.io/leases", mine)


def created_device(cluster: Cluster, namespace: str) -> Any:
    device = {
        "apiVersion": "iotsec.dev/v1alpha1",
        "kind": "Device",
        "metadata": {"name": "new", "namespace": namespace},
        "spec": {"hubRef": {"name": "plant"}},
    }
    return apply_one(cluster.plane.api, device, dry_run=True)["metadata"].get("finalizers")


def test_only_what_is_looked_after_is_given_a_finalizer(cluster: Cluster) -> None:
    mine, theirs = cluster.namespace(), cluster.namespace()
    cluster.helm.install({"watchNamespaces": [mine]})

    wait_until(lambda: created_device(cluster, mine) == [FINALIZER])
    assert created_device(cluster, theirs) is None


def status_refusal(cluster: Cluster, namespace: str, account: str) -> str:
    """Why an account may not write the status of a Device; nothing where it may."""
    path = f"/apis/iotsec.dev/v1alpha1/namespaces/{namespace}/devices/weather-01/status?dryRun=All"
    api = cluster.plane.api.acting_as(f"system:serviceaccount:{account}")
    try:
        api.request("PATCH", path, {}, content_type="application/merge-patch+json")
    except RequestRefusedError as error:
        return str(error)
    return ""


def test_the_operator_of_the_release_and_no_other_writes_statuses_where_it_works(cluster: Cluster) -> None:
    mine, theirs = cluster.namespace(), cluster.namespace()
    cluster.helm.install({"watchNamespaces": [mine]}, namespace="edge")
    cluster.helm.install(
        {"watchNamespaces": [theirs], "crds": {"enabled": False}, "rbac": {"userRoles": False}},
        name="other",
        namespace="edge",
    )
    for namespace in (mine, theirs):
        cluster.device(namespace)
    another = "edge:another"
    for namespace in (mine, theirs):
        subject = {"kind": "ServiceAccount", "namespace": "edge", "name": "another"}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "iot-security-operator"}
        body = {"metadata": {"name": "another"}, "roleRef": role, "subjects": [subject]}
        cluster.create(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings", body)

    for namespace, own in ((mine, RELEASE), (theirs, f"other-{RELEASE}")):
        wait_until(lambda n=namespace: "written by the operator alone" in status_refusal(cluster, n, another))
        wait_until(lambda n=namespace, a=own: status_refusal(cluster, n, f"edge:{a}") == "")


def test_the_documented_way_out_lets_everything_go_without_an_operator(
    cluster: Cluster, kubectl: Path, tmp_path: Path
) -> None:
    cluster.helm.install()
    namespace = cluster.namespace()
    cluster.device(namespace)
    cluster.helm.uninstall()
    blocks = re.findall(r"^```console\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (script,) = [block for block in blocks if "finalizers" in block]
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "kubectl").symlink_to(kubectl)

    subprocess.run(
        ["/bin/bash", "-c", script],
        check=True,
        env={
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "KUBECONFIG": str(cluster.plane.kubeconfig),
        },
        timeout=60,
    )

    assert cluster.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/devices.iotsec.dev") is None
    assert cluster.secret(namespace) is None


@pytest.mark.parametrize("file", sorted(CHART.glob("values-*.yaml")), ids=lambda path: path.stem)
def test_documented_values_are_taken(judge: Cluster, file: Path) -> None:
    namespace = judge.namespace()
    rendered = judge.helm.render({}, "--values", str(file), namespace=namespace)

    apply_objects(judge.plane.api, rendered.objects, dry_run=True)


def test_what_the_notes_say_to_apply_is_taken(judge: Cluster) -> None:
    namespace = judge.namespace()
    judge.plane.apply(PAGE.parents[1] / "crds")

    notes = judge.helm.install({"watchNamespaces": [namespace]}, "--dry-run=client", namespace=namespace)

    (manifests,) = re.findall(r"kubectl apply -f - <<END\n(.*?)\n *END$", notes, re.MULTILINE | re.DOTALL)
    things = list(yaml.safe_load_all(textwrap.dedent(manifests)))
    assert [thing["kind"] for thing in things] == ["Hub", "Device"]
    apply_objects(judge.plane.api, things, dry_run=True)


@pytest.fixture
def kubectl() -> Path:
    return find("kubectl")
