"""The system connection is encrypted with a server that was verified, or where it must be there is none."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

import pytest
import uvloop
from broker.certificate_authority import CertificateAuthority, Pair
from broker.encrypted_server import is_answered, kept_up, tls_config
from broker.one_account import Trust
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from iotsec.broker.client_tls import ClientTls, UnusableTlsError
from testbed.nats_server import NatsServer
from testbed.ports import Port
from testbed.waiting import until

VERIFY = "verify: true"
INFO = b'INFO {"server_id":"N","version":"2.15.1","proto":1,"max_payload":1048576,"auth_required":true,"nonce":"x"}\r\n'


@pytest.fixture
def trust() -> Trust:
    return Trust()


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority.create()


@pytest.fixture(scope="module")
def pair(authority: CertificateAuthority) -> Pair:
    return authority.issue("server")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    with NatsServer(tmp_path / "nats") as server:
        yield server


def begin(server: NatsServer, config: dict[str, bytes]) -> None:
    server.mount(config)
    server.start()


def sockets() -> int:
    """How many files and sockets this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@asynccontextmanager
async def in_between(server: NatsServer | None, info: bytes | None = None, *, more: bytes = b"") -> AsyncIterator[str]:
    """Somebody on the way to a server, who says this INFO in place of the server's, and something more behind it.

    The URL to reach him at; with no server behind him he collects what he is told, and fails the test for it.
    """
    told = b""

    async def pass_on(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            to.write(data)
        to.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal told
        if server is None:
            writer.write((info or b"") + more)
            told += await reader.read()
            writer.close()
            return
        theirs, ours = await asyncio.open_connection("127.0.0.1", server.ports.client.number)
        writer.write((info or await theirs.readline()) + more)
        await asyncio.gather(pass_on(reader, ours), pass_on(theirs, writer), return_exceptions=True)

    port = Port().number
    listener = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield f"nats://127.0.0.1:{port}"
    finally:
        listener.close()
        await asyncio.sleep(0)
    assert told == b""


async def test_a_server_with_tls_is_talked_to_by_tls_alone(
    trust: Trust, server: NatsServer, authority: CertificateAuthority, pair: Pair
) -> None:
    begin(server, tls_config(trust, pair))

    async with kept_up([server.url], trust, lambda: ClientTls(authority.pem)) as connection:
        await until(lambda: not connection.problem)

        assert await is_answered(connection)
        assert connection.encrypted
        (ours,) = server.monitor("/connz")["connections"]
        assert ours["tls_version"] == "1.3"


async def test_tls_that_is_only_offered_is_taken(
    trust: Trust, server: NatsServer, authority: CertificateAuthority, pair: Pair
) -> None:
    begin(server, tls_config(trust, pair, top="allow_non_tls: true"))

    async with kept_up([server.url], trust, lambda: ClientTls(authority.pem)) as connection:
        await until(lambda: not connection.problem)

        assert connection.encrypted


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("block", ["", "handshake_first: true", 'handshake_first: "auto"'])
async def test_who_begins_with_tls_is_found_out(
    trust: Trust, server: NatsServer, authority: CertificateAuthority, pair: Pair, block: str, *, told: bool
) -> None:
    begin(server, tls_config(trust, pair, block=block))

    async with kept_up([server.url], trust, lambda: ClientTls(authority.pem, handshake_first=told)) as connection:
        await until(lambda: not connection.problem, within=2.5)

        assert connection.encrypted


class TestWhoIsNotTheServer:
    async def test_another_ca_is_told_apart(
        self, trust: Trust, server: NatsServer, authority: CertificateAuthority
    ) -> None:
        begin(server, tls_config(trust, CertificateAuthority.create().issue("server")))

        async with kept_up([server.url], trust, lambda: ClientTls(authority.pem)) as connection:
            await until(lambda: connection.tried)

            assert connection.untrusted
            assert connection.problem == (
                f"the certificate of the NATS server at {server.url} is of a CA that the Hub does not trust: "
                "mount the Hub's config Secret and reload the server"
            )

    async def test_a_certificate_that_ended_is_refused(
        self, trust: Trust, server: NatsServer, authority: CertificateAuthority
    ) -> None:
        begin(server, tls_config(trust, authority.issue("server", ends_in=dt.timedelta(hours=-1))))

        async with kept_up([server.url], trust, lambda: ClientTls(authority.pem)) as connection:
            await until(lambda: connection.tried)

            assert f"{server.url} has expired: have the server load a newer one" in connection.problem

    @pytest.mark.parametrize(("host", "other"), [("127.0.0.1", "localhost"), ("localhost", "127.0.0.1")])
    async def test_a_certificate_for_another_host_is_refused(
        self, server: NatsServer, authority: CertificateAuthority, host: str, other: str
    ) -> None:
        trust = Trust()
        begin(server, tls_config(trust, authority.issue("server", hosts=(other,))))
        url = server.url.replace("127.0.0.1", host)

        async with kept_up([url], trust, lambda: ClientTls(authority.pem)) as connection:
            await until(lambda: connection.tried)

            kind = "address" if host == "127.0.0.1" else "name"
            assert f"{url} is not for that {kind}: write it to the TLSPolicy's" in connection.problem

    @pytest.mark.parametrize("first", [True, False])
    async def test_no_tls_is_no_server_of_ours_and_is_told_nothing(
        self, trust: Trust, authority: CertificateAuthority, *, first: bool
    ) -> None:
        tls = ClientTls(authority.pem, handshake_first=first)
        async with in_between(None, INFO) as url, kept_up([url], trust, lambda: tls) as connection:
            await until(lambda: connection.tried)

            assert "offers no TLS, without which it is told nothing" in connection.problem

    async def test_somebody_who_strikes_tls_out_of_info_gets_no_jwt(
        self, trust: Trust, server: NatsServer, authority: CertificateAuthority, pair: Pair
    ) -> None:
        begin(server, tls_config(trust, pair, top="allow_non_tls: true"))

        async with (
            in_between(server, INFO) as url,
            kept_up([url], trust, lambda: ClientTls(authority.pem)) as connection,
        ):
            await until(lambda: connection.tried)

            assert connection.untrusted
            closed = server.monitor("/connz?state=closed&auth=1")["connections"]
            assert [one.get("jwt") for one in closed if one.get("jwt")] == []

    async def test_what_somebody_says_before_tls_is_not_heard(
        self, trust: Trust, server: NatsServer, authority: CertificateAuthority, pair: Pair
    ) -> None:
        begin(server, tls_config(trust, pair))
        heard: list[str] = []
        more = b"PONG\r\nMSG $SYS.SERVER.N.SHUTDOWN 1 2\r\n{}\r\n"

        async with (
            in_between(server, more=more) as url,
            kept_up(
                [url], trust, lambda: ClientTls(authority.pem), heard=lambda subject, _: heard.append(subject)
            ) as it,
        ):
            await until(lambda: not it.problem)

            assert await is_answered(it)
            assert "$SYS.SERVER.N.SHUTDOWN" not in heard

    async def test_a_tls_url_never_goes_without(self, trust: Trust, server: NatsServer) -> None:
        begin(server, trust.config())

        async with kept_up([server.url.replace("nats:", "tls:")], trust, lambda: None) as connection:
            await until(lambda: connection.tried)

            assert "offers no TLS" in connection.problem


class TestWhereServersVerifyClients:
    @pytest.fixture(autouse=True)
    def _verifying(self, trust: Trust, server: NatsServer, authority: CertificateAuthority, pair: Pair) -> None:
        begin(server, tls_config(trust, pair, ca=authority.pem, block=VERIFY))

    async def test_the_operators_certificate_lets_it_in(
        self, trust: Trust, server: NatsServer, authority: CertificateAuthority
    ) -> None:
        ours = authority.issue("operator")

        async with kept_up(
            [server.url], trust, lambda: ClientTls(authority.pem, ours.certificate, ours.key)
        ) as connection:
            await until(lambda: not connection.problem)

            (listed,) = server.monitor("/connz?auth=1")["connections"]
            assert listed["tls_peer_certs"][0]["subject"] == "CN=operator"

    async def test_no_certificate_is_told_as_that(
        self, trust: Trust, server: NatsServer, authority: CertificateAuthority
    ) -> None:
        async with kept_up([server.url], trust, lambda: ClientTls(authority.pem)) as connection:
            await until(lambda: "asks for a client certificate and the operator has none" in connection.problem)

    async def test_a_certificate_that_the_server_refuses_is_told_as_that(
        self, trust: Trust, server: NatsServer, authority: CertificateAuthority
    ) -> None:
        foreign = CertificateAuthority.create().issue("operator")

        async with kept_up(
            [server.url], trust, lambda: ClientTls(authority.pem, foreign.certificate, foreign.key)
        ) as connection:
            await until(lambda: "does not know the CA of the operator's certificate" in connection.problem)

    async def test_a_renewed_certificate_takes_over_without_a_gap(
        self, trust: Trust, server: NatsServer, authority: CertificateAuthority
    ) -> None:
        ours = [authority.issue("operator")]

        def shown() -> list[str]:
            listed = server.monitor("/connz?auth=1").get("connections", ())
            return [certificates[0]["subject"] for one in listed if (certificates := one.get("tls_peer_certs"))]

        async with kept_up(
            [server.url], trust, lambda: ClientTls(authority.pem, ours[-1].certificate, ours[-1].key)
        ) as connection:
            await until(lambda: not connection.problem)
            before = connection.continuity

            ours.append(authority.issue("operator renewed"))
            connection.retarget()

            await until(lambda: shown() == ["CN=operator renewed"])
            assert connection.continuity == before

    async def test_a_key_of_another_certificate_is_told_as_that(
        self, trust: Trust, server: NatsServer, authority: CertificateAuthority
    ) -> None:
        ours, other = authority.issue("operator"), authority.issue("other")

        async with kept_up(
            [server.url], trust, lambda: ClientTls(authority.pem, ours.certificate, other.key)
        ) as connection:
            await until(lambda: connection.tried)

            assert connection.problem == ("the operator's own certificate for NATS servers cannot be used with its key")

    async def test_handshakes_that_fail_leave_no_socket_behind(
        self, trust: Trust, server: NatsServer, authority: CertificateAuthority
    ) -> None:
        async with kept_up([server.url], trust, lambda: ClientTls(authority.pem)) as connection:
            await until(lambda: connection.tried)
            before, accepted = sockets(), server.monitor("/varz")["total_connections"]
            await until(lambda: server.monitor("/varz")["total_connections"] >= accepted + 4)

            assert sockets() <= before + 1  # one attempt may be under way


async def test_a_new_ca_takes_the_place_of_the_old_without_a_lost_connection(
    trust: Trust, server: NatsServer, authority: CertificateAuthority, pair: Pair
) -> None:
    new = CertificateAuthority.create("new")
    begin(server, tls_config(trust, pair))
    bundles = [authority.pem]
    async with kept_up([server.url], trust, lambda: ClientTls(bundles[-1])) as connection:
        await until(lambda: not connection.problem)
        before = connection.continuity

        async def trusting(bundle: bytes) -> None:
            accepted = server.monitor("/varz")["total_connections"]
            bundles.append(bundle)
            connection.retarget()
            await until(lambda: server.monitor("/varz")["total_connections"] > accepted)
            assert await is_answered(connection)

        await trusting(authority.pem + new.pem)
        server.mount(tls_config(trust, new.issue("server")))
        server.reload()
        await trusting(new.pem + authority.pem)
        await trusting(new.pem)

        assert connection.continuity == before
        assert connection.problem == ""
        assert connection.encrypted


class TestWhileTlsIsSwitchedOn:
    async def test_a_plain_server_is_talked_to_until_it_has_tls(
        self, trust: Trust, server: NatsServer, authority: CertificateAuthority, pair: Pair
    ) -> None:
        begin(server, trust.config())
        tls = [ClientTls(authority.pem, required=False)]
        async with kept_up([server.url], trust, lambda: tls[-1]) as connection:
            await until(lambda: not connection.problem)
            assert not connection.encrypted
            before = connection.continuity

            server.mount(tls_config(trust, pair))
            server.reload()
            tls.append(ClientTls(authority.pem))
            connection.retarget()

            await until(lambda: connection.encrypted)
            assert connection.continuity == before

    @pytest.mark.parametrize("first", [True, False])
    async def test_a_server_that_has_tls_is_verified_all_the_same(
        self, trust: Trust, server: NatsServer, authority: CertificateAuthority, *, first: bool
    ) -> None:
        begin(server, tls_config(trust, CertificateAuthority.create().issue("server")))
        tls = ClientTls(authority.pem, required=False, handshake_first=first)

        async with kept_up([server.url], trust, lambda: tls) as connection:
            await until(lambda: connection.tried)

            assert "of a CA that the Hub does not trust" in connection.problem

    async def test_a_plain_connection_ends_once_tls_is_required_and_not_there(
        self, trust: Trust, server: NatsServer, authority: CertificateAuthority
    ) -> None:
        begin(server, trust.config())
        tls = [ClientTls(authority.pem, required=False)]
        async with kept_up([server.url], trust, lambda: tls[-1]) as connection:
            await until(lambda: not connection.problem)

            tls.append(ClientTls(authority.pem))
            connection.retarget()

            await until(lambda: connection.untrusted)
            assert not await is_answered(connection)


@pytest.mark.parametrize("fits", [True, False])
def test_a_key_is_neither_shown_nor_left_behind(authority: CertificateAuthority, *, fits: bool) -> None:
    pair, other = authority.issue("operator"), authority.issue("other")
    tls = ClientTls(authority.pem, pair.certificate, (pair if fits else other).key)
    before = sockets()

    with nullcontext() if fits else pytest.raises(UnusableTlsError, match="cannot be used with its key"):
        tls.context()

    assert sockets() == before
    assert "BEGIN" not in repr(tls)


def test_a_key_with_a_passphrase_is_refused_and_nobody_asked_for_it(authority: CertificateAuthority) -> None:
    pair = authority.issue("operator")
    encrypted = load_pem_private_key(pair.key, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )

    with pytest.raises(UnusableTlsError, match="cannot be used with its key"):
        ClientTls(authority.pem, pair.certificate, encrypted).context()


def test_a_bundle_that_is_none_is_told_as_that() -> None:
    with pytest.raises(UnusableTlsError, match="CA certificates to verify NATS servers with cannot be read"):
        ClientTls(b"none").context()


def test_the_operators_own_event_loop_does_it_all_the_same(
    trust: Trust, server: NatsServer, authority: CertificateAuthority, pair: Pair
) -> None:
    begin(server, tls_config(trust, pair))

    async def is_encrypted(*, first: bool) -> bool:
        tls = ClientTls(authority.pem, handshake_first=first)
        async with kept_up([server.url], trust, lambda: tls) as connection:
            await until(lambda: not connection.problem)
            return connection.encrypted and await is_answered(connection)

    for first in (True, False):
        assert uvloop.run(is_encrypted(first=first))
