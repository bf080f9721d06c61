"""What would lock the operator or a factory out, or keep somebody in who has to go, does not come to pass."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fleet.conftest import new_namespace
from fleet.encrypted import QUICK, EncryptedSite, client_context, encrypted_site
from fleet.logins import off_the_loop
from fleet.own_ca import SECRET, own_root

from testbed.clients import is_accepted, wait_refused
from testbed.control_plane import ControlPlane
from testbed.handshakes import shake_hands
from testbed.operator import Operator
from testbed.user import User, condition_of
from testbed.waiting import wait_until

CLIENTS_ONLY = {"listeners": {"websocket": {"mode": "Off"}, "cluster": {"mode": "Off"}}}
MUTUAL: dict[str, Any] = {"mode": "Mutual", **CLIENTS_ONLY, **QUICK}


@pytest.fixture
def site(operator: Operator, user: User, tmp_path: Path) -> Iterator[EncryptedSite]:  # noqa: ARG001 - it makes the Hub work
    """A Hub of one server whose clients show certificates, and a Device."""
    with encrypted_site(user, tmp_path, **MUTUAL) as site:
        user.wait_ready("TLSPolicy", "plant", within=60)
        user.apply_device("pump")
        user.wait_ready("Device", "pump")
        yield site


def tear_away(user: User, secret: str) -> None:
    """Delete a Secret though the operator's finalizer is on it."""
    user.patch("Secret", secret, {"metadata": {"finalizers": None}})
    user.delete("Secret", secret)
    user.wait_gone("Secret", secret)


@contextmanager
def refusing(plane: ControlPlane, namespace: str, secret: str) -> Iterator[None]:
    """The API server creates no Secret of this name, as where a quota is used up."""
    root, name = "/apis/admissionregistration.k8s.io/v1", f"no-secret-{namespace}"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]}
    expression = f"!(object.metadata.name.startsWith('{secret}') && object.metadata.namespace == '{namespace}')"
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": expression, "message": "out of quota"}],
    }
    plane.api.request("POST", f"{root}/validatingadmissionpolicies", {"metadata": {"name": name}, "spec": spec})
    binding = {"metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]}}
    plane.api.request("POST", f"{root}/validatingadmissionpolicybindings", binding)

    def is_in_force() -> bool:
        path = f"/api/v1/namespaces/{namespace}/secrets?dryRun=All"
        try:
            plane.api.request("POST", path, {"metadata": {"name": f"{secret}-probe"}})
        except Exception as error:  # noqa: BLE001 - any refusal with these words
            return "out of quota" in str(error)
        return False

    try:
        wait_until(is_in_force, what="the policy is in force")
        yield
    finally:
        plane.api.request("DELETE", f"{root}/validatingadmissionpolicybindings/{name}")
        plane.api.request("DELETE", f"{root}/validatingadmissionpolicies/{name}")


async def test_servers_stay_encrypted_while_a_certificate_is_lost_and_nobody_can_issue_another(
    operator: Operator, user: User, tmp_path: Path
) -> None:
    ours = own_root()
    ours.put(user)
    with encrypted_site(user, tmp_path, **CLIENTS_ONLY, issuer={"ca": {"secretName": SECRET}}) as site:
        user.wait_ready("TLSPolicy", "plant", within=60)
        before = user.wait_secret("plant-nats-config")
        await off_the_loop(operator.stop)
        user.delete("Secret", SECRET)
        await off_the_loop(tear_away, user, "plant-server-tls")

        await off_the_loop(operator.start)
        await off_the_loop(user.wait_reason, "TLSPolicy", "plant", "IssuerUnusable")
        await off_the_loop(user.wait_ready, "Hub", "plant")

        assert user.wait_secret("plant-nats-config") == before
        assert (await shake_hands(site.server.ports.client.number, client_context(ours.root))).accepted


async def test_servers_that_ask_for_a_certificate_still_are_told_of_the_policys_end_by_another_operator(
    site: EncryptedSite, operator: Operator
) -> None:
    """Without a certificate of its own none that is started now could tell them to read their files again."""
    site.kubelet.pause(site.server)
    site.user.delete("TLSPolicy", "plant")
    await off_the_loop(
        site.user.wait_for, "Secret", "plant-nats-config", lambda s: not any(n.endswith(".key") for n in s["data"])
    )
    await off_the_loop(operator.kill)
    await off_the_loop(operator.start)
    await off_the_loop(site.user.wait_ready, "Hub", "plant")

    site.kubelet.resume(site.server)

    await off_the_loop(site.user.wait_gone, "Secret", "plant-operator-tls", within=90)
    assert (await shake_hands(site.server.ports.client.number, client_context(site.bundle()))).error == (
        "it offers no TLS"
    )
    assert await is_accepted(site.server.url, site.user.creds("pump"))


async def test_who_is_deleted_is_cut_off_though_the_cluster_refuses_a_secret_of_the_encryption(
    operator: Operator,  # noqa: ARG001 - it makes the Hub work
    user: User,
    plane: ControlPlane,
    tmp_path: Path,
) -> None:
    with encrypted_site(user, tmp_path) as site, refusing(plane, user.namespace, "plant-server-tls"):
        user.apply_device("pump")
        await off_the_loop(user.wait_ready, "Device", "pump")
        creds = user.creds("pump")
        user.apply_tls_policy("plant", **CLIENTS_ONLY)
        told = await off_the_loop(user.wait_reason, "TLSPolicy", "plant", "SecretRefused")
        assert "out of quota" in condition_of(told, "Ready")["message"]

        user.delete("Device", "pump")

        await off_the_loop(user.wait_gone, "Device", "pump")
        await wait_refused(site.server.url, creds)


def test_a_secret_that_somebody_forges_elsewhere_holds_no_rotation_up(site: EncryptedSite, plane: ControlPlane) -> None:
    original = site.user.get("Secret", "pump-device-tls") or {}
    with new_namespace(plane) as stranger:
        stranger.apply_device("pump", hub="none")
        uid = (stranger.get("Device", "pump") or {})["metadata"]["uid"]
        forged = copy.deepcopy({part: original[part] for part in ("metadata", "data", "type")})
        for field in ("uid", "resourceVersion", "creationTimestamp", "managedFields", "namespace", "finalizers"):
            forged["metadata"].pop(field, None)
        forged["metadata"]["ownerReferences"][0]["uid"] = uid
        plane.api.request("POST", f"/api/v1/namespaces/{stranger.namespace}/secrets", forged)

        site.user.annotate("TLSPolicy", "plant", {"iotsec.dev/rotate-ca": "now"})

        def is_over(policy: dict[str, Any]) -> bool:
            status = policy["status"]
            return "now" in status.get("rotated", ()) and "rotation" not in status

        site.user.wait_for("TLSPolicy", "plant", is_over, within=120)


async def test_an_operator_that_is_killed_while_a_stolen_ca_is_replaced_reaches_the_servers_that_have_it_still(
    site: EncryptedSite, operator: Operator
) -> None:
    """They show a certificate of a CA that nobody trusts now, and do not know that of the operator's."""
    before = site.user.wait_secret("plant-nats-config")
    site.kubelet.pause(site.server)
    site.user.apply_tls_policy("plant", **{**MUTUAL, "caRotation": {"retire": "Immediate"}})
    site.user.annotate("TLSPolicy", "plant", {"iotsec.dev/rotate-ca": "stolen"})
    await off_the_loop(site.user.wait_for, "Secret", "plant-nats-config", lambda s: s["data"].keys() != before.keys())
    await off_the_loop(operator.kill)
    await off_the_loop(operator.start)
    await off_the_loop(site.user.wait_ready, "Hub", "plant")

    site.kubelet.resume(site.server)

    await off_the_loop(site.user.wait_ready, "TLSPolicy", "plant", within=60)
    await off_the_loop(
        site.user.wait_for,
        "Secret",
        "plant-operator-tls",
        lambda s: s["data"].keys() == {"tls.crt", "tls.key", "ca.crt"},
    )
