"""Nothing here is a template by accident: Flux substitutes in all that it applies, and Helm in all of a chart."""

import pytest
from gitops.judge import ROOT

FILES = [
    file for folder in ("crds", "manifests", "examples", "gitops") for file in sorted(ROOT.glob(f"{folder}/**/*.yaml"))
]


@pytest.mark.parametrize("syntax", ["${", "$$", "{{"])
def test_no_manifest_is_taken_for_a_template(syntax: str) -> None:
    assert len(FILES) > 50
    assert [file.name for file in FILES if syntax in file.read_text()] == []


def test_no_manifest_has_what_flux_squashes() -> None:
    """A backslash before it is substituted is none after it (kustomize-controller issue 437)."""
    assert [file.name for file in FILES if chr(92) in file.read_text()] == []
