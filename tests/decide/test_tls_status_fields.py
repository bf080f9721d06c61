"""What a TLSPolicy's status says beside its conditions, and that the API takes it."""

import json
from dataclasses import replace

from decide.policy_state import (
    GOOD,
    OWED,
    SERVER,
    TRUST,
    server,
    state,
    written,
)
from decide.trusting_world import START

from iotsec.api.tls_policy import TLSPolicyStatus
from iotsec.decide import conditions
from iotsec.decide.consumers import Consumers
from iotsec.decide.rollout import Away, Current, Waiting
from iotsec.decide.tls_status import (
    is_established,
    restart_of,
    tls_status,
)


def test_a_status_has_every_field_of_what_there_is() -> None:
    whole = state(
        server("nats-1", Waiting(), served="aa"),
        server("nats-0", Current()),
        authorities=TRUST,
        restart=OWED,
        consumers=Consumers(3, 2, 1),
        heeded=("", "after the fair"),
    )

    status = written(whole)

    assert status["observedGeneration"] == 3
    assert status["expiresAt"] == status["authorities"][0]["expiresAt"]
    assert status["certificates"][0]["secretName"] == "plant-server-tls"
    assert status["certificates"][0]["serial"] == f"{SERVER.facts.serial:x}"
    assert status["certificates"][0]["renewalTime"] == "2026-11-20T14:13:20Z"
    assert [(one["name"], one["state"]) for one in status["servers"]] == [("nats-0", "Current"), ("nats-1", "Waiting")]
    assert status["servers"][1]["served"] == "aa"
    assert status["consumers"] == {"total": 3, "bundle": 2, "certificate": 1}
    assert status["rotated"] == ["after the fair"]


def test_a_status_of_little_has_little() -> None:
    nothing = replace(GOOD, authorities=None, certificates={}, renewals={}, servers=())

    assert set(written(nothing)) == {"observedGeneration", "conditions"}
    assert written(state(consumers=Consumers(3, 3)))["consumers"] == {"total": 3, "bundle": 3}


def test_more_servers_than_can_be_listed_are_cut_and_one_name_is_there_once() -> None:
    many = [server(f"nats-{number:03}", Current()) for number in range(300)]

    assert len(written(state(*many))["servers"]) == 256
    assert len(written(state(server("nats-0", Away()), server("nats-0", Current())))["servers"]) == 1


def test_a_policy_that_is_not_carried_out_keeps_what_was_told_of_it() -> None:
    before = written(GOOD)
    stalled = conditions.stalled(conditions.Reason.ANOTHER_POLICY, "TLSPolicy first was there first")

    status = tls_status(before, stalled, generation=4, now=START + 5)

    assert status["servers"] == before["servers"]
    assert [one["type"] for one in status["conditions"]] == ["Ready", "Stalled"]
    assert TLSPolicyStatus.parse(status).to_json() == status


def test_a_condition_keeps_its_time_while_it_stays() -> None:
    later = written(GOOD, now=START + 60, previous=written(GOOD))

    assert {one["lastTransitionTime"] for one in later["conditions"]} == {"2026-09-21T14:13:20Z"}


def test_what_was_told_is_found_again_after_a_restart() -> None:
    status = written(state(restart=OWED))

    assert restart_of(status) == OWED
    assert is_established(status, generation=3)
    assert not is_established(written(state(server("nats-0", Waiting()))), generation=3)
    assert (restart_of({}), is_established({}, generation=3)) == (None, False)


def test_what_was_told_of_an_earlier_spec_does_not_make_servers_encrypted_that_have_yet_to_be() -> None:
    """The client listener may have been switched on since, and who insists on TLS could not ask for a reload."""
    assert not is_established(written(state()), generation=4)


def test_no_status_holds_a_key_or_a_certificate() -> None:
    text = json.dumps(written(state(authorities=TRUST)))

    assert "BEGIN" not in text
    for pem in (*TRUST.to_data().values(), SERVER.key.to_pem(), SERVER.certificate):
        assert not any(line.decode() in text for line in pem.splitlines()[1:2])
