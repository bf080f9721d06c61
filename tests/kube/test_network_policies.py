"""NetworkPolicies at a real API server, which takes none that is too large for it."""

import pytest
from kube.api_client import api_client

from iotsec.decide.network_policies import POLICIES, policy
from iotsec.kube.keys import Key
from iotsec.kube.placements import Placements
from iotsec.kube.resources import NETWORK_POLICIES
from testbed.control_plane import ControlPlane

HUB = Key("Hub", "iot", "plant")


async def _at_once() -> None:
    """Nothing to wait for before a write."""


@pytest.mark.filterwarnings("ignore:Sending a large body")
@pytest.mark.parametrize("modules", [41_500, 60_000], ids=["for etcd", "for the API server"])
async def test_a_policy_that_is_too_large_is_told_and_keeps_no_other_from_being_written(
    control_plane: ControlPlane, namespace: str, modules: int
) -> None:
    peers = [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": f"module-{n:05}"}}} for n in range(modules)]
    large = policy({}, [{"from": peers}], [])
    async with api_client(control_plane.kubeconfig, sending=_at_once) as client:
        policies = Placements(client, POLICIES, NETWORK_POLICIES, changed=lambda _: None)

        told = await policies.keep(HUB, {(namespace, "large"): large, (namespace, "small"): policy({}, [], [])})

    assert list(told) == [(namespace, "large")]
    assert "large cannot be written" in told[namespace, "large"]
    path = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"
    assert [item["metadata"]["name"] for item in control_plane.api.request("GET", path)["items"]] == ["small"]
