"""Onboarding by the operator, side by side with a program that makes the same API writes and nothing else.

Either way the control plane does most of the work: the ratio tells what the operator adds to it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from bench.arithmetic import rate
from bench.device_watch import DeviceWatch
from bench.feeder import names
from bench.figures import Figure, Goal
from bench.programs import run_feeder, run_program
from bench.site import Fleet, Site, progress
from bench.template import Template
from iotsec.kube.resources import SECRETS

_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Run:
    """One onboarding by the operator: devices a second, CPU seconds in all, API writes in all."""

    rate: float
    cpu_seconds: float
    writes: Counter[str]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The runs of one mode; rates are devices a second, from the start of the work until the last Device is Ready.

    In mode `backlog` the Devices wait for whoever onboards them, in mode `stream` they are created meanwhile.
    """

    group: str
    """What the figures' names begin with."""
    mode: str
    bare: list[float] = field(default_factory=list)
    operator: list[Run] = field(default_factory=list)

    def rates(self, devices: int, goal: Goal) -> Iterator[Figure]:
        """Yield the ratio of the medians, and the operator's rate."""
        runs = [run.rate for run in self.operator]
        ours, theirs = median(runs), median(self.bare)
        baseline = {"bare_per_s": theirs, "operator_per_s": ours, "bare_runs": self.bare, "operator_runs": runs}
        yield Figure(f"{self.group}.{self.mode}.ratio", ours / theirs, "ratio", devices, goal, baseline)
        yield Figure(f"{self.group}.{self.mode}.rate", ours, "devices/s", devices)

    def cpu(self, name: str, devices: int, goal: Goal | None = None) -> Figure:
        """CPU time of the operator process for each Device."""
        value = median(run.cpu_seconds for run in self.operator) / devices * 1000
        return Figure(f"{self.group}.{name}", value, "ms/device", devices, goal)


def writes(comparisons: Sequence[Comparison], devices: int, goal: Goal) -> Figure:
    """API writes of the operator for each Device, in all modes."""
    runs = [run for comparison in comparisons for run in comparison.operator]
    total = sum((run.writes for run in runs), Counter[str]())
    per_device = {what: count / devices / len(runs) for what, count in sorted(total.items())}
    name = f"{comparisons[0].group}.writes_per_device"
    return Figure(name, sum(per_device.values()), "writes/device", devices, goal, per_device)


async def compare(site: Site, comparisons: Sequence[Comparison], devices: int, **spec: Any) -> None:
    """Fill these with runs of so many Devices; `spec` is what `Site.fleet` makes their Hub of."""
    template = await _sample(site, spec)
    for number in range(1, _ROUNDS + 1):
        # In turns, so that a slow minute of the machine is nobody's alone.
        for comparison in comparisons:
            mode = comparison.mode
            progress(f"  {mode}, round {number} of {_ROUNDS}: the bare writer …")
            comparison.bare.append(await _bare(site, mode, template, devices))
            progress(f"  {mode}, round {number} of {_ROUNDS}: the operator …")
            async with site.fleet(**spec) as fleet:
                comparison.operator.append(await (_backlog if mode == "backlog" else _stream)(fleet, devices))


async def _sample(site: Site, spec: dict[str, Any]) -> Path:
    """Write down what the operator makes of a Device, for the bare writer."""
    async with site.fleet(**spec) as fleet:
        (name,) = await fleet.grow(1)
        device = fleet.user.get("Device", name)
        secrets = (await site.session.get(SECRETS.path(fleet.namespace)))["items"]
    if device is None:
        raise LookupError(f"Device {name} is gone")
    file = site.plane.directory / "template.json"
    file.write_bytes(orjson.dumps(Template.of(secrets, device).to_json()))
    return file


async def _bare(site: Site, mode: str, template: Path, devices: int) -> float:
    """Let the bare writer do it, in a namespace of its own, while the operator is stopped."""
    namespace = await site.namespace()
    admin = site.plane.kubeconfig
    if mode == "backlog":
        await run_feeder(admin, namespace, devices)
    async with DeviceWatch(site.session, namespace) as watch:
        result = await run_program(
            "bench.bare_writer",
            *(mode, "--kubeconfig", site.operator_kubeconfig(), "--admin", admin, "--namespace", namespace),
            *("--count", str(devices), "--template", template),
        )
        last = await watch.wait_ready(names(devices))
    return rate(devices, last - result["began"])


async def _backlog(fleet: Fleet, devices: int) -> Run:
    """All Devices wait for the operator: from the moment it begins to work on them."""
    site = fleet.site
    await site.stop_operator()
    await run_feeder(site.plane.kubeconfig, fleet.namespace, devices)
    audit, log = site.audit(), site.log()
    await site.start_operator()
    # Seen at most a poll of 20 ms after the fact: so much of the first work is not counted.
    before = site.usage().cpu_seconds()
    last = await fleet.watch.wait_ready(names(devices))
    await site.usage().wait_quiet()  # what the echoes of the last writes cost belongs to them
    cpu = site.usage().cpu_seconds() - before
    return Run(rate(devices, last - log.started_at()), cpu, audit.writes())


async def _stream(fleet: Fleet, devices: int) -> Run:
    """Devices are created while the operator runs: from the first request for one."""
    site = fleet.site
    await site.usage().wait_quiet()
    audit = site.audit()
    before = site.usage().cpu_seconds()
    result = await run_feeder(site.plane.kubeconfig, fleet.namespace, devices)
    last = await fleet.watch.wait_ready(names(devices))
    await site.usage().wait_quiet()
    cpu = site.usage().cpu_seconds() - before
    return Run(rate(devices, last - result["began"]), cpu, audit.writes())
