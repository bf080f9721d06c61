"""What the watch told of our Secrets, and which of it is to be trusted."""

import copy
from typing import Any

import pytest

from iotsec.decide import names
from iotsec.decide.secrets import Owner, SecretManifest
from iotsec.kube.secret_cache import SecretCache

OWNER = Owner("Hub", "plant", "uid-hub")


def secret(version: int = 1, *, name: str = "plant-ledger-iot", namespace: str = "iot", **more: Any) -> dict[str, Any]:
    """A Secret of ours as a watch of metadata shows it."""
    manifest = SecretManifest(
        namespace=namespace, name=name, data={}, owner=OWNER, component=names.LEDGER, hub="iot/plant"
    )
    return {"metadata": manifest.metadata() | {"uid": "uid-1", "resourceVersion": str(version)} | more}


def test_a_version_nobody_announced_is_suspect_until_it_was_read() -> None:
    cache = SecretCache()
    first = cache.upsert(secret(1))
    assert first is not None
    assert not first.suspect

    second = cache.upsert(secret(2))

    assert second is not None
    assert second.suspect
    cache.trust(second)
    known = cache.get("iot", "plant-ledger-iot")
    assert known is not None
    assert not known.suspect


def test_trust_in_an_older_version_does_not_carry_over() -> None:
    cache = SecretCache()
    cache.upsert(secret(1))
    second = cache.upsert(secret(2))
    cache.upsert(secret(3))
    assert second is not None

    cache.trust(second)

    known = cache.get("iot", "plant-ledger-iot")
    assert known is not None
    assert known.suspect


def test_the_echo_of_our_own_write_and_anything_older_are_no_news() -> None:
    cache = SecretCache()
    cache.wrote(secret(5)["metadata"])

    assert cache.upsert(secret(5)) is None
    assert cache.upsert(secret(4)) is None


@pytest.mark.parametrize(
    "damage",
    [
        {"labels": {names.COMPONENT: names.LEDGER}},
        {"annotations": {names.HUB: "iot/plant"}},
        {"annotations": {names.CONTENT_HASH: "x"}},
        {"ownerReferences": []},
    ],
    ids=["managed-by", "content hash", "hub", "owner"],
)
def test_a_mark_of_ours_that_is_missing_makes_it_suspect_also_at_first_sight(damage: dict[str, Any]) -> None:
    facts = SecretCache().upsert(secret(1, **damage))

    assert facts is not None
    assert facts.suspect


def test_data_or_notes_that_somebody_else_wrote_last_make_it_suspect() -> None:
    fields = {"manager": "kubectl", "fieldsV1": {"f:metadata": {"f:annotations": {f"f:{names.HUB}": {}}}}}

    facts = SecretCache().upsert(secret(1, managedFields=[fields]))

    assert facts is not None
    assert facts.suspect


def test_secrets_are_found_by_their_owner_in_its_namespace_only() -> None:
    cache = SecretCache()
    cache.upsert(secret(1))
    cache.upsert(secret(2, name="other", uid="uid-2"))
    cache.upsert(secret(3, namespace="elsewhere", uid="uid-3"))

    assert [s.name for s in cache.owned_by("iot", OWNER.uid)] == ["other", "plant-ledger-iot"]
    assert cache.owned_by("iot", "nobody") == ()


def test_an_owner_that_was_taken_away_is_remembered() -> None:
    cache = SecretCache()
    cache.upsert(secret(1))

    facts = cache.upsert(secret(2, ownerReferences=[]))

    assert facts is not None
    assert (facts.owner, facts.disowned, facts.suspect) == (OWNER, True, True)
    assert cache.owned_by("iot", OWNER.uid) == (facts,)


def test_a_secret_that_is_known_to_be_ours_is_adopted_whatever_it_says() -> None:
    cache = SecretCache()

    cache.adopt(secret(1, ownerReferences=[], labels={}), OWNER)

    (facts,) = cache.owned_by("iot", OWNER.uid)
    assert facts.suspect


def test_only_the_very_object_that_is_gone_is_forgotten() -> None:
    cache = SecretCache()
    cache.upsert(secret(1))

    assert cache.remove("iot", "plant-ledger-iot", uid="another") is None
    assert cache.remove("iot", "plant-ledger-iot", uid="uid-1") is not None
    assert cache.owned_by("iot", OWNER.uid) == ()
    assert cache.remove("iot", "plant-ledger-iot") is None


def test_a_manifest_patches_only_the_version_it_saw_and_leaves_what_others_added() -> None:
    cache = SecretCache()
    theirs = {"finalizers": ["example.com/theirs"], "ownerReferences": []}
    facts = cache.upsert(secret(1, **theirs))
    assert facts is not None
    manifest = SecretManifest(
        namespace="iot", name="plant-ledger-iot", data={"a": b"1"}, owner=OWNER, component=names.LEDGER, hub="iot/plant"
    )

    patch = copy.deepcopy(manifest.to_patch(replaces=facts))

    assert (patch["metadata"]["uid"], patch["metadata"]["resourceVersion"]) == ("uid-1", "1")
    assert patch["metadata"]["finalizers"] == ["example.com/theirs", names.FINALIZER]
    assert patch["metadata"]["ownerReferences"][0]["uid"] == OWNER.uid
    assert patch["data"] == {"a": "MQ=="}
