"""Every CRD keeps the rules that GitOps tools and the API server's cost budget ask for."""

from collections.abc import Iterator
from typing import Any

import pytest

from iotsec.api.crd import KINDS, Kind, crd, object_schema

Node = dict[str, Any]
BY_SERVER = {"apiVersion", "kind"}  # strings the API server itself checks


def nodes(path: str, node: Node) -> Iterator[tuple[str, Node]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(f"{path}.{name}".removeprefix("."), child)
    for key in ("items", "additionalProperties"):
        if key in node:
            yield from nodes(f"{path}[]", node[key])


def every_node() -> list[Any]:
    return [
        pytest.param(path, node, id=f"{kind.name}.{path}")
        for kind in KINDS
        for path, node in nodes("", object_schema(kind))
        if path not in BY_SERVER
    ]


@pytest.mark.parametrize(("path", "node"), every_node())
def test_everything_is_bounded(path: str, node: Node) -> None:
    bounds = {"string": ("maxLength", "enum"), "array": ("maxItems",), "object": ("properties", "maxProperties")}
    assert any(bound in node for bound in bounds.get(node["type"], ("type",))), path


@pytest.mark.parametrize(("path", "node"), every_node())
def test_only_the_status_has_a_default(path: str, node: Node) -> None:
    assert node.get("default") == ({"observedGeneration": -1} if path == "status" else None)


@pytest.mark.parametrize(("path", "node"), every_node())
def test_every_field_is_described_in_a_sentence(path: str, node: Node) -> None:
    if not path.endswith("]") and not path.startswith("metadata"):
        assert node["description"].endswith("."), path
        assert len(node["description"]) <= 120, path


@pytest.mark.parametrize(("path", "node"), every_node())
def test_every_list_says_how_it_merges(path: str, node: Node) -> None:
    assert (node["type"] == "array") == ("x-kubernetes-list-type" in node), path
    for key in node.get("x-kubernetes-list-map-keys", []):
        assert key in node["items"]["required"]


@pytest.mark.parametrize(("path", "node"), every_node())
def test_every_pattern_of_a_spec_has_a_message(path: str, node: Node) -> None:
    if path.startswith("spec") and "pattern" in node:
        assert any(node["pattern"] in rule["rule"] for rule in node["x-kubernetes-validations"])


@pytest.mark.parametrize(("path", "node"), every_node())
def test_every_rule_says_in_a_line_what_to_do(path: str, node: Node) -> None:
    for rule in node.get("x-kubernetes-validations", []):
        assert 20 <= len(rule["message"]) <= 300, path
        assert "\n" not in rule["message"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_spec_has_no_place_for_a_secret(kind: Kind) -> None:
    words = ("seed", "password", "token", "private")
    names = [path.rpartition(".")[2].lower() for path, _ in nodes("", object_schema(kind))]
    assert not [name for name in names if any(word in name for word in words)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_crd_fits_the_annotation_of_a_client_side_apply(kind: Kind) -> None:
    assert len(str(crd(kind))) < 100_000
