"""Have all that a node takes: `python -m testbed.node.prepare`, before its machine, which reaches no registry."""

import sys

from testbed.binaries import NODE, find
from testbed.node import packages


def main() -> int:
    """Install what is missing; gives the exit code."""
    try:
        packages.install([packages.RUNNING])
    except RuntimeError as error:
        print(f"testbed: {error}", file=sys.stderr)
        return 1
    for name in NODE:
        find(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
