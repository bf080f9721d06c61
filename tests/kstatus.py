"""What kstatus makes of an object: the rules of ``sigs.k8s.io/cli-utils/pkg/kstatus`` for kinds it does not know.

Flux, kpt and Helm wait by these rules, so they are kept here as they are there, in the same order.
"""

from collections.abc import Mapping
from typing import Any


def kstatus(thing: Mapping[str, Any]) -> str:
    """Return ``Terminating``, ``InProgress``, ``Failed`` or ``Current``."""
    metadata, status = thing["metadata"], thing.get("status") or {}
    if "deletionTimestamp" in metadata:
        return "Terminating"
    if status.get("observedGeneration", metadata.get("generation")) != metadata.get("generation"):
        return "InProgress"
    conditions = status.get("conditions") or ()
    for condition in conditions:  # the first of the two in the list decides
        if condition["status"] == "True" and condition["type"] in {"Reconciling", "Stalled"}:
            return {"Reconciling": "InProgress", "Stalled": "Failed"}[condition["type"]]
    ready = next((c["status"] for c in conditions if c["type"] == "Ready"), "True")
    return "Current" if ready == "True" else "InProgress"


def faults(thing: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with an object's conditions by the rules that every kind of ours keeps."""
    found = []
    status, generation = thing["status"], thing["metadata"]["generation"]
    types = [c["type"] for c in status["conditions"]]
    if len(types) != len(set(types)):
        found.append(f"a condition is there twice: {types}")
    if "Ready" not in types:
        found.append("Ready is not there")
    if {"Reconciling", "Stalled"} <= set(types):
        found.append("it is both under way and stuck")
    for condition in status["conditions"]:
        if condition["type"] in {"Reconciling", "Stalled"} and condition["status"] != "True":
            found.append(f"{condition['type']} is there and not true")
        if condition["observedGeneration"] > generation:
            found.append(f"{condition['type']} is ahead of the spec")
        if not condition["reason"] or not condition["message"] or not condition["lastTransitionTime"]:
            found.append(f"{condition['type']} does not say why or since when")
    if status["observedGeneration"] > generation:
        found.append("the status is ahead of the spec")
    return found
