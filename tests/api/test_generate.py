"""What is generated is the same every time, the same as what is in the repository, and safe to template."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from iotsec.api.generate import drift, generated, main, yaml_text

ROOT = Path(__file__).resolve().parents[2]


def test_the_repository_has_what_the_models_generate() -> None:
    assert drift(ROOT, generated()) == []


def test_another_process_generates_the_same(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "iotsec.api.generate", "--root", str(tmp_path)]
    subprocess.run(command, check=True, cwd=ROOT / "operator", env={"PYTHONHASHSEED": "7"})
    assert drift(tmp_path, generated()) == []


def test_the_check_passes_where_all_was_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(tmp_path)]) == 0
    assert main(["--root", str(tmp_path), "--check"]) == 0
    assert capsys.readouterr().out == ""


def test_the_check_shows_what_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--root", str(tmp_path)])
    target = tmp_path / "crds" / "iotsec.dev_devices.yaml"
    target.write_text(target.read_text(encoding="utf-8").replace("maxLength: 64", "maxLength: 65"), encoding="utf-8")
    assert main(["--root", str(tmp_path), "--check"]) == 1
    shown = capsys.readouterr().out
    assert "crds/iotsec.dev_devices.yaml" in shown
    assert "-                maxLength: 65" in shown
    assert "+                maxLength: 64" in shown


def test_the_check_misses_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert main(["--root", str(tmp_path), "--check"]) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", [path for path in generated() if path.startswith("crds/")])
@pytest.mark.parametrize("syntax", ["${", "{{", "$$", chr(92)])
def test_no_gitops_tool_takes_a_crd_for_a_template(path: str, syntax: str) -> None:
    assert syntax not in generated()[path]


def test_a_repeated_value_is_written_twice() -> None:
    shared = {"a": 1}
    text = yaml_text({"x": shared, "y": shared})
    assert "&" not in text
    assert yaml.safe_load(text) == {"x": {"a": 1}, "y": {"a": 1}}
