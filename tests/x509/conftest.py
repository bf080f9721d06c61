import subprocess
from pathlib import Path

import pytest

from testbed import binaries

GO_MODULE = Path(__file__).parents[1] / "go"


@pytest.fixture(scope="session")
def zlint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """zlint with the lints of the RFCs (`tests/go/lint`)."""
    program = tmp_path_factory.mktemp("go") / "lint"
    subprocess.run([binaries.find("go"), "build", "-o", program, "./lint"], cwd=GO_MODULE, check=True)
    return program
