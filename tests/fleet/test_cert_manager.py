"""A Hub whose certificates an issuer of cert-manager signs: servers and Devices alike."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fleet.encrypted import EncryptedSite, client_context, encrypted_site

from iotsec.x509.certificate import matches
from testbed.api import RequestRefusedError
from testbed.cert_manager import CertManager
from testbed.clients import connect_as, is_accepted
from testbed.control_plane import ControlPlane
from testbed.crds import cert_manager_crds
from testbed.issuer import Behaviour, Issuer, Root
from testbed.operator import Operator
from testbed.user import User, condition_of
from testbed.waiting import wait_until

POLICY: dict[str, Any] = {
    "mode": "Mutual",
    "issuer": {"certManager": {"issuerRef": {"name": "plant-ca"}}},
    "listeners": {"websocket": {"mode": "Off"}, "cluster": {"mode": "Off"}},
    "caRotation": {"distributeFor": "10s"},
}


@pytest.fixture
def issuer(plane: ControlPlane, user: User) -> Iterator[Issuer]:
    plane.apply(*cert_manager_crds())
    with CertManager(plane.api) as cert_manager:
        yield cert_manager.issuer("plant-ca", user.namespace)


@pytest.fixture
def site(operator: Operator, user: User, issuer: Issuer, tmp_path: Path) -> Iterator[EncryptedSite]:  # noqa: ARG001 - they make the Hub work
    """A Hub with one server, encrypted from the start."""
    with encrypted_site(user, tmp_path, **POLICY) as site:
        user.wait_ready("TLSPolicy", "plant", within=60)
        yield site


def open_requests(plane: ControlPlane, namespace: str) -> list[Any]:
    path = f"/apis/cert-manager.io/v1/namespaces/{namespace}/certificaterequests"
    try:
        found: list[Any] = plane.api.request("GET", path)["items"]
    except RequestRefusedError:
        return []
    return found


async def test_a_device_and_its_server_verify_each_other_by_the_issuer_s_root(
    plane: ControlPlane, site: EncryptedSite, issuer: Issuer, tmp_path: Path
) -> None:
    site.user.apply_device("pump")
    site.user.wait_ready("Device", "pump")

    pair = site.user.wait_secret("pump-device-tls")
    assert pair["ca.crt"] == issuer.root.pem
    context = client_context(pair["ca.crt"], pair, directory=tmp_path / "pump")
    async with connect_as(site.server.url, site.user.creds("pump"), tls=context) as pump:
        assert await pump.may_publish("device.pump.temperature")
    assert not await is_accepted(site.server.url, site.user.creds("pump"), tls=client_context(pair["ca.crt"]))
    wait_until(lambda: open_requests(plane, site.user.namespace) == [], what="no request is left")


@pytest.mark.parametrize("behaviour", [Behaviour.SIGN_ANOTHER_KEY, Behaviour.TELL_ANOTHER_CA, Behaviour.SIGN_A_CA])
async def test_a_wrong_certificate_of_a_device_is_never_written(
    site: EncryptedSite, issuer: Issuer, behaviour: Behaviour
) -> None:
    issuer.behaviour = behaviour

    site.user.apply_device("pump")

    refused = site.user.wait_reason("Device", "pump", "IssuerRefused")
    assert "the certificate" in condition_of(refused, "Ready")["message"]
    assert site.user.get("Secret", "pump-device-tls") is None
    assert site.user.wait_secret("pump-device-creds"), "its creds are another matter"


async def test_an_order_that_was_open_when_the_operator_died_is_placed_anew(
    plane: ControlPlane, operator: Operator, site: EncryptedSite, issuer: Issuer
) -> None:
    issuer.behaviour = Behaviour.STAY_SILENT
    site.user.apply_device("pump")
    wait_until(lambda: open_requests(plane, site.user.namespace), what="a request")

    operator.kill()
    issuer.behaviour = Behaviour.SIGN
    operator.start()

    site.user.wait_ready("Device", "pump", within=60)
    wait_until(lambda: open_requests(plane, site.user.namespace) == [], what="no request is left")
    pair = site.user.wait_secret("pump-device-tls")
    assert matches(pair["tls.crt"], pair["tls.key"])


async def test_another_ca_of_the_issuer_is_trusted_before_it_is_used_and_takes_the_place_of_the_former(
    site: EncryptedSite, issuer: Issuer, tmp_path: Path
) -> None:
    site.user.apply_device("pump")
    site.user.wait_ready("Device", "pump")
    before, issuer.root = issuer.root, Root.create()

    site.user.annotate("TLSPolicy", "plant", {"iotsec.dev/rotate": "now"})

    both = {before.pem, issuer.root.pem}
    wait_until(lambda: all(root in site.bundle() for root in both), within=60, what="both roots are trusted")
    wait_until(lambda: site.bundle() == issuer.root.pem, within=120, what="the former root is gone")
    site.user.wait_ready("TLSPolicy", "plant", within=60)
    pair = site.user.wait_secret("pump-device-tls")
    context = client_context(issuer.root.pem, pair, directory=tmp_path / "pump")
    assert await is_accepted(site.server.url, site.user.creds("pump"), tls=context)
