"""What holds for all of our admission policies: who is told nothing, and what is let through without a word."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from fleet.gitops_tool import ARGO_CD, FLUX, GitOpsTool
from install.admission import CREDS, KINDS, SPECS, Place

from iotsec.install.admission.policies import POLICIES
from iotsec.install.admission.policy import OPERATOR
from testbed.apply import apply_one
from testbed.user import User
from testbed.waiting import wait_until

ROOT = Path(__file__).parents[2]
POLICIES_PATH = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_every_expression_is_of_the_types_that_the_cluster_serves(place: Place, policy: Any) -> None:
    def checked() -> dict[str, Any] | None:
        status = place.plane.api.request("GET", f"{POLICIES_PATH}/{policy.name}").get("status", {})
        return status if "typeChecking" in status else None

    wait_until(checked, what=f"the types of {policy.name} are checked")
    assert (checked() or {})["typeChecking"].get("expressionWarnings", []) == []


@pytest.mark.parametrize(
    ("who", "groups"),
    [(OPERATOR, ()), ("system:serviceaccount:kube-system:generic-garbage-collector", ("system:masters",))],
    ids=["the operator", "the garbage collector"],
)
def test_the_operator_and_the_clusters_controllers_are_told_nothing(
    place: Place, who: str, groups: tuple[str, ...]
) -> None:
    place.written("Device")
    for name in ("kept", "gone"):
        place.made("Secret", name, **CREDS)
    user = place.acting_as(who, *groups)

    user.patch("Device", "plant", {"metadata": {"finalizers": None}})
    user.patch("Secret", "kept", {"data": {"nats.creds": "bmV3"}})
    user.delete("Secret", "gone")

    assert user.api.warnings == []


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
