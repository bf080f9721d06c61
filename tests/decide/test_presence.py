"""Who is connected, from what is told of connections one by one; and what a status says of it."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from iotsec.decide.advisories import Connection, Denied, User
from iotsec.decide.presence import Presence, absent_status, is_of, present_status, together

NOW = 1_800_000_000
FIRST, SECOND = Connection("NA", 7), Connection("NB", 7)
WEATHER = User("AIOT", "UWEATHER", "weather-01", NOW - 100)


def denied(at: int, reason: str = "credential revoked") -> Denied:
    return Denied(WEATHER, at, reason, "10.0.0.7")


def test_a_connection_told_twice_is_one() -> None:
    presence = Presence().came(FIRST, NOW)

    assert presence.came(FIRST, NOW) == presence
    assert not presence.went(FIRST, NOW + 5).connections


def test_the_same_number_at_another_server_is_another_connection() -> None:
    presence = Presence().came(FIRST, NOW).came(SECOND, NOW + 1).went(FIRST, NOW + 2)

    assert presence.connections == {SECOND}


def test_an_end_that_nobody_began_is_no_news() -> None:
    presence = Presence().came(FIRST, NOW)

    assert presence.went(SECOND, NOW + 9) is presence


def test_last_seen_is_when_it_came_or_went_last_and_never_goes_back() -> None:
    presence = Presence().came(FIRST, NOW).came(SECOND, NOW - 50)
    assert presence.last_seen == NOW

    assert presence.went(FIRST, NOW + 3).last_seen == NOW + 3
    assert presence.went(FIRST).last_seen == NOW, "nobody knows when it went"


@given(st.permutations([1, 2, 3, 4]))
def test_the_latest_refusal_counts_in_whatever_order_they_are_told(order: list[int]) -> None:
    presence = Presence()
    for second in order:
        presence = presence.refused(denied(NOW + second))

    assert presence.denied == denied(NOW + 4)


@given(
    st.lists(
        st.tuples(st.sampled_from([FIRST, SECOND]), st.booleans(), st.integers(NOW, NOW + 99)),
        max_size=12,
    )
)
def test_an_identity_of_two_keys_is_connected_while_either_is(events: list[tuple[Connection, bool, int]]) -> None:
    one, two = Presence(), Presence()
    whole = Presence()
    for connection, came, at in events:
        mine = one if connection == FIRST else two
        mine = mine.came(connection, at) if came else mine.went(connection, at)
        one, two = (mine, two) if connection == FIRST else (one, mine)
        whole = whole.came(connection, at) if came else whole.went(connection, at)

    assert together([one, two]) == together([two, one]) == whole


def test_a_status_tells_of_an_identity_that_came_and_went() -> None:
    came = present_status({"publicKey": "UWEATHER"}, Presence().came(FIRST, NOW))
    gone = present_status(came, Presence().came(FIRST, NOW).went(FIRST, NOW + 5))

    assert came == {"publicKey": "UWEATHER", "connected": True, "lastSeen": "2027-01-15T08:00:00Z"}
    assert gone == {"publicKey": "UWEATHER", "connected": False, "lastSeen": "2027-01-15T08:00:05Z"}


def test_a_status_tells_of_a_refusal() -> None:
    status = present_status({}, Presence().refused(denied(NOW)))

    assert status == {
        "connected": False,
        "lastDenied": {"time": "2027-01-15T08:00:00Z", "reason": "credential revoked", "from": "10.0.0.7"},
    }


def test_a_status_keeps_what_was_known_before_a_restart() -> None:
    before = present_status({}, Presence().came(FIRST, NOW).refused(denied(NOW)))

    after = present_status(before, Presence())

    assert after == before | {"connected": False}
    assert present_status(before, Presence().refused(denied(NOW - 9)))["lastDenied"] == before["lastDenied"]
    assert present_status(before, Presence().came(SECOND, NOW - 9))["lastSeen"] == before["lastSeen"]


def test_nothing_is_said_of_who_was_never_there() -> None:
    assert present_status({"id": "weather-01"}, Presence()) == {"id": "weather-01"}


def test_a_status_that_somebody_else_wrote_nonsense_into_is_made_right() -> None:
    nonsense: dict[str, Any] = {"connected": True, "lastSeen": "yesterday", "lastDenied": {"time": 7}}

    status = present_status(nonsense, Presence().came(FIRST, NOW).refused(denied(NOW)))

    assert status == present_status({}, Presence().came(FIRST, NOW).refused(denied(NOW)))


def test_presence_leaves_a_status_without_a_trace() -> None:
    status = {"id": "weather-01", "conditions": []}

    assert absent_status(present_status(status, Presence().came(FIRST, NOW).refused(denied(NOW)))) == status


STATUS = {"account": "iot", "id": "weather-01", "publicKey": "UWEATHER"}


def test_a_user_is_the_identity_that_has_its_key() -> None:
    assert is_of(WEATHER, account="iot", status=STATUS, created=NOW)
    assert not is_of(WEATHER, account="other", status=STATUS, created=NOW)


def test_a_user_whose_key_was_replaced_is_the_identity_that_it_was_issued_to() -> None:
    former = User("AIOT", "UFORMER", "weather-01", NOW)

    assert is_of(former, account="iot", status=STATUS, created=NOW - 1)


def test_a_credential_of_a_deleted_identity_is_not_the_next_ones_that_has_its_name() -> None:
    former = User("AIOT", "UFORMER", "weather-01", NOW)

    assert not is_of(former, account="iot", status=STATUS, created=NOW)
    assert not is_of(former, account="iot", status=STATUS, created=NOW + 60)


def test_a_user_that_says_no_id_of_ours_is_nobody() -> None:
    assert not is_of(User("AIOT", "USOME", "", NOW), account="iot", status={"account": "iot"}, created=0)
    assert not is_of(User("AIOT", "USOME", "", NOW), account="iot", status=STATUS, created=0)
