"""Who is deleted or suspended is refused by his certificate, too: servers ask the operator, and so may anybody."""

import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fleet.conftest import new_namespace
from fleet.encrypted import EncryptedSite, client_context, encrypted_site
from x509.judges import openssl

from testbed.clients import is_accepted
from testbed.control_plane import ControlPlane
from testbed.handshakes import shake_hands
from testbed.operator import Operator
from testbed.user import condition_of
from testbed.waiting import wait_until_async

VALIDITY, CLOCK_SKEW, MARGIN = 10, 30, 5
"""Seconds that a server keeps an answer, those it allows for clocks beyond, and those of a slow machine."""


def policy(operator: Operator, **revocation: Any) -> dict[str, Any]:
    """Everybody shows a certificate, and servers ask about it."""
    asked = {"url": operator.revocation_url, "validity": f"{VALIDITY}s", **revocation}
    return {"mode": "Mutual", "revocation": asked, "listeners": {"cluster": {"mode": "Off"}}}


@pytest.fixture(scope="module")
def site(operator: Operator, plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EncryptedSite]:
    """A Hub that tests share which change nothing but Devices of their own names."""
    with (
        new_namespace(plane) as user,
        encrypted_site(user, tmp_path_factory.mktemp("asking"), **policy(operator)) as site,
    ):
        user.wait_ready("TLSPolicy", "plant", within=60)
        yield site


class Held:
    """What a thief has of a Device: all that is in its Secrets, for good."""

    def __init__(self, site: EncryptedSite, name: str, directory: Path) -> None:
        site.user.apply_device(name)
        self.serial = site.user.wait_ready("Device", name)["status"]["certificate"]["serial"]
        self.pair = site.user.wait_secret(f"{name}-device-tls")
        self.context = client_context(self.pair["ca.crt"], self.pair, directory=directory / name)
        self.certificate = directory / name / "tls.crt"
        self._server = site.server

    async def is_let_in(self, listener: str = "client") -> bool:
        ports = self._server.ports
        port = {"client": ports.client, "mqtt": ports.mqtt, "websocket": ports.websocket}[listener]
        return (await shake_hands(port.number, self.context, nats=listener == "client")).accepted

    async def is_refused(self) -> bool:
        return not await self.is_let_in()


def said_by_openssl(*arguments: str | Path) -> str:
    """What OpenSSL says; its exit code tells nothing of a revoked certificate."""
    answer = openssl(*arguments)
    return (answer.stdout + answer.stderr).decode()


def asked_by_ocsp(held: Held, operator: Operator, site: EncryptedSite, directory: Path) -> str:
    root = directory / "root.crt"
    root.write_bytes(held.pair["ca.crt"])
    return said_by_openssl(
        *("ocsp", "-issuer", root, "-CAfile", root, "-cert", held.certificate),
        *("-url", f"{operator.revocation_url}/ocsp/{site.user.namespace}/plant"),
    )


async def test_who_is_deleted_or_suspended_is_refused_once_the_last_answer_about_him_is_over(
    site: EncryptedSite, tmp_path: Path
) -> None:
    gone, suspended, other = (Held(site, name, tmp_path) for name in ("gone", "suspended", "other"))
    for held in (gone, suspended, other):
        assert await held.is_let_in()

    site.user.delete("Device", "gone")
    site.user.apply_device("suspended", suspended=True)
    site.user.wait_gone("Device", "gone")
    site.user.wait_reason("Device", "suspended", "Suspended")
    revoked_at = time.monotonic()

    for held in (gone, suspended):
        await wait_until_async(held.is_refused, within=VALIDITY + CLOCK_SKEW + MARGIN)
    assert time.monotonic() - revoked_at < VALIDITY + CLOCK_SKEW + MARGIN
    assert await other.is_let_in()


@pytest.mark.parametrize("listener", ["client", "mqtt", "websocket"])
async def test_who_never_came_before_is_refused_at_once_when_he_is_deleted(
    site: EncryptedSite, tmp_path: Path, listener: str
) -> None:
    held, other = Held(site, f"late-{listener}", tmp_path), Held(site, f"other-{listener}", tmp_path)

    site.user.delete("Device", f"late-{listener}")
    site.user.wait_gone("Device", f"late-{listener}")

    assert not await held.is_let_in(listener)
    assert await other.is_let_in(listener)


def test_openssl_is_told_by_ocsp_who_was_revoked(site: EncryptedSite, operator: Operator, tmp_path: Path) -> None:
    held = Held(site, "lamp", tmp_path)
    before = asked_by_ocsp(held, operator, site, tmp_path)

    site.user.delete("Device", "lamp")
    site.user.wait_gone("Device", "lamp")

    after = asked_by_ocsp(held, operator, site, tmp_path)
    assert "Response verify OK" in before
    assert f"{held.certificate}: good" in before
    assert "Response verify OK" in after
    assert f"{held.certificate}: revoked" in after


def test_the_list_that_certificates_name_has_who_was_revoked(site: EncryptedSite, tmp_path: Path) -> None:
    held, other = Held(site, "valve", tmp_path), Held(site, "valve-2", tmp_path)
    site.user.delete("Device", "valve")
    site.user.wait_gone("Device", "valve")
    said = said_by_openssl("x509", "-in", held.certificate, "-noout", "-ext", "crlDistributionPoints")
    url = next(word.removeprefix("URI:") for word in said.split() if word.startswith("URI:"))

    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - http, to our own operator
        (tmp_path / "list.crl").write_bytes(answer.read())

    (tmp_path / "root.crt").write_bytes(held.pair["ca.crt"])
    told = said_by_openssl("crl", "-in", tmp_path / "list.crl", "-CAfile", tmp_path / "root.crt", "-noout", "-text")
    serials = {line.split(":", 1)[1].strip().lower().lstrip("0") for line in told.splitlines() if "Serial Num" in line}
    assert "verify OK" in told
    assert held.serial in serials
    assert other.serial not in serials


async def test_while_nobody_answers_everybody_is_let_in_but_who_was_seen_refused(
    site: EncryptedSite, operator: Operator, tmp_path: Path
) -> None:
    stranger, lost = Held(site, "stranger", tmp_path), Held(site, "lost", tmp_path)
    site.user.delete("Device", "lost")
    site.user.wait_gone("Device", "lost")
    assert await lost.is_refused()

    operator.stop()
    try:
        assert await stranger.is_let_in()
        assert await lost.is_refused()
    finally:
        operator.start()


async def test_where_nobody_is_to_be_let_in_unasked_the_fleet_comes_back_with_the_operator(
    operator: Operator, plane: ControlPlane, tmp_path: Path
) -> None:
    strict = policy(operator, whenUnreachable="Refuse")
    with new_namespace(plane) as user, encrypted_site(user, tmp_path, **strict) as site:
        user.wait_ready("TLSPolicy", "plant", within=60)
        stranger = Held(site, "stranger", tmp_path)
        operator.stop()
        try:
            assert await stranger.is_refused()
            site.server.stop()
            site.server.start()  # the operator has to come in anew, and is asked about himself
        finally:
            operator.start()

        creds = user.creds("stranger")
        await wait_until_async(lambda: is_accepted(site.server.url, creds, tls=stranger.context), within=30)
        assert await Held(site, "newcomer", tmp_path).is_let_in()


def test_mqtt_without_certificates_cannot_be_where_servers_ask_about_them(
    site: EncryptedSite, operator: Operator
) -> None:
    before = site.user.wait_secret("plant-nats-config")
    asked = policy(operator)
    site.user.apply_tls_policy(
        "plant", **{**asked, "listeners": {**asked["listeners"], "mqtt": {"mode": "ServerOnly"}}}
    )

    refused = site.user.wait_reason("TLSPolicy", "plant", "InvalidSpec", condition="Stalled")

    assert "spec.listeners.mqtt.mode" in condition_of(refused, "Stalled")["message"]
    assert site.user.wait_secret("plant-nats-config") == before
    site.user.apply_tls_policy("plant", **asked)
    site.user.wait_ready("TLSPolicy", "plant")
