"""Over HTTP: what OpenSSL asks is answered, what nobody should send costs little, and nothing secret is said."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from endpoints.revoking import RevokingHub, now, serving
from x509.judges import openssl
from x509.pki import NATS, WEATHER, leaf, root
from yarl import URL

from iotsec.endpoints import revocation
from iotsec.endpoints.revocation import RevocationEndpoint
from iotsec.x509.authority import Authority
from iotsec.x509.keys import KeyType


async def asked_by_openssl(directory: Path, hub: RevokingHub, certificate: bytes, *options: str) -> str:
    issuer, subject = directory / "issuer.crt", directory / "subject.crt"
    issuer.write_bytes(hub.authority.certificate)
    subject.write_bytes(certificate)
    told = await asyncio.to_thread(
        openssl, "ocsp", "-issuer", issuer, "-cert", subject, "-CAfile", issuer, "-url", hub.ocsp_url, *options
    )
    return f"{told.stdout.decode()}{told.stderr.decode()}".replace(str(subject), "certificate")


def request_for(certificate: bytes, issuer: Authority, nonce: bytes = b"") -> bytes:
    builder = ocsp.OCSPRequestBuilder().add_certificate(
        x509.load_pem_x509_certificates(certificate)[0],
        issuer.own,
        hashes.SHA1(),  # noqa: S303 - nats-server asks so
    )
    if nonce:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


@asynccontextmanager
async def standing_by(elsewhere: Callable[[], str]) -> AsyncIterator[str]:
    """The URL of a replica that knows of no Hub, and that another works."""
    endpoint = RevocationEndpoint(sources=lambda *_: None, clock=now, validity=60, elsewhere=elsewhere)
    await endpoint.start()
    try:
        yield f"http://127.0.0.1:{endpoint.port}"
    finally:
        await endpoint.close()


async def status_of(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status


async def posted(hub: RevokingHub, body: bytes) -> ocsp.OCSPResponse:
    async with aiohttp.ClientSession() as session, session.post(hub.ocsp_url, data=body) as answer:
        assert (answer.status, answer.content_type) == (200, "application/ocsp-response")
        return ocsp.load_der_ocsp_response(await answer.read())


async def test_openssl_hears_that_a_certificate_is_good_until_it_is_revoked(tmp_path: Path) -> None:
    hub = RevokingHub()
    async with serving(hub):
        certificate, _ = hub.issue(WEATHER)
        before = await asked_by_openssl(tmp_path, hub, certificate)

        hub.revoke(certificate)
        after = await asked_by_openssl(tmp_path, hub, certificate)

    assert before.startswith("certificate: good")
    assert after.startswith("certificate: revoked")
    for told in (before, after):
        assert "Response verify OK" in told
        assert "Nonce" not in told  # it complains of a wrong one, and of a missing one


async def test_an_answer_kept_from_before_is_not_given_after() -> None:
    hub = RevokingHub()
    async with serving(hub, validity=3600):
        certificate, _ = hub.issue(WEATHER)
        request = request_for(certificate, hub.authority)
        first, second = await posted(hub, request), await posted(hub, request)

        hub.revoke(certificate)
        third = await posted(hub, request)

    assert first.signature == second.signature  # it was kept
    assert (first.certificate_status, third.certificate_status) == (
        ocsp.OCSPCertStatus.GOOD,
        ocsp.OCSPCertStatus.REVOKED,
    )


async def test_an_answer_holds_for_as_long_as_it_should_and_slow_clocks_take_it() -> None:
    hub = RevokingHub()
    async with serving(hub, validity=60):
        certificate, _ = hub.issue(WEATHER)
        asked_at = now()
        answer = await posted(hub, request_for(certificate, hub.authority))

    assert answer.next_update_utc is not None
    assert 60 <= answer.next_update_utc.timestamp() - asked_at <= 62
    assert asked_at - answer.this_update_utc.timestamp() >= 298


async def test_a_hub_may_have_a_validity_of_its_own() -> None:
    hub = RevokingHub(validity=10)
    async with serving(hub, validity=3600):
        certificate, _ = hub.issue(WEATHER)
        short = await posted(hub, request_for(certificate, hub.authority))
        hub.validity = 600
        long = await posted(hub, request_for(certificate, hub.authority))

    assert short.next_update_utc is not None
    assert long.next_update_utc is not None
    assert now() <= short.next_update_utc.timestamp() <= now() + 10
    assert now() + 500 < long.next_update_utc.timestamp() <= now() + 600


@pytest.mark.parametrize("encode", [lambda text: quote(text, safe=""), str], ids=["escaped", "as it is"])
async def test_the_request_may_be_in_the_path_however_it_is_escaped(encode: type[str]) -> None:
    hub = RevokingHub()
    async with serving(hub), aiohttp.ClientSession() as session:
        for _ in range(20):  # until slashes and plus signs are in it
            certificate, _ = hub.issue(WEATHER)
            text = base64.b64encode(request_for(certificate, hub.authority)).decode()
            async with session.get(f"{hub.ocsp_url}/{encode(text)}") as answer:
                told = ocsp.load_der_ocsp_response(await answer.read())
                assert told.certificate_status is ocsp.OCSPCertStatus.GOOD
                assert answer.headers["Cache-Control"] == "max-age=30, public, no-transform, must-revalidate"


async def test_certificates_of_former_authorities_are_answered_for_and_those_of_strangers_are_not() -> None:
    hub = RevokingHub(authorities=(root(now=now()), root(now=now())))
    stranger = root(now=now())
    async with serving(hub):
        former = await posted(hub, request_for(leaf(hub.authorities[1]), hub.authorities[1]))
        async with aiohttp.ClientSession() as session:
            strange = await session.post(hub.ocsp_url, data=request_for(leaf(stranger), stranger))

    assert former.certificate_status is ocsp.OCSPCertStatus.GOOD
    assert strange.status == 404  # as if nobody answered: what becomes of it is for the server's policy to say


async def test_revoking_a_serial_of_one_authority_says_nothing_of_another_s() -> None:
    hub = RevokingHub(authorities=(root(now=now()), root(now=now())))
    ours, theirs = (leaf(authority, number=4711) for authority in hub.authorities)
    hub.revoke(theirs)
    async with serving(hub):
        answer = await posted(hub, request_for(ours, hub.authorities[0]))

    assert answer.certificate_status is ocsp.OCSPCertStatus.GOOD


@pytest.mark.parametrize("body", [b"", b"rubbish", b"\x30\x03\x02\x01\x00"])
async def test_rubbish_is_malformed(body: bytes) -> None:
    hub = RevokingHub()
    async with serving(hub), aiohttp.ClientSession() as session:
        assert (await posted(hub, body)).response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST
        for text in ("%%%", "rubbish", "AAAA", "A" * 5000):
            async with session.get(f"{hub.ocsp_url}/{text}") as answer:
                told = ocsp.load_der_ocsp_response(await answer.read())
                assert told.response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


async def test_a_body_larger_than_any_request_is_not_read() -> None:
    hub = RevokingHub()
    async with serving(hub), aiohttp.ClientSession() as session:
        async with session.post(hub.ocsp_url, data=b"x" * (revocation.BODY_BYTES + 1)) as answer:
            assert answer.status == 413
        async with session.get(f"{hub.ocsp_url}/{'A' * 70_000}") as answer:
            assert answer.status == 400


async def test_nothing_is_known_of_other_hubs_and_other_authorities_and_nothing_secret_is_said() -> None:
    hub = RevokingHub()
    key_id = hub.authority.key_id
    async with serving(hub), aiohttp.ClientSession() as session:
        certificate, _ = hub.issue(WEATHER)
        base64_request = quote(base64.b64encode(request_for(certificate, hub.authority)), safe="")
        for path in (
            f"/ocsp/fleet/other/{base64_request}",
            f"/crl/other/site/{key_id}.crl",
            "/crl/fleet/site/abcd.crl",
            "/ca/fleet/site/abcd.crt",
            f"/ca/fleet/site/../../fleet/other/{key_id}.crt",
            "/",
        ):
            async with session.get(f"{hub.url}{path}") as answer:
                text = await answer.text()
                assert answer.status == 404
                assert "PRIVATE" not in text
                assert "Traceback" not in text


async def test_openssl_verifies_the_list_that_is_served_and_the_authority_that_is(tmp_path: Path) -> None:
    hub = RevokingHub()
    lost, _ = hub.issue(WEATHER)
    hub.revoke(lost)
    async with serving(hub), aiohttp.ClientSession() as session:
        async with session.get(f"{hub.url}/crl/fleet/site/{hub.authority.key_id}.crl") as answer:
            assert answer.content_type == "application/pkix-crl"
            served = await answer.read()
        async with session.get(f"{hub.url}/ca/fleet/site/{hub.authority.key_id}.crt") as answer:
            assert answer.content_type == "application/pkix-cert"
            authority = await answer.read()

    ca = tmp_path / "ca.crt"
    ca.write_bytes(openssl("x509", "-inform", "DER", stdin=authority).stdout)
    told = openssl("crl", "-inform", "DER", "-CAfile", ca, "-noout", stdin=served)
    assert told.stderr.strip() == b"verify OK"
    (entry,) = x509.load_der_x509_crl(served)
    assert entry.serial_number == x509.load_pem_x509_certificate(lost).serial_number


async def test_each_list_has_a_greater_number_than_those_before_also_when_the_count_began_again() -> None:
    hub = RevokingHub()
    path = f"/crl/fleet/site/{hub.authority.key_id}.crl"

    async def number(session: aiohttp.ClientSession) -> int:
        async with session.get(f"{hub.url}{path}") as answer:
            found = x509.load_der_x509_crl(await answer.read())
        return found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number

    async with serving(hub, validity=1), aiohttp.ClientSession() as session:
        numbers = [await number(session)]
        for _ in range(2):
            certificate, _ = hub.issue(NATS)
            hub.revoke(certificate)
            numbers.append(await number(session))

    assert numbers == sorted(set(numbers))
    assert numbers[0] >> 20 >= now() - 5


async def test_a_flood_is_told_to_try_later_and_what_is_known_is_answered_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An RSA signature takes milliseconds: who asks with a nonce, or of serials nobody has, could take all our time."""
    monkeypatch.setattr(revocation, "SIGNING_SHARE", 0.05)  # more than one signature takes, and less than forty
    hub = RevokingHub(authorities=(root(KeyType("RSA", 4096), now=now()),))
    async with serving(hub):
        certificate, _ = hub.issue(WEATHER)
        ordinary = request_for(certificate, hub.authority)
        assert (await posted(hub, ordinary)).certificate_status is ocsp.OCSPCertStatus.GOOD

        flood = [request_for(certificate, hub.authority, nonce=b"%d" % n) for n in range(40)]
        async with aiohttp.ClientSession() as session:
            told = {(await session.post(hub.ocsp_url, data=request)).status for request in flood}
        meanwhile = await posted(hub, ordinary)

    assert told == {200, 503}
    assert meanwhile.certificate_status is ocsp.OCSPCertStatus.GOOD


async def test_a_flood_keeps_no_server_from_hearing_who_is_revoked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else whoever is revoked floods the endpoint, and servers that let in while nobody answers let him in."""
    monkeypatch.setattr(revocation, "SIGNING_SHARE", 0.005)
    hub = RevokingHub()
    async with serving(hub):
        certificate, _ = hub.issue(WEATHER)
        thief, _ = hub.issue(WEATHER)
        hub.revoke(thief)
        async with aiohttp.ClientSession() as session:
            flood = [request_for(certificate, hub.authority, nonce=b"%d" % n) for n in range(200)]
            told = {(await session.post(hub.ocsp_url, data=request)).status for request in flood}
        heard = await posted(hub, request_for(thief, hub.authority))

    assert told == {200, 503}
    assert heard.certificate_status is ocsp.OCSPCertStatus.REVOKED


async def test_what_is_kept_of_all_that_was_ever_asked_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocation, "_KEPT_ANSWERS", 3)
    hub = RevokingHub()
    async with serving(hub) as endpoint:
        for _ in range(10):
            certificate, _ = hub.issue(WEATHER)
            await posted(hub, request_for(certificate, hub.authority))

        assert len(endpoint._answers._items) == 3  # noqa: SLF001 - it shows nowhere else


async def test_it_is_closed_when_it_is_closed() -> None:
    hub = RevokingHub()
    async with serving(hub) as endpoint:
        pass

    await endpoint.close()
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(hub.url)


async def test_a_replica_that_stands_by_hands_questions_on(tmp_path: Path) -> None:
    hub = RevokingHub()
    async with serving(hub), standing_by(lambda: hub.url) as url:
        certificate, _ = hub.issue(WEATHER)
        hub.revoke(certificate)
        told = await asked_by_openssl(tmp_path, replace(hub, port=URL(url).port or 0), certificate)

        assert told.startswith("certificate: revoked")
        assert hub.asked == 1


async def test_a_question_is_handed_on_once() -> None:
    async with standing_by(lambda: other) as url, standing_by(lambda: url) as other:
        assert await status_of(f"{url}/crl/fleet/site/00.crl") == 503


@pytest.mark.parametrize("base", ["", "http://127.0.0.1:1"])
async def test_a_replica_that_reaches_nobody_says_to_ask_again(base: str) -> None:
    async with standing_by(lambda: base) as url:
        assert await status_of(f"{url}/crl/fleet/site/00.crl") == 503


async def test_only_what_is_asked_about_certificates_is_handed_on() -> None:
    async with standing_by(lambda: "http://127.0.0.1:1") as url:
        assert await status_of(f"{url}/metrics") == 404
