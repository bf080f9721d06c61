"""The stand-in for cert-manager does what its CA issuer does, on cert-manager's own CustomResourceDefinitions."""

import shutil
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed import crds
from testbed.cert_manager import CertManager
from testbed.control_plane import ControlPlane
from testbed.crds import cert_manager_crds
from testbed.issuer import Behaviour
from testbed.waiting import wait_until

OPENSSL = shutil.which("openssl") or "openssl"
REQUESTS = "/apis/cert-manager.io/v1/namespaces/{}/certificaterequests"


@pytest.fixture
def cert_manager(control_plane: ControlPlane) -> Iterator[CertManager]:
    control_plane.apply(*cert_manager_crds())
    with CertManager(control_plane.api) as cert_manager:
        yield cert_manager


def ask(plane: ControlPlane, namespace: str, directory: Path, *, kind: str = "Issuer") -> str:
    """Ask the issuer plant-ca for a server's certificate, with a request that openssl made; gives its path."""
    request = directory / "request.pem"
    subprocess.run(
        [
            *(OPENSSL, "req", "-new", "-nodes", "-newkey", "rsa:2048", "-keyout", directory / "key.pem"),
            *("-subj", "/CN=nats", "-addext", "subjectAltName=DNS:nats.example.com", "-out", request),
        ],
        check=True,
        capture_output=True,
    )
    spec = {
        "request": b64encode(request.read_bytes()).decode(),
        "issuerRef": {"name": "plant-ca", "kind": kind},
        "duration": "86400s",
        "usages": ["digital signature", "key encipherment", "server auth"],
    }
    collection = REQUESTS.format(namespace)
    body = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "CertificateRequest",
        "metadata": {"generateName": "nats-"},
        "spec": spec,
    }
    return f"{collection}/{plane.api.request('POST', collection, body)['metadata']['name']}"


def wait_for(plane: ControlPlane, path: str, kind: str, reason: str) -> dict[str, Any]:
    """Wait until a condition gives a reason; gives the status."""

    def status() -> dict[str, Any]:
        found: dict[str, Any] = plane.api.request("GET", path).get("status", {})
        given = [one["reason"] for one in found.get("conditions", ()) if one["type"] == kind]
        return found if given == [reason] else {}

    return wait_until(status, what=f"{kind} gives the reason {reason}")


def test_a_request_is_approved_and_signed_as_openssl_expects_it(
    control_plane: ControlPlane, cert_manager: CertManager, namespace: str, tmp_path: Path
) -> None:
    issuer = cert_manager.issuer("plant-ca", namespace)

    status = wait_for(control_plane, ask(control_plane, namespace, tmp_path), "Ready", "Issued")

    assert [one["type"] for one in status["conditions"]] == ["Approved", "Ready"]
    certificate, ca = tmp_path / "tls.crt", tmp_path / "ca.crt"
    certificate.write_bytes(b64decode(status["certificate"]))
    ca.write_bytes(b64decode(status["ca"]))
    assert ca.read_bytes() == issuer.root.pem
    options = ("-x509_strict", "-purpose", "sslserver", "-verify_hostname", "nats.example.com")
    subprocess.run([OPENSSL, "verify", *options, "-CAfile", ca, certificate], check=True, capture_output=True)


def test_a_request_to_an_issuer_that_is_not_there_waits_for_it(
    control_plane: ControlPlane, cert_manager: CertManager, namespace: str, tmp_path: Path
) -> None:
    path = ask(control_plane, namespace, tmp_path, kind="ClusterIssuer")
    cert_manager.issuer("plant-ca", namespace)
    wait_for(control_plane, path, "Ready", "Pending")

    cert_manager.issuer("plant-ca")

    assert wait_for(control_plane, path, "Ready", "Issued")["certificate"]


def test_a_denied_request_is_never_signed(
    control_plane: ControlPlane, cert_manager: CertManager, namespace: str, tmp_path: Path
) -> None:
    cert_manager.issuer("plant-ca", namespace, behaviour=Behaviour.DENY)

    status = wait_for(control_plane, ask(control_plane, namespace, tmp_path), "Ready", "Denied")

    assert "certificate" not in status
    assert status["failureTime"]


def test_an_answer_is_given_once(
    control_plane: ControlPlane, cert_manager: CertManager, namespace: str, tmp_path: Path
) -> None:
    issuer = cert_manager.issuer("plant-ca", namespace)
    path = ask(control_plane, namespace, tmp_path)
    first = wait_for(control_plane, path, "Ready", "Issued")

    another = ask(control_plane, namespace, tmp_path)
    wait_for(control_plane, another, "Ready", "Issued")

    assert control_plane.api.request("GET", path)["status"] == first
    assert issuer.answered == 2


def test_definitions_with_another_checksum_are_not_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module, version, *_ = (crds.GO_MODULE / "crds.lock").read_text().split()
    (tmp_path / "crds.lock").write_text(f"{module} {version} h1:somebody-elses=")
    monkeypatch.setattr(crds, "GO_MODULE", tmp_path)

    with pytest.raises(RuntimeError, match=r"has the checksum h1:\S+, not h1:somebody-elses="):
        cert_manager_crds.__wrapped__()
