"""The Secrets of one namespace as an API server keeps them: versions, field owners, finalizers."""

import copy
from collections.abc import Mapping
from typing import Any

from iotsec.decide import names

Object = dict[str, Any]


class Secrets:
    """The Secrets of one namespace as an API server keeps them: versions, field owners, finalizers."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.version = 1
        self.writes = 0

    def create(self, body: Mapping[str, Any], manager: str = names.FIELD_MANAGER) -> bool:
        name = body["metadata"]["name"]
        if name in self.objects:
            return False
        found: Object = copy.deepcopy(dict(body))
        found["metadata"] |= {"uid": f"secret-{self.version}", "managedFields": []}
        self.objects[name] = found
        self._wrote(found, manager, found["metadata"], found.get("data") or {})
        return True

    def patch(self, name: str, body: Mapping[str, Any], manager: str = names.FIELD_MANAGER) -> None:
        """A merge patch; names the version it expects, or none."""
        found = self.objects[name]
        metadata, data = body.get("metadata", {}), body.get("data", {})
        for expected in ("uid", "resourceVersion"):
            if metadata.get(expected, found["metadata"][expected]) != found["metadata"][expected]:
                raise RuntimeError("conflict")
        for part in ("labels", "annotations"):
            _merge(found["metadata"].setdefault(part, {}), metadata.get(part) or {})
        for part in ("finalizers", "ownerReferences"):
            if part in metadata:
                found["metadata"][part] = copy.deepcopy(metadata[part])
        _merge(found.setdefault("data", {}), data)
        self._wrote(found, manager, metadata, data)

    def delete(self, name: str) -> None:
        """As kubectl does it: a finalizer keeps the object."""
        found = self.objects.get(name)
        if found is None:
            return
        if found["metadata"].get("finalizers"):
            self.version += 1
            found["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": str(self.version)}
        else:
            del self.objects[name]

    def finalize(self, name: str, uid: str) -> None:
        """Take our finalizer off the Secret with this uid."""
        found = self.objects.get(name)
        if found is None or found["metadata"]["uid"] != uid:
            return
        self.version += 1
        rest = [f for f in found["metadata"].get("finalizers", ()) if f != names.FINALIZER]
        found["metadata"] |= {"finalizers": rest, "resourceVersion": str(self.version)}
        if "deletionTimestamp" in found["metadata"] and not rest:
            del self.objects[name]

    def _wrote(self, found: Object, manager: str, metadata: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        self.version += 1
        self.writes += 1
        found["metadata"]["resourceVersion"] = str(self.version)
        owned = {("data", key) for key in data} | {
            (part, key) for part in ("labels", "annotations") for key in metadata.get(part) or {}
        }
        fields = {e["manager"]: _owned(e) - owned for e in found["metadata"]["managedFields"]}
        there = {("data", key) for key in found.get("data") or {}} | {
            (part, key) for part in ("labels", "annotations") for key in found["metadata"].get(part) or {}
        }
        fields[manager] = fields.get(manager, set()) | owned
        found["metadata"]["managedFields"] = [_entry(who, what & there) for who, what in fields.items()]


def _merge(target: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if value is None:
            target.pop(key, None)
        else:
            target[key] = value


def _owned(entry: Mapping[str, Any]) -> set[tuple[str, str]]:
    fields = entry["fieldsV1"]
    parts = {"data": fields["f:data"], **{p: fields["f:metadata"][f"f:{p}"] for p in ("labels", "annotations")}}
    return {(part, key.removeprefix("f:")) for part, keys in parts.items() for key in keys}


def _entry(manager: str, owned: set[tuple[str, str]]) -> Object:
    def keys(part: str) -> Object:
        return {f"f:{key}": {} for kind, key in sorted(owned) if kind == part}

    metadata = {f"f:{part}": keys(part) for part in ("labels", "annotations")}
    return {"manager": manager, "fieldsV1": {"f:data": keys("data"), "f:metadata": metadata}}
