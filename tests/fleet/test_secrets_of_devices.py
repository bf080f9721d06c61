"""A Device's Secret is what it should be, whatever anybody does to it, and the device does not notice."""

import copy
import json
from base64 import b64encode
from typing import Any

import pytest
from fleet.conftest import Site, new_namespace

from testbed.clients import connect_as, is_refused, wait_accepted
from testbed.control_plane import ControlPlane
from testbed.operator import Operator
from testbed.user import Object, User, condition_of
from testbed.waiting import wait_until

COMPONENT, MANAGED_BY = "iotsec.dev/component", "app.kubernetes.io/managed-by"
NOTES = ("iotsec.dev/issued", "iotsec.dev/seal", "iotsec.dev/hub", "iotsec.dev/content-hash")


def secret_of_ready_device(site: Site, name: str, **spec: Any) -> str:
    """Apply a Device, wait until it is Ready, and return the name of its Secret."""
    site.ready_device(name, **spec)
    return str(spec.get("secretName", f"{name}-device-creds"))


def edit(user: User, secret: str, **data: str | None) -> Object:
    """Change data by hand; a key's dots are written as underscores."""
    values = {k.replace("_", "."): None if v is None else b64encode(v.encode()).decode() for k, v in data.items()}
    return user.patch("Secret", secret, {"data": values})


def wait_new(user: User, secret: str, old: dict[str, bytes], key: str = "nats.creds") -> str:
    """Wait until a file of the Secret is another one, and return it."""
    fresh = user.wait_for("Secret", secret, lambda s: (s.get("data") or {}).get(key) not in {None, encoded(old, key)})
    assert fresh
    return user.wait_secret(secret)[key].decode()


def encoded(data: dict[str, bytes], key: str) -> str:
    return b64encode(data[key]).decode()


async def test_a_deleted_secret_comes_back_as_it_was_and_the_device_stays_connected(plant: Site) -> None:
    secret = secret_of_ready_device(plant, "deleted-secret")
    before = plant.user.wait_secret(secret)
    uid = plant.user.wait_for("Secret", secret, bool)["metadata"]["uid"]

    async with connect_as(plant.url, before["nats.creds"].decode()) as device:
        plant.user.delete("Secret", secret)
        back = plant.user.wait_for("Secret", secret, lambda s: s["metadata"]["uid"] != uid)

        assert plant.user.wait_secret(secret) == before
        assert "iotsec.dev/revoke" in back["metadata"]["finalizers"]
        assert await device.may_publish("device.deleted-secret.telemetry")
    plant.user.wait_ready("Device", "deleted-secret")


@pytest.mark.parametrize("absent", [False, True], ids=["while it runs", "while it is away"])
async def test_files_edited_by_hand_are_made_right_and_the_device_stays_connected(
    plant: Site, operator: Operator, *, absent: bool
) -> None:
    name = f"edited-{absent}".lower()
    secret = secret_of_ready_device(plant, name)
    before = plant.user.wait_secret(secret)

    async with connect_as(plant.url, before["nats.creds"].decode()) as device:
        if absent:
            operator.stop()
        edit(plant.user, secret, user_jwt="nonsense", extra_txt="mine")
        plant.user.patch("Secret", secret, {"data": {"inbox-prefix": None}})
        if absent:
            operator.start()

        mended = plant.user.wait_for("Secret", secret, lambda s: "inbox-prefix" in s["data"])
        assert plant.user.wait_secret(secret) == {**before, "extra.txt": b"mine"}
        assert mended["metadata"]["labels"][COMPONENT] == "credentials"
        assert await device.may_publish(f"device.{name}.telemetry")


@pytest.mark.parametrize("absent", [False, True], ids=["while it runs", "while it is away"])
async def test_a_seed_replaced_by_another_users_leads_to_a_new_key_and_the_old_one_is_refused(
    plant: Site, operator: Operator, *, absent: bool
) -> None:
    name = f"swapped-{absent}".lower()
    secret, other = secret_of_ready_device(plant, name), secret_of_ready_device(plant, f"{name}-other")
    before, theirs = plant.user.wait_secret(secret), plant.user.wait_secret(other)

    if absent:
        operator.stop()
    plant.user.patch("Secret", secret, {"data": {k: encoded(theirs, k) for k in theirs}})
    if absent:
        operator.start()

    plant.user.wait_for("Device", name, lambda d: d["status"]["revision"] == 2)
    plant.user.wait_ready("Device", name)
    fresh = plant.user.creds(name)
    assert fresh.encode() not in {before["nats.creds"], theirs["nats.creds"]}
    async with connect_as(plant.url, fresh, inbox_prefix=f"_INBOX_{name}") as device:
        assert await device.may_publish(f"device.{name}.telemetry")
        assert not await device.may_publish(f"device.{name}-other.telemetry")
    assert await is_refused(plant.url, before["nats.creds"].decode())
    await wait_accepted(plant.url, theirs["nats.creds"].decode())


@pytest.mark.parametrize("absent", [False, True], ids=["while it runs", "while it is away"])
@pytest.mark.parametrize(
    "damage",
    [
        {"annotations": dict.fromkeys(NOTES)},
        {"labels": {MANAGED_BY: None}},
        {"labels": {COMPONENT: None}},
        {"finalizers": None},
        {"ownerReferences": None},
    ],
    ids=["annotations", "managed-by", "component", "finalizer", "owner"],
)
async def test_our_marks_come_back_and_the_device_stays_connected(
    plant: Site, operator: Operator, damage: Object, *, absent: bool
) -> None:
    kind = f"{next(iter(damage))}-{next(iter(next(iter(damage.values())) or ' '))[-4:]}-{absent}"
    name = "".join(c for c in kind.lower() if c.isalnum() or c == "-")
    secret = secret_of_ready_device(plant, name)
    before = plant.user.wait_for("Secret", secret, bool)
    marks = {part: before["metadata"][part] for part in ("labels", "annotations", "finalizers", "ownerReferences")}

    async with connect_as(plant.url, plant.user.creds(name)) as device:
        if absent:
            operator.stop()
        plant.user.patch("Secret", secret, {"metadata": damage})
        if absent:
            operator.start()

        after = plant.user.wait_for(
            "Secret", secret, lambda s: all(s["metadata"].get(part) == marks[part] for part in marks)
        )
        assert after["data"] == before["data"]
        assert await device.may_publish(f"device.{name}.telemetry")
    plant.user.wait_ready("Device", name)


async def test_what_others_put_on_the_secret_stays(plant: Site) -> None:
    secret = secret_of_ready_device(plant, "foreign-labels")
    theirs = {"labels": {"team": "weather"}, "annotations": {"reflector/allowed": "true"}}

    plant.user.patch("Secret", secret, {"metadata": theirs})
    secret_of_ready_device(plant, "foreign-labels", credsKey="mir.creds")

    found = plant.user.wait_for("Secret", secret, lambda s: "mir.creds" in s["data"])["metadata"]
    assert found["labels"]["team"] == "weather"
    assert found["annotations"]["reflector/allowed"] == "true"


async def test_a_renamed_secret_has_the_same_key_and_the_old_one_goes(plant: Site) -> None:
    old = secret_of_ready_device(plant, "renamed")
    before = plant.user.wait_secret(old)

    async with connect_as(plant.url, before["nats.creds"].decode()) as device:
        secret_of_ready_device(plant, "renamed", secretName="another-name")

        assert plant.user.wait_secret("another-name") == before
        plant.user.wait_gone("Secret", old)
        assert await device.may_publish("device.renamed.telemetry")
    status = plant.user.wait_ready("Device", "renamed")["status"]
    assert (status["secretName"], status["revision"]) == ("another-name", 1)


async def test_the_creds_file_moves_to_another_key_and_stays_the_same(plant: Site) -> None:
    secret = secret_of_ready_device(plant, "moved-key")
    before = plant.user.wait_secret(secret)

    secret_of_ready_device(plant, "moved-key", credsKey="mir.creds")
    after = plant.user.wait_for("Secret", secret, lambda s: "mir.creds" in s["data"])

    assert set(after["data"]) == {"mir.creds", "user.jwt", "inbox-prefix"}
    assert after["data"]["mir.creds"] == encoded(before, "nats.creds")


async def test_the_template_is_applied_and_taken_back_but_marks_of_tools_are_not_copied(plant: Site) -> None:
    template = {
        "labels": {"team": "weather", "app.kubernetes.io/instance": "root"},
        "annotations": {"note": "roof", "argocd.argoproj.io/tracking-id": "x", "meta.helm.sh/release-name": "x"},
    }
    secret = secret_of_ready_device(plant, "templated", secretTemplate=template)

    found = plant.user.wait_for("Secret", secret, bool)["metadata"]
    assert found["labels"].keys() == {"team", COMPONENT, MANAGED_BY}
    assert found["annotations"].keys() == {"note", *NOTES}

    secret_of_ready_device(plant, "templated", secretTemplate={"labels": {"site": "roof"}})

    found = plant.user.wait_for("Secret", secret, lambda s: "site" in s["metadata"]["labels"])["metadata"]
    assert found["labels"].keys() == {"site", COMPONENT, MANAGED_BY}
    assert found["annotations"].keys() == set(NOTES)


def test_marks_of_ours_are_refused_in_a_template(plant: Site) -> None:
    with pytest.raises(Exception, match="choose another prefix"):
        plant.user.apply_device("forger", secretTemplate={"labels": {COMPONENT: "ledger"}})


async def test_nobodys_key_is_revoked_by_a_secret_that_was_copied_or_forged(plant: Site, plane: ControlPlane) -> None:
    secret = secret_of_ready_device(plant, "victim")
    original = plant.user.wait_for("Secret", secret, bool)
    victim = plant.user.wait_ready("Device", "victim")["status"]["publicKey"]
    note = json.loads(original["metadata"]["annotations"]["iotsec.dev/issued"])
    forged_note = json.dumps({**note, "superseded": [[note["account"], victim, note["until"], note["until"]]]})

    async with connect_as(plant.url, plant.user.creds("victim")) as device:
        with new_namespace(plane) as attacker:
            for name, issued in (("copy", None), (secret, None), ("forged", forged_note)):
                body = copy.deepcopy({k: original[k] for k in ("metadata", "data", "type")})
                for field in ("uid", "resourceVersion", "creationTimestamp", "managedFields", "namespace", "name"):
                    body["metadata"].pop(field, None)
                if issued:
                    body["metadata"]["annotations"]["iotsec.dev/issued"] = issued
                path = f"/api/v1/namespaces/{attacker.namespace}/secrets"
                plane.api.request("POST", path, {**body, "metadata": {**body["metadata"], "name": name}})
            # Their owner is not in that namespace, so they are collected; our finalizer is on them and must not hold.
            for name in ("copy", secret, "forged"):
                attacker.wait_gone("Secret", name, within=60)
        secret_of_ready_device(plant, "after-the-attack")  # whatever was to be revoked is by now

        assert await device.may_publish("device.victim.telemetry")
    await wait_accepted(plant.url, plant.user.creds("victim"))


async def test_a_seed_planted_before_the_device_exists_is_never_issued_to(plant: Site, operator: Operator) -> None:
    other = plant.user.wait_secret(secret_of_ready_device(plant, "planter"))
    operator.stop()
    uid = plant.user.apply_device("planted")["metadata"]["uid"]
    owner = {"apiVersion": "iotsec.dev/v1alpha1", "kind": "Device", "name": "planted", "uid": uid, "controller": True}
    metadata = {"name": "planted-device-creds", "labels": {COMPONENT: "credentials"}, "ownerReferences": [owner]}
    path = f"/api/v1/namespaces/{plant.user.namespace}/secrets"
    plant.user.api.request("POST", path, {"metadata": metadata, "data": {k: encoded(other, k) for k in other}})
    operator.start()

    status = plant.user.wait_ready("Device", "planted")["status"]

    assert status["publicKey"] != plant.user.wait_ready("Device", "planter")["status"]["publicKey"]
    assert plant.user.wait_secret("planted-device-creds")["nats.creds"] != other["nats.creds"]
    await wait_accepted(plant.url, plant.user.creds("planted"))


async def test_a_secret_the_api_server_refuses_is_told_and_made_when_it_may(plant: Site, plane: ControlPlane) -> None:
    policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
    name = f"no-secrets-{plant.user.namespace}"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]}
    policy = {
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": "!object.metadata.name.startsWith('refused')", "message": "out of quota"}],
        },
    }
    plane.api.request("POST", policies, policy)
    binding = {"metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]}}
    plane.api.request("POST", f"{policies}".replace("policies", "policybindings"), binding)
    wait_until(lambda: is_refused_by_policy(plant.user), what="the policy is in force")

    try:
        plant.user.apply_device("refused")
        told = plant.user.wait_reason("Device", "refused", "SecretRefused")
        assert "out of quota" in condition_of(told, "Ready")["message"]
        assert condition_of(told, "Reconciling")["status"] == "True"
    finally:
        plane.api.request("DELETE", f"{policies}/{name}")

    plant.user.wait_ready("Device", "refused", within=60)


def is_refused_by_policy(user: User) -> bool:
    path = f"/api/v1/namespaces/{user.namespace}/secrets?dryRun=All"
    try:
        user.api.request("POST", path, {"metadata": {"name": "refused-probe"}})
    except Exception as error:  # noqa: BLE001 - any refusal with these words
        return "out of quota" in str(error)
    return False
