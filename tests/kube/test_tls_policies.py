"""Of several TLSPolicies of one Hub one counts, and goes on to."""

from typing import Any

from iotsec.kube.keys import Key
from iotsec.kube.queue import WorkQueue
from iotsec.kube.resources import HUBS, TLS_POLICIES
from iotsec.kube.tls_policies import TlsPolicies

HUB = Key(HUBS.kind, "iot", "plant")
CARRIED_OUT = {"authorities": [{"id": "341255016092"}]}


def policy(name: str, *, uid: str, created: str = "10:00:00", version: int = 1, **more: Any) -> dict[str, Any]:
    """A TLSPolicy of the Hub, as an event shows it."""
    metadata = {
        "namespace": "iot",
        "name": name,
        "uid": uid,
        "generation": 1,
        "resourceVersion": str(version),
        "creationTimestamp": f"2026-01-01T{created}Z",
    }
    return {"metadata": metadata, "spec": {"hubRef": {"name": "plant"}}, **more}


def counting(*bodies: dict[str, Any]) -> str:
    """Name of the policy that counts when these have been seen in this order."""
    policies = TlsPolicies(WorkQueue[Key]())
    for body in bodies:
        policies.upsert(body)
    found = policies.of(HUB)
    return found.key.name if found is not None else ""


def test_the_older_one_counts() -> None:
    assert counting(policy("newer", uid="a", created="10:00:01"), policy("older", uid="b")) == "older"


def test_one_that_is_carried_out_is_not_ousted_by_one_of_the_same_second() -> None:
    plant, another = policy("plant", uid="b", status=CARRIED_OUT), policy("another", uid="a")

    assert counting(plant, another) == counting(another, plant) == "plant"


def test_one_that_is_being_deleted_makes_way() -> None:
    going = policy("going", uid="a", status=CARRIED_OUT)
    going["metadata"]["deletionTimestamp"] = "2026-01-01T10:00:05Z"

    assert counting(going, policy("next", uid="b", created="10:00:04")) == "next"


def test_the_next_one_counts_when_the_first_has_gone() -> None:
    policies = TlsPolicies(WorkQueue[Key]())
    policies.upsert(policy("first", uid="a"))
    policies.upsert(policy("second", uid="b", created="10:00:01"))

    policies.gone("iot", "first")

    assert policies.of(HUB) is policies.record(Key(TLS_POLICIES.kind, "iot", "second"))


def test_what_was_written_of_a_policy_is_no_news_when_the_watch_shows_it() -> None:
    queue = WorkQueue[Key]()
    policies = TlsPolicies(queue)
    policies.upsert(policy("plant", uid="a"))
    written = policies.record(Key(TLS_POLICIES.kind, "iot", "plant"))
    assert written is not None
    written.status = CARRIED_OUT
    before = len(queue)

    policies.upsert(policy("plant", uid="a", version=2, status=CARRIED_OUT))

    assert (before, len(queue)) == (2, 2)
