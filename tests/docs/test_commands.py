"""The commands on the pages: the files they name are there, and Helm takes what they tell it about the chart."""

import shlex

import pytest
from chart.helm import CHART, Helm
from docs.blocks import PAGES, ROOT, fences

OURS = ("charts/", "crds/", "examples/", "gitops/", "manifests/", "kind-config.yaml")
NOT_OF_TEMPLATE = {"--reset-then-reuse-values"}
DIGEST = "sha256:" + "0123456789abcdef" * 4


def commands() -> list[list[str]]:
    """The words of each command in a block."""
    texts = [fence.text for page in PAGES for fence in fences(page) if fence.language == "console"]
    lines = [line for text in texts for line in text.replace("\\\n", " ").splitlines() if not line.startswith("$ ")]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def of_the_chart() -> list[list[str]]:
    """What follows `helm install` or `helm upgrade`, of our chart."""
    of_helm = [words[2:] for words in commands() if words[:2] in (["helm", "install"], ["helm", "upgrade"])]
    return [words for words in of_helm if any(word.startswith("charts/") for word in words)]


def test_files_of_the_repository_that_commands_name_are_there() -> None:
    named = {word for words in commands() for word in words if word.startswith(OURS)}

    assert named
    assert {name for name in named if not (ROOT / name).exists()} == set()


@pytest.mark.parametrize("words", of_the_chart(), ids=" ".join)
def test_helm_takes_what_a_command_says(helm: Helm, words: list[str]) -> None:
    here = [str(ROOT / word) if word.startswith("charts/") else word for word in words if word not in NOT_OF_TEMPLATE]
    whole = [word.replace("sha256:...", DIGEST) for word in here]
    image = () if "image.repository" in " ".join(words) else ("--set", "image.repository=registry.example.com/any")

    assert str(CHART) in whole
    assert "kind: Deployment" in helm.run("template", *whole, *image)
