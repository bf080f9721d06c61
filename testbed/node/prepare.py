"""Have all that a node takes: `python -m testbed.node.prepare`, before its machine, which reaches no registry.

With `--kind`: what a cluster of kind takes, with the image built by Docker from the base that the Dockerfile names.
"""

import sys
import time
from pathlib import Path

from testbed.binaries import IN_IMAGES, NODE, find
from testbed.node import packages
from testbed.node.operator_image import build_by_docker, build_operator_image

PROJECT = Path(__file__).parents[2]
OPERATOR_IMAGE = PROJECT / ".e2e" / "operator.tar"


def main() -> int:
    """Install what is missing, and build the operator's image; gives the exit code."""
    kind = "--kind" in sys.argv[1:]
    try:
        if not kind:
            packages.install([packages.RUNNING, packages.BUILDING])
        for name in (*IN_IMAGES, "helm", "kubectl") if kind else NODE:
            find(name)
        started = time.monotonic()
        (build_by_docker if kind else build_operator_image)(PROJECT, OPERATOR_IMAGE)
    except RuntimeError as error:
        print(f"testbed: {error}", file=sys.stderr)
        return 1
    print(f"testbed: the operator's image is built, in {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
