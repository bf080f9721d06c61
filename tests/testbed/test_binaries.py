from pathlib import Path

import pytest

from testbed.binaries import find
from testbed.programs import read_version


def program(directory: Path, name: str, says: str) -> Path:
    directory.mkdir(exist_ok=True)
    file = directory / name
    file.write_text(f"#!/bin/sh\necho '{says}'\n")
    file.chmod(0o755)
    return file


def test_the_first_recent_enough_program_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "assets", "kube-apiserver", "Kubernetes v1.35.9")
    recent = program(tmp_path / "path", "kube-apiserver", "Kubernetes v1.36.0")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"), prepend=":")
    assert find.__wrapped__("kube-apiserver") == recent


def test_a_program_that_cannot_say_its_version_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = program(tmp_path, "nats-server", "segmentation fault")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert find.__wrapped__("nats-server") != broken


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.27 linux/amd64", (1, 27, 0)),
        ("nats-server: v2.15.1", (2, 15, 1)),
        ("Kubernetes v1.36.3-dirty", (1, 36, 3)),
        ("", None),
    ],
)
def test_versions_are_read_as_the_programs_say_them(text: str, version: tuple[int, int, int] | None) -> None:
    assert read_version(text) == version
