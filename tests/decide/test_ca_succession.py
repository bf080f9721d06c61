"""Which CA a Hub has, and which it has next."""

import os
from collections.abc import Mapping

import pytest
from api.tls_policies import asking, issued, policy
from decide.settled_policy import settle
from x509.pki import DAY, NOW, P256, root

from iotsec.decide.authorities import Authorities, Generation, Phase, of_authority, of_root
from iotsec.decide.ca_rotation import Convergence
from iotsec.decide.ca_succession import kept, own_ca, renewal_due, users_ca
from iotsec.decide.tls_settings import TlsSettings
from iotsec.x509.authority import Authority, UnusableAuthorityError
from iotsec.x509.keys import generate

OWN, RSA = settle(policy()), settle(issued(selfSigned={"privateKey": {"algorithm": "RSA"}}))
USERS, ASKED = settle(issued(ca={"secretName": "factory-ca"})), settle(asking())
EVERYBODY = Convergence("")
HELD, ANOTHER = root(), root()


def made(settings: TlsSettings, number: int = 1, *, now: int = NOW) -> Generation:
    return own_ca(settings, number, hub="plant.iot", make_key=lambda _: generate(P256), now=now, entropy=entropy)


def entropy() -> bytes:
    return os.urandom(32)


def after(
    state: Authorities | None,
    settings: TlsSettings = OWN,
    given: Generation | None = None,
    *,
    asks: str = "",
    now: int = NOW,
) -> Authorities | None:
    return kept(
        state,
        settings,
        given,
        EVERYBODY,
        make=lambda number: made(settings, number, now=now),
        token=asks,
        salt="uid/ca",
        now=now,
    )


def some(state: Authorities | None) -> Authorities:
    assert state is not None
    return state


def in_secret(authority: Authority) -> dict[str, bytes]:
    return {"tls.crt": authority.certificate, "tls.key": authority.key.to_pem()}


def test_a_hub_begins_with_a_ca_of_its_own() -> None:
    state = some(after(None))

    assert (state.phase, state.since) == (Phase.STEADY, NOW)
    assert state.signing.subject == "CN=plant.iot CA 1"
    assert state.signing.expires_at == NOW + OWN.ca_policy.duration


@pytest.mark.parametrize("settings", [USERS, ASKED], ids=["the user's", "an issuer's"])
def test_there_is_none_before_that_of_somebody_else_is_known(settings: TlsSettings) -> None:
    assert after(None, settings) is None


def test_who_wrote_the_token_before_there_was_a_ca_has_another_at_once() -> None:
    first = some(after(None, asks="now"))

    assert after(first, asks="now") == first


def test_a_ca_stays_until_its_time_comes() -> None:
    first = some(after(None))
    due = renewal_due(first, OWN, salt="uid/ca", now=NOW)

    assert due is not None
    assert after(first, now=due - 1) == first
    assert some(after(first, now=due)).phase is Phase.TRUST


@pytest.mark.parametrize("settings", [USERS, ASKED], ids=["the user's", "an issuer's"])
def test_when_somebody_elses_is_replaced_is_his_to_know(settings: TlsSettings) -> None:
    assert renewal_due(some(after(None)), settings, salt="uid/ca", now=NOW) is None


def test_a_token_that_nobody_heeded_brings_another_ca_once() -> None:
    asked = some(after(after(None), asks="now"))

    assert (asked.phase, asked.heeded, len(asked.generations)) == (Phase.TRUST, "now", 2)
    assert len(some(after(asked, asks="now", now=NOW + 1)).generations) == 2


def test_another_issuer_in_the_spec_is_another_ca() -> None:
    state = some(after(after(None), RSA))

    assert [one.source for one in state.generations] == [OWN.source, RSA.source]


def test_the_users_ca_is_used_as_he_keeps_it() -> None:
    first = some(after(None, USERS, users_ca(in_secret(HELD), USERS, now=NOW)))

    assert first.signing.authority == HELD
    assert after(first, USERS, users_ca(in_secret(HELD), USERS, now=NOW)) == first
    replaced = some(after(first, USERS, users_ca(in_secret(ANOTHER), USERS, now=NOW)))
    assert (replaced.phase, replaced.newest.authority) == (Phase.TRUST, ANOTHER)


def test_what_there_is_goes_on_while_the_users_ca_cannot_be_read() -> None:
    first = some(after(None, USERS, of_authority(HELD, USERS.source)))

    assert after(first, USERS, None) == first


def test_the_root_an_issuer_is_found_to_have_is_trusted_before_it_is_used() -> None:
    first = some(after(None, ASKED, of_root(HELD.root, ASKED.source)))
    found = some(after(first, ASKED, of_root(ANOTHER.root, ASKED.source)))

    assert (found.phase, found.signing.root) == (Phase.TRUST, HELD.root)
    assert ANOTHER.root in found.bundle


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "Secret factory-ca with the CA does not exist: create it"),
        ({"tls.key": b"key"}, "Secret factory-ca has no tls.crt: write it there"),
        ({"tls.crt": HELD.certificate}, "Secret factory-ca has no tls.key: write it there"),
        (in_secret(HELD) | {"tls.key": ANOTHER.key.to_pem()}, "Secret factory-ca: "),
        (in_secret(root(expires_at=NOW - DAY // 2)), "Secret factory-ca: "),
    ],
    ids=["no Secret", "no certificate", "no key", "another's key", "an ended CA"],
)
def test_a_ca_of_the_user_that_cannot_be_used_is_told_with_its_secret(
    data: Mapping[str, bytes] | None, message: str
) -> None:
    with pytest.raises(UnusableAuthorityError, match=message):
        users_ca(data, USERS, now=NOW)
