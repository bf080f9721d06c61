"""Who has what while one CA takes the place of another: counted from what Secrets say of themselves."""

from dataclasses import replace

import pytest
from decide.signing_operator import HELD, OURS, SIGNING, THEIRS, VIEW, signed_by_issuer
from x509.pki import NOW

from iotsec.decide.authorities import Authorities, Phase, of_authority
from iotsec.decide.ca_rotation import Convergence
from iotsec.decide.certificate_note import CertificateNote
from iotsec.decide.consumers import Consumers, counted, in_use_until
from iotsec.decide.issued import Former, Issued
from iotsec.decide.secrets import Owner, SecretFacts

NUMBERED = (of_authority(THEIRS, "selfSigned/RSA 2048", number=1), replace(SIGNING, number=2))
TRUST = Authorities(NUMBERED, current=1, phase=Phase.TRUST)
USE = Authorities(NUMBERED, current=2, phase=Phase.USE)
MUTUAL = replace(VIEW, mutual=True, digest="new")
SERVER_ONLY = replace(MUTUAL, mutual=False)


def secret(name: str, *, issued: Issued | None = None, certificate: CertificateNote | None = None) -> SecretFacts:
    return SecretFacts(
        namespace="iot",
        name=name,
        uid=name,
        resource_version="1",
        owner=Owner("Device", name, "uid"),
        component="",
        hub="iot/plant",
        deleting=False,
        finalizers=(),
        issued=issued,
        seal="",
        suspect=False,
        certificate=certificate,
    )


def creds(name: str = "creds", *, bundle: str = "new", formers: tuple[Former, ...] = ()) -> SecretFacts:
    issued = Issued(
        account="A",
        key="U",
        id=name,
        issued_at=NOW,
        expires_at=NOW + 100,
        valid_until=NOW + 100,
        signer="S",
        key_at=NOW,
        digest="",
        layout="",
        keys=("user.creds",),
        formers=formers,
        bundle=bundle,
    )
    return secret(name, issued=issued)


def certified(name: str = "tls", *, of: str = SIGNING.id, bundle: str = "new") -> SecretFacts:
    note = CertificateNote(
        account="A",
        serial=1,
        issuer=OURS.key_id,
        generation=of,
        issued_at=NOW,
        expires_at=NOW + 300,
        key="",
        id=name,
        dns_names=(),
        ip_addresses=(),
        shape="",
        request="",
        layout="",
        bundle=bundle,
        keys=("tls.crt",),
    )
    return secret(name, certificate=note)


def test_where_everybody_has_what_there_is_nobody_is_behind() -> None:
    seen, consumers = counted([creds(), certified()], [HELD], USE, MUTUAL, servers="")

    assert seen == Convergence("")
    assert consumers == Consumers(total=2, with_bundle=2, with_certificate=1)


def test_a_secret_with_another_bundle_is_behind_and_named_while_the_new_root_is_handed_out() -> None:
    seen, consumers = counted([creds("late", bundle="old"), creds()], [], TRUST, MUTUAL, servers="")

    assert (seen.bundles_behind, seen.examples) == (1, ("iot/late",))
    assert (consumers.total, consumers.with_bundle) == (2, 1)


def test_a_certificate_of_the_former_ca_is_behind_and_named_once_the_new_one_signs() -> None:
    seen, consumers = counted([certified("late", of=NUMBERED[0].id), certified()], [], USE, MUTUAL, servers="")

    assert (seen.certificates_behind, seen.examples) == (1, ("iot/late",))
    assert consumers.with_certificate == 1


def test_certificates_of_the_servers_count_as_those_of_identities_do() -> None:
    seen, consumers = counted([], [HELD, signed_by_issuer()], USE, MUTUAL, servers="")

    assert (seen.certificates_behind, consumers.total) == (1, 0)


def test_what_servers_miss_is_told_as_it_is() -> None:
    assert counted([], [], USE, MUTUAL, servers="no server answers")[0].servers == "no server answers"


def test_of_many_who_are_behind_some_are_named() -> None:
    seen, _ = counted([creds(f"device-{n}", bundle="old") for n in range(100)], [], TRUST, MUTUAL, servers="")

    assert (seen.bundles_behind, len(seen.examples)) == (100, 5)


def test_where_identities_need_no_certificates_none_are_counted() -> None:
    assert counted([creds()], [], USE, SERVER_ONLY, servers="")[1].with_certificate is None


@pytest.mark.parametrize(
    ("found", "seconds"),
    [
        (creds(), 100),
        (creds(formers=(Former("U", NOW - 50, NOW + 200, NOW + 20, "S"),)), 200),
        (certified(), 300),
        (secret("of-others"), -NOW),
    ],
    ids=["creds", "creds that replaced others", "a certificate", "nothing of ours"],
)
def test_a_secret_is_in_use_until_the_last_of_what_it_ever_held_ends(found: SecretFacts, seconds: int) -> None:
    assert in_use_until(found) == NOW + seconds
