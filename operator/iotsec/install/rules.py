"""What the operator may do and why, and what users may: the one place from which every Role and ClusterRole comes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iotsec.api.crd import KINDS
from iotsec.api.meta import GROUP

_READ = ("get", "list", "watch")
_FOLLOW = ("list", "watch")
RESTORE = "restore"
"""On statuses: the verb of whoever may write them beside the operator, from a backup; `docs/admission.md`."""
_WRITE = ("create", "update", "patch", "delete", "deletecollection")

_IDENTITIES = ("devices", "modules", "clients")
_FINALIZED = ("hubs", *_IDENTITIES)
_ALL = tuple(kind.plural for kind in KINDS)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a Role, with the reason why it is there: a sentence for whoever reviews it."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    reason: str
    names: tuple[str, ...] = ()
    """The only objects that are meant; empty: all."""

    def to_object(self) -> dict[str, Any]:
        """Return the rule as a Role has it."""
        rule: dict[str, Any] = {"apiGroups": [self.group], "resources": [*self.resources], "verbs": [*self.verbs]}
        return rule | ({"resourceNames": [*self.names]} if self.names else {})


NAMESPACED: tuple[Rule, ...] = (
    Rule(
        GROUP, _FINALIZED, (*_READ, "patch"), "It reads what is wanted, and writes the finalizer where it is missing."
    ),
    Rule(
        GROUP,
        tuple(f"{plural}/status" for plural in (*_FINALIZED, "tlspolicies")),
        ("patch",),
        "It tells in the status what is so.",
    ),
    Rule(GROUP, ("tlspolicies",), _FOLLOW, "It reads how a Hub is encrypted."),
    Rule(
        "",
        ("secrets",),
        (*_READ, "create", "patch", "delete"),
        "Credentials, keys and the servers' configuration are Secrets; it lists and watches its own, by their label.",
    ),
    Rule(
        "",
        ("configmaps",),
        (*_READ, "create", "patch", "delete"),
        "Trust bundles are ConfigMaps in the namespaces that a TLSPolicy names.",
    ),
    Rule(
        "networking.k8s.io",
        ("networkpolicies",),
        (*_READ, "create", "patch", "delete"),
        "NetworkPolicies for the pods of NATS and of Modules, and where a Hub closes a namespace; by their label.",
    ),
    Rule("", ("pods",), ("list",), "A Module whose selector takes no pod says so."),
    Rule(
        "apps",
        ("deployments", "statefulsets", "daemonsets"),
        ("patch",),
        "A Module may have its workload restarted with new credentials: one annotation of the pod template.",
    ),
    Rule(
        "cert-manager.io",
        ("certificaterequests",),
        (*_FOLLOW, "create", "delete"),
        "Certificates of a Hub whose issuer is one of cert-manager; without cert-manager this means nothing.",
    ),
    Rule("events.k8s.io", ("events",), ("create",), "It tells as events what happened."),
)
"""In each namespace whose objects it looks after."""

LABELS = Rule("", ("namespaces",), _FOLLOW, "An account may be open to namespaces by their labels.")
"""In the whole cluster, where it looks after all namespaces. No Role can let anybody watch a namespace's labels."""

LEASE: tuple[Rule, ...] = (
    Rule(
        "coordination.k8s.io",
        ("leases",),
        ("create",),
        "Replicas choose who works by a Lease; one that is not there yet can be named by no rule.",
    ),
    Rule(
        "coordination.k8s.io",
        ("leases",),
        (*_READ, "patch"),
        "That one Lease, and no other.",
        names=("iot-security-operator",),
    ),
)
"""In its own namespace."""

LEADER_EVENTS = Rule("events.k8s.io", ("events",), ("create",), "It tells there which replica works.")
"""In its own namespace, too, where it looks after some namespaces alone: elsewhere it may in all of them."""


@dataclass(frozen=True, slots=True)
class UserRole:
    """A ClusterRole that Kubernetes adds to its own, those of the names in ``to``; users are bound to these.

    One that is added to none is bound by itself.
    """

    name: str
    to: tuple[str, ...]
    rules: tuple[Rule, ...]

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels by which it is added."""
        return {f"rbac.authorization.k8s.io/aggregate-to-{role}": "true" for role in self.to}


USER_ROLES: tuple[UserRole, ...] = (
    UserRole(
        "iotsec-view",
        ("view", "edit", "admin"),
        (
            Rule(
                GROUP,
                (*_ALL, *(f"{plural}/status" for plural in _ALL)),
                _READ,
                "See every object and its status; none of them has anything secret, and no Secret can be read by it.",
            ),
        ),
    ),
    UserRole(
        "iotsec-edit",
        ("edit", "admin"),
        (Rule(GROUP, _IDENTITIES, _WRITE, "Connect, change and cut off devices, modules and clients."),),
    ),
    UserRole(
        "iotsec-admin",
        ("admin",),
        (
            Rule(
                GROUP,
                ("hubs", "tlspolicies"),
                _WRITE,
                "Make trust roots and say how they are encrypted: whoever may can let anybody in.",
            ),
        ),
    ),
    UserRole(
        "iotsec-restore",
        (),
        (
            Rule(
                GROUP,
                tuple(f"{plural}/status" for plural in _ALL),
                ("update", "patch", RESTORE),
                "Restore statuses from a backup: whoever may can have certificates of others revoked.",
            ),
        ),
    ),
)


def cluster_rules() -> Sequence[Rule]:
    """Return the rules of an operator that looks after all namespaces."""
    return (*NAMESPACED, LABELS)
