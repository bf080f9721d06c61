"""What a TLSPolicy's status says, and that the API takes it."""

import json
from dataclasses import replace
from typing import Any

import pytest
from decide.trusting_world import START, new_ca
from x509.pki import DAY, NATS, P256, leaf

from iotsec.api.tls_policy import TLSPolicyStatus
from iotsec.decide import conditions, rollout
from iotsec.decide.authorities import Authorities, Phase, first
from iotsec.decide.ca_rotation import Convergence, Pace, begin
from iotsec.decide.rollout import Away, Current, Loaded, Restart, RestartNeeded, ServerRollout, Waiting
from iotsec.decide.server_certificates import ServerCertificate
from iotsec.decide.tls_status import (
    ServerState,
    TlsState,
    is_established,
    restart_of,
    servers_behind,
    tls_conditions,
    tls_status,
)
from iotsec.x509.certificate import read_certificate
from iotsec.x509.keys import generate
from iotsec.x509.names import Usage

PACE = Pace(distribute_for=100)
CA, NEXT = new_ca(START, life=3650 * DAY), new_ca(START, life=3650 * DAY)
STEADY = first(CA, now=START)
TRUST = begin(STEADY, NEXT, PACE, now=START)
REFUSED = rollout.ReloadRefused('unknown field "tsl"')
RESTART = RestartNeeded("TLS of websocket was switched on: restart it")
OWED = Restart(START, RESTART.why, ("websocket",), ("N-nats-0",))
OVERRULED = rollout.Overruled("it serves another certificate: take tls {} out of its own configuration")


def certificate() -> ServerCertificate:
    assert CA.authority is not None
    key = generate(P256)
    pem = leaf(CA.authority, key, names=NATS, usage=Usage.SERVER, now=START)
    return ServerCertificate(pem, key, read_certificate(pem))


SERVER = certificate()


def server(name: str, standing: ServerRollout, *, version: str = "2.15.1", served: str = "") -> ServerState:
    return ServerState(Loaded(id=f"N-{name}", name=name, version=version, ports={}), standing, served)


def state(*servers: ServerState, authorities: Authorities | None = STEADY, **fields: Any) -> TlsState:
    whole: dict[str, Any] = {
        "authorities": authorities,
        "pace": PACE,
        "certificates": {"server": SERVER},
        "renewals": {"server": START + 60 * DAY},
        "missing": {},
        "servers": servers or (server("nats-0", Current()),),
        "seen": Convergence(""),
        "leaf_life": 90 * DAY,
    }
    return TlsState(**(whole | fields))


GOOD = state()


def told(of: TlsState, *, now: int = START) -> dict[str, conditions.Condition]:
    return {one.type: one for one in tls_conditions(of, now=now)}


def written(of: TlsState | None, *, now: int = START, previous: dict[str, Any] | None = None) -> dict[str, Any]:
    wanted = tls_conditions(of or GOOD, now=now)
    status = tls_status(previous or {}, wanted, generation=3, now=now, hub="plant", state=of)
    assert TLSPolicyStatus.parse(status).to_json() == status
    return status


def test_where_every_server_runs_it_the_hub_is_encrypted() -> None:
    found = told(state(server("nats-0", Current()), server("nats-1", Current())))

    assert set(found) == {"Ready", "CertificateIssued", "Encrypted"}
    assert {one.status for one in found.values()} == {"True"}
    assert found["Ready"].message == "2 of 2 servers run the configuration as it was written last"


@pytest.mark.parametrize(
    ("rollouts", "reason", "message"),
    [
        ([Waiting()], "ReloadPending", "nats-0 (it is being reloaded, once it has the file)"),
        ([Away()], "ReloadPending", "nats-0 (it does not answer)"),
        ([REFUSED], "ReloadRefused", 'nats-0 (it refuses: unknown field "tsl")'),
        ([OVERRULED], "ReloadRefused", "nats-0 (it serves another certificate: take tls {} out"),
        ([RESTART], "RestartNeeded", "nats-0 (TLS of websocket was switched on: restart it)"),
        ([Current(), Waiting(), REFUSED], "ReloadRefused", "not on every server yet: nats-1 (it is being"),
        ([REFUSED, RESTART], "RestartNeeded", "nats-1 (TLS of websocket"),
    ],
)
def test_what_is_missing_at_a_server_is_told(rollouts: list[ServerRollout], reason: str, message: str) -> None:
    found = told(state(*(server(f"nats-{number}", one) for number, one in enumerate(rollouts))))

    assert (found["Encrypted"].status, str(found["Encrypted"].reason)) == ("False", reason)
    assert message in found["Encrypted"].message
    assert (found["Ready"].status, found["Reconciling"].status) == ("False", "True")
    assert found["CertificateIssued"].status == "True"


@pytest.mark.parametrize(
    ("servers", "problem", "message"),
    [((), "", "no server answers"), ((server("nats-0", Current()),), "connection refused", "connection refused")],
)
def test_servers_that_cannot_be_asked_are_told(servers: tuple[ServerState, ...], problem: str, message: str) -> None:
    found = told(replace(GOOD, servers=servers, problem=problem))

    assert (found["Encrypted"].status, str(found["Encrypted"].reason)) == ("False", "NatsUnavailable")
    assert found["Encrypted"].message == message
    assert servers_behind(servers, problem) == message


def test_a_certificate_that_nobody_signs_is_told_and_nothing_is_said_of_the_servers() -> None:
    found = told(state(certificates={}, missing={"server": "the issuer refuses: no", "routes": ""}))

    assert set(found) == {"Ready", "Reconciling", "CertificateIssued"}
    assert (found["Ready"].status, str(found["Ready"].reason)) == ("False", "IssuerNotReady")
    assert found["CertificateIssued"].message == "certificate server: the issuer refuses: no"


def test_a_renewal_that_nobody_signs_is_told_while_the_certificate_works() -> None:
    found = told(state(missing={"server": "the issuer refuses: no"}))

    assert (found["Ready"].status, found["CertificateIssued"].status) == ("True", "True")
    assert found["CertificateIssued"].message.endswith("certificate server: the issuer refuses: no")


def test_a_certificate_that_ended_is_told() -> None:
    found = told(state(missing={"server": "the key of the CA is not at hand"}), now=START + 90 * DAY)

    assert (found["Ready"].status, str(found["CertificateIssued"].reason)) == ("False", "IssuerNotReady")
    assert "certificate server: it ended at 2026-12-20T" in found["CertificateIssued"].message
    assert found["CertificateIssued"].message.endswith("and the key of the CA is not at hand")


@pytest.mark.parametrize(
    ("phase", "reason", "message"),
    [
        (Phase.TRUST, "CaAdded", "2 Secrets and ConfigMaps have yet to get the trust bundle (iot/weather-01)"),
        (Phase.USE, "CaReplaced", "1 certificates have yet to be issued by the new CA (iot/weather-01)"),
        (Phase.RETIRE, "CaRetiring", "1 certificates have yet to be issued by the new CA (iot/weather-01)"),
    ],
)
def test_a_rotation_is_told_and_what_it_waits_for(phase: Phase, reason: str, message: str) -> None:
    authorities = replace(TRUST, phase=phase, current=1 if phase is Phase.TRUST else 2)
    seen = Convergence("", bundles_behind=2, certificates_behind=1, examples=("iot/weather-01",))

    rotating = state(authorities=authorities, seen=seen)

    assert told(rotating)["Ready"].status == "True"
    assert (str(told(rotating)["Rotating"].reason), told(rotating)["Rotating"].message) == (reason, message)
    assert written(rotating)["rotation"]["phase"] == str(phase)
    assert written(rotating)["rotation"]["message"] == message


@pytest.mark.parametrize(("phase", "states"), [(Phase.TRUST, ["Current", "Next"]), (Phase.USE, ["Former", "Current"])])
def test_each_ca_is_listed_with_its_part(phase: Phase, states: list[str]) -> None:
    authorities = replace(TRUST, phase=phase, current=1 if phase is Phase.TRUST else 2)

    listed = written(state(authorities=authorities))["authorities"]

    assert [one["state"] for one in listed] == states
    assert [one["id"] for one in listed] == [CA.id, NEXT.id]
    assert [one["keyId"] for one in listed] == [CA.key_id, NEXT.key_id]


def test_cas_of_one_key_are_two_and_one_that_comes_back_is_one() -> None:
    same_key = replace(NEXT, key_id=CA.key_id)
    former = replace(begin(STEADY, same_key, PACE, now=START), current=2, phase=Phase.STEADY)

    back = begin(former, CA, PACE, now=START)

    assert len(written(state(authorities=former))["authorities"]) == 2
    assert [one["state"] for one in written(state(authorities=back))["authorities"]] == ["Next", "Current"]


def test_names_of_somebody_elses_ca_are_cut_to_what_the_api_takes() -> None:
    long = replace(CA, key_id="ab" * 64, subject="CN=" + "x" * 3000)

    listed = written(state(authorities=first(long, now=START)))["authorities"]

    assert (len(listed[0]["keyId"]), len(listed[0]["subject"])) == (64, 1024)


def test_servers_whose_reload_disconnects_clients_are_warned_of() -> None:
    found = told(state(server("nats-0", Current(), version="2.14.2"), server("nats-1", Current())))

    assert str(found["ReloadDisconnects"].reason) == "OldServer"
    assert found["ReloadDisconnects"].message.startswith("NATS server 2.14.2 disconnects clients of MQTT")
    assert found["Ready"].status == "True"


@pytest.mark.parametrize(
    ("left", "message"),
    [
        (91 * DAY, ""),
        (89 * DAY, "before a certificate issued now would"),
        (0, "and all that it issued with it: renew the CA"),
    ],
)
def test_a_ca_that_ends_soon_is_warned_of(left: int, message: str) -> None:
    found = told(GOOD, now=CA.expires_at - left)

    assert ("LifeCapped" in found) == bool(message)
    assert not message or message in found["LifeCapped"].message


def test_somebody_elses_config_maps_are_told_of() -> None:
    found = told(state(conflicts=[f"iot-{number:02}/plant-ca-bundle" for number in range(20)]))

    assert str(found["BundleConflict"].reason) == "ConfigMapConflict"
    assert "ConfigMap iot-00/plant-ca-bundle, " in found["BundleConflict"].message
    assert "iot-10" not in found["BundleConflict"].message


def test_a_status_has_every_field_of_what_there_is() -> None:
    whole = state(
        server("nats-1", Waiting(), served="aa"),
        server("nats-0", Current()),
        authorities=TRUST,
        restart=OWED,
        consumers=(3, 2, 1),
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
    assert written(state(consumers=(3, 3, None)))["consumers"] == {"total": 3, "bundle": 3}


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
    assert is_established(status)
    assert not is_established(written(state(server("nats-0", Waiting()))))
    assert (restart_of({}), is_established({})) == (None, False)


def test_no_status_holds_a_key_or_a_certificate() -> None:
    text = json.dumps(written(state(authorities=TRUST)))

    assert "BEGIN" not in text
    for pem in (*TRUST.to_data().values(), SERVER.key.to_pem(), SERVER.certificate):
        assert not any(line.decode() in text for line in pem.splitlines()[1:2])
