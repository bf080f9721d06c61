"""What is meant where nothing is written."""

from datetime import timedelta

import pytest
from api.accounts import account, exporting, importing, selecting
from api.encryption import encrypted
from api.objects import client, device, hub, module
from api.roles import publish, role
from api.tls_policies import bundled, keyed, policy

from iotsec.api.accounts import Limits
from iotsec.api.client import Client
from iotsec.api.device import Device
from iotsec.api.hub import parse_hub
from iotsec.api.listeners import LISTENERS, Listener
from iotsec.api.module import Module
from iotsec.api.roles import PRESET_NAMES
from iotsec.api.rotation import HubRotation
from iotsec.api.selectors import Namespaces
from iotsec.api.tls_policy import TLSPolicy
from iotsec.decide.roles import PRESETS


def test_a_hub_encrypts_nothing_at_rest_and_with_chacha_where_it_does() -> None:
    assert parse_hub(hub()).spec.nats.encryption_at_rest is None
    encryption = parse_hub(encrypted()).spec.nats.encryption_at_rest
    assert encryption is not None
    assert encryption.cipher == "ChaCha"


def test_a_hub_makes_its_own_trust_root_and_watches_nobody() -> None:
    spec = parse_hub(hub()).spec
    assert spec.trust.existing is None
    assert (spec.inbox, spec.presence, spec.roles, spec.rotation) == ("Private", "Off", (), HubRotation())


def test_an_account_is_for_the_hubs_namespace_with_every_role_and_no_limit() -> None:
    (only,) = parse_hub(account()).spec.accounts
    assert only.namespaces == Namespaces(from_="Same", selector=None)
    assert (only.roles, only.own_permissions) == ((), "Allowed")
    assert only.limits == Limits()
    assert only.limits.wildcard_exports
    assert not only.limits.disallow_bearer
    assert only.jet_stream is None
    assert (only.exports, only.imports, only.default_permissions) == ((), (), None)


def test_an_empty_selector_demands_nothing() -> None:
    selector = parse_hub(selecting()).spec.accounts[0].namespaces.selector
    assert selector is not None
    assert (selector.match_labels, selector.match_expressions) == ({}, ())


def test_an_export_is_for_every_account_and_hidden() -> None:
    (export,) = parse_hub(exporting()).spec.accounts[0].exports
    assert (export.accounts, export.response_type, export.response_threshold, export.advertise) == (
        (),
        None,
        None,
        False,
    )


def test_an_import_has_the_subject_of_the_export() -> None:
    (shared,) = parse_hub(importing()).spec.accounts[0].imports
    assert (shared.local_subject, shared.share) == (None, False)


def test_a_role_answers_nobody_and_is_not_broad() -> None:
    (gateway,) = parse_hub(publish("a")).spec.roles
    assert gateway.allow_responses is None
    assert not gateway.allow_broad
    assert (gateway.connection_types, gateway.limits.source_cidrs, gateway.limits.payload) == ((), (), None)


def test_a_role_that_answers_does_so_once() -> None:
    (gateway,) = parse_hub(role(allowResponses={})).spec.roles
    assert gateway.allow_responses is not None
    assert (gateway.allow_responses.max, gateway.allow_responses.ttl) == (1, None)


def test_sizes_and_times_are_bytes_and_timedeltas() -> None:
    (gateway,) = parse_hub(role(limits={"payload": "64Ki"}, allowResponses={"max": 10, "ttl": "5s"})).spec.roles
    assert gateway.limits.payload == 65536
    assert gateway.allow_responses is not None
    assert gateway.allow_responses.ttl == timedelta(seconds=5)


def test_a_signing_key_retires_after_its_overlap_and_a_window_is_in_utc() -> None:
    rotation = parse_hub(
        hub(rotation={"signingKeys": {"duration": "8760h"}, "windows": [{"cron": "0 2 * * *", "duration": "1h"}]})
    ).spec.rotation
    assert rotation.signing_keys is not None
    assert rotation.signing_keys.retire == "AfterOverlap"
    assert rotation.windows[0].time_zone == "UTC"


def test_identities_have_the_role_of_their_kind() -> None:
    assert Device.checked(device()).spec.effective_role == "device"
    assert Module.checked(module()).spec.effective_role == "module"
    assert Client.checked(client()).spec.effective_role == "client-read-only"


@pytest.mark.parametrize(
    ("level", "meant"),
    [("Standard", "client-standard"), ("ReadOnly", "client-read-only"), ("Swarm", "client-swarm")],
)
def test_an_access_level_is_a_role(level: str, meant: str) -> None:
    assert Client.checked(client(accessLevel=level)).spec.effective_role == meant


def test_a_clients_own_role_counts() -> None:
    assert Client.checked(client(role="gateway")).spec.effective_role == "gateway"


def test_an_id_is_what_the_kinds_own_field_says() -> None:
    assert Device.checked(device(deviceId="a")).id == "a"
    assert Module.checked(module(moduleId="b")).id == "b"
    assert Client.checked(client(clientId="c")).id == "c"
    assert Module.checked(module("d")).id == "d"


def test_a_modules_workload_is_left_alone() -> None:
    workload = Module.checked(module(workload={"kind": "Deployment", "name": "a"})).spec.workload
    assert workload is not None
    assert workload.on_rotation == "None"


def test_the_presets_that_accounts_may_list_are_those_there_are() -> None:
    assert set(PRESETS) == set(PRESET_NAMES)


def test_a_policy_is_for_certificates_of_the_servers_by_a_ca_of_the_hubs_own() -> None:
    spec = TLSPolicy.parse(policy()).spec
    assert spec.mode == "ServerOnly"
    assert spec.issuer.self_signed is not None
    assert [spec.listeners.of(name) for name in LISTENERS] == [Listener()] * 6
    assert spec.ca_rotation.retire == "AfterConvergence"
    assert (spec.trust_bundle.config_map, spec.revocation) == (None, None)


def test_the_bundle_is_for_the_hubs_namespace_where_a_configmap_is_asked_for() -> None:
    config_map = TLSPolicy.parse(bundled()).spec.trust_bundle.config_map
    assert config_map is not None
    assert (config_map.name, config_map.key, config_map.namespaces.from_) == (None, "ca.crt", "Same")


@pytest.mark.parametrize(("algorithm", "size"), [("ECDSA", 256), ("RSA", 2048), ("Ed25519", 0)])
def test_a_key_has_the_size_that_is_good_enough(algorithm: str, size: int) -> None:
    key = TLSPolicy.parse(keyed(algorithm=algorithm)).spec.certificates.private_key
    assert (key.effective_size, key.rotation_policy) == (size, "Always")


def test_an_identity_has_a_certificate_of_its_name_and_a_key_of_ours() -> None:
    certificate = Device.checked(device()).spec.certificate
    assert (certificate.dns_names, certificate.csr, certificate.secret_name) == ((), None, None)
