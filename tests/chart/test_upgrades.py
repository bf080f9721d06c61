"""Releases of two versions after one another: what the definitions are by then, and what objects still say."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from chart.cluster import Cluster
from chart.helm import CHART, RELEASE

from testbed.apply import apply_one
from testbed.waiting import wait_until

NAMESPACE = "iotsec"
HUB = {
    "apiVersion": "iotsec.dev/v1alpha1",
    "kind": "Hub",
    "spec": {"nats": {"servers": ["nats://nats.iot.svc:4222"]}, "presence": "Paced"},
}


@pytest.fixture
def older_chart(tmp_path: Path) -> Path:
    """The chart of a version 0.0.9 that knew nothing of presence."""
    folder = Path(shutil.copytree(CHART, tmp_path / "older" / RELEASE))
    about, hubs = folder / "Chart.yaml", folder / "templates" / "crds" / "hubs.yaml"
    about.write_text(re.sub(r"^((?:app)?[vV]ersion): .*$", r"\1: 0.0.9", about.read_text(), flags=re.MULTILINE))
    hubs.write_text(re.sub(r"^ {14}presence:\n(?: {15,}.*\n| {16}- .*\n)+", "", hubs.read_text(), flags=re.MULTILINE))
    return folder


def install(cluster: Cluster, chart: Path) -> None:
    image = ("--set", "image.repository=registry.example.com/iot-security-operator")
    cluster.helm.run("install", RELEASE, str(chart), "--namespace", NAMESPACE, "--create-namespace", *image)


def upgrade(cluster: Cluster, *more: str) -> None:
    """As `docs/upgrade.md` says."""
    cluster.helm.run("upgrade", RELEASE, str(CHART), "--namespace", NAMESPACE, "--reset-then-reuse-values", *more)


def image_of(cluster: Cluster) -> Any:
    found = cluster.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{RELEASE}") or {}
    return found["spec"]["template"]["spec"]["containers"][0]["image"]


def presence_of(cluster: Cluster, namespace: str) -> Any:
    hub = cluster.get(f"/apis/iotsec.dev/v1alpha1/namespaces/{namespace}/hubs/plant") or {}
    return hub["spec"].get("presence")


def knows_presence(cluster: Cluster) -> bool:
    found = cluster.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/hubs.iotsec.dev") or {}
    spec = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return "presence" in spec["properties"]


def test_an_upgrade_brings_the_definitions_with_the_operator(cluster: Cluster, older_chart: Path) -> None:
    install(cluster, older_chart)
    assert not knows_presence(cluster)

    upgrade(cluster)

    assert knows_presence(cluster)
    assert image_of(cluster) == "registry.example.com/iot-security-operator:0.1.0"


@pytest.fixture
def upgraded(cluster: Cluster, older_chart: Path) -> str:
    """The namespace of a Hub with a field that the older release does not know."""
    install(cluster, older_chart)
    upgrade(cluster)
    namespace = cluster.namespace()
    hub = {**HUB, "metadata": {"name": "plant", "namespace": namespace}}
    # For a moment the API server still takes it by the older definition, and drops the field without a word.
    wait_until(lambda: "presence" in apply_one(cluster.plane.api, hub)["spec"], what="the field is known")
    return namespace


def test_an_operator_put_back_alone_leaves_what_objects_say(cluster: Cluster, upgraded: str) -> None:
    upgrade(cluster, "--set", "image.tag=0.0.9")

    assert image_of(cluster).endswith(":0.0.9")
    assert presence_of(cluster, upgraded) == "Paced"


def test_a_release_rolled_back_takes_new_fields_out_of_sight_until_it_is_upgraded_again(
    cluster: Cluster, upgraded: str
) -> None:
    cluster.helm.run("rollback", RELEASE, "--namespace", NAMESPACE)
    wait_until(lambda: presence_of(cluster, upgraded) is None, what="the field is out of sight")
    assert image_of(cluster).endswith(":0.0.9")

    upgrade(cluster)

    wait_until(lambda: presence_of(cluster, upgraded) == "Paced", what="the field is back")
