"""Statuses: whoever but the operator writes one is refused, and restores are let through."""

from typing import Any

import pytest
from install.admission import KINDS, Place

from testbed.api import RequestRefusedError
from testbed.user import User, condition_of
from testbed.waiting import wait_until

STATUS: dict[str, Any] = {"status": {"certificate": {"serial": "0badc0ffee"}}}
PLAIN = {"apiGroups": ["iotsec.dev"], "resources": ["devices/status"], "verbs": ["get", "patch", "update"]}


@pytest.fixture
def weather(place: Place) -> dict[str, Any]:
    return place.written("Device")


def wait_for_role(user: User) -> None:
    """Wait until RBAC lets somebody write a status, whom admission may refuse still."""

    def may() -> bool:
        path = f"/apis/iotsec.dev/v1alpha1/namespaces/{user.namespace}/devices/plant/status"
        try:
            user.api.request("PATCH", f"{path}?dryRun=All", {}, content_type="application/merge-patch+json")
        except RequestRefusedError as error:
            return "ValidatingAdmissionPolicy" in str(error)
        return True

    wait_until(may, what="RBAC knows the role")


@pytest.mark.parametrize("way", ["patch", "apply", "update"])
def test_a_status_is_not_written_by_whoever_may_by_his_role(place: Place, weather: dict[str, Any], way: str) -> None:
    """By it he could name the certificate of somebody else, to have it revoked when his own Device goes."""
    mallory = place.who_may(PLAIN)
    wait_for_role(mallory)
    path = f"/apis/iotsec.dev/v1alpha1/namespaces/{place.namespace}/devices/plant/status"
    whole = {key: weather[key] for key in ("apiVersion", "kind")} | {"metadata": {"name": "plant"}} | STATUS
    request: dict[str, Any] = {
        "patch": {"method": "PATCH", "path": path, "body": STATUS, "content_type": "application/merge-patch+json"},
        "apply": {
            "method": "PATCH",
            "path": f"{path}?fieldManager=mallory&force=true",
            "body": whole,
            "content_type": "application/apply-patch+yaml",
        },
        "update": {"method": "PUT", "path": path, "body": weather | STATUS},
    }[way]

    with pytest.raises(RequestRefusedError, match="a status is written by the operator alone") as refusal:
        mallory.api.request(**request)

    assert refusal.value.status == 403
    found = place.get("Device", "plant")
    assert found is not None
    assert "certificate" not in found.get("status", {})


@pytest.mark.usefixtures("weather")
def test_statuses_are_restored_by_who_is_bound_to_the_role_for_it(place: Place) -> None:
    velero = place.bound_to("iotsec-restore")
    wait_for_role(velero)

    velero.patch("Device", "plant", STATUS, subresource="status")

    found = place.get("Device", "plant")
    assert found is not None
    assert found["status"]["certificate"]["serial"] == "0badc0ffee"


@pytest.mark.parametrize("who", [Place.operator, Place.administrator])
@pytest.mark.parametrize("kind", KINDS)
def test_statuses_are_written_by_the_operator_and_administrators(place: Place, kind: str, who: Any) -> None:
    place.written(kind)
    ready = {"type": "Ready", "status": "True", "reason": "Issued", "message": "it works"}
    body = {"status": {"conditions": [ready | {"lastTransitionTime": "2026-01-01T00:00:00Z"}]}}

    done = who(place).patch(kind, "plant", body, subresource="status")

    assert condition_of(done, "Ready")["reason"] == "Issued"
