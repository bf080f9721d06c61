"""Annotations that ask for something: those that would do nothing are refused."""

import re

import pytest
from install.admission import KINDS, SPECS, Place

from testbed.api import RequestRefusedError
from testbed.user import User


@pytest.mark.parametrize(
    ("kind", "annotation", "value", "told"),
    [
        (
            "Device",
            "iotsec.dev/rotat",
            "1",
            "annotation iotsec.dev/rotat does nothing on devices: there are iotsec.dev/",
        ),
        ("Client", "rotate.iotsec.dev/device", "1", "does nothing on clients"),
        ("Module", "iotsec.dev/force-delete", "true", "does nothing on modules"),
        ("Hub", "iotsec.dev/rotate-ca", "1", "does nothing on hubs"),
        ("Hub", "iotsec.dev/forcedelete", "true", "does nothing on hubs"),
        ("Hub", "rotation.iotsec.dev/device", "1", "does nothing on hubs"),
        ("Hub", "iotsec.dev/force-delete", "yes", "write true or false"),
        ("TLSPolicy", "iotsec.dev/rotate-operator", "1", "does nothing on tlspolicies"),
        ("Device", "iotsec.dev/issued", "{}", "does nothing on devices"),
    ],
)
def test_an_annotation_that_would_do_nothing_is_refused(
    place: Place, dora: User, *, kind: str, annotation: str, value: str, told: str
) -> None:
    place.written(kind)

    with pytest.raises(RequestRefusedError, match=re.escape(told)):
        dora.annotate(kind, "plant", {annotation: value})
    with pytest.raises(RequestRefusedError, match=re.escape(told)):
        dora.apply(kind, "another", SPECS[kind], annotations={annotation: value})


@pytest.mark.parametrize(
    ("kind", "annotation", "value"),
    [
        *((kind, "iotsec.dev/rotate", "2026-11-22") for kind in KINDS),
        ("Hub", "rotate.iotsec.dev/device", "1"),
        ("Hub", "rotate.iotsec.dev/unscoped", "1"),
        ("Hub", "rotate.iotsec.dev/gateway", "1"),
        ("Hub", "iotsec.dev/rotate-operator", "1"),
        ("Hub", "iotsec.dev/rotate-jetstream-key", "1"),
        ("Hub", "iotsec.dev/force-delete", "false"),
        ("TLSPolicy", "iotsec.dev/rotate-ca", "1"),
        ("Device", "example.com/iotsec.dev", "anything"),
        ("Device", "notiotsec.dev/rotat", "somebody else's"),
    ],
)
def test_an_annotation_that_counts_or_is_not_ours_is_let_through(
    place: Place, dora: User, *, kind: str, annotation: str, value: str
) -> None:
    role = {"name": "gateway", "publish": {"allow": ["device.{id}.>"]}}
    place.written(kind, **({"roles": [role]} if kind == "Hub" else {}))

    dora.annotate(kind, "plant", {annotation: value})

    assert dora.api.warnings == []


@pytest.mark.parametrize("name", ["iotsec.dev/rotate", "rotate.iotsec.dev/device"])
def test_a_label_in_the_place_of_an_annotation_is_refused(place: Place, dora: User, name: str) -> None:
    place.written("Hub")

    with pytest.raises(RequestRefusedError, match=f"label {re.escape(name)} asks for nothing"):
        dora.patch("Hub", "plant", {"metadata": {"labels": {name: "1"}}})
    dora.patch("Hub", "plant", {"metadata": {"labels": {"iotsec.dev/site": "north"}}})


def test_a_mistake_of_long_ago_keeps_nobody_from_changing_the_rest(place: Place, dora: User) -> None:
    place.written("Device")
    place.operator().annotate("Device", "plant", {"iotsec.dev/rotat": "1"})

    dora.patch("Device", "plant", {"spec": {"suspended": True}})
    dora.annotate("Device", "plant", {"iotsec.dev/rotate": "1"})
    with pytest.raises(RequestRefusedError, match=r"iotsec\.dev/rotat does nothing"):
        dora.annotate("Device", "plant", {"iotsec.dev/rotat": "2"})
    dora.annotate("Device", "plant", {"iotsec.dev/rotat": None})


@pytest.mark.parametrize(
    ("annotations", "told"),
    [
        ({"iotsec.dev/rotate": ""}, "annotation iotsec.dev/rotate is empty and asks for nothing"),
        (
            {"rotate.iotsec.dev/gatway": "1"},
            "annotation rotate.iotsec.dev/gatway names no role of this Hub: there are ",
        ),
        ({"iotsec.dev/force-delete": "true"}, "a Hub is deleted without waiting for servers or identities"),
    ],
    ids=["empty", "no role", "forced"],
)
def test_an_annotation_that_is_heeded_otherwise_than_meant_is_warned_of_once(
    place: Place, dora: User, annotations: dict[str, str], told: str
) -> None:
    place.written("Hub")

    dora.annotate("Hub", "plant", annotations)
    dora.annotate("Hub", "plant", {**annotations, "example.com/touched": "1"})

    (warning,) = dora.api.warnings
    assert told in warning
