"""What the operator takes in its container when it has a fleet to look after."""

import time
from dataclasses import dataclass

import pytest
from e2e.conftest import Site, leader_of

from testbed.node.pods import memory_of
from testbed.waiting import wait_until

DEVICES = 5_000
MANY = 600
"""Seconds: for 5,000 Devices on a machine that runs the cluster, too."""


@dataclass(frozen=True)
class Fleet:
    """Devices beside the one of the quickstart, all Ready."""

    leader: str
    seconds: float
    """From the first that was applied to the last that was Ready."""
    ready_at: float
    """In unix seconds."""


@pytest.fixture(scope="module")
def fleet(site: Site) -> Fleet:
    """It stays: the cluster does not."""
    names = [f"meter-{number:04}" for number in range(DEVICES)]
    leader = wait_until(lambda: leader_of(site.operator), within=30, what="a replica leads")
    started = time.monotonic()
    for name in names:
        site.user.apply_device(name)
    for name in names:
        site.user.wait_ready("Device", name, within=MANY)
    return Fleet(leader, time.monotonic() - started, time.time())


@pytest.mark.timeout(2 * MANY)
def test_the_operators_container_stays_far_below_its_limit(site: Site, fleet: Fleet, measured: dict[str, str]) -> None:
    used = wait_until(lambda: memory_of(site.operator, fleet.leader, since=fleet.ready_at), within=60)
    measured[f"{DEVICES:,} Devices, applied one by one, are Ready after"] = f"{fleet.seconds:.0f} s"
    measured[f"operator's container at {DEVICES:,} Devices"] = f"{used / 2**20:.0f} MiB"

    pod = site.operator.get("Pod", fleet.leader) or {}
    assert pod["spec"]["containers"][0]["resources"]["limits"]["memory"] == "512Mi"
    assert used < 256 * 2**20
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0


def test_the_same_replica_worked_all_the_time(site: Site, fleet: Fleet) -> None:
    assert leader_of(site.operator) == fleet.leader
