"""How an account's JWT stands, judged by what the servers answered."""

import json

import pytest

from iotsec.broker import answers
from iotsec.broker.answers import Server
from iotsec.broker.distribution import Sighting

A, B = (Server(f"N{name}", f"nats-{name}", "2.15.1", "") for name in "ab")
BOTH = {A.id: A, B.id: B}


@pytest.mark.parametrize(
    ("running", "stored", "behind"),
    [
        ({A.id: "new", B.id: "new"}, ("new", "new"), set()),
        ({A.id: "new", B.id: ""}, ("new", "new"), set()),  # nobody of the account was at b yet
        ({A.id: "new", B.id: "old"}, ("new", "new"), {B.id}),  # stored, and not applied
        ({A.id: "new"}, ("new", "new"), {B.id}),  # b does not say what it runs
        ({A.id: "new", B.id: "new"}, ("new", "old"), {A.id, B.id}),  # somebody's store is behind
        ({A.id: "new", B.id: "new"}, ("new", ""), {A.id, B.id}),  # somebody's store lost it
        ({A.id: "new", B.id: "new"}, ("new",), {A.id, B.id}),  # somebody's store does not answer
        ({}, (), {A.id, B.id}),
    ],
)
def test_a_jwt_is_distributed_when_every_server_stores_it_and_runs_no_other(
    running: dict[str, str], stored: tuple[str, ...], behind: set[str]
) -> None:
    found = Sighting(BOTH, running, stored).judged_by("new")

    assert found.behind == behind
    assert found.complete == (not behind)


def test_nothing_is_distributed_where_there_is_no_server() -> None:
    assert not Sighting({}, {}, ()).judged_by("new").complete


def test_a_sighting_tells_every_jwt_there_is_and_shows_none() -> None:
    sighting = Sighting(BOTH, {A.id: "eyJ.run", B.id: ""}, ("eyJ.store", ""))

    assert sighting.tokens == {"eyJ.run", "eyJ.store"}
    assert "eyJ" not in repr(sighting)


def test_answers_that_are_none_are_left_out() -> None:
    good = {"server": {"id": A.id, "name": A.name, "ver": A.version}, "data": {"jwt": "eyJ"}}
    refused = {"server": {"id": B.id, "name": B.name, "ver": B.version}, "error": {"description": "jwt store is full"}}
    noise = [b"", b"{", b"[]", b'{"id":"bare"}', b'{"server":null}']

    body = [json.dumps(each).encode() for each in (good, refused)]

    assert answers.servers([*body, *noise]) == BOTH
    assert [each.error for each in answers.push_answers([*body, *noise])] == ["", "jwt store is full"]
    assert [each.token for each in answers.account_answers([*body, *noise])] == ["eyJ", ""]
