"""What is asked of cert-manager, and what of its answer is believed."""

import re
from base64 import b64decode, b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from x509.pki import DAY, NOW, P256, RSA2048, WEATHER, leaf, root

from iotsec.api.issuers import IssuerRef
from iotsec.api.meta import SUBDOMAIN
from iotsec.decide.certificate_requests import SILENCE_SECONDS, answer, back_off, manifest, obstacle, request_name
from iotsec.decide.orders import Answer, Order, OrderState, PlacedOrder
from iotsec.decide.secrets import Owner
from iotsec.x509.certificate import issue
from iotsec.x509.keys import KeyType, generate
from iotsec.x509.names import Names, Usage
from iotsec.x509.requests import make_request

KEY = generate(P256)
ROOT = root()
HOUR = 3600


def order(
    names: Names = WEATHER, usage: Usage = Usage.CLIENT, *, request: bytes = b"", issuer: str = "plant-ca"
) -> Order:
    pem = request or make_request(KEY, names, usage)
    return Order(IssuerRef(name=issuer), names, usage, duration=90 * DAY, request=pem)


ORDER = order()


def requested(wanted: Order = ORDER, owner: Owner | None = None) -> dict[str, Any]:
    return manifest(wanted, namespace="iot", name="weather-01-device-123", owner=owner, annotations={})


def condition(kind: str, status: str, reason: str = "", message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


ISSUED = condition("Ready", "True", "Issued", "Certificate fetched from issuer successfully")


def answered(*conditions: dict[str, str], at: int = NOW, **status: Any) -> Answer:
    body = requested() | {"status": {"conditions": list(conditions), **status}}
    return answer(ORDER, body, placed_at=NOW, now=at)


def base64(pem: bytes) -> str:
    return b64encode(pem).decode()


def test_a_request_says_who_is_to_sign_what_for_how_long() -> None:
    body = requested()

    assert (body["apiVersion"], body["kind"]) == ("cert-manager.io/v1", "CertificateRequest")
    assert body["spec"] == {
        "request": base64(ORDER.request),
        "issuerRef": {"group": "cert-manager.io", "kind": "Issuer", "name": "plant-ca"},
        "duration": "7776000s",
        "usages": ["digital signature", "client auth"],
        "isCA": False,
    }
    assert body["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "iot-security-operator",
        "iotsec.dev/component": "certificate-request",
    }


@pytest.mark.parametrize(
    ("key_type", "usage", "usages"),
    [
        (P256, Usage.PEER, ["digital signature", "server auth", "client auth"]),
        (RSA2048, Usage.SERVER, ["digital signature", "key encipherment", "server auth"]),
        (RSA2048, Usage.CLIENT, ["digital signature", "client auth"]),
    ],
)
def test_its_usages_are_those_of_the_request_in_it(key_type: KeyType, usage: Usage, usages: list[str]) -> None:
    request = make_request(generate(key_type), WEATHER, usage)

    assert requested(order(usage=usage, request=request))["spec"]["usages"] == usages


def test_it_goes_with_its_owner() -> None:
    references = requested(owner=Owner("Device", "weather-01", "uid-1"))["metadata"]["ownerReferences"]

    assert references == [{"apiVersion": "iotsec.dev/v1alpha1", "kind": "Device", "name": "weather-01", "uid": "uid-1"}]
    assert requested()["metadata"]["ownerReferences"] == []


LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
NAMES = st.lists(LABELS, min_size=1, max_size=6).map(".".join).filter(lambda name: len(name) <= 253)


@given(NAMES, st.integers(0, 2**33))
def test_its_name_is_one_that_kubernetes_takes_and_another_each_time(owner: str, now: int) -> None:
    name = request_name(owner, ORDER, now=now)

    assert len(name) <= 253
    assert re.match(SUBDOMAIN, name)
    assert name.startswith(owner[:200].rstrip("-."))
    assert name != request_name(owner, ORDER, now=now + 1)
    assert name == request_name(owner, ORDER, now=now)


def test_a_request_of_a_device_for_other_names_is_not_sent() -> None:
    other = make_request(KEY, Names("weather-02"), Usage.CLIENT)

    message = obstacle(order(request=other))

    assert message.startswith("issuers of cert-manager sign the names that a request asks for: make the request with")
    assert "'weather-01'" in message
    assert WEATHER.uris[0] in message
    assert obstacle(order(request=b"rubbish")) == "this is no request that can be read: write PKCS#10 in PEM"
    assert obstacle(ORDER) == ""


def test_what_was_ordered_is_taken() -> None:
    certificate = leaf(ROOT, KEY)

    found = answered(ISSUED, certificate=base64(certificate), ca=base64(ROOT.root))

    assert found == Answer(
        OrderState.SIGNED,
        certificate=certificate,
        root=ROOT.root,
        starts_at=NOW - DAY,
        expires_at=NOW + 90 * DAY,
    )


def test_a_certificate_before_its_issuer_calls_it_ready_is_not_looked_at() -> None:
    pending = condition("Ready", "False", "Pending", "signing")

    assert answered(pending, certificate=base64(leaf(ROOT, KEY)), ca=base64(ROOT.root)).state is OrderState.OPEN


def test_one_that_is_not_valid_yet_is_waited_for() -> None:
    future = issue(ROOT, WEATHER, Usage.CLIENT, KEY.public, serial=1, issued_at=NOW + HOUR, expires_at=NOW + 90 * DAY)
    status = {"certificate": base64(future), "ca": base64(ROOT.root)}

    found = answered(ISSUED, **status)

    assert (found.state, found.starts_at) == (OrderState.OPEN, NOW + HOUR)
    assert found.message == "the certificate is not valid before 2026-09-21T15:13:20Z"
    assert answered(ISSUED, at=NOW + HOUR, **status).state is OrderState.SIGNED


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ({"certificate": base64(leaf(ROOT)), "ca": base64(ROOT.root)}, "for another key than was asked for"),
        ({"certificate": base64(leaf(root(), KEY)), "ca": base64(ROOT.root)}, "none of the CAs that came with"),
        ({"certificate": base64(leaf(ROOT, KEY))}, "the issuer tells no CA"),
        ({}, "the certificate is not PEM"),
        ({"certificate": base64(KEY.to_pem())}, "the certificate is not PEM"),
        ({"certificate": "YQ"}, "the certificate is not base64"),
    ],
    ids=["another key", "another CA", "no CA", "no certificate", "a key", "not base64"],
)
def test_a_wrong_answer_is_no_certificate(status: dict[str, str], message: str) -> None:
    found = answered(ISSUED, **status)

    assert found.state is OrderState.REFUSED
    assert found.message.startswith("Issuer plant-ca: ")
    assert message in found.message
    assert (found.certificate, found.root) == (b"", b"")


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ([condition("Denied", "True", "policy", "not by this policy")], "not by this policy"),
        ([condition("Denied", "True", "policy"), condition("Ready", "True", "Issued")], "policy"),
        ([condition("InvalidRequest", "True", "Bad", "too long a life")], "too long a life"),
        ([condition("Ready", "False", "Failed", "the vault is sealed")], "the vault is sealed"),
        ([condition("Ready", "False", "Denied")], "Denied"),
    ],
)
def test_who_refuses_is_quoted(conditions: list[dict[str, str]], message: str) -> None:
    found = answered(*conditions)

    assert found == Answer(OrderState.REFUSED, f"Issuer plant-ca: {message}")


def test_a_failure_without_a_word_is_one_too() -> None:
    assert answered(failureTime="2026-01-01T00:00:00Z").message == "Issuer plant-ca: it failed, and does not say why"


def test_a_long_story_is_cut_short() -> None:
    assert len(answered(condition("Ready", "False", "Failed", "x" * 10_000)).message) == 512


def test_what_cert_manager_waits_for_is_told_at_once() -> None:
    words = 'Referenced "Issuer" not found: issuer.cert-manager.io "plant-ca" not found'

    found = answered(condition("Approved", "True"), condition("Ready", "False", "Pending", words))

    assert found == Answer(OrderState.OPEN, f"Issuer plant-ca: {words}")


def test_silence_is_told_after_a_while() -> None:
    late = NOW + SILENCE_SECONDS

    assert answered(at=late - 1).message == "Issuer plant-ca is being asked"
    assert answered(at=late).message == answered(at=late + 5000).message, "it must not be written again and again"
    assert answered(at=late).message.startswith(
        "nobody has approved CertificateRequest iot/weather-01-device-123 since"
    )
    approved = answered(condition("Approved", "True"), at=late)
    assert approved.message.startswith("Issuer plant-ca has not answered CertificateRequest iot/weather-01-device-123")


def test_who_was_refused_waits_longer_each_time() -> None:
    assert [back_off(refusals) for refusals in (1, 2, 3, 7, 1000)] == [60, 120, 240, 3600, 3600]


def test_an_order_stands_for_another_where_only_the_key_of_ours_differs() -> None:
    placed = PlacedOrder(ORDER, KEY)
    another = generate(P256)

    assert placed.is_for(order(request=make_request(another, WEATHER, Usage.CLIENT)), another)
    assert not placed.is_for(order(issuer="other-ca"), KEY)
    assert not placed.is_for(ORDER, generate(RSA2048))
    assert not placed.is_for(ORDER, None)


def test_an_order_with_a_device_s_own_request_stands_for_that_request_alone() -> None:
    placed = PlacedOrder(ORDER, None)
    later = make_request(generate(P256), WEATHER, Usage.CLIENT)

    assert placed.is_for(ORDER, None)
    assert not placed.is_for(order(request=later), None)


def test_no_key_shows() -> None:
    assert b64decode(requested()["spec"]["request"]) == ORDER.request
    assert "PRIVATE" not in repr(PlacedOrder(ORDER, KEY))
    assert "PrivateKey" not in repr(PlacedOrder(ORDER, KEY))
