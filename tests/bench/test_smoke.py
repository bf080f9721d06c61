"""The whole benchmark with next to no Devices: every figure is measured and printed; none of its values means much."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIGURES = {
    "onboard.backlog.ratio",
    "onboard.backlog.rate",
    "onboard.stream.ratio",
    "onboard.stream.rate",
    "onboard.writes_per_device",
    "onboard.cpu_ms_per_device",
    "onboard.stream.cpu_ms_per_device",
    "onboard_tls.backlog.ratio",
    "onboard_tls.backlog.rate",
    "onboard_tls.writes_per_device",
    "onboard_tls.cpu_ms_per_device",
    "ready.p50_ms",
    "ready.p95_ms",
    "cutoff.p50_ms",
    "cutoff.p99_ms",
    "cutoff.burst_p99_ms",
    "idle.writes",
    "restart.writes",
    "restart.steady_s",
    "pushes.per_1000_deletes",
    "delete.seconds_1000",
    "delete.cutoff_p50_ms",
    "delete.cutoff_p99_ms",
    "delete.writes_per_device",
    "delete.cpu_ms_per_device",
    "ca_rotation.seconds",
    "ca_rotation.writes",
    "ca_rotation.refused",
    "ca_rotation.handshakes",
    "handover.crash_seconds",
    "handover.graceful_seconds",
    "rss.mib_1000",
    "rss.mib_5000",
    "rss.kib_per_device",
    "renewal.late",
    "renewal.over_budget",
    "renewal.max_writes_per_second",
    "renewal.bystander_idle_p99_ms",
    "renewal.bystander_p99_ms",
    "idle.cpu_percent_5000",
    "resync.seconds_5000",
    "resync.writes",
    "role_edit.pushes",
    "role_edit.writes",
    "role_edit.hub_writes",
    "role_edit.effective_ms",
}
NOTHING = (
    "restart.writes",
    "ca_rotation.refused",
    "renewal.late",
    "renewal.over_budget",
    "resync.writes",
    "role_edit.writes",
)
"""Figures that are 0 however few Devices there are."""


@pytest.mark.timeout(900)  # a machine that has none of the programs yet builds them first
@pytest.mark.skipif(sys.platform != "linux", reason="CPU time and memory are read from /proc")
def test_every_figure_is_one_line_on_stdout() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "bench", "--scale", "0.002"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    figures = {figure["name"]: figure for figure in map(json.loads, answer.stdout.splitlines())}
    assert figures.keys() == FIGURES
    assert figures["onboard.writes_per_device"]["value"] >= 2  # the audit log was read, and tells of the operator
    assert figures["onboard_tls.writes_per_device"]["value"] >= 3  # the certificate has a Secret of its own
    for name in NOTHING:
        assert figures[name]["value"] == 0, figures[name]
    assert figures["ca_rotation.handshakes"]["value"] > 0
    assert figures["renewal.max_writes_per_second"]["value"] > 0
    assert figures["role_edit.pushes"]["value"] == 1
