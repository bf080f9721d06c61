"""Servers that verify clients: the operator shows its certificate, and is told why where that is not taken."""

import pytest
from broker.certificate_authority import CertificateAuthority, Pair
from broker.encrypted_server import begin, kept_up, sockets, tls_config
from broker.one_account import Trust

from iotsec.broker.client_tls import ClientTls
from testbed.nats_server import NatsServer
from testbed.waiting import until

VERIFY = "verify: true"


@pytest.fixture(autouse=True)
def verifying(trust: Trust, server: NatsServer, authority: CertificateAuthority, pair: Pair) -> None:
    begin(server, tls_config(trust, pair, ca=authority.pem, block=VERIFY))


async def test_the_operators_certificate_lets_it_in(
    trust: Trust, server: NatsServer, authority: CertificateAuthority
) -> None:
    ours = authority.issue("operator")

    async with kept_up([server.url], trust, lambda: ClientTls(authority.pem, ours.certificate, ours.key)) as connection:
        await until(lambda: not connection.problem)

        (listed,) = server.monitor("/connz?auth=1")["connections"]
        assert listed["tls_peer_certs"][0]["subject"] == "CN=operator"


async def test_no_certificate_is_told_as_that(
    trust: Trust, server: NatsServer, authority: CertificateAuthority
) -> None:
    async with kept_up([server.url], trust, lambda: ClientTls(authority.pem)) as connection:
        await until(lambda: "asks for a client certificate and the operator has none" in connection.problem)


async def test_a_certificate_that_the_server_refuses_is_told_as_that(
    trust: Trust, server: NatsServer, authority: CertificateAuthority
) -> None:
    foreign = CertificateAuthority.create().issue("operator")

    async with kept_up(
        [server.url], trust, lambda: ClientTls(authority.pem, foreign.certificate, foreign.key)
    ) as connection:
        await until(lambda: "does not know the CA of the operator's certificate" in connection.problem)


async def test_a_renewed_certificate_takes_over_without_a_gap(
    trust: Trust, server: NatsServer, authority: CertificateAuthority
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
    trust: Trust, server: NatsServer, authority: CertificateAuthority
) -> None:
    ours, other = authority.issue("operator"), authority.issue("other")

    async with kept_up(
        [server.url], trust, lambda: ClientTls(authority.pem, ours.certificate, other.key)
    ) as connection:
        await until(lambda: connection.tried)

        assert connection.problem == ("the operator's own certificate for NATS servers cannot be used with its key")


async def test_handshakes_that_fail_leave_no_socket_behind(
    trust: Trust, server: NatsServer, authority: CertificateAuthority
) -> None:
    async with kept_up([server.url], trust, lambda: ClientTls(authority.pem)) as connection:
        await until(lambda: connection.tried)
        before, accepted = sockets(), server.monitor("/varz")["total_connections"]
        await until(lambda: server.monitor("/varz")["total_connections"] >= accepted + 4)

        assert sockets() <= before + 1  # one attempt may be under way
