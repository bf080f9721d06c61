"""Who presents somebody else's certificate is told apart from who goes on with a former one of his own."""

import json
from dataclasses import replace
from typing import Any

import pytest

from iotsec.decide.advisories import Issuers, User
from iotsec.decide.bindings import Holder, Shown, mismatches, read_shown, subject_of
from iotsec.decide.foreign_certificate import FIELD, Foreign, message, told

NOW = 1_800_000_000
ACCOUNT = "A" * 56


def holder(number: int, **fields: Any) -> Holder:
    """A Device with a certificate that was issued an hour ago."""
    plain = Holder(
        name=f"Device iot/weather-{number}",
        account=ACCOUNT,
        keys=(f"U{number}",),
        id=f"weather-{number}",
        created=NOW - 7200,
        digests=(f"{number}{number}",),
        subject=f"CN=weather-{number}",
        since=NOW - 3600,
    )
    return replace(plain, **fields)


def shown(number: int, *, by: User | int, at: int = NOW - 60, **fields: Any) -> Shown:
    """The certificate of one Device, by whoever logged in as another."""
    user = by if isinstance(by, User) else User(ACCOUNT, f"U{by}", f"weather-{by}", NOW - 3600)
    return replace(Shown(user, f"{number}{number}", f"CN=weather-{number}", at), **fields)


ONE, TWO = holder(1), holder(2)


def test_who_presents_his_own_certificate_is_not_told_of() -> None:
    assert mismatches([shown(1, by=1), shown(2, by=2)], [ONE, TWO]) == {}


def test_swapped_certificates_are_found_on_both_sides() -> None:
    assert mismatches([shown(2, by=1), shown(1, by=2)], [ONE, TWO]) == {
        ONE.name: (Foreign("CN=weather-2", "22", TWO.name),),
        TWO.name: (Foreign("CN=weather-1", "11", ONE.name),),
    }


def test_his_own_connection_beside_it_hides_nothing() -> None:
    assert list(mismatches([shown(2, by=1), shown(1, by=1)], [ONE, TWO])) == [ONE.name]


def test_a_former_certificate_that_overlaps_is_his_own() -> None:
    overlapping = replace(ONE, digests=("11", "10"))

    assert mismatches([shown(1, by=1, digest="10", subject="")], [overlapping, TWO]) == {}


def test_a_former_certificate_in_his_name_is_his_own_while_it_lasts() -> None:
    assert mismatches([shown(1, by=1, digest="forgotten")], [ONE, TWO]) == {}


def test_a_former_certificate_of_somebody_else_is_found_by_its_name() -> None:
    found = mismatches([shown(2, by=1, digest="forgotten")], [ONE, TWO])

    assert found == {ONE.name: (Foreign("CN=weather-2", "forgotten", TWO.name),)}


def test_a_certificate_in_his_name_with_the_key_of_somebody_else_is_found() -> None:
    found = mismatches([shown(2, by=1, subject=ONE.subject)], [ONE, TWO])

    assert found == {ONE.name: (Foreign(ONE.subject, "22", TWO.name),)}


def test_two_who_share_a_key_present_their_own() -> None:
    sharing = replace(TWO, digests=ONE.digests)

    assert mismatches([shown(1, by=1), shown(1, by=2, subject=TWO.subject)], [ONE, sharing]) == {}


@pytest.mark.parametrize(("at", "found"), [(NOW - 60, True), (NOW - 3601, False)])
def test_a_certificate_of_nobody_known_is_told_where_it_cannot_be_a_former_one(at: int, *, found: bool) -> None:
    unknown = shown(1, by=1, at=at, digest="unknown", subject="CN=laptop")

    assert mismatches([unknown], [ONE]) == ({ONE.name: (Foreign("CN=laptop", "unknown", ""),)} if found else {})


def test_who_has_no_certificate_yet_is_told_of_with_that_of_somebody_else_alone() -> None:
    without = replace(ONE, digests=(), since=0)

    assert mismatches([shown(1, by=1, digest="unknown", subject="CN=laptop")], [without, TWO]) == {}
    assert list(mismatches([shown(2, by=1)], [without, TWO])) == [ONE.name]


def test_a_bearer_whose_jwt_is_hidden_is_found_by_his_id() -> None:
    bearer = User(ACCOUNT, "", "weather-1", 0)

    assert list(mismatches([shown(2, by=bearer)], [ONE, TWO])) == [ONE.name]


def test_whom_a_jwt_with_his_id_is_not_about_is_not_blamed() -> None:
    before_him = User(ACCOUNT, "UFORMER", "weather-1", ONE.created)
    elsewhere = User("A" * 55 + "B", "U1", "weather-1", NOW)

    assert mismatches([shown(2, by=before_him), shown(2, by=elsewhere)], [ONE, TWO]) == {}


@pytest.mark.parametrize(
    ("common_name", "subject"),
    [
        ("Device/iot/weather-01", "CN=Device/iot/weather-01"),
        ('a,b+c"d\\e<f>g;h', 'CN=a\\,b\\+c\\"d\\\\e\\<f\\>g\\;h'),
        ("#1 sensor#", "CN=\\#1 sensor#"),
    ],
)
def test_a_common_name_is_written_as_servers_do(common_name: str, subject: str) -> None:
    assert subject_of(common_name) == subject


class TestAList:
    def test_without_certificates_shows_none(self) -> None:
        body = json.dumps({"data": {"total": 1, "connections": [{"cid": 7, "account": ACCOUNT, "jwt": ""}]}}).encode()

        page = read_shown(body, ACCOUNT, Issuers({}, {}))

        assert (page.shown, page.known, page.total) == ((), {7}, 1)

    @pytest.mark.parametrize(
        "body", [b"", b"[]", b"{}", b'{"data": {}}', b'{"data": {"connections": [1], "total": 1}}']
    )
    def test_of_another_shape_is_none(self, body: bytes) -> None:
        with pytest.raises(ValueError, match="this is no list of connections"):
            read_shown(body, ACCOUNT, Issuers({}, {}))


class TestTheStatus:
    THEIRS = Foreign("CN=weather-2", "22", "Device iot/weather-2")
    NOBODYS = Foreign("CN=laptop", "00", "")

    def test_says_nothing_of_whom_nothing_was_seen(self) -> None:
        assert told({}, (), NOW) is None

    def test_says_whose_certificate_it_is_and_when_it_was_seen(self) -> None:
        assert told({}, (self.NOBODYS, self.THEIRS), NOW) == {
            "subject": "CN=weather-2",
            "owner": "Device iot/weather-2",
            "lastSeen": "2027-01-15T08:00:00Z",
        }

    def test_is_not_written_each_time_that_it_is_seen_again(self) -> None:
        status = {FIELD: told({}, (self.THEIRS,), NOW)}

        assert told(status, (self.THEIRS,), NOW + 3599) == status[FIELD]
        assert told(status, (self.THEIRS,), NOW + 3600) != status[FIELD]
        assert told(status, (self.NOBODYS,), NOW + 1) != status[FIELD]

    def test_goes_on_saying_what_was_seen_last(self) -> None:
        status = {FIELD: told({}, (self.THEIRS,), NOW)}

        assert told(status, (), NOW + 99) == status[FIELD]

    def test_that_somebody_else_wrote_is_written_anew(self) -> None:
        assert told({FIELD: {"subject": "CN=weather-2", "lastSeen": "soon"}}, (self.NOBODYS,), NOW) == {
            "subject": "CN=laptop",
            "lastSeen": "2027-01-15T08:00:00Z",
        }

    def test_says_what_to_do(self) -> None:
        assert message((self.NOBODYS, self.THEIRS)) == (
            "it is connected with the certificate of Device iot/weather-2, and 1 more: find out who has the key of "
            "which, and rotate both credentials with the annotation iotsec.dev/rotate"
        )
        assert "a certificate of nobody known (CN=laptop)" in message((self.NOBODYS,))
