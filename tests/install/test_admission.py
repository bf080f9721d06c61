"""What the API server refuses and warns of by our admission policies, and what it lets through."""

import json
import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fleet.gitops_tool import ARGO_CD, FLUX, GitOpsTool
from install.admission import SPECS, administrator, made, operator, somebody_who_may, wait_in_force, written

from iotsec.decide.names import FINALIZER
from iotsec.install.admission.policies import POLICIES
from testbed.api import RequestRefusedError
from testbed.apply import apply_one
from testbed.binaries import find
from testbed.control_plane import ControlPlane
from testbed.user import User, condition_of
from testbed.waiting import wait_until

ROOT = Path(__file__).parents[2]
POLICIES_PATH = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
KINDS = sorted(SPECS)
CAN_BE_HELD = ["Client", "Device", "Hub", "Module"]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with the project's manifests, whose controllers check the types of policies."""
    checks = ("validatingadmissionpolicy-status-controller",)
    manifests = [ROOT / "crds", ROOT / "manifests"]
    with ControlPlane(tmp_path_factory.mktemp("plane"), manifests=manifests, controllers=checks) as plane:
        wait_in_force(plane)
        yield plane


@pytest.fixture
def namespace(plane: ControlPlane) -> str:
    name = f"test-{uuid.uuid4().hex[:8]}"
    plane.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return name


@pytest.fixture
def dora(plane: ControlPlane, namespace: str) -> User:
    """An administrator."""
    return administrator(plane, namespace)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_every_expression_is_of_the_types_that_the_cluster_serves(plane: ControlPlane, policy: Any) -> None:
    def checked() -> dict[str, Any] | None:
        status = plane.api.request("GET", f"{POLICIES_PATH}/{policy.name}").get("status", {})
        return status if "typeChecking" in status else None

    wait_until(checked, what=f"the types of {policy.name} are checked")
    assert (checked() or {})["typeChecking"].get("expressionWarnings", []) == []


@pytest.mark.parametrize(
    ("kind", "annotation", "value", "told"),
    [
        (
            "Device",
            "iotsec.dev/rotat",
            "1",
            "annotation iotsec.dev/rotat does nothing on devices: there are iotsec.dev/",
        ),
        ("Client", "rotate.iotsec.dev/device", "1", "does nothing on clients"),
        ("Module", "iotsec.dev/force-delete", "true", "does nothing on modules"),
        ("Hub", "iotsec.dev/rotate-ca", "1", "does nothing on hubs"),
        ("Hub", "iotsec.dev/forcedelete", "true", "does nothing on hubs"),
        ("Hub", "rotation.iotsec.dev/device", "1", "does nothing on hubs"),
        ("Hub", "iotsec.dev/force-delete", "yes", "write true or false"),
        ("TLSPolicy", "iotsec.dev/rotate-operator", "1", "does nothing on tlspolicies"),
        ("Device", "iotsec.dev/issued", "{}", "does nothing on devices"),
    ],
)
def test_an_annotation_that_would_do_nothing_is_refused(
    plane: ControlPlane, namespace: str, dora: User, *, kind: str, annotation: str, value: str, told: str
) -> None:
    written(plane, namespace, kind)

    with pytest.raises(RequestRefusedError, match=re.escape(told)):
        dora.annotate(kind, "plant", {annotation: value})
    with pytest.raises(RequestRefusedError, match=re.escape(told)):
        dora.apply(kind, "another", SPECS[kind], annotations={annotation: value})


@pytest.mark.parametrize(
    ("kind", "annotation", "value"),
    [
        *((kind, "iotsec.dev/rotate", "2026-11-22") for kind in KINDS),
        ("Hub", "rotate.iotsec.dev/device", "1"),
        ("Hub", "rotate.iotsec.dev/unscoped", "1"),
        ("Hub", "rotate.iotsec.dev/gateway", "1"),
        ("Hub", "iotsec.dev/rotate-operator", "1"),
        ("Hub", "iotsec.dev/rotate-jetstream-key", "1"),
        ("Hub", "iotsec.dev/force-delete", "false"),
        ("TLSPolicy", "iotsec.dev/rotate-ca", "1"),
        ("Device", "example.com/iotsec.dev", "anything"),
        ("Device", "notiotsec.dev/rotat", "somebody else's"),
    ],
)
def test_an_annotation_that_counts_or_is_not_ours_is_let_through(
    plane: ControlPlane, namespace: str, dora: User, *, kind: str, annotation: str, value: str
) -> None:
    role = {"name": "gateway", "publish": {"allow": ["device.{id}.>"]}}
    written(plane, namespace, kind, **({"roles": [role]} if kind == "Hub" else {}))

    dora.annotate(kind, "plant", {annotation: value})

    assert dora.api.warnings == []


@pytest.mark.parametrize("name", ["iotsec.dev/rotate", "rotate.iotsec.dev/device"])
def test_a_label_in_the_place_of_an_annotation_is_refused(
    plane: ControlPlane, namespace: str, dora: User, name: str
) -> None:
    written(plane, namespace, "Hub")

    with pytest.raises(RequestRefusedError, match=f"label {re.escape(name)} asks for nothing"):
        dora.patch("Hub", "plant", {"metadata": {"labels": {name: "1"}}})
    dora.patch("Hub", "plant", {"metadata": {"labels": {"iotsec.dev/site": "north"}}})


def test_a_mistake_of_long_ago_keeps_nobody_from_changing_the_rest(
    plane: ControlPlane, namespace: str, dora: User
) -> None:
    written(plane, namespace, "Device")
    operator(plane, namespace).annotate("Device", "plant", {"iotsec.dev/rotat": "1"})

    dora.patch("Device", "plant", {"spec": {"suspended": True}})
    dora.annotate("Device", "plant", {"iotsec.dev/rotate": "1"})
    with pytest.raises(RequestRefusedError, match=r"iotsec\.dev/rotat does nothing"):
        dora.annotate("Device", "plant", {"iotsec.dev/rotat": "2"})
    dora.annotate("Device", "plant", {"iotsec.dev/rotat": None})


@pytest.mark.parametrize(
    ("annotations", "told"),
    [
        ({"iotsec.dev/rotate": ""}, "annotation iotsec.dev/rotate is empty and asks for nothing"),
        (
            {"rotate.iotsec.dev/gatway": "1"},
            "annotation rotate.iotsec.dev/gatway names no role of this Hub: there are ",
        ),
        ({"iotsec.dev/force-delete": "true"}, "a Hub is deleted without waiting for servers or identities"),
    ],
    ids=["empty", "no role", "forced"],
)
def test_an_annotation_that_is_heeded_otherwise_than_meant_is_warned_of_once(
    plane: ControlPlane, namespace: str, dora: User, annotations: dict[str, str], told: str
) -> None:
    written(plane, namespace, "Hub")

    dora.annotate("Hub", "plant", annotations)
    dora.annotate("Hub", "plant", {**annotations, "example.com/touched": "1"})

    (warning,) = dora.api.warnings
    assert told in warning


STATUS: dict[str, Any] = {"status": {"certificate": {"serial": "0badc0ffee"}}}
PLAIN = [{"apiGroups": ["iotsec.dev"], "resources": ["devices/status"], "verbs": ["get", "patch", "update"]}]


@pytest.fixture
def weather(plane: ControlPlane, namespace: str) -> dict[str, Any]:
    return written(plane, namespace, "Device")


def let(user: User, *, content_type: str = "application/merge-patch+json", body: Any = None) -> None:
    """Wait until RBAC lets somebody write a status, whom admission may refuse still."""

    def may() -> bool:
        path = f"/apis/iotsec.dev/v1alpha1/namespaces/{user.namespace}/devices/plant/status"
        try:
            user.api.request("PATCH", f"{path}?dryRun=All", body or {}, content_type=content_type)
        except RequestRefusedError as error:
            return "ValidatingAdmissionPolicy" in str(error)
        return True

    wait_until(may, what="RBAC knows the role")


@pytest.mark.parametrize("way", ["patch", "apply", "update"])
def test_a_status_is_not_written_by_whoever_may_by_his_role(
    plane: ControlPlane, namespace: str, weather: dict[str, Any], way: str
) -> None:
    """By it he could name the certificate of somebody else, to have it revoked when his own Device goes."""
    mallory = somebody_who_may(plane, namespace, rules=PLAIN)
    let(mallory)
    path = f"/apis/iotsec.dev/v1alpha1/namespaces/{namespace}/devices/plant/status"
    whole = {key: weather[key] for key in ("apiVersion", "kind")} | {"metadata": {"name": "plant"}} | STATUS
    request: dict[str, Any] = {
        "patch": {"method": "PATCH", "path": path, "body": STATUS, "content_type": "application/merge-patch+json"},
        "apply": {
            "method": "PATCH",
            "path": f"{path}?fieldManager=mallory&force=true",
            "body": whole,
            "content_type": "application/apply-patch+yaml",
        },
        "update": {"method": "PUT", "path": path, "body": weather | STATUS},
    }[way]

    with pytest.raises(RequestRefusedError, match="a status is written by the operator alone") as refusal:
        mallory.api.request(**request)

    assert refusal.value.status == 403
    found = User(plane.api, namespace).get("Device", "plant")
    assert found is not None
    assert "certificate" not in found.get("status", {})


@pytest.mark.usefixtures("weather")
def test_statuses_are_restored_by_who_is_bound_to_the_role_for_it(plane: ControlPlane, namespace: str) -> None:
    velero = somebody_who_may(plane, namespace, name="iotsec-restore")
    let(velero)

    velero.patch("Device", "plant", STATUS, subresource="status")

    found = User(plane.api, namespace).get("Device", "plant")
    assert found is not None
    assert found["status"]["certificate"]["serial"] == "0badc0ffee"


@pytest.mark.parametrize("who", [operator, administrator])
@pytest.mark.parametrize("kind", KINDS)
def test_statuses_are_written_by_the_operator_and_administrators(
    plane: ControlPlane, namespace: str, kind: str, who: Any
) -> None:
    written(plane, namespace, kind)
    ready = {"type": "Ready", "status": "True", "reason": "Issued", "message": "it works"}
    body = {"status": {"conditions": [ready | {"lastTransitionTime": "2026-01-01T00:00:00Z"}]}}

    done = who(plane, namespace).patch(kind, "plant", body, subresource="status")

    assert condition_of(done, "Ready")["reason"] == "Issued"


def hub_open_to(*cidrs: str, listener: str) -> dict[str, Any]:
    pods = {"podSelector": {"matchLabels": {"app": "nats"}}}
    return {**SPECS["Hub"], "network": {"nats": pods, "outside": [{"listener": listener, "cidrs": [*cidrs]}]}}


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0", "10.0.0.1/0"])
@pytest.mark.parametrize("listener", ["leafnodes", "gateway"])
def test_a_listener_for_servers_that_is_open_to_everybody_is_warned_of(dora: User, listener: str, network: str) -> None:
    spec = hub_open_to("10.0.0.0/8", network, listener=listener)
    dora.apply("Hub", "plant", spec)
    dora.apply("Hub", "plant", spec)
    dora.annotate("Hub", "plant", {"example.com/touched": "1"})

    (warning,) = dora.api.warnings
    assert f"the {listener} listener, for other servers, is open to every address" in warning


@pytest.mark.parametrize(
    ("listener", "network"), [("leafnodes", "10.0.0.0/8"), ("gateway", "fd00::/8"), ("mqtt", "0.0.0.0/0")]
)
def test_a_listener_that_may_be_as_open_is_not_warned_of(dora: User, listener: str, network: str) -> None:
    dora.apply("Hub", "plant", hub_open_to(network, listener=listener))

    assert dora.api.warnings == []


def test_who_deletes_a_tls_policy_is_told_what_that_switches_off(
    plane: ControlPlane, namespace: str, dora: User
) -> None:
    """By the real kubectl, which shows it."""
    written(plane, namespace, "TLSPolicy")

    answer = subprocess.run(
        [find("kubectl"), "--kubeconfig", plane.kubeconfig, "-n", namespace, "delete", "tlspolicy", "plant"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert answer.stderr.startswith("Warning: ")
    assert "the servers of its Hub are configured without TLS" in answer.stderr
    assert dora.get("TLSPolicy", "plant") is None


@pytest.mark.parametrize("kind", CAN_BE_HELD)
def test_who_takes_the_finalizer_off_is_told_that_it_cuts_off_nobody(
    plane: ControlPlane, namespace: str, dora: User, kind: str
) -> None:
    assert written(plane, namespace, kind)["metadata"]["finalizers"] == [FINALIZER]

    done = dora.patch(kind, "plant", {"metadata": {"finalizers": None}})

    (warning,) = dora.api.warnings
    assert "nobody is cut off by taking iotsec.dev/revoke off" in warning
    assert "finalizers" not in done["metadata"]


CREDS = {"component": "credentials", "nats.creds": b"something secret"}
NETWORK: dict[str, Any] = {"component": "network-policy", "spec": {"podSelector": {}}}
BUNDLE: dict[str, Any] = {"component": "trust-bundle", "data": {"ca.crt": "a certificate"}}
KEPT = [
    ("Secret", CREDS, {"data": {"nats.creds": "c3RvbGVu"}}),
    ("Secret", CREDS, {"data": {"nats.creds": None}}),
    ("Secret", CREDS, {"metadata": {"labels": {"iotsec.dev/component": None}}}),
    ("Secret", CREDS, {"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}}),
    ("Secret", CREDS, {"metadata": {"annotations": {"iotsec.dev/hub": "other/plant"}}}),
    ("NetworkPolicy", NETWORK, {"spec": {"podSelector": {"matchLabels": {"app": "x"}}}}),
    ("ConfigMap", BUNDLE, {"data": {"ca.crt": "another"}}),
]


@pytest.mark.parametrize(("kind", "content", "edit"), KEPT)
def test_who_edits_what_the_operator_keeps_is_told_that_it_is_put_back(
    plane: ControlPlane, namespace: str, dora: User, *, kind: str, content: dict[str, Any], edit: dict[str, Any]
) -> None:
    made(plane, namespace, kind, "kept", **content)

    dora.patch(kind, "kept", edit)

    (warning,) = dora.api.warnings
    assert "the operator keeps this object as it wrote it" in warning


@pytest.mark.parametrize(
    ("kind", "content", "told"),
    [
        ("Secret", CREDS, "the operator makes this Secret again, with the same key"),
        ("Secret", {"component": "identity-keys", "operator": b"x"}, "this Secret is a Hub's"),
        ("NetworkPolicy", NETWORK, "the operator makes this NetworkPolicy again"),
        ("ConfigMap", BUNDLE, "the operator makes this trust bundle again"),
    ],
)
def test_who_deletes_what_the_operator_keeps_is_told_what_comes_of_it(
    plane: ControlPlane, namespace: str, dora: User, *, kind: str, content: dict[str, Any], told: str
) -> None:
    made(plane, namespace, kind, "kept", **content)

    dora.delete(kind, "kept")

    (warning,) = dora.api.warnings
    assert told in warning


@pytest.mark.parametrize(
    "edit",
    [
        {"data": {"note": "bXkgb3du"}},
        {"metadata": {"annotations": {"iotsec.dev/rotate": "now", "velero.io/backup": "1"}}},
        {"metadata": {"labels": {"team": "north"}}},
    ],
    ids=["an entry", "annotations", "a label"],
)
def test_what_others_may_add_to_a_secret_is_not_warned_of(
    plane: ControlPlane, namespace: str, dora: User, edit: dict[str, Any]
) -> None:
    made(plane, namespace, "Secret", "kept", **CREDS)

    dora.patch("Secret", "kept", edit)

    assert dora.api.warnings == []


def test_secrets_of_a_backup_are_restored_without_a_word(plane: ControlPlane, namespace: str, dora: User) -> None:
    found = made(plane, namespace, "Secret", "kept", **CREDS)
    metadata = {key: found["metadata"][key] for key in ("labels", "annotations", "finalizers")}

    dora.create("Secret", "restored", metadata={"name": "restored", **metadata}, data=found["data"])

    assert dora.api.warnings == []


def test_secrets_of_others_are_nobodys_business(dora: User) -> None:
    dora.create("Secret", "theirs", data={"a": "YQ=="})
    dora.patch("Secret", "theirs", {"data": {"a": "Yg=="}})
    dora.delete("Secret", "theirs")

    assert dora.api.warnings == []


def edits_in(log: Path, name: str) -> list[dict[str, Any]]:
    """What the audit log has of requests about a Secret that a policy found fault with."""
    entries = [json.loads(line) for line in log.read_text().splitlines() if name in line]
    return [entry for entry in entries if any(key.startswith("validation.") for key in entry.get("annotations", {}))]


def test_who_edited_a_secret_is_in_the_audit_log_and_the_secret_is_not(
    plane: ControlPlane, namespace: str, dora: User
) -> None:
    name = f"kept-{namespace}"
    made(plane, namespace, "Secret", name, **CREDS)

    dora.patch("Secret", name, {"data": {"nats.creds": "c3RvbGVu"}})

    wait_until(lambda: edits_in(plane.audit_log, name), what="the audit log has it")
    (entry,) = edits_in(plane.audit_log, name)
    assert entry["impersonatedUser"]["username"] == "dora"
    text = json.dumps(entry) + "".join(dora.api.warnings)
    assert not any(secret in text for secret in ("c3RvbGVu", "stolen", "something secret", "c29tZXRoaW5n"))


@pytest.mark.parametrize(
    "who",
    ["operator", "system:serviceaccount:kube-system:generic-garbage-collector"],
)
def test_the_operator_and_the_clusters_controllers_are_told_nothing(
    plane: ControlPlane, namespace: str, who: str
) -> None:
    written(plane, namespace, "Device")
    for name in ("kept", "gone"):
        made(plane, namespace, "Secret", name, **CREDS)
    api = plane.api.acting_as(who, "system:masters") if who != "operator" else operator(plane, namespace).api
    user = User(api, namespace)

    user.patch("Device", "plant", {"metadata": {"finalizers": None}})
    user.patch("Secret", "kept", {"data": {"nats.creds": "bmV3"}})
    user.delete("Secret", "gone")

    assert api.warnings == []


@pytest.mark.parametrize("tool", [ARGO_CD, FLUX], ids=lambda tool: tool.manager)
@pytest.mark.parametrize("kind", KINDS)
def test_gitops_tools_apply_with_their_marks(dora: User, tool: GitOpsTool, kind: str) -> None:
    metadata = {"name": "plant", "namespace": dora.namespace, "annotations": {"iotsec.dev/rotate": "1"}}
    thing = {"apiVersion": "iotsec.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": SPECS[kind]}

    tool.apply(dora, [thing])
    tool.apply(dora, [thing])

    assert dora.api.warnings == []


EXAMPLES = sorted(file for file in (ROOT / "examples").rglob("*.yaml") if "overlays" not in file.parts)
"""What is in overlays is no object, but what they change of one."""


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: str(file.relative_to(ROOT / "examples")))
def test_no_example_is_warned_of(dora: User, file: Path) -> None:
    ours = [thing for thing in yaml.safe_load_all(file.read_text()) if is_ours(thing)]

    for thing in ours:
        thing["metadata"]["namespace"] = dora.namespace
        apply_one(dora.api, thing, dry_run=True)

    assert dora.api.warnings == []


def is_ours(thing: Any) -> bool:
    return bool(thing) and thing.get("apiVersion") == "iotsec.dev/v1alpha1" and "spec" in thing
