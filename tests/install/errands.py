"""All that users have the operator do: each request that it ever makes of the API server is made for one of these."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleet.encrypted import EncryptedSite, encrypted_site

from testbed.user import Object, User
from testbed.waiting import wait_until

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
BUNDLE = "plant-ca-bundle"
BILLING = {"podSelector": {"matchLabels": {"app": "billing"}}}
NETWORK = {"nats": {"podSelector": {"matchLabels": {"app": "nats"}}}}
IDENTITIES = ("Device", "Module", "Client")


def connect_everybody(site: EncryptedSite) -> None:
    """One identity of each kind, and Modules that have each kind of workload restarted; one has its own network."""
    user = site.user
    user.apply_device("pump")
    user.apply_client("console")
    user.apply_module("billing", network=BILLING)
    for kind in WORKLOADS:
        run_workload(user, kind)
        user.apply_module(kind.lower(), workload={"kind": kind, "name": "worker", "onRotation": "Restart"})
    user.wait_ready("Device", "pump")
    user.wait_ready("Client", "console")
    for name in ("billing", *map(str.lower, WORKLOADS)):
        user.wait_ready("Module", name)


def rotate_modules(site: EncryptedSite) -> None:
    """Other keys for the Modules, with which their workloads are restarted."""
    for kind in WORKLOADS:
        site.user.annotate("Module", kind.lower(), {"iotsec.dev/rotate": "1"})
    for kind in WORKLOADS:
        site.user.wait_for("Module", kind.lower(), lambda module: "restartedAt" in module["status"])


def lose_secrets(site: EncryptedSite) -> None:
    """Somebody deletes the Secret of an identity, which is put there again."""
    before = site.user.get("Secret", "pump-device-creds") or {}
    site.user.delete("Secret", "pump-device-creds")
    site.user.wait_for("Secret", "pump-device-creds", lambda it: it["metadata"]["uid"] != before["metadata"]["uid"])


def strip_labels(site: EncryptedSite) -> None:
    """Somebody takes the labels off what is not the Hub's alone, and so out of the operator's sight."""
    for kind, name in (("ConfigMap", BUNDLE), ("NetworkPolicy", "plant-nats")):
        before = labels_of(site.user.wait_for(kind, name, labels_of))
        site.user.patch(kind, name, {"metadata": {"labels": None}})
        site.user.wait_for(kind, name, lambda thing, before=before: labels_of(thing) == before)


def labels_of(thing: Object) -> Any:
    return thing["metadata"].get("labels")


def run_workload(user: User, kind: str) -> None:
    """Something that has pods; no pods run here."""
    template = {
        "metadata": {"labels": {"app": "worker"}},
        "spec": {"containers": [{"name": "main", "image": "example.invalid/worker:1"}]},
    }
    spec: Object = {"selector": {"matchLabels": {"app": "worker"}}, "template": template}
    user.create(kind, "worker", spec=spec | ({"serviceName": "worker"} if kind == "StatefulSet" else {}))


def take_bundle_back(site: EncryptedSite, **policy: Any) -> None:
    """No ConfigMap is wanted any more."""
    site.encrypt(**policy)
    site.user.wait_gone("ConfigMap", BUNDLE)


def cut_everybody_off(site: EncryptedSite) -> None:
    """All identities go, and the network of the Module, then the Hub itself."""
    user = site.user
    for kind in IDENTITIES:
        user.delete_all(kind)
    for kind in IDENTITIES:
        wait_until(lambda kind=kind: not user.all_of(kind), what=f"no {kind} is left")
    user.wait_gone("NetworkPolicy", "billing-module")
    user.delete("Hub", "plant")
    user.wait_gone("Hub", "plant")


def touch_lease(user: User, name: str) -> None:
    """Somebody annotates the Lease, just when it is to be renewed."""
    before = user.annotate("Lease", name, {"example.com/touched": "yes"})
    user.wait_for("Lease", name, lambda lease: lease["spec"]["renewTime"] != before["spec"]["renewTime"])


def order_certificates(user: User, directory: Path, policy: Mapping[str, Any]) -> None:
    """A Hub whose certificates an issuer of cert-manager signs, and a Device that has one of it."""
    issuer = {"issuer": {"certManager": {"issuerRef": {"name": "plant-ca"}}}}
    with encrypted_site(user, directory, mode="Mutual", **issuer, **policy):
        user.apply_device("valve")
        user.wait_ready("Device", "valve", within=60)
        user.wait_secret("valve-device-tls")
