"""What the conditions of a TLSPolicy say."""

from dataclasses import replace

import pytest
from decide.policy_state import (
    CA,
    GOOD,
    NEXT,
    OVERRULED,
    PACE,
    REFUSED,
    RESTART,
    STEADY,
    TRUST,
    server,
    state,
    told,
    written,
)
from decide.trusting_world import START
from x509.pki import DAY

from iotsec.decide.authorities import Phase, first
from iotsec.decide.ca_rotation import Convergence, begin
from iotsec.decide.conditions import Reason
from iotsec.decide.rollout import Away, Current, ServerRollout, Waiting
from iotsec.decide.tls_status import (
    ServerState,
    servers_behind,
)


def test_where_every_server_runs_it_the_hub_is_encrypted() -> None:
    found = told(state(server("nats-0", Current()), server("nats-1", Current())))

    assert set(found) == {"Ready", "CertificateIssued", "Encrypted"}
    assert {one.status for one in found.values()} == {"True"}
    assert found["Ready"].message == "2 of 2 servers run the configuration as it was written last"


def test_a_policy_that_cannot_be_carried_out_says_why_and_what_works_all_the_same() -> None:
    unusable = (Reason.ISSUER_UNUSABLE, "Secret factory-ca has no tls.key: write it there")
    found = told(state(server("nats-0", Current()), trouble=unusable))

    assert (found["Ready"].status, found["Ready"].reason, found["Ready"].message) == ("False", *unusable)
    assert (found["Stalled"].status, found["Encrypted"].status) == ("True", "True")


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


def test_that_nobody_answers_what_servers_ask_is_told() -> None:
    found = told(replace(GOOD, revocation_unserved=True))

    assert "IOTSEC_REVOCATION" in found["RevocationUnserved"].message
    assert found["Ready"].status == "True"
    assert "RevocationUnserved" not in told(GOOD)
