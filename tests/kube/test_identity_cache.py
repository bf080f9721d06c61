"""What the watch told of identities, and who came first."""

from typing import Any

from iotsec.decide.names import FINALIZER
from iotsec.decide.views import Declared, Identity, Rival
from iotsec.kube.identity_cache import IdentityCache, Record
from iotsec.kube.keys import Key


def device(name: str, *, version: int = 1, created: str = "2026-01-01T00:00:00Z", **more: Any) -> dict[str, Any]:
    """A Device as a watch shows it."""
    metadata = {
        "name": name,
        "namespace": more.get("namespace", "iot"),
        "uid": more.get("uid", f"uid-{name}"),
        "generation": more.get("generation", 1),
        "resourceVersion": str(version),
        "creationTimestamp": created,
        "finalizers": more.get("finalizers", [FINALIZER]),
    }
    if more.get("deleting"):
        metadata["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    spec = {"hubRef": {"name": "plant"}, **more.get("spec", {})}
    return {"metadata": metadata, "spec": spec, "status": more.get("status", {})}


def key(name: str, namespace: str = "iot") -> Key:
    return Key("Device", namespace, name)


def one_account(_: Key, record: Record) -> str | None:
    return record.account or "iot"


def test_an_object_that_is_new_or_has_changed_needs_work() -> None:
    cache = IdentityCache()

    assert cache.upsert("Device", device("a")) == (key("a"), True, set())
    assert cache.upsert("Device", device("a", version=2))[1] is False
    assert cache.upsert("Device", device("a", version=3, generation=2))[1] is True
    assert cache.upsert("Device", device("a", version=4, generation=2, finalizers=[]))[1] is True
    assert cache.upsert("Device", device("a", version=5, generation=3, finalizers=[], deleting=True))[1] is True


def test_an_older_version_is_ignored() -> None:
    cache = IdentityCache()
    cache.upsert("Device", device("a", version=10, generation=3))

    assert cache.upsert("Device", device("a", version=9, generation=2))[1] is False

    record = cache.get(key("a"))
    assert record is not None
    assert record.generation == 3


def test_the_echo_of_a_status_we_wrote_is_no_news_and_somebody_elses_is() -> None:
    cache = IdentityCache()
    cache.upsert("Device", device("a"))

    cache.wrote_status(key("a"), {"id": "a"})

    assert cache.upsert("Device", device("a", version=2, status={"id": "a"}))[1] is False
    assert cache.upsert("Device", device("a", version=3, status={"id": "b"}))[1] is True


def test_another_object_of_the_same_name_is_news() -> None:
    cache = IdentityCache()
    cache.upsert("Device", device("a", version=10))

    assert cache.upsert("Device", device("a", version=11, uid="another"))[1] is True


def test_the_first_of_two_with_one_id_keeps_it() -> None:
    cache = IdentityCache()
    cache.upsert("Device", device("old", created="2026-01-01T00:00:00Z", spec={"deviceId": "x"}))
    cache.upsert("Device", device("new", created="2026-01-02T00:00:00Z", spec={"deviceId": "x"}))

    assert cache.id_rival(key("old"), one_account) is None
    assert cache.id_rival(key("new"), one_account) == Rival("Device", "iot", "old")


def test_who_holds_an_id_keeps_it_from_an_older_object() -> None:
    cache = IdentityCache()
    cache.upsert("Device", device("old", created="2026-01-01T00:00:00Z", spec={"deviceId": "x"}))
    cache.upsert("Device", device("holder", created="2026-01-02T00:00:00Z", spec={"deviceId": "x"}))
    cache.wrote_status(key("holder"), {"id": "x"})

    assert cache.id_rival(key("holder"), one_account) is None
    assert cache.id_rival(key("old"), one_account) == Rival("Device", "iot", "holder")


def test_ids_of_different_accounts_and_hubs_do_not_meet() -> None:
    cache = IdentityCache()
    cache.upsert("Device", device("a", spec={"deviceId": "x"}))
    cache.upsert("Device", device("b", spec={"deviceId": "x", "account": "lab"}))
    cache.upsert("Device", device("c", spec={"deviceId": "x", "hubRef": {"name": "other"}}))

    assert [cache.id_rival(key(name), one_account) for name in "abc"] == [None, None, None]


def test_whom_no_account_admits_is_nobodys_rival() -> None:
    cache = IdentityCache()
    cache.upsert("Device", device("squatter", created="2026-01-01T00:00:00Z", spec={"deviceId": "x"}))
    cache.upsert("Device", device("member", created="2026-01-02T00:00:00Z", spec={"deviceId": "x"}))

    def account_of(one: Key, _: Record) -> str | None:
        return None if one.name == "squatter" else "iot"

    assert cache.id_rival(key("member"), account_of) is None


def test_somebody_who_leaves_is_still_a_rival_and_said_to_leave() -> None:
    cache = IdentityCache()
    cache.upsert("Device", device("old", spec={"deviceId": "x"}))
    cache.upsert("Device", device("new", created="2026-01-02T00:00:00Z", spec={"deviceId": "x"}))

    _, _, concerned = cache.upsert("Device", device("old", version=2, deleting=True, spec={"deviceId": "x"}))

    assert concerned == {key("new")}
    assert cache.id_rival(key("new"), one_account) == Rival("Device", "iot", "old", leaving=True)


def test_who_goes_or_takes_another_id_sets_others_free() -> None:
    cache = IdentityCache()
    for name in ("a", "b", "c"):
        cache.upsert("Device", device(name, spec={"deviceId": "x"}))

    _, _, freed = cache.upsert("Device", device("a", version=2, generation=2, spec={"deviceId": "y"}))

    assert freed == {key("b"), key("c")}
    assert cache.remove(key("b")) == {key("c")}
    assert cache.id_rival(key("c"), one_account) is None


def test_a_key_that_was_made_for_one_is_not_anothers_to_ask_for() -> None:
    cache = IdentityCache()
    cache.upsert("Device", device("victim", created="2026-01-02T00:00:00Z"))
    cache.wrote_status(key("victim"), {"id": "victim", "publicKey": "UA"})

    cache.upsert("Device", device("thief", created="2026-01-01T00:00:00Z", spec={"publicKey": "UA"}))

    assert cache.key_rival(key("thief"), one_account) == Rival("Device", "iot", "victim")
    assert cache.key_rival(key("victim"), one_account) is None


def test_a_key_that_was_given_up_is_free() -> None:
    cache = IdentityCache()
    cache.upsert("Device", device("a", spec={"publicKey": "UA"}, status={"publicKey": "UA", "id": "a"}))
    cache.upsert("Device", device("b", created="2026-01-02T00:00:00Z", spec={"publicKey": "UA"}))
    assert cache.key_rival(key("b"), one_account) is not None

    _, _, freed = cache.upsert("Device", device("a", version=2, generation=2, spec={"publicKey": "UB"}))

    assert freed == {key("b")}
    assert cache.key_rival(key("b"), one_account) is None


def test_devices_are_found_by_their_hub_wherever_they_are() -> None:
    cache = IdentityCache()
    cache.upsert("Device", device("a"))
    cache.upsert("Device", device("b", namespace="lab", spec={"hubRef": {"name": "plant", "namespace": "iot"}}))
    cache.upsert("Device", device("c", namespace="lab"))

    assert set(cache.of_hub(("iot", "plant"))) == {key("a"), key("b", "lab")}
    cache.remove(key("a"))
    assert set(cache.of_hub(("iot", "plant"))) == {key("b", "lab")}


def test_an_identity_comes_with_its_spec_or_with_what_is_wrong_with_that() -> None:
    cache = IdentityCache()
    cache.upsert("Device", device("good"))
    cache.upsert("Device", device("bad", spec={"role": "no role"}))

    good, bad = cache.identity(key("good")), cache.identity(key("bad"))

    assert isinstance(good, Identity)
    assert (good.id, good.role) == ("good", "device")
    assert type(bad) is Declared
    assert bad.fault.startswith("role: ")
    assert cache.identity(key("unknown")) is None
