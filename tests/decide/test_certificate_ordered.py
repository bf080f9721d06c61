"""Certificates that an issuer of cert-manager signs: ordered, waited for, and used only where servers trust its CA."""

from dataclasses import replace

import pytest
from decide.encrypted_world import CREDS, EncryptedWorld, authority, condition
from decide.world import NOW, ready

from iotsec.api.issuers import IssuerRef
from iotsec.decide.orders import OrderState, PlacedOrder
from iotsec.decide.plan import Plan
from iotsec.decide.views import Observed
from iotsec.x509.authority import Authority
from iotsec.x509.bundle import digest
from iotsec.x509.certificate import issue
from iotsec.x509.keys import KeyType, generate, new_serial
from iotsec.x509.names import Names, Usage
from iotsec.x509.requests import make_request, read_request

COMPANY = authority(7)


class Company(EncryptedWorld):
    """A world whose certificates are signed by somebody else, as cert-manager does."""

    def __init__(self) -> None:
        super().__init__()
        self.placed: PlacedOrder | None = None
        self.encrypt(authority=None, issuer=IssuerRef(name="company"))
        self.trust_root(COMPANY)

    def trust_root(self, company: Authority) -> None:
        name = digest(company.root)
        self.encrypt(bundle=company.root, digest=name, generation=name, accepted=frozenset({name}))

    def observed(self) -> Observed:
        return replace(super().observed(), placed=self.placed)

    def carry_out(self, plan: Plan, effects: int = 99) -> None:
        super().carry_out(plan, effects)
        if plan.order_over:
            self.placed = None
        if plan.order is not None:
            self.placed = PlacedOrder(plan.order.order, plan.order.key)

    def sign(self, company: Authority = COMPANY) -> None:
        """Answer the order, as it is."""
        assert self.placed is not None
        order = self.placed.order
        pem = issue(
            company,
            order.names,
            order.usage,
            read_request(order.request, order.names),
            serial=new_serial(next(self.entropy)),
            issued_at=self.now,
            expires_at=self.now + order.duration,
        )
        self.placed = replace(self.placed, state=OrderState.SIGNED, certificate=pem, root=company.root)


@pytest.fixture
def company() -> Company:
    return Company()


@pytest.fixture
def asked(company: Company) -> Company:
    """A world whose Device has its credential, and whose certificate was ordered."""
    company.reconcile()
    company.push()
    company.reconcile()
    return company


def test_a_certificate_is_ordered_for_a_key_of_ours_and_credentials_do_not_wait(asked: Company) -> None:
    assert asked.placed is not None
    assert asked.placed.key is not None
    assert read_request(asked.placed.order.request, asked.placed.order.names) == asked.placed.key.public
    assert asked.secrets.objects.keys() == {CREDS}
    assert ready(asked.status) == ("False", "IssuerNotReady")


def test_it_is_ordered_once(asked: Company) -> None:
    order = asked.placed

    asked.reconcile()

    assert asked.placed is order


def test_what_was_signed_is_written_with_the_key_it_was_ordered_for_and_the_order_is_over(asked: Company) -> None:
    asked.sign()

    asked.settle()

    assert asked.placed is None
    assert ready(asked.status) == ("True", "Issued")
    assert asked.status["certificate"]["issuer"] == COMPANY.key_id
    annotations = asked.certificate_secret()["metadata"]["annotations"]
    assert annotations["cert-manager.io/issuer-name"] == "company"
    assert annotations["cert-manager.io/issuer-kind"] == "Issuer"


def test_a_certificate_of_a_ca_nobody_trusts_yet_is_held_and_the_hub_is_told_of_its_root(asked: Company) -> None:
    other = authority(8)
    asked.sign(other)

    plan = asked.reconcile()

    assert plan.found_root == other.root
    assert plan.write_certificate is None
    assert asked.placed is not None, "it is used when everybody trusts that"
    asked.trust_root(other)
    asked.settle()
    assert asked.status["certificate"]["issuer"] == other.key_id


def test_what_was_signed_by_the_ca_that_is_being_left_is_ordered_again_but_not_without_end(asked: Company) -> None:
    assert asked.tls is not None
    asked.sign()
    stale, other = asked.placed, authority(8)
    former = asked.tls.generation
    asked.trust_root(other)
    asked.encrypt(accepted=frozenset({former, digest(other.root)}))

    first = asked.reconcile()

    assert (first.order, first.found_root, asked.placed) == (None, b"", stale)
    assert first.due == NOW + 120
    asked.now += 120
    asked.reconcile()
    assert asked.placed is not None
    assert asked.placed.state is OrderState.OPEN
    asked.sign(other)
    asked.settle()
    assert asked.status["certificate"]["issuer"] == other.key_id


def test_an_answer_for_another_key_is_never_written(asked: Company) -> None:
    assert asked.placed is not None
    asked.sign()
    asked.placed = replace(asked.placed, key=generate(KeyType()))

    plan = asked.reconcile()

    assert plan.write_certificate is None
    assert condition(asked.status, "CertificateIssued")[0] == "False"


def test_a_refusal_is_told_in_the_issuers_words_and_tried_again_no_sooner_than_it_may_be(asked: Company) -> None:
    assert asked.placed is not None
    asked.placed = replace(asked.placed, state=OrderState.REFUSED, message="quota exceeded", retry_at=NOW + 60)
    refused = asked.placed

    plan = asked.reconcile()

    assert condition(asked.status, "CertificateIssued") == ("False", "IssuerRefused")
    assert "quota exceeded" in next(c["message"] for c in asked.status["conditions"] if c["type"] == "Ready")
    assert asked.placed is refused
    assert plan.due == NOW + 60
    asked.now += 60
    asked.reconcile()
    assert asked.placed is not refused
    assert asked.placed.state is OrderState.OPEN


def test_when_what_is_wanted_changes_another_order_takes_the_place_of_the_open_one(asked: Company) -> None:
    asked.change(certificate={"dnsNames": ["weather.example.com"]})

    asked.reconcile()

    assert asked.placed is not None
    assert asked.placed.order.names.dns_names == ("weather.example.com",)


def test_while_a_renewal_is_with_the_issuer_the_former_certificate_stays(asked: Company) -> None:
    asked.sign()
    asked.settle()
    asked.now += 75 * 86_400

    asked.reconcile()
    asked.reconcile()

    assert asked.placed is not None
    assert ready(asked.status) == ("True", "Issued")
    assert asked.accepts(asked.shown[-1])
    asked.sign()
    asked.settle()
    assert len(asked.shown) == 2


def test_a_devices_own_request_is_passed_on_as_it_is(company: Company) -> None:
    text = make_request(generate(KeyType()), Names("weather-01"), Usage.CLIENT)
    company.change(certificate={"csr": text.decode()})

    company.reconcile()

    assert company.placed is not None
    assert company.placed.key is None
    assert company.placed.order.request == text
