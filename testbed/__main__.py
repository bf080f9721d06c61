"""The testbed's commands: `python -m testbed up|down|run|find NAME`."""

import argparse
import contextlib
import sys
from pathlib import Path

from testbed import cluster, supervisor
from testbed.binaries import find
from testbed.programs import PROGRAMS

_PROJECT = Path(__file__).parent.parent


def main() -> int:
    """Run one command; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m testbed", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (
        ("up", "start a control plane and a nats-server that stay"),
        ("down", "stop and remove what `up` started"),
        ("run", "the same in the foreground, until Ctrl-C"),
    ):
        command = commands.add_parser(name, help=what)
        command.add_argument("--directory", type=Path, default=_PROJECT / ".cluster", help="where it is kept")
    finder = commands.add_parser("find", help="print the path of a program, installing it if need be")
    finder.add_argument("name", choices=sorted(PROGRAMS))
    arguments = parser.parse_args()
    if arguments.command == "find":
        print(find(arguments.name))
        return 0
    directory: Path = arguments.directory.absolute()
    if arguments.command == "up":
        return cluster.up(directory)
    if arguments.command == "down":
        return cluster.down(directory)
    with contextlib.suppress(KeyboardInterrupt):
        supervisor.run(directory, project=_PROJECT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
