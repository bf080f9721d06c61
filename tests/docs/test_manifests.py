"""Every manifest on a page is one that its reader can apply.

A block of YAML is of one of these sorts:

- objects, each with its `kind`. Of a kind of ours a page may show a part: what the kind cannot do without is filled in.
- with a word after `yaml` in its fence: `values` of our chart, `nats-values` of the chart of nats-server (by which a
  server runs in `chart/test_documented_values.py`), the part of a `container` of the operator's pods, or a path: the
  file of the repository that the page shows.

An object of any other kind must be whole, and known to a plain API server: what Argo CD and Flux take stands in
`gitops/`, and is judged in `gitops/test_manifests.py`.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml
from chart.helm import Helm
from chart.rendering import merged
from docs.blocks import PAGES, ROOT, Block, Json, fences, yaml_blocks

from iotsec.api.crd import KINDS
from iotsec.api.meta import API_VERSION
from testbed.api import Api, RequestRefusedError
from testbed.apply import apply_one
from testbed.control_plane import ControlPlane
from testbed.waiting import wait_until

WORDS = {"", "values", "nats-values", "container"}
OF_A_HUB: Json = {"hubRef": {"name": "plant"}}
LEAST = {kind.name: OF_A_HUB for kind in KINDS} | {"Hub": {"nats": {"servers": ["nats://nats.iot.svc:4222"]}}}
"""What each kind of ours cannot do without."""
OBJECTS = yaml_blocks("")


@pytest.fixture(scope="module")
def api(control_plane: ControlPlane) -> Api:
    control_plane.apply(ROOT / "crds")
    return control_plane.api


def whole(document: Json) -> Json:
    """An object as a page shows it, with what its kind cannot do without."""
    kind = document["kind"]
    if kind not in LEAST:
        return document
    return merged({"apiVersion": API_VERSION, "metadata": {"name": "plant"}, "spec": LEAST[kind]}, document)


def try_to_apply(api: Api, thing: Json, namespace: str) -> None:
    """Have the API server judge an object, in a namespace of the test's own; raises `RequestRefusedError`."""
    here = thing if thing["kind"] == "Namespace" else merged(thing, {"metadata": {"namespace": namespace}})
    apply_one(api, here, dry_run=True)


def is_file(block: Block) -> bool:
    return "/" in block.about


@pytest.mark.parametrize("block", yaml_blocks(), ids=str)
def test_a_block_is_of_one_sort(block: Block) -> None:
    assert block.about in WORDS or is_file(block)
    assert all(("kind" in document) == (block.about == "") for document in block.documents if not is_file(block))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_manifest_hides_in_another_block(page: Path) -> None:
    others = [fence for fence in fences(page) if fence.language != "yaml"]

    hidden = [str(fence) for fence in others if "\nkind:" in f"\n{fence.text}" and "<<" not in fence.text]

    assert hidden == []
    assert {fence.language for fence in others} <= {"", "console"}


@pytest.mark.parametrize("block", OBJECTS, ids=str)
def test_an_object_is_taken_as_it_stands(api: Api, namespace: str, block: Block) -> None:
    for document in block.documents:
        try_to_apply(api, whole(document), namespace)


@pytest.mark.parametrize("block", OBJECTS, ids=str)
def test_a_field_that_is_not_there_would_be_refused(api: Api, namespace: str, block: Block) -> None:
    parts = [(document, part) for document in map(whole, block.documents) for part in ("spec", "status", "metadata")]

    for document, part in ((document, part) for document, part in parts if part in document):
        misspelt = merged(document, {part: {"fieldThatIsNotThere": "1"}})
        with pytest.raises(RequestRefusedError, match="fieldThatIsNotThere"):
            try_to_apply(api, misspelt, namespace)


@pytest.mark.parametrize("block", [block for block in yaml_blocks() if is_file(block)], ids=str)
def test_a_block_that_names_a_file_shows_all_of_it(block: Block) -> None:
    file = ROOT / block.about

    assert block.documents == list(yaml.safe_load_all(file.read_text()))


@pytest.mark.parametrize("block", yaml_blocks("values"), ids=str)
def test_values_are_taken_by_the_chart(helm: Helm, block: Block) -> None:
    (values,) = block.documents

    assert helm.render(values).of("Deployment")


@pytest.mark.parametrize("block", yaml_blocks("container"), ids=str)
def test_a_container_is_as_the_strictest_pod_security_wants_it(api: Api, namespace: str, block: Block) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    apply_one(api, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}})
    wait_until(lambda: has_account(api, namespace))
    (part,) = block.documents

    try_to_apply(api, pod({"name": "operator", "image": "any", **part}), namespace)
    for field in part["securityContext"].keys() - {"readOnlyRootFilesystem"}:
        less = {**part, "securityContext": {k: v for k, v in part["securityContext"].items() if k != field}}
        with pytest.raises(RequestRefusedError, match="violates PodSecurity"):
            try_to_apply(api, pod({"name": "operator", "image": "any", **less}), namespace)


def pod(container: dict[str, Any]) -> Json:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "operator"}, "spec": {"containers": [container]}}


def has_account(api: Api, namespace: str) -> bool:
    try:
        api.request("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/default")
    except RequestRefusedError:
        return False
    return True
