"""Objects that the operator keeps, edited or deleted by somebody else."""

import json
from pathlib import Path
from typing import Any

import pytest
from install.admission import CREDS, Place

from testbed.user import User
from testbed.waiting import wait_until

NETWORK: dict[str, Any] = {"component": "network-policy", "spec": {"podSelector": {}}}
BUNDLE: dict[str, Any] = {"component": "trust-bundle", "data": {"ca.crt": "a certificate"}}
KEPT = [
    ("Secret", CREDS, {"data": {"nats.creds": "c3RvbGVu"}}),
    ("Secret", CREDS, {"data": {"nats.creds": None}}),
    ("Secret", CREDS, {"metadata": {"labels": {"iotsec.dev/component": None}}}),
    ("Secret", CREDS, {"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}}),
    ("Secret", CREDS, {"metadata": {"annotations": {"iotsec.dev/hub": "other/plant"}}}),
    ("NetworkPolicy", NETWORK, {"spec": {"podSelector": {"matchLabels": {"app": "x"}}}}),
    ("ConfigMap", BUNDLE, {"data": {"ca.crt": "another"}}),
]


@pytest.mark.parametrize(("kind", "content", "edit"), KEPT)
def test_who_edits_what_the_operator_keeps_is_told_that_it_is_put_back(
    place: Place, dora: User, *, kind: str, content: dict[str, Any], edit: dict[str, Any]
) -> None:
    place.made(kind, "kept", **content)

    dora.patch(kind, "kept", edit)

    (warning,) = dora.api.warnings
    assert "the operator keeps this object as it wrote it" in warning


@pytest.mark.parametrize(
    ("kind", "content", "told"),
    [
        ("Secret", CREDS, "the operator makes this Secret again, with the same key"),
        ("Secret", {"component": "identity-keys", "operator": b"x"}, "this Secret is a Hub's"),
        ("NetworkPolicy", NETWORK, "the operator makes this NetworkPolicy again"),
        ("ConfigMap", BUNDLE, "the operator makes this trust bundle again"),
    ],
)
def test_who_deletes_what_the_operator_keeps_is_told_what_comes_of_it(
    place: Place, dora: User, *, kind: str, content: dict[str, Any], told: str
) -> None:
    place.made(kind, "kept", **content)

    dora.delete(kind, "kept")

    (warning,) = dora.api.warnings
    assert told in warning


@pytest.mark.parametrize(
    "edit",
    [
        {"data": {"note": "bXkgb3du"}},
        {"metadata": {"annotations": {"iotsec.dev/rotate": "now", "velero.io/backup": "1"}}},
        {"metadata": {"labels": {"team": "north"}}},
    ],
    ids=["an entry", "annotations", "a label"],
)
def test_what_others_may_add_to_a_secret_is_not_warned_of(place: Place, dora: User, edit: dict[str, Any]) -> None:
    place.made("Secret", "kept", **CREDS)

    dora.patch("Secret", "kept", edit)

    assert dora.api.warnings == []


def test_secrets_of_a_backup_are_restored_without_a_word(place: Place, dora: User) -> None:
    found = place.made("Secret", "kept", **CREDS)
    metadata = {key: found["metadata"][key] for key in ("labels", "annotations", "finalizers")}

    dora.create("Secret", "restored", metadata={"name": "restored", **metadata}, data=found["data"])

    assert dora.api.warnings == []


def test_secrets_of_others_are_nobodys_business(dora: User) -> None:
    dora.create("Secret", "theirs", data={"a": "YQ=="})
    dora.patch("Secret", "theirs", {"data": {"a": "Yg=="}})
    dora.delete("Secret", "theirs")

    assert dora.api.warnings == []


def edits_in(log: Path, name: str) -> list[dict[str, Any]]:
    """What the audit log has of requests about a Secret that a policy found fault with."""
    entries = [json.loads(line) for line in log.read_text().splitlines() if name in line]
    return [entry for entry in entries if any(key.startswith("validation.") for key in entry.get("annotations", {}))]


def test_who_edited_a_secret_is_in_the_audit_log_and_the_secret_is_not(place: Place, dora: User) -> None:
    name = f"kept-{place.namespace}"
    place.made("Secret", name, **CREDS)

    dora.patch("Secret", name, {"data": {"nats.creds": "c3RvbGVu"}})

    wait_until(lambda: edits_in(place.plane.audit_log, name), what="the audit log has it")
    (entry,) = edits_in(place.plane.audit_log, name)
    assert entry["impersonatedUser"]["username"] == "dora"
    text = json.dumps(entry) + "".join(dora.api.warnings)
    assert not any(secret in text for secret in ("c3RvbGVu", "stolen", "something secret", "c29tZXRoaW5n"))
