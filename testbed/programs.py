"""The programs the testbed runs: what they are called, which version is good enough, where their source is."""

import re
from dataclasses import dataclass
from pathlib import Path

Version = tuple[int, int, int]

GO_MODULE = Path(__file__).parent / "go"
HELM = Path(__file__).parent / "helm"
"""The Go module of Helm, which is built with later libraries of Kubernetes than the control plane."""
KUBE_SCORE = Path(__file__).parent / "kube_score"
"""The Go module of kube-score, which needs earlier ones."""
IMAGES = Path(__file__).parent / "images"
"""The Go module of what runs in pods: CoreDNS needs other versions of the same libraries again."""


@dataclass(frozen=True)
class Program:
    """A program that is looked for, and its oldest version that will do."""

    name: str
    minimum: Version
    ask_version: tuple[str, ...] = ("--version",)
    package: str | None = None
    """Its Go package, for those that are built when none is found."""

    module: Path = GO_MODULE
    """The folder of the Go module that has it."""

    version_variable: str | None = None
    """The Go variable that makes it know its own version."""


def read_version(text: str) -> Version | None:
    """The first thing in `text` that looks like a version, "v1.36.3" or "go1.27"."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def pinned(line: str, module: Path = GO_MODULE) -> str:
    """The version that a module's go.mod gives to `line`, a module's name or the word "go"."""
    found = re.search(rf"^\s*{re.escape(line)} v?(\S+)", (module / "go.mod").read_text(), re.MULTILINE)
    if not found:
        raise LookupError(f"testbed/{module.name}/go.mod does not mention {line}")
    return found[1]


def _kubernetes(name: str, minimum: Version, ask_version: tuple[str, ...] = ("--version",)) -> Program:
    return Program(
        name,
        minimum,
        ask_version,
        f"k8s.io/kubernetes/cmd/{name}",
        version_variable="k8s.io/component-base/version.gitVersion",
    )


PROGRAMS = {
    program.name: program
    for program in (
        Program("etcd", (3, 6, 0), package="go.etcd.io/etcd/server/v3"),
        _kubernetes("kube-apiserver", (1, 36, 0)),
        _kubernetes("kube-controller-manager", (1, 36, 0)),
        _kubernetes("kube-scheduler", (1, 36, 0)),
        _kubernetes("kubelet", (1, 36, 0)),
        _kubernetes("kube-proxy", (1, 36, 0)),
        _kubernetes("kubectl", (1, 0, 0), ("version", "--client")),
        Program(
            "helm",
            (4, 3, 0),
            ("version", "--short"),
            "helm.sh/helm/v4/cmd/helm",
            module=HELM,
            version_variable="helm.sh/helm/v4/internal/version.version",
        ),
        Program(
            "kube-score",
            (1, 20, 0),
            ("version",),
            "github.com/zegl/kube-score/cmd/kube-score",
            module=KUBE_SCORE,
            version_variable="main.version",
        ),
        Program("coredns", (1, 15, 0), ("-version",), "./coredns", module=IMAGES),
        Program("pause", (1, 0, 0), package="./pause", module=IMAGES),
        Program("probe", (1, 0, 0), package="./probe", module=IMAGES),
        Program("nats-server", (2, 15, 1)),
        Program("go", read_version(pinned("go")) or (0, 0, 0), ("version",)),
    )
}
