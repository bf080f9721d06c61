"""Who wrote what of an object, by the field managers that the API server keeps."""

from collections.abc import Iterable, Mapping
from typing import Any

from iotsec.decide import names


def ours_alone(metadata: Mapping[str, Any], field_name: str) -> frozenset[str]:
    """Return the labels or annotations that nobody but us is known to have written."""
    ours: set[str] = set()
    others: set[str] = set()
    for entry in metadata.get("managedFields") or ():
        fields = ((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get(f"f:{field_name}") or {}
        (ours if entry.get("manager") == names.FIELD_MANAGER else others).update(
            name.removeprefix("f:") for name in fields if name.startswith("f:")
        )
    return frozenset(name for name in ours - others if name in (metadata.get(field_name) or {}))


def touched_by_others(
    managed: Iterable[Mapping[str, Any]], keys: tuple[str, ...] | None, *, field_name: str = "data"
) -> bool:
    """Tell whether anybody but us wrote an entry of ours in a field, or an annotation of ours, or removed one.

    ``keys`` are the entries that are ours; ``None``: the whole field is, whatever others would put there.
    """
    ours: set[str] = set()
    for entry in managed:
        fields = entry.get("fieldsV1") or {}
        entries = fields.get(f"f:{field_name}") or {}
        if entry.get("manager") == names.FIELD_MANAGER:
            ours.update(entries)
            continue
        annotations = (fields.get("f:metadata") or {}).get("f:annotations") or {}
        theirs = bool(entries) if keys is None else any(f"f:{key}" in entries for key in keys)
        if theirs or any(map(_is_ours, annotations)):
            return True
    return not all(f"f:{key}" in ours for key in keys or ())


def _is_ours(field_name: str) -> bool:
    """Tell whether a managed field is an annotation that only we write; what asks for a rotation is for others."""
    return field_name.startswith("f:iotsec.dev/") and field_name != f"f:{names.ROTATE}"
