"""The operator at work with what a release of the chart gives it: its definitions, its account, its rights."""

from pathlib import Path

from chart.cluster import Cluster
from fleet.conftest import bring_up, new_namespace
from install.rights import refused_requests

from iotsec.decide.names import FINALIZER
from testbed.nats_server import NatsServer
from testbed.operator import SERVICE_ACCOUNT, Operator


def test_a_device_is_connected_and_cut_off_by_the_rights_of_a_release(cluster: Cluster, tmp_path: Path) -> None:
    namespace, _, name = SERVICE_ACCOUNT.partition("/")
    cluster.helm.install(name=name, namespace=namespace)
    operator = Operator(cluster.plane, tmp_path / "operator")

    with operator, new_namespace(cluster.plane) as user, NatsServer(tmp_path / "nats", interval="2s") as server:
        device = bring_up(user, server).ready_device("weather-01")
        assert device["metadata"]["finalizers"] == [FINALIZER]
        assert user.secret("weather-01-device-creds")

        user.delete("Device", "weather-01")
        user.wait_gone("Device", "weather-01")

    assert refused_requests(cluster.plane.audit_log, f"system:serviceaccount:{namespace}:{name}") == set()
