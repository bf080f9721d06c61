"""The system connection is encrypted with a server that was verified, or where it must be there is none."""

import datetime as dt

import pytest
import uvloop
from broker.certificate_authority import CertificateAuthority, Pair
from broker.encrypted_server import begin, is_answered, kept_up, tls_config
from broker.in_between import in_between
from broker.one_account import Trust

from iotsec.broker.client_tls import ClientTls
from testbed.nats_server import NatsServer
from testbed.waiting import until

INFO = b'INFO {"server_id":"N","version":"2.15.1","proto":1,"max_payload":1048576,"auth_required":true,"nonce":"x"}\r\n'


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
