"""Certificates of the servers that an issuer is asked for: what is used of its answers, and when."""

from dataclasses import replace

import pytest
from decide.signing_operator import ASKED, ASKING, HELD, ISSUER, SIGNING, Operator, placed, signed_by_issuer
from x509.pki import DAY, NATS, NOW

from iotsec.api.issuers import IssuerRef
from iotsec.decide.authorities import Generation, source_of
from iotsec.decide.orders import OrderState
from iotsec.decide.server_certificates import (
    Outcome,
)
from iotsec.x509.certificate import matches
from iotsec.x509.names import Usage


@pytest.fixture
def operator() -> Operator:
    return Operator()


def test_an_issuer_is_asked_for_what_is_wanted_with_a_key_of_ours(operator: Operator) -> None:
    outcome = operator.plan(None, ASKING, None)

    assert outcome.order is not None
    asked, key = outcome.order
    assert (outcome.certificate, outcome.waits_for) == (None, "the issuer is being asked")
    assert (asked.issuer, asked.names, asked.usage, asked.duration) == (ISSUER, NATS, Usage.SERVER, 90 * DAY)
    assert key == operator.made[0]


def test_an_order_that_is_open_is_waited_for(operator: Operator) -> None:
    silent, waiting = placed(OrderState.OPEN), placed(OrderState.OPEN, message="nobody has approved it")

    assert operator.plan(None, ASKING, None, placed=silent) == Outcome(
        None, waits_for="the issuer has not answered yet"
    )
    assert operator.plan(None, ASKING, None, placed=waiting).waits_for == "nobody has approved it"
    assert operator.made == []


def test_an_order_that_is_refused_is_placed_again_and_told(operator: Operator) -> None:
    refused = placed(OrderState.REFUSED, message="Issuer plant: no such policy")

    outcome = operator.plan(HELD, ASKING, SIGNING, placed=refused, forced=True)

    assert outcome.certificate == HELD
    assert outcome.waits_for == "the issuer refuses: Issuer plant: no such policy"
    assert outcome.order is not None
    assert outcome.order[1] == refused.key


def test_an_order_for_something_else_is_replaced(operator: Operator) -> None:
    more = (replace(NATS, dns_names=("new.example.com",)), Usage.SERVER)

    outcome = operator.plan(None, ASKING, ASKED, wanted=more, placed=placed(OrderState.SIGNED))

    assert outcome.order is not None
    assert outcome.order[0].names == more[0]
    assert not outcome.is_new


def test_what_an_issuer_signed_is_used_with_the_key_it_is_for(operator: Operator) -> None:
    answer = placed(OrderState.SIGNED)

    outcome = operator.plan(None, ASKING, ASKED, placed=answer)

    assert outcome.is_new
    assert outcome.certificate is not None
    assert outcome.certificate.certificate == answer.certificate
    assert matches(outcome.certificate.certificate, outcome.certificate.key.to_pem())


@pytest.mark.parametrize("signing", [None, SIGNING])
def test_what_a_ca_signed_that_nobody_trusts_yet_is_held_back(operator: Operator, signing: Generation | None) -> None:
    outcome = operator.plan(HELD, ASKING, signing, placed=placed(OrderState.SIGNED))

    assert outcome.certificate == HELD
    assert not outcome.is_new
    assert "another CA, which everybody gets before it is used" in outcome.waits_for


def test_what_ended_while_it_was_held_back_is_asked_for_again(operator: Operator) -> None:
    stale = placed(OrderState.SIGNED)

    outcome = operator.plan(None, ASKING, ASKED, placed=stale, now=NOW + 91 * DAY)

    assert outcome.order is not None
    assert not outcome.is_new


def test_another_issuer_is_asked_though_the_certificate_is_not_due(operator: Operator) -> None:
    outcome = operator.plan(HELD, ASKING, SIGNING)

    assert outcome.certificate == HELD
    assert outcome.order is not None
    assert outcome.due == operator.plan(HELD).due


def test_another_issuer_of_the_same_ca_changes_nothing(operator: Operator) -> None:
    elsewhere = replace(ASKED, source=source_of(IssuerRef(name="before")))
    held = signed_by_issuer()

    outcome = operator.plan(held, ASKING, elsewhere, placed=placed(OrderState.SIGNED))

    assert (outcome.certificate, outcome.is_new, outcome.order) == (held, False, None)


def test_a_certificate_of_the_issuer_stays_and_nobody_is_asked_until_its_time(operator: Operator) -> None:
    held = signed_by_issuer()

    outcome = operator.plan(held, ASKING, ASKED)
    assert outcome.due is not None

    assert outcome == Outcome(held, due=outcome.due)
    assert operator.plan(held, ASKING, ASKED, now=outcome.due).order is not None


def test_a_certificate_that_somebody_asked_for_is_taken_when_it_comes(operator: Operator) -> None:
    held = signed_by_issuer()

    asked = operator.plan(held, ASKING, ASKED, forced=True)
    waiting = operator.plan(held, ASKING, ASKED, placed=placed(OrderState.OPEN))
    answered = operator.plan(held, ASKING, ASKED, placed=placed(OrderState.SIGNED))

    assert asked.order is not None
    assert (waiting.certificate, waiting.is_new) == (held, False)
    assert waiting.due is not None
    assert answered.is_new


def test_an_order_of_a_former_issuer_is_nothing_to_a_ca_of_ours(operator: Operator) -> None:
    assert not operator.plan(HELD, placed=placed(OrderState.SIGNED)).is_new
