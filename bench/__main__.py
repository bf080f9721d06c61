"""Measure: `python -m bench`; one JSON line a figure on stdout, progress on stderr.

Goals stand beside the figures and are not enforced: the exit code is 0 when everything could be measured.
"""

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from bench.groups import GROUPS
from bench.programs import ROOT
from bench.session import Session
from bench.site import Site, progress
from testbed.control_plane import ControlPlane


async def measure(plane: ControlPlane, directory: Path, groups: list[str], scale: float) -> None:
    """Print the figures of these groups."""
    async with Session(plane.kubeconfig) as session, Site(plane, session, directory, scale=scale) as site:
        for group in groups:
            began = time.monotonic()
            progress(f"{group} …")
            try:
                async for figure in GROUPS[group](site):
                    print(figure.line(), flush=True)
            except Exception:
                progress(f"{group} could not be measured; the operator's last words:\n{site.log().tail()}")
                raise
            progress(f"{group}: {time.monotonic() - began:.0f} s")


def main() -> int:
    """Read the command line and measure; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=GROUPS, metavar="GROUP", help=f"some of {', '.join(GROUPS)}")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies all sizes (default: 1)")
    arguments = parser.parse_args()
    if not Path("/proc/self/stat").exists():
        parser.error("CPU time and memory are read from /proc: run this on Linux")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # in order, so that nothing is left behind
    groups = [name for name in GROUPS if arguments.only is None or name in arguments.only]
    with tempfile.TemporaryDirectory(prefix="iotsec-bench-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        progress("starting etcd, kube-apiserver and kube-controller-manager …")
        with ControlPlane(directory / "control-plane", manifests=[ROOT / "crds", ROOT / "manifests"]) as plane:
            uvloop.run(measure(plane, directory, groups, arguments.scale))
    return 0


if __name__ == "__main__":
    sys.exit(main())
