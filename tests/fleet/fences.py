"""What the NetworkPolicies that are really there allow."""

from decide.network_evaluator import Cluster

from testbed.user import User, condition_of

_OTHERS = ("monitoring", "kube-system", "control-room")


def cluster(*users: User) -> Cluster:
    """What the policies in these users' namespaces allow."""
    policies = (item for user in users for item in user.all_of("NetworkPolicy"))
    names = (*(user.namespace for user in users), *_OTHERS)
    return Cluster.of(policies, {name: {"kubernetes.io/metadata.name": name} for name in names})


def wait_cluster(user: User, *policies: str) -> Cluster:
    """The same, once these policies are there too."""
    wait_written(user)
    for name in policies:
        user.wait_for("NetworkPolicy", name, bool)
    return cluster(user)


def wait_written(user: User, hub: str = "plant") -> None:
    """Wait until a Hub says that its policies are as they should be."""
    user.wait_for("Hub", hub, lambda it: condition_of(it, "NetworkPoliciesWritten").get("status") == "True")
