"""What is set from outside is taken as it is, or refused with what to write."""

import pytest

from iotsec import cli
from iotsec.settings import Address, LeasePlace, ProbeUrl, Settings, address, from_environment


def test_what_is_not_set_or_empty_has_its_default() -> None:
    assert from_environment({}) == Settings()
    assert from_environment({"IOTSEC_WORKERS": "", "IOTSEC_LIVENESS": "", "POD_NAME": ""}) == Settings()


def test_every_variable_sets_what_it_is_for() -> None:
    environment = {
        "KUBECONFIG": "/etc/operator/kubeconfig",
        "IOTSEC_WORKERS": "4",
        "IOTSEC_LOG_LEVEL": "debug",
        "IOTSEC_LIVENESS": "http://0.0.0.0:8080/healthz",
        "IOTSEC_METRICS": "0.0.0.0:9090",
        "IOTSEC_REVOCATION": "[::]:8085",
        "IOTSEC_WRITES_PER_SECOND": "20",
        "IOTSEC_PRESENCE_WRITES": "0.5",
        "POD_NAME": "iotsec-0",
        "POD_NAMESPACE": "iot",
        "POD_IP": "10.1.2.3",
        "IOTSEC_NAMESPACES": "iot, lab,iot",
        "IOTSEC_LEASE": "iot/operator",
        "IOTSEC_LEASE_SECONDS": "30",
    }

    assert from_environment(environment) == Settings(
        kubeconfig="/etc/operator/kubeconfig",
        workers=4,
        log_level="DEBUG",
        liveness="http://0.0.0.0:8080/healthz",
        metrics=Address("0.0.0.0", 9090),  # noqa: S104 - in a pod, whose network policy says who may ask
        revocation=Address("::", 8085),
        writes_per_second=20,
        presence_writes=0.5,
        instance="iotsec-0",
        namespace="iot",
        pod_ip="10.1.2.3",
        namespaces=("iot", "lab"),
        lease=LeasePlace("iot", "operator"),
        lease_seconds=30,
    )


@pytest.mark.parametrize("value", ["many", "0", "-1", "nan", "inf"])
@pytest.mark.parametrize(
    "name", ["IOTSEC_WORKERS", "IOTSEC_WRITES_PER_SECOND", "IOTSEC_PRESENCE_WRITES", "IOTSEC_LEASE_SECONDS"]
)
def test_a_number_nothing_could_work_with_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is '{value}': write a number"):
        from_environment({name: value})


@pytest.mark.parametrize(
    "value", ["9090", ":9090", "localhost:9090", "::1:9090", "[::1]", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:²"]
)
@pytest.mark.parametrize("name", ["IOTSEC_METRICS", "IOTSEC_REVOCATION"])
def test_an_address_nothing_could_listen_at_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is .*: write an IP address and a port, such as"):
        from_environment({name: value})


@pytest.mark.parametrize("value", ["operator", "iot/", "/operator", "iot/a/b", "Iot/operator", "iot/opera_tor"])
def test_a_place_where_no_lease_can_be_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"IOTSEC_LEASE is .*: write <namespace>/<name>"):
        from_environment({"IOTSEC_LEASE": value, "POD_NAME": "iotsec-0"})


@pytest.mark.parametrize("value", [",", "iot,", "iot,,lab", "iot lab", "Iot", "*"])
def test_namespaces_that_cannot_be_are_refused_and_never_taken_for_all(value: str) -> None:
    with pytest.raises(ValueError, match=r"IOTSEC_NAMESPACES is .*: write names of namespaces"):
        from_environment({"IOTSEC_NAMESPACES": value})


def test_replicas_need_names() -> None:
    with pytest.raises(ValueError, match="POD_NAME is not: set it"):
        from_environment({"IOTSEC_LEASE": "iot/operator"})
    with pytest.raises(ValueError, match=r"POD_NAME is .*: write the name of an object"):
        from_environment({"POD_NAME": "iotsec-0\r\nHost: elsewhere"})


@pytest.mark.parametrize(
    ("listens", "pod_ip", "told"),
    [
        ("127.0.0.1:8085", "10.1.2.3", "127.0.0.1:8085"),
        ("0.0.0.0:8085", "10.1.2.3", "10.1.2.3:8085"),
        ("[::]:8085", "fd00:0::7", "[fd00::7]:8085"),
        ("0.0.0.0:8085", "", "None"),
        ("", "10.1.2.3", "None"),
    ],
)
def test_other_replicas_are_told_an_address_that_they_can_reach(listens: str, pod_ip: str, told: str) -> None:
    found = from_environment({"IOTSEC_REVOCATION": listens, "POD_IP": pod_ip}).reached_at()

    assert str(found) == told
    assert found is None or address(str(found)) == found


def test_an_address_of_the_pod_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="POD_IP is 'node-7': write the IP address"):
        from_environment({"POD_IP": "node-7"})


def test_probes_are_answered_where_the_url_says() -> None:
    assert Settings().probe_url() is None
    assert Settings(liveness="http://[::]:8080/healthz").probe_url() == ProbeUrl("::", 8080, "/healthz")


@pytest.mark.parametrize(
    "value", ["8080", "0.0.0.0:8080", "https://0.0.0.0:8080/healthz", "http://0.0.0.0/healthz", "http://0.0.0.0:8080"]
)
def test_a_url_that_no_probe_could_be_answered_at_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"write one like http://0\.0\.0\.0:8080/healthz"):
        from_environment({"IOTSEC_LIVENESS": value})


def test_the_command_says_what_to_write_and_starts_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IOTSEC_LOG_LEVEL", "loud")

    with pytest.raises(SystemExit):
        cli.main(["run"])

    assert "IOTSEC_LOG_LEVEL is 'LOUD': write one of DEBUG, INFO, WARNING, ERROR" in capsys.readouterr().err
