"""Every CRD keeps the rules that GitOps tools and the API server's cost budget ask for."""

from collections.abc import Iterator
from typing import Any

import pytest
from api.cases import ACCEPTED, REFUSED
from api.statuses import STATUSES

from iotsec.api.constraints import RULES
from iotsec.api.crd import KINDS, Kind, crd, object_schema
from iotsec.api.hub import HubSpec, NatsServers
from iotsec.api.identity import HubRef
from iotsec.api.tls_policy import PolicyHubRef

Node = dict[str, Any]
KEEPING = (HubRef, HubSpec, NatsServers, PolicyHubRef)
WHILE_CHANGING = {rule.message for model in KEEPING for rule in model.cel_rules if "oldSelf" in rule.cel}
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
    texts = [path for path, node in nodes("", object_schema(kind)) if node["type"] == "string"]
    names = [path.rpartition(".")[2].lower() for path in texts]
    assert not [name for name in names if any(word in name for word in words)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_crd_fits_the_annotation_of_a_client_side_apply(kind: Kind) -> None:
    assert len(str(crd(kind))) < 100_000


def fields_of(path: str, value: Any, node: Node) -> Iterator[str]:
    """The fields that an object has, by the paths of the schema."""
    for name, child in node.get("properties", {}).items():
        if isinstance(value, dict) and name in value:
            below = f"{path}.{name}"
            yield below
            yield from fields_of(below, value[name], child)
    if node["type"] == "array":
        for item in value:
            yield from fields_of(f"{path}[]", item, node["items"])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_field_is_in_some_object_that_is_accepted(kind: Kind) -> None:
    shared = {"Module": "Device", "Client": "Device"}.get(kind.name, kind.name)  # one pipeline, one set of fields
    spec = object_schema(kind)["properties"]["spec"]
    objects = [obj for obj in ACCEPTED.values() if obj["kind"] in (kind.name, shared)]
    shown = {field for obj in objects for field in fields_of("spec", obj["spec"], spec)}
    declared = {path for path, _ in nodes("spec", spec) if not path.endswith("]")}
    assert declared - shown == {"spec"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_field_of_a_status_is_in_the_one_that_is_written(kind: Kind) -> None:
    status = object_schema(kind)["properties"]["status"]
    declared = {path for path, _ in nodes("status", status) if not path.endswith("]")}
    assert declared - set(fields_of("status", STATUSES[kind.name], status)) == {"status"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_rule_of_a_spec_refuses_some_object(kind: Kind) -> None:
    schema = object_schema(kind)
    rules = [rule for _, node in nodes("spec", schema["properties"]["spec"]) for rule in node.get(RULES, [])]
    rules += schema.get(RULES, [])
    told = [case.message for case in REFUSED]
    silent = [rule["message"] for rule in rules if not any(message in rule["message"] for message in told)]
    assert not [message for message in silent if message not in WHILE_CHANGING]
