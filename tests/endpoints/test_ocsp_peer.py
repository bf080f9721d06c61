"""A real nats-server asks the endpoint (`ocsp_peer`): whom it lets in and whom not, how soon, and when nobody answers.

What is true of nats-server 2.15.1 here, and no documentation says, is what the text of its `tls {}` blocks rests on.
"""

import asyncio
import socket
import time
from pathlib import Path

import pytest
from broker.one_account import Trust
from endpoints.encrypted_site import FILES, MUTUAL, site
from endpoints.revoking import RevokingHub, now, serving
from x509.judges import openssl
from x509.pki import P256, WEATHER, leaf

from iotsec.x509.keys import generate
from iotsec.x509.names import Names, Usage
from testbed.nats_server import NatsServer
from testbed.waiting import wait_until_async

STRICT = 'ocsp_peer: { verify: true, allowed_clockskew: "1s" }'
LENIENT = 'ocsp_peer: { verify: true, allowed_clockskew: "1s", allow_when_ca_unreachable: true }'
NO_CACHE = "ocsp_cache: { type: none }"
REMEMBERING = "ocsp_cache: { type: local, preserve_revoked: true }"


async def test_a_revoked_certificate_is_refused_at_the_next_handshake_where_answers_are_not_kept(
    tmp_path: Path,
) -> None:
    async with site(tmp_path, f"{MUTUAL}, {STRICT}", NO_CACHE) as fleet:
        held, other = fleet.hub.issue(WEATHER), fleet.hub.issue(WEATHER)
        assert await fleet.admits(held)

        fleet.hub.revoke(held[0])

        assert not await fleet.admits(held)
        assert await fleet.admits(other)


async def test_a_session_that_goes_on_is_refused_as_a_new_one_is(tmp_path: Path) -> None:
    async with site(tmp_path, f"{MUTUAL}, {STRICT}", NO_CACHE) as fleet:
        held = fleet.hub.issue(WEATHER)
        context = fleet.context(held)
        first = await asyncio.to_thread(fleet.resumed, context)
        second = await asyncio.to_thread(fleet.resumed, context, first)
        assert second is not None

        fleet.hub.revoke(held[0])

        assert await asyncio.to_thread(fleet.resumed, context, second) is None


async def test_the_authority_of_a_certificate_need_not_be_sent_with_it(tmp_path: Path) -> None:
    async with site(tmp_path, f"{MUTUAL}, {STRICT}", NO_CACHE) as fleet:
        held = fleet.hub.issue(WEATHER)

        assert held[0].count(b"BEGIN CERTIFICATE") == 1
        assert await fleet.admits(held)
        assert fleet.hub.asked == 1


async def test_a_server_keeps_answers_for_their_validity_and_the_clock_skew_it_allows(tmp_path: Path) -> None:
    """And it keeps them unasked: without `ocsp_cache` in its configuration, in the folder _rc_."""
    async with site(tmp_path, f"{MUTUAL}, {STRICT}", validity=2) as fleet:
        held = fleet.hub.issue(WEATHER)
        assert await fleet.admits(held)
        assert await fleet.admits(held)
        assert fleet.hub.asked == 1  # the second time it knew

        fleet.hub.revoke(held[0])
        revoked_at = time.monotonic()

        async def refused() -> bool:
            return not await fleet.admits(held)

        await wait_until_async(refused, within=15)
        assert time.monotonic() - revoked_at < 2 + 1 + 2  # validity, skew, and a slow machine


@pytest.mark.parametrize(
    ("peer", "known_good_is_let_in"), [(STRICT, False), (LENIENT, True)], ids=["strict", "lenient"]
)
async def test_while_nobody_answers_the_server_does_as_it_was_told(
    peer: str, tmp_path: Path, *, known_good_is_let_in: bool
) -> None:
    async with site(tmp_path, f"{MUTUAL}, {peer}", NO_CACHE) as fleet:
        held = fleet.hub.issue(WEATHER)
        assert await fleet.admits(held)

        await fleet.endpoint.close()

        assert await fleet.admits(held) is known_good_is_let_in


async def test_a_lenient_server_remembers_whom_it_refused_while_nobody_answers_and_through_a_restart(
    tmp_path: Path,
) -> None:
    """Without `preserve_revoked` the second attempt after the answer's end is let in."""
    async with site(tmp_path, f"{MUTUAL}, {LENIENT}", REMEMBERING, validity=1) as fleet:
        good, lost = fleet.hub.issue(WEATHER), fleet.hub.issue(WEATHER)
        fleet.hub.revoke(lost[0])
        assert await fleet.admits(good)
        assert not await fleet.admits(lost)
        await fleet.endpoint.close()
        await asyncio.sleep(3.5)  # the answers end; only a clock tells

        assert await fleet.admits(good)
        assert not await fleet.admits(lost)
        assert not await fleet.admits(lost)

        await asyncio.to_thread(fleet.server.stop)
        await asyncio.to_thread(fleet.server.start)
        assert await fleet.admits(good)
        assert not await fleet.admits(lost)


async def test_a_responder_that_does_not_answer_holds_a_handshake_up_for_its_timeout(tmp_path: Path) -> None:
    peer = "ocsp_peer: { verify: true, ca_timeout: 1, allow_when_ca_unreachable: true }"
    async with site(tmp_path, f"{MUTUAL}, timeout: 5, {peer}", NO_CACHE) as fleet:
        held = fleet.hub.issue(WEATHER)
        await fleet.endpoint.close()
        with socket.create_server(("127.0.0.1", fleet.hub.port)):
            started = time.monotonic()
            assert await fleet.admits(held)

        assert 1 <= time.monotonic() - started < 4


async def test_a_reload_changes_nothing_of_who_is_refused(tmp_path: Path) -> None:
    async with site(tmp_path, f"{MUTUAL}, {STRICT}", NO_CACHE) as fleet:
        good, lost = fleet.hub.issue(WEATHER), fleet.hub.issue(WEATHER)
        fleet.hub.revoke(lost[0])

        await asyncio.to_thread(fleet.server.reload)

        assert await fleet.admits(good)
        assert not await fleet.admits(lost)


async def test_a_certificate_that_names_no_responder_is_not_asked_about(tmp_path: Path) -> None:
    async with site(tmp_path, f"{MUTUAL}, {STRICT}", NO_CACHE) as fleet:
        silent = fleet.hub.issue(WEATHER, Usage.PEER)
        fleet.hub.revoke(silent[0])

        assert await fleet.admits(silent)
        assert fleet.hub.asked == 0


async def test_mqtt_goes_by_what_the_client_listener_says(tmp_path: Path) -> None:
    async with site(tmp_path, f"{MUTUAL}, {STRICT}", NO_CACHE, mqtt=MUTUAL) as fleet:
        good, lost = fleet.hub.issue(WEATHER), fleet.hub.issue(WEATHER)
        fleet.hub.revoke(lost[0])
        mqtt = fleet.server.ports.mqtt

        assert await fleet.admits(good, at=mqtt)
        assert not await fleet.admits(lost, at=mqtt)


async def test_mqtt_without_client_certificates_lets_nobody_in_where_the_client_listener_asks(tmp_path: Path) -> None:
    async with site(tmp_path, f"{MUTUAL}, {STRICT}", NO_CACHE, mqtt=FILES) as fleet:
        good = fleet.hub.issue(WEATHER)

        assert await fleet.admits(good)
        assert not await fleet.admits(good, at=fleet.server.ports.mqtt)


@pytest.mark.parametrize(("websocket", "lost_is_let_in"), [(MUTUAL, True), (f"{MUTUAL}, {STRICT}", False)])
async def test_websocket_asks_where_its_own_block_says_so(
    websocket: str, tmp_path: Path, *, lost_is_let_in: bool
) -> None:
    async with site(tmp_path, f"{MUTUAL}, {STRICT}", NO_CACHE, websocket=websocket) as fleet:
        good, lost = fleet.hub.issue(WEATHER), fleet.hub.issue(WEATHER)
        fleet.hub.revoke(lost[0])
        port = fleet.server.ports.websocket

        assert await fleet.admits(good, at=port)
        assert await fleet.admits(lost, at=port) is lost_is_let_in


async def test_leaf_nodes_are_asked_about_where_their_own_block_says_so(tmp_path: Path) -> None:
    async with site(tmp_path, MUTUAL, NO_CACHE, leafnodes=f"{MUTUAL}, {STRICT}") as fleet:
        good, lost = fleet.hub.issue(WEATHER), fleet.hub.issue(WEATHER)
        fleet.hub.revoke(lost[0])

        assert await fleet.admits(good, at=fleet.server.ports.leafnodes)
        assert not await fleet.admits(lost, at=fleet.server.ports.leafnodes)
        assert await fleet.admits(lost)  # the client listener was not told to ask


async def test_a_server_staples_the_answer_about_its_own_certificate(tmp_path: Path) -> None:
    hub = RevokingHub()
    async with serving(hub):
        key = generate(P256)
        names = Names("nats", ip_addresses=("127.0.0.1",))
        certificate = leaf(hub.authority, key, names=names, usage=Usage.SERVER, now=now(), ocsp_url=hub.ocsp_url)
        with NatsServer(tmp_path / "nats") as server:
            config = [
                Trust().config()["server.conf"].decode(),
                f"tls {{ {FILES}, ca_file: /etc/nats-iotsec/ca.crt, handshake_first: true }}",
                "ocsp: { mode: always }",
            ]
            files = {"server.crt": certificate, "server.key": key.to_pem(), "ca.crt": hub.authority.root}
            server.mount({"server.conf": "\n".join(config).encode(), **files})
            await asyncio.to_thread(server.start)
            trusted = tmp_path / "trusted.crt"
            trusted.write_bytes(hub.authority.root)
            address = f"127.0.0.1:{server.ports.client}"
            seen = await asyncio.to_thread(openssl, "s_client", "-status", "-connect", address, "-CAfile", trusted)

    assert b"Cert Status: good" in seen.stdout
    assert b"Verify return code: 0 (ok)" in seen.stdout
