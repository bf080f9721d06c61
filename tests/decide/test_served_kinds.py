"""Which CRDs an operator can work with."""

from copy import deepcopy
from typing import Any

import pytest

from iotsec.api.crd import KINDS, object_schema
from iotsec.decide.served_kinds import lacking, problem, served

GROUP, VERSION = "iotsec.dev", "v1alpha1"
DEVICE = {kind.name: object_schema(kind) for kind in KINDS if kind.name == "Device"}


def a_kind(spec: dict[str, Any]) -> dict[str, Any]:
    return {"Device": {"type": "object", "properties": {"spec": {"type": "object", "properties": spec}}}}


def chosen(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


def test_every_kind_fits_itself() -> None:
    known = {kind.name: object_schema(kind) for kind in KINDS}

    assert lacking(known, deepcopy(known)) == ()


def test_what_kubernetes_says_of_metadata_is_no_difference() -> None:
    there = deepcopy(DEVICE)
    there["Device"]["properties"]["metadata"] = {"allOf": [{"$ref": "#/components/schemas/ObjectMeta"}]}

    assert lacking(DEVICE, there) == ()


@pytest.mark.parametrize(
    ("known", "there", "absent"),
    [
        ({"role": {"type": "string"}}, {}, ("Device.spec.role",)),
        ({"role": {"type": "string"}}, {"role": {"type": "integer"}}, ("Device.spec.role",)),
        ({"mode": chosen("A", "B")}, {"mode": chosen("A")}, ("Device.spec.mode=B",)),
        ({"mode": chosen("A")}, {"mode": {"type": "string"}}, ()),
        ({}, {"role": {"type": "string"}}, ()),
        ({"mode": chosen("A")}, {"mode": chosen("A", "B")}, ()),
        (
            {"metadata": {"type": "object", "properties": {"team": {"type": "string"}}}},
            {"metadata": {"type": "object"}},
            ("Device.spec.metadata.team",),
        ),
        (
            {"list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}}},
            {"list": {"type": "array", "items": {"type": "object"}}},
            ("Device.spec.list[].a",),
        ),
        (
            {"map": {"type": "object", "additionalProperties": {"type": "string"}}},
            {"map": {"type": "object"}},
            ("Device.spec.map[]",),
        ),
    ],
)
def test_what_is_known_must_be_served_and_what_is_served_need_not_be_known(
    known: dict[str, Any], there: dict[str, Any], absent: tuple[str, ...]
) -> None:
    assert lacking(a_kind(known), a_kind(there)) == absent


def test_a_kind_that_is_not_served_is_one_thing_that_is_absent() -> None:
    assert lacking(DEVICE, {}) == ("Device",)


def test_of_a_document_the_kinds_of_the_group_and_version_count() -> None:
    def schema(group: str, version: str, kind: str = "Device") -> dict[str, Any]:
        return {
            "x-kubernetes-group-version-kind": [{"group": group, "version": version, "kind": kind}],
            "type": version,
        }

    schemas = {"a": schema(GROUP, VERSION), "b": schema(GROUP, "v1"), "c": schema("", VERSION, "Pod"), "d": {}}

    assert served({"components": {"schemas": schemas}}, GROUP, VERSION) == {"Device": schemas["a"]}
    assert served({}, GROUP, VERSION) == {}


def test_what_is_told_names_some_of_it() -> None:
    assert problem(()) == ""
    assert "they lack a, b. Apply those of this version" in problem(("a", "b"))
    assert "they lack a, b, c, d, e and 2 more." in problem(tuple("abcdefg"))
