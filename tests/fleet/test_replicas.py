"""Of two replicas one works, also when that is killed, stopped, frozen or cut off; never both."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from fleet.conftest import ROOT, Site, bring_up, new_namespace
from fleet.replicas import LEASE_SECONDS, Replicas, replicas

from testbed.control_plane import ControlPlane
from testbed.nats_server import NatsServer
from testbed.operator import Operator
from testbed.user import User
from testbed.waiting import wait_until


@pytest.fixture(scope="module")
def own_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane on which no other operator works."""
    manifests = [ROOT / "crds", ROOT / "manifests"]
    with ControlPlane(tmp_path_factory.mktemp("plane-of-replicas"), manifests=manifests) as plane:
        yield plane


@pytest.fixture
def both(own_plane: ControlPlane, tmp_path: Path) -> Iterator[Replicas]:
    with replicas(own_plane, tmp_path) as both:
        yield both


@pytest.fixture
def fleet(both: Replicas, server: NatsServer) -> Iterator[Site]:
    """A Hub that `a` has made Ready."""
    with new_namespace(both.plane) as user:
        yield bring_up(user, server)


def leads(operator: Operator) -> str:
    """What Prometheus is told of who leads."""
    with urlopen(operator.metrics_url, timeout=5) as answer:  # noqa: S310 - our own URL
        found = re.search(r"^iotsec_leader (.*)$", answer.read().decode(), re.MULTILINE)
    assert found
    return found.group(1)


def asked_about_certificates(operator: Operator, path: str) -> tuple[int, str]:
    """What its endpoint about revoked certificates answers."""
    try:
        with urlopen(f"{operator.revocation_url}{path}", timeout=5) as answer:  # noqa: S310 - our own URL
            return answer.status, ""
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def events_of_lease(both: Replicas) -> list[str]:
    """What was told of the Lease, in the order in which it happened."""
    user = User(both.plane.api, "iot-security-operator")
    events = sorted(user.events("Lease", "iot-security-operator"), key=lambda event: str(event["eventTime"]))
    return [event["note"] for event in events]


def test_one_works_and_the_other_waits(both: Replicas, fleet: Site) -> None:
    fleet.ready_device("weather-01")

    assert both.holder() == "iotsec-a"
    assert both.turns() == ["iotsec-a"]
    assert (leads(both.a), leads(both.b)) == ("1.0", "0.0")
    assert both.a.probe("/readyz") == (200, "works")
    assert both.b.probe("/readyz") == (200, "another replica works; this one takes over when that is gone")
    assert both.a.probe("/healthz")[0] == both.b.probe("/healthz")[0] == 200


def test_a_leader_that_is_killed_is_replaced(both: Replicas, fleet: Site) -> None:
    fleet.ready_device("weather-01")

    both.a.kill()
    fleet.ready_device("weather-02")

    assert both.turns() == ["iotsec-a", "iotsec-b"]
    wait_until(lambda: events_of_lease(both)[-1] == "iotsec-b leads", what="the event")


def test_a_leader_that_is_told_to_stop_lets_the_other_go_on_at_once(both: Replicas, fleet: Site) -> None:
    fleet.ready_device("weather-01")

    both.a.running().signal(signal.SIGTERM)
    both.b.wait_told("started", within=LEASE_SECONDS - 1)  # before the lease would have run out

    assert both.a.wait_ended(within=3) == 0
    fleet.ready_device("weather-02")
    assert both.turns() == ["iotsec-a", "iotsec-b"]


def test_a_replica_that_stands_by_is_told_to_stop(both: Replicas) -> None:
    both.b.running().signal(signal.SIGTERM)

    assert both.b.wait_ended(within=5) == 0
    assert both.holder() == "iotsec-a"


def test_a_leader_that_was_frozen_writes_nothing_more(both: Replicas, fleet: Site) -> None:
    fleet.ready_device("weather-01")

    both.a.running().signal(signal.SIGSTOP)
    for number in range(30):  # of which it knows when it wakes up, and thinks that it is its work
        fleet.user.apply_device(f"frozen-{number}")
    fleet.ready_device("weather-02")
    for number in range(30):
        fleet.user.apply_device(f"thawed-{number}")
    both.a.running().signal(signal.SIGCONT)

    assert both.a.wait_ended() == 1
    fleet.ready_device("weather-03")
    assert both.turns() == ["iotsec-a", "iotsec-b"]


def test_a_leader_without_an_api_server_ends_before_another_may_start(both: Replicas, fleet: Site) -> None:
    fleet.ready_device("weather-01")

    both.plane.stop_api_server()
    try:
        assert both.a.wait_ended(within=LEASE_SECONDS) == 1
    finally:
        both.plane.start_api_server()

    fleet.ready_device("weather-02")
    assert both.turns() == ["iotsec-a", "iotsec-b"]


def test_a_lease_that_somebody_deletes_is_not_held_any_more(both: Replicas, fleet: Site) -> None:
    fleet.ready_device("weather-01")

    lease = "/apis/coordination.k8s.io/v1/namespaces/iot-security-operator/leases/iot-security-operator"
    both.plane.api.request("DELETE", lease)

    assert both.a.wait_ended() == 1
    fleet.ready_device("weather-02")
    assert both.turns() == ["iotsec-a", "iotsec-b"]


def test_a_replica_that_stands_by_answers_what_the_other_knows_of_certificates(both: Replicas, fleet: Site) -> None:
    path = f"/crl/{fleet.user.namespace}/plant/00.crl"
    known = (404, "this Hub has no such CA: name one by its subject key identifier, in hex\n")
    fleet.user.apply_tls_policy("plant", mode="ServerOnly")
    wait_until(lambda: asked_about_certificates(both.a, path) == known, what="the leader knows of the Hub")

    assert asked_about_certificates(both.b, path) == known

    both.a.kill()
    assert asked_about_certificates(both.b, path)[0] == 503
    wait_until(lambda: asked_about_certificates(both.b, path) == known, what="the next leader knows of it")
