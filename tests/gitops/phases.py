"""The phases of an object's life, what each tool is to make of them, and an object of the API server in each.

The objects are in `gitops/argocd`, as Argo CD keeps test data. They are those that `tests/fleet/test_phases.py` sees,
made anonymous; WRITE_TESTDATA=1 has it write them.
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml
from gitops.judge import HEALTH, Json, Judge

VERDICTS = {
    # phase: Argo CD, Flux, kstatus
    "new": ("Progressing", "InProgress", "InProgress"),
    "waiting": ("Progressing", "InProgress", "InProgress"),
    "ready": ("Healthy", "Current", "Current"),
    "changed": ("Progressing", "InProgress", "InProgress"),
    "rotating": ("Healthy", "Current", "Current"),
    "suspended": ("Suspended", "Current", "InProgress"),
    "stalled": ("Degraded", "Failed", "Failed"),
    "deleting": ("Progressing", "InProgress", "Terminating"),
}
IDENTITIES = ("Device", "Module", "Client")
KINDS = ("Hub", "TLSPolicy", *IDENTITIES)


def phases_of(kind: str) -> tuple[str, ...]:
    """The phases that objects of a kind have: nothing but an identity can be suspended."""
    return tuple(phase for phase in VERDICTS if kind in IDENTITIES or phase != "suspended")


def cases() -> list[tuple[str, str]]:
    """Every phase of every kind."""
    return [(kind, phase) for kind in KINDS for phase in phases_of(kind)]


def recorded(kind: str, phase: str) -> Json:
    """The object of `gitops/argocd` in this phase."""
    found: Json = yaml.safe_load((HEALTH / path_of(kind, phase)).read_text())
    return found


def path_of(kind: str, phase: str) -> str:
    """Where an object is, by the names that Argo CD's test data have."""
    return f"testdata/{VERDICTS[phase][0].lower()}_{kind.lower()}_{phase}.yaml"


def record(lives: Mapping[tuple[str, str], Json], judge: Judge) -> None:
    """Write objects as test data, and what Argo CD is to say of each."""
    told = []
    (HEALTH / "testdata").mkdir(exist_ok=True)
    for kind, phase in cases():
        path, thing = path_of(kind, phase), anonymous(lives[kind, phase])
        (HEALTH / path).write_text(yaml.safe_dump(thing, sort_keys=False, width=1000))
        status = {"status": VERDICTS[phase][0], "message": judge.argo_cd(thing)[1]}
        told.append({"healthStatus": status, "inputPath": path})
    (HEALTH / "health_test.yaml").write_text(yaml.safe_dump({"tests": told}, sort_keys=False, width=1000))


def shape(thing: Json) -> Json:
    """What tools go by: the phase shows in this, and in nothing else of an object."""
    metadata, status = thing["metadata"], thing.get("status") or {}
    return {
        "kind": thing["kind"],
        "deleting": "deletionTimestamp" in metadata,
        "observed": status.get("observedGeneration") == metadata["generation"],
        "conditions": {
            c["type"]: (c["status"], c["reason"], c["observedGeneration"] == metadata["generation"])
            for c in status.get("conditions") or ()
            if c["type"] in {"Ready", "Reconciling", "Stalled", "Rotating"}
        },
    }


_REPLACED = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "2030-01-31T12:00:00Z"),
    (r"\b([AOU])[A-Z2-7]{55}\b", lambda found: found[1] + "A" * 55),
    (r"127[.]0[.]0[.]1:\d+", "nats.iot.svc:4222"),
    (r"127[.]0[.]0[.]1", "nats.iot.svc"),
    (r"\btest-[0-9a-f]{8}\b", "iot"),
    (r"\b[0-9a-f]{12,64}\b", lambda found: "1a2b" * (len(found[0]) // 4)),
)


def anonymous(thing: Json) -> Json:
    """The object, of no machine and no moment."""
    metadata = {k: v for k, v in thing["metadata"].items() if k != "managedFields"}
    metadata |= {"uid": "6e3b1c9a-0000-4000-8000-000000000000", "resourceVersion": "1"}
    found: Json = _replaced(thing | {"metadata": metadata})
    return found


def _replaced(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(inner) for inner in value]
    if isinstance(value, str):
        for pattern, by in _REPLACED:
            value = re.sub(pattern, by, value)
    return value
