"""What Argo CD and Flux are given here is what their own CustomResourceDefinitions take, field by field."""

from copy import deepcopy
from functools import partial

import pytest
from gitops.judge import ARGO_CD, FLUX, ROOT, Json, manifests
from gitops.kustomize import built

from testbed.api import RequestRefusedError
from testbed.apply import apply_one, path_of
from testbed.control_plane import ControlPlane
from testbed.crds import argo_cd_crds, flux_crds
from testbed.waiting import wait_until

OF_ARGO_CD = [thing for thing in manifests(ARGO_CD) if thing["kind"] != "Kustomization"]
OF_FLUX = [*manifests(FLUX), *manifests(FLUX / "operator")]
NAMESPACES = ("argocd", "flux-system", "iot-security-operator")


def called(thing: Json) -> str:
    return f"{thing['kind']}-{thing['metadata']['name']}"


@pytest.fixture(scope="module")
def tools(control_plane: ControlPlane) -> ControlPlane:
    """A cluster on which both are installed, as far as the API server is concerned."""
    control_plane.apply(*argo_cd_crds(), *flux_crds())
    for name in NAMESPACES:
        apply_one(control_plane.api, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    for thing in (*OF_ARGO_CD, *OF_FLUX):
        wait_until(partial(is_served, control_plane, thing), what=f"the kind {thing['kind']}")
    return control_plane


def is_served(plane: ControlPlane, thing: Json) -> bool:
    try:
        path_of(plane.api, thing)
    except RequestRefusedError:
        return False
    return True


def try_to_apply(plane: ControlPlane, thing: Json) -> Json:
    """What the API server would make of it; raises `RequestRefusedError`, also for a field that it does not know."""
    query = "fieldManager=user&force=true&dryRun=All&fieldValidation=Strict"
    return plane.api.request(
        "PATCH", f"{path_of(plane.api, thing)}?{query}", thing, content_type="application/apply-patch+yaml"
    )


def test_what_argo_cd_is_told_stands_beside_what_others_told_it(tools: ControlPlane) -> None:
    (ours,) = built(ARGO_CD)
    theirs = {k: ours[k] for k in ("apiVersion", "kind")} | {"metadata": {"name": "argocd-cm", "namespace": "argocd"}}
    apply_one(tools.api, theirs | {"data": {"url": "https://argocd.example.com"}}, manager="somebody")

    found = apply_one(tools.api, ours, manager="iotsec-gitops")

    assert found["data"] == {"url": "https://argocd.example.com", **ours["data"]}


@pytest.mark.parametrize("thing", [*OF_ARGO_CD, *OF_FLUX], ids=called)
def test_it_is_taken_as_it_stands(tools: ControlPlane, thing: Json) -> None:
    taken = try_to_apply(tools, thing)

    for field, value in (thing.get("spec") or {}).items():
        assert contains(taken["spec"][field], value)


@pytest.mark.parametrize("thing", [t for t in (*OF_ARGO_CD, *OF_FLUX) if "spec" in t], ids=called)
def test_a_field_that_is_not_theirs_is_refused(tools: ControlPlane, thing: Json) -> None:
    misspelt = deepcopy(thing)
    misspelt["spec"]["intervall"] = "10m"

    with pytest.raises(RequestRefusedError, match="intervall"):
        try_to_apply(tools, misspelt)


def contains(whole: object, part: object) -> bool:
    """Whether all that was asked for is there, beside defaults."""
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(key in whole and contains(whole[key], value) for key, value in part.items())
    if isinstance(whole, list) and isinstance(part, list):
        return len(whole) == len(part) and all(map(contains, whole, part))
    return whole == part


def test_the_operator_and_what_it_looks_after_come_and_go_apart() -> None:
    waves = {t["metadata"]["name"]: t["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"] for t in OF_ARGO_CD}
    fleet = next(t for t in OF_FLUX if called(t) == "Kustomization-fleet")

    assert int(waves["iot-security-operator"]) < int(waves["fleet"])
    assert fleet["spec"]["dependsOn"] == [{"name": "iot-security-operator"}]


@pytest.mark.parametrize("thing", [*OF_ARGO_CD, *OF_FLUX], ids=called)
def test_every_path_leads_somewhere_in_this_repository(thing: Json) -> None:
    spec = thing.get("spec") or {}
    path = spec.get("path") or (spec.get("source") or {}).get("path")

    assert path is None or path.startswith("charts/") or (ROOT / path).is_dir()
