"""Whom a message of the servers is about: by the JWT alone, and only where that cannot be anybody's invention."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from decide.key_material import numbered_entropy
from hypothesis import given
from hypothesis import strategies as st

from iotsec.decide.advisories import (
    EXPIRED,
    ID_TAG,
    REVOKED,
    Connected,
    Connection,
    Denied,
    Disconnected,
    Issuers,
    Stranger,
    User,
    is_advisory,
    is_refusal,
    read_advisory,
    read_listing,
)
from iotsec.decide.ledger import Ledger
from iotsec.nats import jwt
from iotsec.nats.claims import UserClaims, UserPermissionLimits
from iotsec.nats.keys import KeyType, SigningKey

NOW = 1_800_000_000
SERVER = "NSERVER"
REFUSED = f"$SYS.SERVER.{SERVER}.CLIENT.AUTH.ERR"

_entropy: Iterator[bytes] = numbered_entropy(9000)


def new_key(kind: KeyType = KeyType.ACCOUNT) -> SigningKey:
    return SigningKey.generate(kind, next(_entropy))


ACCOUNT, SIGNER, OTHER_ACCOUNT, OTHER_SIGNER, STRANGER = (new_key() for _ in range(5))
DEVICE, VICTIM = new_key(KeyType.USER), new_key(KeyType.USER)


def issuers(revoked: dict[str, tuple[int, int]] | None = None) -> Issuers:
    return Issuers(
        ledgers={ACCOUNT.public: Ledger(entries=revoked or {}), OTHER_ACCOUNT.public: Ledger()},
        signers={SIGNER.public: ACCOUNT.public, OTHER_SIGNER.public: OTHER_ACCOUNT.public},
    )


def user_jwt(
    key: SigningKey = DEVICE,
    *,
    signer: SigningKey = SIGNER,
    account: SigningKey = ACCOUNT,
    name: str = "weather-01",
    expires_at: int = NOW + 3600,
    **claims: Any,
) -> str:
    said = UserClaims(issuer_account=account.public, **claims)
    return jwt.encode(said, signer, subject=key.public, name=name, issued_at=NOW - 100, expires_at=expires_at)


def told(subject: str, **client: Any) -> tuple[str, bytes]:
    """A message as nats-server writes it, but for what is nobody's business here."""
    body = {
        "timestamp": "2027-01-15T08:00:00.123456789Z",
        "server": {"id": SERVER, "name": "nats-0"},
        "client": {
            "start": "2027-01-15T07:59:58.9Z",
            "stop": "2027-01-15T08:00:00.1Z",
            "host": "10.0.0.7",
            "id": 12,
            "kind": "Client",
            **client,
        },
        "reason": "Authentication Failure",
    }
    return subject, json.dumps(body).encode()


def connect(**client: Any) -> tuple[str, bytes]:
    return told(f"$SYS.ACCOUNT.{ACCOUNT.public}.CONNECT", acc=ACCOUNT.public, **client)


def refusal(**client: Any) -> tuple[str, bytes]:
    return told(REFUSED, **{"acc": "$G", **client})


class TestConnections:
    def test_a_user_that_connected_is_told_by_his_jwt(self) -> None:
        found = read_advisory(*connect(jwt=user_jwt(), user=DEVICE.public), issuers())

        assert found == Connected(
            Connection(SERVER, 12), User(ACCOUNT.public, DEVICE.public, "weather-01", NOW - 100), NOW - 2
        )

    def test_the_user_name_that_a_client_gives_himself_counts_for_nothing(self) -> None:
        found = read_advisory(*connect(jwt=user_jwt(), user=VICTIM.public), issuers())

        assert isinstance(found, Connected)
        assert found.user.key == DEVICE.public

    def test_so_it_is_with_the_username_of_mqtt(self) -> None:
        token = user_jwt(limits=UserPermissionLimits(bearer_token=True))

        found = read_advisory(*connect(jwt=token, user="weather-02", client_type="mqtt"), issuers())

        assert isinstance(found, Connected)
        assert found.user.id == "weather-01"

    def test_who_has_no_jwt_is_nobody(self) -> None:
        assert read_advisory(*connect(user=VICTIM.public), issuers()) is None

    def test_a_jwt_of_another_account_is_nobodys(self) -> None:
        other = user_jwt(signer=OTHER_SIGNER, account=OTHER_ACCOUNT)

        assert read_advisory(*connect(jwt=other), issuers()) is None

    def test_other_accounts_on_the_servers_are_not_ours_to_tell_of(self) -> None:
        subject, body = told(f"$SYS.ACCOUNT.{STRANGER.public}.CONNECT", acc=STRANGER.public, jwt=user_jwt())

        assert read_advisory(subject, body, issuers()) is None

    def test_a_signer_that_is_not_ours_names_no_identity(self) -> None:
        adopted = user_jwt(signer=STRANGER, name="weather-01")

        found = read_advisory(*connect(jwt=adopted), issuers())

        assert isinstance(found, Connected)
        assert (found.user.key, found.user.id) == (DEVICE.public, "")

    def test_an_end_is_told_by_its_connection(self) -> None:
        subject, body = told(f"$SYS.ACCOUNT.{ACCOUNT.public}.DISCONNECT", acc=ACCOUNT.public)

        assert read_advisory(subject, body, issuers()) == Disconnected(Connection(SERVER, 12), NOW)


class TestRefusals:
    def test_a_revoked_credential_is_told_as_such(self) -> None:
        found = read_advisory(*refusal(jwt=user_jwt()), issuers({DEVICE.public: (NOW - 50, NOW + 3600)}))

        assert found == Denied(User(ACCOUNT.public, DEVICE.public, "weather-01", NOW - 100), NOW, REVOKED, "10.0.0.7")

    def test_an_expired_credential_is_told_as_such(self) -> None:
        found = read_advisory(*refusal(jwt=user_jwt(expires_at=NOW - 1)), issuers())

        assert isinstance(found, Denied)
        assert found.reason == EXPIRED

    def test_of_any_other_it_is_told_what_the_server_says(self) -> None:
        found = read_advisory(*refusal(jwt=user_jwt()), issuers({DEVICE.public: (NOW - 101, NOW + 3600)}))

        assert isinstance(found, Denied)
        assert found.reason == "Authentication Failure"

    def test_a_jwt_that_a_stranger_signed_himself_counts_for_nobody(self) -> None:
        assert read_advisory(*refusal(jwt=user_jwt(VICTIM, signer=STRANGER)), issuers()) == Stranger("10.0.0.7")

    def test_a_jwt_that_claims_our_signer_and_is_not_signed_by_it_counts_for_nobody(self) -> None:
        header, payload, _ = user_jwt(VICTIM).split(".")
        signature = base64.urlsafe_b64encode(STRANGER.sign(f"{header}.{payload}".encode())).rstrip(b"=").decode()

        found = read_advisory(*refusal(jwt=f"{header}.{payload}.{signature}"), issuers())

        assert found == Stranger("10.0.0.7")

    def test_a_jwt_of_ours_that_was_changed_counts_for_nobody(self) -> None:
        header, payload, signature = user_jwt(DEVICE).split(".")
        said = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        said["sub"] = VICTIM.public
        changed = base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=").decode()

        assert read_advisory(*refusal(jwt=f"{header}.{changed}.{signature}"), issuers()) == Stranger("10.0.0.7")

    def test_a_signer_of_one_account_speaks_for_no_other(self) -> None:
        across = user_jwt(VICTIM, signer=OTHER_SIGNER, account=ACCOUNT)

        assert read_advisory(*refusal(jwt=across), issuers()) == Stranger("10.0.0.7")

    @pytest.mark.parametrize(
        "sent", [{}, {"jwt": ""}, {"jwt": "abc"}, {"jwt": "eyJ0.eyJ9.AA"}, {"user": DEVICE.public}]
    )
    def test_who_shows_no_jwt_is_a_stranger(self, sent: dict[str, str]) -> None:
        assert read_advisory(*refusal(**sent), issuers()) == Stranger("10.0.0.7")

    def test_what_is_larger_than_any_login_is_not_read(self) -> None:
        subject, body = refusal(jwt=user_jwt(), name="x" * 70_000)

        assert read_advisory(subject, body, issuers()) == Stranger("10.0.0.7")

    def test_a_connection_that_the_server_ends_is_no_refused_login(self) -> None:
        assert read_advisory(*refusal(acc=ACCOUNT.public, jwt=user_jwt()), issuers()) is None

    def test_the_jwt_is_in_nothing_that_is_passed_on(self) -> None:
        token = user_jwt()
        revoked = issuers({DEVICE.public: (NOW, NOW + 1)})

        for message in (connect(jwt=token), refusal(jwt=token)):
            assert "eyJ" not in repr(read_advisory(*message, revoked))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda some: (
            st.lists(some, max_size=3)
            | st.dictionaries(st.sampled_from(["client", "server", "id", "jwt", "acc", "start"]), some, max_size=4)
        ),
    ),
    st.sampled_from([REFUSED, f"$SYS.ACCOUNT.{ACCOUNT.public}.CONNECT", f"$SYS.ACCOUNT.{ACCOUNT.public}.DISCONNECT"]),
)
def test_a_message_of_any_shape_is_about_nobody(body: object, subject: str) -> None:
    assert isinstance(read_advisory(subject, json.dumps(body).encode(), issuers()), Stranger | None)
    assert read_advisory(subject, b"{", issuers()) is None


def test_heartbeats_are_no_advisories() -> None:
    assert not is_advisory(f"$SYS.SERVER.{SERVER}.STATSZ")
    assert is_advisory(REFUSED)
    assert is_refusal(REFUSED)
    assert not is_refusal(f"$SYS.ACCOUNT.{ACCOUNT.public}.CONNECT")


class TestListings:
    """What is read of open connections; servers hide the JWT of a bearer there (monitor.go, redactBearerJWT)."""

    def entry(self, **said: Any) -> dict[str, Any]:
        return {"cid": 12, "start": "2027-01-15T08:00:00Z", "account": ACCOUNT.public, **said}

    def listing(self, *entries: dict[str, Any]) -> bytes:
        return json.dumps({"server": {"id": SERVER}, "data": {"total": 9, "connections": entries or None}}).encode()

    def test_users_are_told_by_their_jwts(self) -> None:
        entry = self.entry(jwt=user_jwt(), authorized_user=VICTIM.public)

        page = read_listing(self.listing(entry), ACCOUNT.public, issuers())

        user = User(ACCOUNT.public, DEVICE.public, "weather-01", NOW - 100)
        assert page.connected == (Connected(Connection(SERVER, 12), user, NOW),)
        assert (page.known, page.total) == ({12}, 9)

    def test_a_bearer_is_told_by_the_id_that_his_hidden_jwt_has_as_a_tag(self) -> None:
        entry = self.entry(authorized_user="weather-02", tags=[f"{ID_TAG}Weather-01"], issuer_key=SIGNER.public)

        page = read_listing(self.listing(entry), ACCOUNT.public, issuers())

        assert [one.user for one in page.connected] == [User(ACCOUNT.public, "", "Weather-01", 0)]

    @pytest.mark.parametrize(
        "said",
        [
            {"authorized_user": "weather-01"},
            {"tags": [f"{ID_TAG}weather-01"], "issuer_key": STRANGER.public},
            {"tags": [f"{ID_TAG}weather-01"], "issuer_key": OTHER_SIGNER.public},
            {"tags": [f"{ID_TAG}a", f"{ID_TAG}b"], "issuer_key": SIGNER.public},
            {"tags": ["site:lab"], "issuer_key": SIGNER.public},
        ],
    )
    def test_who_cannot_be_told_is_counted_as_nobody(self, said: dict[str, Any]) -> None:
        page = read_listing(self.listing(self.entry(**said)), ACCOUNT.public, issuers())

        assert page.connected == ()
        assert page.known == {12}

    def test_nobody_is_connected_where_the_list_is_empty(self) -> None:
        assert read_listing(self.listing(), ACCOUNT.public, issuers()).connected == ()

    @pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"server":{"id":"N"},"error":{}}'])
    def test_an_answer_that_is_no_list_is_none(self, body: bytes) -> None:
        with pytest.raises(ValueError, match="no list"):
            read_listing(body, ACCOUNT.public, issuers())
