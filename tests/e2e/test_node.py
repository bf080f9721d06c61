"""What the tests beside this one take for granted: pods run, are connected, and find each other by name."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from testbed.node.pods import log_of, reached, run_pod, wait_phase
from testbed.user import User

IPTABLES = "/usr/sbin/iptables"


@contextmanager
def dropped(address: str) -> Iterator[None]:
    """Nothing that is sent to an address passes the node's packet filter meanwhile."""
    rule = ["FORWARD", "--destination", address, "--jump", "DROP"]
    subprocess.run([IPTABLES, "--insert", *rule], check=True)
    try:
        yield
    finally:
        subprocess.run([IPTABLES, "--delete", *rule], check=True)


def test_a_pod_runs_within_seconds(user: User) -> None:
    started = time.monotonic()

    run_pod(user, "listener", ["listen", "8080"])
    wait_phase(user, "listener", "Running")

    assert time.monotonic() - started < 10


def test_the_log_of_a_pod_is_read(user: User) -> None:
    run_pod(user, "talker", ["--version"])
    wait_phase(user, "talker", "Succeeded")

    assert log_of(user, "talker") == "probe 1.0.0\n"


def test_a_pod_reaches_the_api_server_by_the_name_of_its_service(user: User) -> None:
    url = "https://kubernetes.default.svc/version"

    assert reached(user, "curious", url) == {url: "200"}


def test_a_pod_finds_no_service_that_is_not_there(user: User) -> None:
    nobody = "nobody.default.svc.cluster.local.:80"

    assert "no such host" in reached(user, "curious", nobody)[nobody]


def test_pods_reach_each_other_through_a_service(user: User) -> None:
    run_pod(user, "listener", ["listen", "8080"])
    user.patch("Pod", "listener", {"metadata": {"labels": {"app": "listener"}}})
    user.create(
        "Service", "listener", spec={"selector": {"app": "listener"}, "ports": [{"port": 80, "targetPort": 8080}]}
    )
    wait_phase(user, "listener", "Running")

    assert reached(user, "curious", "listener:80") == {"listener:80": "open"}


@pytest.mark.own_node
def test_packets_between_pods_pass_the_packet_filter(user: User) -> None:
    run_pod(user, "listener", ["listen", "8080"])
    address = wait_phase(user, "listener", "Running")["status"]["podIP"]

    with dropped(address):
        assert "timeout" in reached(user, "kept-out", f"{address}:8080")[f"{address}:8080"]
    assert reached(user, "let-in", f"{address}:8080") == {f"{address}:8080": "open"}
