"""The command ``iotsec`` (also ``kubectl iotsec``)."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import replace

import uvloop

from iotsec import __version__, app, logs
from iotsec.settings import LOG_LEVELS, from_environment


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    parser = argparse.ArgumentParser(prog="iotsec", description="Security of IoT fleets on NATS.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run the operator")
    run.add_argument("--kubeconfig", help="kubeconfig to use (default: $KUBECONFIG, or the pod's service account)")
    run.add_argument("--liveness", help="URL to answer liveness probes at, e.g. http://0.0.0.0:8080/healthz")
    run.add_argument("--log-level", choices=LOG_LEVELS, type=str.upper)
    given = {k: v for k, v in vars(parser.parse_args(arguments)).items() if v is not None and k != "command"}
    try:
        settings = replace(from_environment(os.environ), **given)
    except ValueError as error:
        parser.error(str(error))
    logs.configure(settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(app.run(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
