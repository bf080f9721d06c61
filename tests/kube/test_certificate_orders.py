"""Certificates that an issuer of cert-manager signs: ordered, taken, and nothing else taken for them."""

import json
from collections.abc import AsyncIterator, Iterator

import pytest
from kube.order_desk import Desk, delete_requests, desk_at, install, new_order, requests_in, uninstall
from x509.pki import KEY_TYPES

from iotsec.decide.orders import OrderState
from iotsec.decide.secrets import Owner
from iotsec.kube.access import Access
from iotsec.kube.certificate_requests import CertificateOrders
from iotsec.kube.client import Client
from iotsec.kube.errors import ApiError
from iotsec.kube.keys import Key
from iotsec.kube.queue import WorkQueue
from iotsec.x509.certificate import matches, read_certificate
from iotsec.x509.keys import KeyType
from iotsec.x509.names import Usage
from testbed.api import RequestRefusedError
from testbed.cert_manager import CertManager
from testbed.control_plane import ControlPlane
from testbed.issuer import Behaviour, Issuer
from testbed.waiting import until, wait_until


@pytest.fixture(scope="module")
def cert_manager_of_all(control_plane: ControlPlane) -> Iterator[CertManager]:
    with CertManager(control_plane.api) as cert_manager:
        yield cert_manager


@pytest.fixture
def cert_manager(control_plane: ControlPlane, cert_manager_of_all: CertManager) -> CertManager:
    """It is installed and runs; a test of its own kind may have removed it."""
    install(control_plane)
    return cert_manager_of_all


@pytest.fixture
def issuer(cert_manager: CertManager, namespace: str) -> Issuer:
    return cert_manager.issuer("plant-ca", namespace)


@pytest.fixture
async def desk(control_plane: ControlPlane, namespace: str) -> AsyncIterator[Desk]:
    async with desk_at(control_plane, namespace) as desk:
        yield desk


async def test_a_certificate_is_ordered_signed_taken_and_its_request_cleared_away(
    control_plane: ControlPlane, issuer: Issuer, desk: Desk
) -> None:
    order, key = new_order()

    placed = await desk.place(order, key)
    assert (placed.state, placed.message) == (OrderState.OPEN, "Issuer plant-ca is being asked")
    signed = await desk.wait_for(OrderState.SIGNED)

    assert matches(signed.certificate, key.to_pem())
    assert read_certificate(signed.certificate).names == order.names
    assert signed.root == issuer.root.pem
    assert signed.expires_at == read_certificate(signed.certificate).expires_at
    await until(lambda: desk.key()[0] in desk.told)
    await desk.orders.done(desk.key())
    assert desk.orders.placed(desk.key()) is None
    assert requests_in(control_plane, desk.namespace) == []
    assert desk.writes == 2, "one creates the request, one deletes it"


@pytest.mark.parametrize("key_type", KEY_TYPES, ids=str)
@pytest.mark.parametrize("usage", list(Usage))
async def test_keys_of_every_kind_and_both_sides_of_tls_are_signed_for(
    issuer: Issuer,  # noqa: ARG001 - it signs
    desk: Desk,
    key_type: KeyType,
    usage: Usage,
) -> None:
    order, key = new_order(key_type=key_type, usage=usage)

    await desk.place(order, key)

    assert matches((await desk.wait_for(OrderState.SIGNED)).certificate, key.to_pem())


async def test_a_device_s_own_request_is_sent_as_it_is(
    control_plane: ControlPlane,
    issuer: Issuer,  # noqa: ARG001 - it signs
    desk: Desk,
) -> None:
    order, key = new_order()

    await desk.place(order, None)
    signed = await desk.wait_for(OrderState.SIGNED)

    assert signed.key is None
    assert matches(signed.certificate, key.to_pem())
    text = json.dumps(requests_in(control_plane, desk.namespace))
    assert key.to_pem().decode().splitlines()[1] not in text


async def test_a_request_goes_with_the_object_it_is_for(
    control_plane: ControlPlane, issuer: Issuer, desk: Desk
) -> None:
    issuer.behaviour = Behaviour.STAY_SILENT
    owner = Owner("Device", "weather-01", "0b2d3a10-0000-4000-8000-000000000001")

    await desk.orders.place(desk.key(), *new_order(), namespace=desk.namespace, owner=owner)

    (request,) = requests_in(control_plane, desk.namespace)
    assert [reference["uid"] for reference in request["metadata"]["ownerReferences"]] == [owner.uid]
    assert request["metadata"]["annotations"]["iotsec.dev/order"] == f"Device {desk.namespace}/weather-01"


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (Behaviour.SIGN_ANOTHER_KEY, "the certificate is for another key than was asked for"),
        (Behaviour.SIGN_ANOTHER_NAME, "the certificate has not the common name 'weather-01' alone"),
        (Behaviour.SIGN_A_CA, "the certificate is one of a CA, which was not asked for"),
        (Behaviour.TELL_ANOTHER_CA, "none of the CAs that came with the certificate has signed it"),
        (Behaviour.TELL_NO_CA, "the issuer tells no CA"),
        (Behaviour.DENY, "no policy allows this request"),
        (Behaviour.FAIL, "the vault is sealed"),
        (Behaviour.CALL_INVALID, "the duration is too long"),
    ],
)
async def test_what_is_not_what_was_ordered_is_never_taken(
    issuer: Issuer, desk: Desk, behaviour: Behaviour, message: str
) -> None:
    issuer.behaviour = behaviour

    await desk.place(*new_order())
    refused = await desk.wait_for(OrderState.REFUSED)

    assert message in refused.message
    assert (refused.certificate, refused.root) == (b"", b"")


async def test_who_was_refused_asks_again_later_and_leaves_one_request(
    control_plane: ControlPlane, issuer: Issuer, desk: Desk
) -> None:
    issuer.behaviour = Behaviour.DENY
    await desk.place(*new_order())
    await desk.wait_for(OrderState.REFUSED)

    await desk.place(*new_order())
    assert issuer.answered == 1, "it is too soon"
    desk.later = 60
    issuer.behaviour = Behaviour.SIGN
    again = await desk.place(*new_order())
    assert again.state is OrderState.OPEN
    await desk.wait_for(OrderState.SIGNED)

    assert issuer.answered == 2
    assert len(requests_in(control_plane, desk.namespace)) == 1


async def test_each_refusal_in_a_row_makes_the_wait_longer(issuer: Issuer, desk: Desk) -> None:
    issuer.behaviour = Behaviour.FAIL
    waits = []
    for _ in range(3):
        await desk.place(*new_order())
        refused = await desk.wait_for(OrderState.REFUSED)
        waits.append(refused.retry_at)
        desk.later += 4000

    assert waits[1] - waits[0] in range(4060, 4080)
    assert waits[2] - waits[1] in range(4120, 4150)


async def test_an_issuer_that_is_not_there_is_told_and_waited_for(cert_manager: CertManager, desk: Desk) -> None:
    await desk.place(*new_order(issuer="later-ca"))
    await until(lambda: "not found" in desk.placed().message)
    assert desk.placed().message == (
        'Issuer later-ca: Referenced "Issuer" not found: issuer.cert-manager.io "later-ca" not found'
    )

    cert_manager.issuer("later-ca", desk.namespace)

    await desk.wait_for(OrderState.SIGNED)


async def test_nobody_answering_is_told_after_a_while(issuer: Issuer, desk: Desk) -> None:
    issuer.behaviour = Behaviour.STAY_SILENT
    await desk.place(*new_order())

    desk.later = 60

    assert desk.placed().state is OrderState.OPEN
    assert desk.placed().message.startswith(
        f"nobody has approved CertificateRequest {desk.namespace}/weather-01-device"
    )
    issuer.behaviour = Behaviour.SIGN
    await desk.wait_for(OrderState.SIGNED)


async def test_the_same_order_twice_is_one_request_and_another_takes_its_place(
    control_plane: ControlPlane, issuer: Issuer, desk: Desk
) -> None:
    issuer.behaviour = Behaviour.STAY_SILENT
    order, key = new_order()
    await desk.place(order, key)
    (first,) = requests_in(control_plane, desk.namespace)

    await desk.place(*new_order())
    assert desk.placed().key == key
    assert [request["metadata"]["uid"] for request in requests_in(control_plane, desk.namespace)] == [
        first["metadata"]["uid"]
    ]

    await desk.place(*new_order(days=30))
    (second,) = requests_in(control_plane, desk.namespace)
    assert second["spec"]["duration"] == f"{30 * 86_400}s"


async def test_two_certificates_of_one_hub_are_two_orders(issuer: Issuer, desk: Desk) -> None:
    hub = Key("Hub", desk.namespace, "plant")

    for purpose in ("server", "routes"):
        await desk.orders.place((hub, purpose), *new_order(purpose), namespace=desk.namespace)
    for purpose in ("server", "routes"):
        await until(lambda purpose=purpose: desk.orders.placed((hub, purpose)).state is OrderState.SIGNED, within=20)  # type: ignore[misc, union-attr]

    assert issuer.answered == 2
    await until(lambda: set(desk.told) == {hub})


async def test_an_issuer_s_new_ca_comes_with_the_next_certificate(issuer: Issuer, desk: Desk) -> None:
    await desk.place(*new_order())
    first = await desk.wait_for(OrderState.SIGNED)
    await desk.orders.done(desk.key())

    issuer.root = type(issuer.root).create()
    await desk.place(*new_order())
    second = await desk.wait_for(OrderState.SIGNED)

    assert (first.root != second.root, second.root) == (True, issuer.root.pem)


async def test_a_request_that_somebody_deletes_is_ordered_again_in_time(
    control_plane: ControlPlane, issuer: Issuer, desk: Desk
) -> None:
    issuer.behaviour = Behaviour.STAY_SILENT
    await desk.place(*new_order())

    delete_requests(control_plane, desk.namespace)
    refused = await desk.wait_for(OrderState.REFUSED)

    assert refused.message == "Issuer plant-ca: somebody deleted the CertificateRequest before it was answered"
    issuer.behaviour, desk.later = Behaviour.SIGN, 60
    await desk.place(*new_order())
    await desk.wait_for(OrderState.SIGNED)


async def test_a_certificate_nobody_took_in_its_life_is_none(issuer: Issuer, desk: Desk) -> None:  # noqa: ARG001 - it signs
    await desk.place(*new_order(days=1))
    await desk.wait_for(OrderState.SIGNED)

    desk.later = 86_400

    assert desk.placed().state is OrderState.REFUSED
    assert desk.placed().certificate == b""


async def test_after_a_restart_requests_that_nobody_knows_go_and_those_of_others_stay(
    control_plane: ControlPlane, namespace: str, issuer: Issuer
) -> None:
    issuer.behaviour = Behaviour.STAY_SILENT
    async with desk_at(control_plane, namespace) as before:
        await before.place(*new_order())
        await before.place(*new_order("weather-02"), name="weather-02")
    others = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "CertificateRequest",
        "metadata": {"name": "somebody-s"},
        "spec": requests_in(control_plane, namespace)[0]["spec"],
    }
    path = f"/apis/cert-manager.io/v1/namespaces/{namespace}/certificaterequests"
    control_plane.api.request("POST", path, others)

    async with desk_at(control_plane, namespace) as after:
        assert after.orders.placed(after.key()) is None
        issuer.behaviour = Behaviour.SIGN
        await after.place(*new_order())
        await after.wait_for(OrderState.SIGNED)
        await until(lambda: len(requests_in(control_plane, namespace)) == 2)

        names = {request["metadata"]["name"] for request in requests_in(control_plane, namespace)}
        assert "somebody-s" in names
        await after.orders.done(after.key())
        assert [one["metadata"]["name"] for one in requests_in(control_plane, namespace)] == ["somebody-s"]


async def test_a_request_for_other_names_is_not_sent(control_plane: ControlPlane, issuer: Issuer, desk: Desk) -> None:
    own, _ = new_order("weather-01")
    theirs, _ = new_order("weather-02")
    order = type(own)(own.issuer, own.names, own.usage, own.duration, theirs.request)

    refused = await desk.place(order, None)

    assert (refused.state, issuer.answered) == (OrderState.REFUSED, 0)
    assert "issuers of cert-manager sign the names that a request asks for" in refused.message
    assert requests_in(control_plane, desk.namespace) == []
    corrected = await desk.place(own, None)
    assert corrected.state is OrderState.OPEN, "another request need not wait"


async def test_cert_manager_may_come_later(control_plane: ControlPlane, namespace: str, issuer: Issuer) -> None:
    uninstall(control_plane)
    async with desk_at(control_plane, namespace) as desk:
        refused = await desk.place(*new_order())
        assert refused.state is OrderState.REFUSED
        assert "cert-manager is not installed: no CertificateRequest can be made" in refused.message
        await until(lambda: desk.orders.problem != "" and desk.all_told)
        desk.told.clear()

        install(control_plane)
        await until(lambda: desk.key()[0] in desk.told, within=20)
        assert (desk.orders.problem, desk.orders.placed(desk.key())) == ("", None)
        await desk.place(*new_order())
        signed = await desk.wait_for(OrderState.SIGNED)

        assert signed.root == issuer.root.pem


async def test_cert_manager_may_go(control_plane: ControlPlane, namespace: str) -> None:
    install(control_plane)
    async with desk_at(control_plane, namespace) as desk:
        await desk.place(*new_order())

        uninstall(control_plane)

        await desk.wait_for(OrderState.REFUSED)
        await until(lambda: desk.orders.problem.startswith("cert-manager is not installed"), within=20)
        refused = await desk.place(*new_order("weather-02"), name="weather-02")
        assert "cert-manager is not installed" in refused.message


async def test_cert_manager_may_go_before_an_order_is_watched(control_plane: ControlPlane, namespace: str) -> None:
    install(control_plane)
    async with desk_at(control_plane, namespace, opened_later=True) as desk:
        await desk.place(*new_order())
        uninstall(control_plane)

        desk.open.set()

        await desk.wait_for(OrderState.REFUSED)


async def test_a_request_that_is_deleted_before_it_is_watched_is_told(
    control_plane: ControlPlane, namespace: str
) -> None:
    install(control_plane)
    async with desk_at(control_plane, namespace, opened_later=True) as desk:
        await desk.place(*new_order())
        delete_requests(control_plane, namespace)

        desk.open.set()

        refused = await desk.wait_for(OrderState.REFUSED)
        assert "somebody deleted the CertificateRequest" in refused.message


async def test_an_operator_without_the_right_to_ask_says_so(
    control_plane: ControlPlane, namespace: str, issuer: Issuer
) -> None:
    def kubeconfig() -> object:
        try:
            return control_plane.kubeconfig_for(f"{namespace}/default")
        except RequestRefusedError:
            return None

    wait_until(kubeconfig)
    async with desk_at(
        control_plane, namespace, kubeconfig=control_plane.kubeconfig_for(f"{namespace}/default")
    ) as nobody:
        refused = await nobody.place(*new_order())

    assert (refused.state, issuer.answered) == (OrderState.REFUSED, 0)
    assert "cannot create resource" in refused.message


async def test_an_order_that_could_not_be_sent_is_none(control_plane: ControlPlane) -> None:
    nowhere = Access(server="https://127.0.0.1:1", ca_file=str(control_plane.ca))
    async with Client(nowhere) as client:
        orders = CertificateOrders(client, WorkQueue[Key](), clock=lambda: 0)
        key = Key("Device", "iot", "weather-01"), ""

        with pytest.raises(ApiError, match="Unreachable"):
            await orders.place(key, *new_order(), namespace="iot")

        assert orders.placed(key) is None


def our_requests(plane: ControlPlane) -> int:
    """How often the operator's client asked for CertificateRequests."""
    lines = plane.audit_log.read_text().splitlines()
    return sum("certificaterequests" in line and '"userAgent":"iotsec/' in line for line in lines)


async def test_who_orders_nothing_watches_nothing(control_plane: ControlPlane, namespace: str, issuer: Issuer) -> None:
    before = our_requests(control_plane)
    async with desk_at(control_plane, namespace) as desk:
        desk.orders.placed(desk.key())
        await desk.orders.done(desk.key())
    assert our_requests(control_plane) == before

    async with desk_at(control_plane, namespace) as desk:
        await desk.place(*new_order())
        await desk.wait_for(OrderState.SIGNED)
    assert (our_requests(control_plane) > before, issuer.answered) == (True, 1)
