"""What is done as asked, and warned of."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from install.admission import SPECS, Place

from iotsec.decide.names import FINALIZER
from testbed.user import User

CAN_BE_HELD = ["Client", "Device", "Hub", "Module"]


def hub_open_to(*cidrs: str, listener: str) -> dict[str, Any]:
    pods = {"podSelector": {"matchLabels": {"app": "nats"}}}
    return {**SPECS["Hub"], "network": {"nats": pods, "outside": [{"listener": listener, "cidrs": [*cidrs]}]}}


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0", "10.0.0.1/0"])
@pytest.mark.parametrize("listener", ["leafnodes", "gateway"])
def test_a_listener_for_servers_that_is_open_to_everybody_is_warned_of(dora: User, listener: str, network: str) -> None:
    spec = hub_open_to("10.0.0.0/8", network, listener=listener)
    dora.apply("Hub", "plant", spec)
    dora.apply("Hub", "plant", spec)
    dora.annotate("Hub", "plant", {"example.com/touched": "1"})

    (warning,) = dora.api.warnings
    assert f"the {listener} listener, for other servers, is open to every address" in warning


@pytest.mark.parametrize(
    ("listener", "network"), [("leafnodes", "10.0.0.0/8"), ("gateway", "fd00::/8"), ("mqtt", "0.0.0.0/0")]
)
def test_a_listener_that_may_be_as_open_is_not_warned_of(dora: User, listener: str, network: str) -> None:
    dora.apply("Hub", "plant", hub_open_to(network, listener=listener))

    assert dora.api.warnings == []


def test_who_deletes_a_tls_policy_is_told_what_that_switches_off(place: Place, dora: User, kubectl: Path) -> None:
    """By the real kubectl, which shows it."""
    place.written("TLSPolicy")

    answer = subprocess.run(
        [
            kubectl,
            "--kubeconfig",
            place.plane.kubeconfig,
            "-n",
            place.namespace,
            "delete",
            "tlspolicy",
            "plant",
        ],
        capture_output=True,
        text=True,
        check=True,
    )

    assert answer.stderr.startswith("Warning: ")
    assert "the servers of its Hub are configured without TLS" in answer.stderr
    assert dora.get("TLSPolicy", "plant") is None


@pytest.mark.parametrize("kind", CAN_BE_HELD)
def test_who_takes_the_finalizer_off_is_told_that_it_cuts_off_nobody(place: Place, dora: User, kind: str) -> None:
    assert place.written(kind)["metadata"]["finalizers"] == [FINALIZER]

    done = dora.patch(kind, "plant", {"metadata": {"finalizers": None}})

    (warning,) = dora.api.warnings
    assert "nobody is cut off by taking iotsec.dev/revoke off" in warning
    assert "finalizers" not in done["metadata"]
