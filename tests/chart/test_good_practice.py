"""What kube-score says of the chart; where we do otherwise, the reason stands here."""

import subprocess
from pathlib import Path

import pytest
import yaml
from chart.helm import CHART, Helm, Rendered

from testbed.binaries import find

OTHERWISE = (
    # Always asks the registry at each start, and is down with it; a digest says which image it is.
    "--ignore-test=container-image-pull-policy",
    # Signing comes in bursts, and nobody else's need throttles it.
    "--ignore-container-cpu-limit",
    # topologySpreadConstraints do that, and do not keep a rollout from ending.
    "--ignore-test=deployment-has-host-podantiaffinity",
)


@pytest.fixture
def kube_score() -> Path:
    return find("kube-score")


def scored(kube_score: Path, rendered: Rendered) -> set[str]:
    """What it finds fault with, by the lines it prints for machines."""
    command = [kube_score, "score", "-", "--output-format", "ci", "--kubernetes-version", "v1.36", *OTHERWISE]
    manifests = yaml.safe_dump_all(rendered.objects)
    answer = subprocess.run(command, input=manifests, capture_output=True, text=True, check=False)
    assert "[OK]" in answer.stdout, answer.stderr
    return {line for line in answer.stdout.splitlines() if line.startswith(("[CRITICAL]", "[WARNING]"))}


@pytest.mark.parametrize(
    "file", [None, *CHART.glob("values-*.yaml")], ids=lambda file: file.stem if file else "default"
)
def test_kube_score_finds_no_fault(helm: Helm, kube_score: Path, file: Path | None) -> None:
    arguments = ("--values", str(file)) if file else ()
    rendered = helm.render({"crds": {"enabled": False}}, *arguments)

    assert scored(kube_score, rendered) == set()


def test_kube_score_would_find_faults(helm: Helm, kube_score: Path) -> None:
    rendered = helm.render({"crds": {"enabled": False}, "networkPolicy": {"enabled": False}})

    assert any("NetworkPolicy" in line for line in scored(kube_score, rendered))
