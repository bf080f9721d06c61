"""CustomResourceDefinitions of the models, in the form in which the API server gives them back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iotsec.api import client, device, module, tls_policy
from iotsec.api.client import Client
from iotsec.api.constraints import RULES, Node
from iotsec.api.device import Device
from iotsec.api.hub import HUB_NAME_LENGTH, Hub
from iotsec.api.meta import CATEGORY, GROUP, VERSION
from iotsec.api.model import Model
from iotsec.api.module import Module
from iotsec.api.tls_policy import TLSPolicy


@dataclass(frozen=True, slots=True)
class Column:
    """A column of ``kubectl get``; a ``wide`` one shows with ``-o wide`` only."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False

    def node(self) -> Node:
        """The column as the CRD has it."""
        node = {"jsonPath": self.path, "name": self.name, "type": self.type}
        return node | ({"priority": 1} if self.wide else {})


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of the API: its names, its model and how ``kubectl`` shows it.

    ``name_length`` bounds ``metadata.name``, ``selectable`` are the field selectors beyond name and namespace.
    """

    model: type[Model]
    plural: str
    short: str
    name_length: int
    columns: tuple[Column, ...]
    selectable: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The kind as objects write it."""
        return self.model.__name__

    @property
    def crd_name(self) -> str:
        """The name of the CustomResourceDefinition."""
        return f"{self.plural}.{GROUP}"


_READY = Column("Ready", '.status.conditions[?(@.type=="Ready")].status')
_AGE = Column("Age", ".metadata.creationTimestamp", "date")
_MESSAGE = Column("Message", '.status.conditions[?(@.type=="Ready")].message', wide=True)

_IDENTITY_COLUMNS = (
    _READY,
    # No date: kubectl prints dates as ages, and a moment to come as <invalid>.
    Column("Expires", ".status.expiresAt"),
    Column("Secret", ".status.secretName"),
    _AGE,
    Column("Role", ".status.role", wide=True),
    _MESSAGE,
)

KINDS: tuple[Kind, ...] = (
    Kind(
        model=Hub,
        plural="hubs",
        short="hub",
        name_length=HUB_NAME_LENGTH,
        columns=(
            _READY,
            Column("Config", ".status.configSecretName"),
            _AGE,
            Column("Operator", ".status.operatorPublicKey", wide=True),
            _MESSAGE,
        ),
    ),
    *(
        Kind(
            model=model,
            plural=f"{model.__name__.lower()}s",
            short=short,
            name_length=name_length,
            columns=(*_IDENTITY_COLUMNS, *more),
            selectable=(".spec.hubRef.name",),
        )
        for model, short, name_length, more in (
            (Device, "dev", device.NAME_LENGTH, ()),
            (Module, "mod", module.NAME_LENGTH, (Column("Workload", ".spec.workload.name", wide=True),)),
            (Client, "cli", client.NAME_LENGTH, ()),
        )
    ),
    Kind(
        model=TLSPolicy,
        plural="tlspolicies",
        short="tlsp",
        name_length=tls_policy.NAME_LENGTH,
        columns=(
            _READY,
            Column("Hub", ".spec.hubRef.name"),
            Column("Mode", ".spec.mode"),
            Column("CA-Expires", ".status.expiresAt"),
            _AGE,
            Column("Rotation", ".status.rotation.phase", wide=True),
            _MESSAGE,
        ),
        selectable=(".spec.hubRef.name",),
    ),
)


def crd(kind: Kind) -> Node:
    """The CustomResourceDefinition of a kind."""
    version: Node = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": object_schema(kind)},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [column.node() for column in kind.columns],
    }
    if kind.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in kind.selectable]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": kind.crd_name,
            # Flux substitutes variables in all it applies, and loses characters of patterns on the way.
            "annotations": {"kustomize.toolkit.fluxcd.io/substitute": "disabled"},
        },
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": [kind.short],
                "categories": [CATEGORY],
            },
            "scope": "Namespaced",
            "conversion": {"strategy": "None"},
            "versions": [version],
        },
    }


def object_schema(kind: Kind) -> Node:
    """The structural schema of a kind's objects.

    Computed defaults stay in code, where GitOps tools do not take them for drift. The one in ``status`` makes a new
    object count as in progress before the operator has seen it (kstatus takes one without status for done).
    """
    whole = kind.model.model_json_schema(by_alias=True, mode="validation")
    definitions = whole.get("$defs", {})
    properties = whole.pop("properties")
    root = _structural(whole, definitions)
    status = _structural(properties["status"], definitions) | {"default": {"observedGeneration": -1}}
    return root | {
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {
                "type": "object",
                "properties": {"name": {"type": "string", "maxLength": kind.name_length}},
            },
            "spec": _structural(properties["spec"], definitions),
            "status": _ordered(status),
        },
    }


_ORDER = (
    *("description", "type", "format", "enum", "minimum", "maximum", "maxLength", "pattern"),
    *("minItems", "maxItems", "maxProperties", "default", "required", "properties", "items", "additionalProperties"),
    *("x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type", RULES),
)


def _structural(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Node:
    """A pydantic schema as Kubernetes takes it: references inlined, ``null`` left out, no titles or defaults.

    Raises:
        ValueError: a keyword is not known to be both meant here and kept by the API server.

    """
    node = _resolved(schema, definitions)
    if "description" in node:  # of a docstring, the summary
        node["description"] = " ".join(node["description"].split("\n\n")[0].split())
    if node.get("type") == "integer":
        node["format"] = "int64"
    for key in ("items", "additionalProperties"):
        if key in node:
            node[key] = _structural(node[key], definitions)
    if "properties" in node:
        node["properties"] = {name: _structural(child, definitions) for name, child in node["properties"].items()}
    if unknown := node.keys() - set(_ORDER):
        raise ValueError(f"no place in a CRD for {sorted(unknown)}")
    return _ordered(node)


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Node:
    """The schema a field really has, with what the field says of it laid over what its model says."""
    node = {key: value for key, value in schema.items() if key not in ("title", "default", "$defs")}
    if "anyOf" in node:
        (chosen,) = (option for option in node.pop("anyOf") if option.get("type") != "null")
        return _resolved(chosen | node, definitions)
    if "$ref" in node:
        target = definitions[node.pop("$ref").removeprefix("#/$defs/")]
        return _resolved(target | node, definitions)
    return node


def _ordered(node: Mapping[str, Any]) -> Node:
    return {key: node[key] for key in _ORDER if key in node}
