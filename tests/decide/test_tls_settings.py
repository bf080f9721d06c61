"""What a TLSPolicy asks for, worked out, and what it cannot ask for."""

from typing import Any

import pytest
from api.rotations import NIGHTLY
from api.tls_policies import ECDSA_1_2, RSA_1_2, asking, issued, keyed, listening, living, policy, revoking
from decide.settled_policy import settle

from iotsec.decide.rotation import Life, turn
from iotsec.decide.tls_settings import PolicyRefusedError, TlsSettings
from iotsec.x509.keys import KeyType
from iotsec.x509.names import Usage

HOUR = 3600
DAY = 24 * HOUR
START = 1_790_000_000
MUTUAL = {"mode": "Mutual"}


def dns_names(settings: TlsSettings, group: str = "server") -> set[str]:
    return set(settings.groups[group][0].dns_names)


def test_the_smallest_policy_is_good() -> None:
    settings = settle(policy())

    assert {listener.min_version for listener in settings.listeners.values()} == {"1.3"}
    assert settings.key_type == settings.ca_key_type == KeyType("ECDSA", 256)
    assert (settings.policy.duration, settings.ca_policy.duration) == (90 * DAY, 5 * 365 * DAY)
    assert settings.policy.before_end(90 * DAY) == 30 * DAY
    assert (settings.pace.retire, settings.pace.distribute_for) == ("AfterConvergence", HOUR)
    assert (settings.mount_path, settings.trust_domain) == ("/etc/nats-iotsec", "plant.iot")
    assert (settings.mutual, settings.keep_key, settings.handshake_first) == (False, False, False)
    assert (settings.source_is_given, settings.validity) == (False, 60)


def test_only_servers_show_certificates_to_others_but_each_other() -> None:
    settings = settle(policy())

    assert {name: one.verify for name, one in settings.listeners.items()} == {
        **dict.fromkeys(("client", "websocket", "mqtt", "leafnodes"), False),
        **dict.fromkeys(("cluster", "gateway"), True),
    }
    assert {name: usage for name, (_, usage) in settings.groups.items()} == {
        "server": Usage.SERVER,
        "routes": Usage.PEER,
    }


def test_where_clients_show_certificates_the_operator_has_one() -> None:
    settings = settle(policy(**MUTUAL))

    names, usage = settings.groups["operator"]
    assert all(one.verify for one in settings.listeners.values())
    assert (settings.mutual, usage) == (True, Usage.CLIENT)
    assert names.uris == ("spiffe://plant.iot/ns/iot/hub/plant",)


@pytest.mark.parametrize(
    ("obj", "mutual", "client_mutual"),
    [
        (listening(mqtt=MUTUAL), True, False),
        (listening(client=MUTUAL), True, True),
        (listening(cluster=MUTUAL), False, False),
        (policy(mode="Mutual", listeners={"client": {"mode": "ServerOnly"}}), True, False),
        (policy(mode="Mutual", listeners={"client": {"mode": "Off"}}), True, False),
    ],
)
def test_a_listener_may_differ_from_the_policy(obj: dict[str, Any], mutual: bool, client_mutual: bool) -> None:  # noqa: FBT001
    settings = settle(obj)

    assert settings.mutual == mutual
    assert ("operator" in settings.groups) == client_mutual


def test_a_listener_that_is_off_has_no_certificate() -> None:
    off = {"mode": "Off"}
    settings = settle(listening(cluster=off, gateway=off, mqtt=off))

    assert set(settings.listeners) == {"client", "websocket", "leafnodes"}
    assert set(settings.groups) == {"server"}
    assert (
        settle(
            listening(**dict.fromkeys(("client", "websocket", "mqtt", "leafnodes", "cluster", "gateway"), off))
        ).groups
        == {}
    )


def test_what_a_listener_says_is_what_it_does() -> None:
    said = {"minVersion": "1.2", "cipherSuites": [ECDSA_1_2], "curves": ["X25519"], "handshakeFirst": "Auto"}

    client = settle(listening(client=said)).listeners["client"]

    assert (client.min_version, client.cipher_suites, client.curves) == ("1.2", (ECDSA_1_2,), ("X25519",))
    assert client.handshake_first == "auto"
    assert settle(listening(client=said)).handshake_first
    assert settle(listening(leafnodes={"handshakeFirst": "On"})).listeners["leafnodes"].handshake_first == "true"


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("nats://nats", {"nats"}),
        (
            "nats://nats.iot.svc:4222",
            {"nats", "nats.iot", "nats.iot.svc", "nats.iot.svc.cluster.local"},
        ),
        (
            "tls://nats.iot.svc.cluster.local",
            {"nats", "nats.iot", "nats.iot.svc", "nats.iot.svc.cluster.local"},
        ),
        ("tls://NATS.Example.com:4222", {"nats.example.com"}),
        ("nats://nats-0.nats-headless.iot.svc", {"nats-0.nats-headless.iot.svc"}),
        ("nats://nats.iot", {"nats.iot"}),
    ],
)
def test_servers_are_called_as_others_reach_them(url: str, names: set[str]) -> None:
    assert dns_names(settle(policy(), url)) == names


def test_servers_of_a_service_reach_each_other_by_the_names_of_pods() -> None:
    assert dns_names(settle(policy()), "routes") >= {
        "nats.iot.svc",
        "*.nats-headless",
        "*.nats-headless.iot",
        "*.nats-headless.iot.svc",
        "*.nats-headless.iot.svc.cluster.local",
    }
    assert not any(name.startswith("*") for name in dns_names(settle(policy())))


def test_servers_have_the_addresses_and_names_that_are_added_to_a_listener() -> None:
    settings = settle(
        listening(
            websocket={"dnsNames": ["ws.example.com"], "ipAddresses": ["2001:DB8::7"]},
            cluster={"dnsNames": ["*.routes.example.com"]},
        ),
        "nats://10.0.0.7:4222",
    )

    assert settings.groups["server"][0].ip_addresses == ("10.0.0.7", "2001:db8::7")
    assert dns_names(settings) == {"ws.example.com"}
    assert dns_names(settings, "routes") == {"*.routes.example.com"}
    assert settings.groups["routes"][0].ip_addresses == ("10.0.0.7",)


def test_servers_have_a_name_among_themselves_that_nobody_else_can_ask_for() -> None:
    groups = settle(policy()).groups

    assert groups["routes"][0].uris == ("spiffe://plant.iot/ns/iot/hub/plant/routes",)
    assert groups["server"][0].uris == ()


def test_a_name_said_twice_is_in_the_certificate_once() -> None:
    names, _ = settle(listening(client={"dnsNames": ["nats.iot.svc"]}, mqtt={"dnsNames": ["nats"]})).groups["server"]

    assert len(set(names.dns_names)) == len(names.dns_names)
    assert names.common_name == "plant-server.iot"


def test_certificates_are_renewed_in_the_windows_of_the_policy_else_of_the_hub() -> None:
    weekly = {"windows": [NIGHTLY]}
    daily = NIGHTLY | {"cron": "0 3 * * *"}

    assert [one.cron for one in settle(policy(), rotation=weekly).policy.windows] == ["0 2 * * SUN"]
    assert [one.cron for one in settle(living(windows=[daily]), rotation=weekly).policy.windows] == ["0 3 * * *"]
    assert settle(policy()).policy.windows == ()


@pytest.mark.parametrize(
    ("obj", "source", "is_given"),
    [
        (policy(), "selfSigned/ECDSA 256", False),
        (issued(selfSigned={"privateKey": {"algorithm": "Ed25519"}}), "selfSigned/Ed25519", False),
        (issued(ca={"secretName": "ours"}), "ca/ours", True),
        (asking(kind="ClusterIssuer"), "certManager/cert-manager.io/ClusterIssuer/plant-ca", True),
    ],
)
def test_another_source_is_another_ca(obj: dict[str, Any], source: str, is_given: bool) -> None:  # noqa: FBT001
    settings = settle(obj)

    assert (settings.source, settings.source_is_given) == (source, is_given)


def test_keys_of_certificates_say_nothing_of_the_key_of_the_ca() -> None:
    settings = settle(keyed(algorithm="RSA", size=3072, rotationPolicy="Never"))

    assert (settings.key_type, settings.keep_key) == (KeyType("RSA", 3072), True)
    assert settings.ca_key_type == KeyType("ECDSA", 256)


@pytest.mark.parametrize(
    ("ca", "leaf", "distribute"),
    [
        ("43800h", "2160h", "1h"),
        ("1h", "30m", "10s"),
        ("1h", "59m59s", "10s"),
        ("87600h", "10s", "1h"),
        ("2h", "1h", "30m"),
    ],
)
def test_a_ca_is_replaced_early_enough_and_not_at_once(ca: str, leaf: str, distribute: str) -> None:
    settings = settle(
        policy(
            issuer={"selfSigned": {"duration": ca}},
            certificates={"duration": leaf},
            caRotation={"distributeFor": distribute},
        )
    )
    life = settings.ca_policy.duration

    due = turn(Life(START, START + life), settings.ca_policy, salt="uid/ca", now=START).due

    assert START + life // 4 < due
    assert due + 2 * settings.pace.distribute_for < START + life


@pytest.mark.parametrize(
    ("obj", "told"),
    [
        (living(duration="43800h"), "spec.certificates.duration: no certificate outlives its CA"),
        (
            policy(issuer={"selfSigned": {"duration": "1h"}}, certificates={"duration": "1h"}),
            "spec.certificates.duration: no certificate outlives its CA",
        ),
        (
            policy(issuer={"selfSigned": {"duration": "2h"}}, certificates={"duration": "1h"}),
            "spec.caRotation.distributeFor: the next CA would not be in use before this one ends",
        ),
        (
            listening(client={"ipAddresses": ["10.0.0.300"]}),
            "spec.listeners: '10.0.0.300' is no IP address: write one such as 10.0.0.7",
        ),
        (listening(mqtt={"ipAddresses": ["::::"]}), "spec.listeners: '::::' is no IP address"),
        (
            listening(client={"minVersion": "1.2", "cipherSuites": [RSA_1_2]}),
            "spec.listeners.client: no cipher suite fits the certificate's ECDSA key",
        ),
        (
            listening(client={"minVersion": "1.2", "curves": ["X25519MLKEM768"]}),
            "spec.listeners.client: curves X25519MLKEM768 are of TLS 1.3 alone",
        ),
        (living(windows=[NIGHTLY | {"cron": "0 2 30 2 *"}]), "spec.certificates.windows[0]: "),
        (living(windows=[NIGHTLY, NIGHTLY | {"timeZone": "Mars/Base"}]), "spec.certificates.windows[1]: "),
        (
            asking() | {"spec": asking()["spec"] | revoking()["spec"]},
            "spec.revocation: who issues with certManager tells himself what was revoked",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_write_instead(obj: dict[str, Any], told: str) -> None:
    with pytest.raises(PolicyRefusedError) as refused:
        settle(obj)
    assert str(refused.value).startswith(told)


def test_how_long_a_ca_of_somebody_elses_lives_is_not_known_here() -> None:
    obj = issued(ca={"secretName": "ours"})

    assert settle(obj | {"spec": obj["spec"] | {"certificates": {"duration": "43800h"}}}).policy.duration == 1825 * DAY


def test_a_window_of_the_hub_that_is_none_keeps_nobody_from_a_certificate() -> None:
    broken = {"windows": [NIGHTLY | {"cron": "0 2 30 2 *"}, NIGHTLY]}

    assert len(settle(policy(), rotation=broken).policy.windows) == 1


def test_servers_ask_about_clients_at_the_listeners_that_can() -> None:
    settings = settle(policy(**MUTUAL, revocation=revoking(whenUnreachable="Refuse")["spec"]["revocation"]))

    asking_listeners = {name for name, one in settings.listeners.items() if one.ocsp_peer is not None}
    peer = settings.listeners["client"].ocsp_peer
    assert asking_listeners == {"client", "websocket", "leafnodes"}
    assert peer is not None
    assert not peer.allow_when_unreachable
    assert all(one.ocsp_peer is None for one in settle(revoking()).listeners.values())
