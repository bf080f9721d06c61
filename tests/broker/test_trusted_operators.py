"""What servers tell of the operators they trust."""

import json

from iotsec.broker.trusted_operators import trusted_by


def answer(name: str, *operators: list[str], **data: object) -> bytes:
    """A server's answer to VARZ, with the signing keys of each operator that it trusts."""
    claims = [{"sub": "OIDENTITY", "nats": {"signing_keys": keys, "type": "operator"}} for keys in operators]
    shown = {"trusted_operators_claim": claims} if operators else {}
    return json.dumps({"server": {"name": name, "id": f"N{name}"}, "data": {**shown, **data}}).encode()


def test_each_server_is_known_by_the_keys_that_its_process_trusts() -> None:
    found = trusted_by([answer("nats-0", ["OLD"]), answer("nats-1", ["OLD", "NEW"])])

    assert found == {"nats-0": {"OLD"}, "nats-1": {"OLD", "NEW"}}


def test_an_identity_key_is_no_signing_key() -> None:
    assert trusted_by([answer("nats-0", [])]) == {"nats-0": frozenset()}


def test_a_server_that_tells_of_no_operator_trusts_none() -> None:
    assert trusted_by([answer("nats-0", version="2.15.1")]) == {"nats-0": frozenset()}


def test_servers_of_one_name_trust_what_both_do() -> None:
    assert trusted_by([answer("nats", ["OLD"]), answer("nats", ["OLD", "NEW"])]) == {"nats": {"OLD"}}


def test_what_is_no_answer_is_left_out() -> None:
    assert trusted_by(
        [b"", b"no json", b"[]", b'{"data": {}}', b'{"server": {"id": "N", "name": "x"}, "data": null}']
    ) == {"x": frozenset()}
