"""What the watch told of namespaces, and who is looked at again for it."""

from typing import Any

from iotsec.decide.names import FINALIZER
from iotsec.kube.identity_cache import IdentityCache
from iotsec.kube.keys import Key
from iotsec.kube.namespaces import Namespaces


def namespace(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, **({"labels": labels} if labels else {})}}


def device(name: str, where: str, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": where, "uid": f"{where}-{name}", "generation": 1, "resourceVersion": "1"}
    hub = {"hubRef": {"name": "plant", "namespace": "iot"}}
    return {"metadata": metadata | {"finalizers": [FINALIZER]}, "spec": hub | spec}


def test_only_other_labels_are_news() -> None:
    told: list[str] = []
    namespaces = Namespaces(changed=told.append)
    live = namespaces.labels

    namespaces.upsert(namespace("plant-7"))
    namespaces.upsert(namespace("plant-7"))
    namespaces.upsert(namespace("plant-7", iot="yes"))
    namespaces.upsert(namespace("plant-7", iot="yes"))
    assert dict(live["plant-7"]) == {"iot": "yes"}
    namespaces.gone("", "plant-7")
    namespaces.gone("", "plant-7")

    assert told == ["plant-7"] * 3
    assert "plant-7" not in live


def test_a_namespace_touches_its_identities_and_who_waits_for_their_ids_and_keys() -> None:
    cache = IdentityCache()
    cache.upsert("Device", device("pump", "plant-7"))
    cache.upsert("Client", device("desk", "plant-7"))
    cache.upsert("Device", device("rival", "plant-8", deviceId="pump"))
    cache.upsert("Device", device("stranger", "plant-8"))

    assert cache.touched_by_namespace("plant-7") == {
        Key("Device", "plant-7", "pump"),
        Key("Client", "plant-7", "desk"),
        Key("Device", "plant-8", "rival"),
    }

    cache.remove(Key("Device", "plant-7", "pump"))
    cache.remove(Key("Client", "plant-7", "desk"))
    assert cache.touched_by_namespace("plant-7") == set()
