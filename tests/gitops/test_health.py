"""What Argo CD, Flux and kstatus make of an object in each phase of its life, by what this repository has them told."""

import json
from copy import deepcopy

import pytest
import yaml
from gitops.judge import HEALTH, Json, Judge, RefusedError, kustomization
from gitops.phases import KINDS, VERDICTS, cases, recorded

from iotsec.api.crd import KINDS as SERVED
from iotsec.api.meta import API_VERSION

TESTS = yaml.safe_load((HEALTH / "health_test.yaml").read_text())["tests"]


@pytest.mark.parametrize("case", TESTS, ids=lambda case: case["inputPath"])
def test_argo_cd_finds_what_its_test_data_say(judge: Judge, case: Json) -> None:
    thing = yaml.safe_load((HEALTH / case["inputPath"]).read_text())

    status, message = judge.argo_cd(thing)

    assert {"status": status, "message": message} == case["healthStatus"]
    assert message


def test_argo_cd_has_test_data_of_every_phase_of_every_kind() -> None:
    assert sorted(case["inputPath"] for case in TESTS) == sorted(
        f"testdata/{f.name}" for f in HEALTH.glob("testdata/*")
    )
    assert len(TESTS) == len(cases())
    assert set(KINDS) == {kind.name for kind in SERVED}


@pytest.mark.parametrize(("kind", "phase"), cases())
def test_every_tool_finds_the_phase(judge: Judge, kind: str, phase: str) -> None:
    thing = recorded(kind, phase)

    assert (judge.argo_cd(thing)[0], judge.flux(thing), judge.kstatus(thing)) == VERDICTS[phase]


@pytest.mark.parametrize("status", [None, {}, {"observedGeneration": 1}, {"observedGeneration": 1, "conditions": []}])
def test_nothing_counts_as_done_that_nobody_has_looked_at(judge: Judge, status: Json | None) -> None:
    thing = recorded("Device", "new") | {"status": status}

    assert judge.argo_cd(thing)[0] == "Progressing"


def test_what_was_said_of_a_former_spec_does_not_count(judge: Judge) -> None:
    thing = deepcopy(recorded("Device", "ready"))
    thing["metadata"]["generation"] = thing["status"]["observedGeneration"] = 9

    assert judge.argo_cd(thing)[0] == "Progressing"
    assert judge.flux(thing) == "InProgress"


def test_an_object_that_goes_is_not_healthy_before_the_operator_has_looked(judge: Judge) -> None:
    thing = deepcopy(recorded("Device", "ready"))
    thing["metadata"]["deletionTimestamp"] = "2030-01-31T12:00:00Z"

    assert judge.argo_cd(thing)[0] == "Progressing"


def test_a_suspension_is_told_once_it_is_so(judge: Judge) -> None:
    """Servers that do not answer may still let it in: somebody who suspends a stolen device must not see it done."""
    thing = deepcopy(recorded("Device", "waiting"))
    thing["spec"]["suspended"] = True

    assert judge.argo_cd(thing)[0] == "Progressing"
    assert judge.flux(thing) == "InProgress"


def test_flux_checks_the_whole_group(judge: Judge) -> None:
    (checks,) = kustomization("fleet")["spec"]["healthCheckExprs"]

    assert checks["apiVersion"] == API_VERSION
    assert "kind" not in checks
    assert judge.flux(recorded("Device", "ready")) == "Current"


@pytest.mark.parametrize("script", ["return {a = io.open('/')}", "return os.time()", "return ('a'):upper()"])
def test_the_machine_has_no_more_than_argo_cds(judge: Judge, script: str) -> None:
    with pytest.raises(RefusedError):
        judge.lua(script, recorded("Device", "new"))


def test_the_scripts_are_no_templates_of_anybody() -> None:
    text = (HEALTH / "health.lua").read_text() + json.dumps(TESTS)

    assert not [syntax for syntax in ("${", "$$", "{{") if syntax in text]
