"""Who shows the certificate of one identity and the JWT of another is let in by nats-server, and told of by us."""

import ssl
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fleet.encrypted import EncryptedSite, client_context, encrypted_site
from fleet.logins import off_the_loop

from testbed.clients import connect_as
from testbed.operator import Operator
from testbed.user import Object, User, condition_of
from testbed.waiting import wait_until

MUTUAL: dict[str, Any] = {"mode": "Mutual", "listeners": {"websocket": {"mode": "Off"}, "cluster": {"mode": "Off"}}}


@pytest.fixture
def site(operator: Operator, user: User, tmp_path: Path) -> Iterator[EncryptedSite]:  # noqa: ARG001 - it makes the Hub work
    """Two Devices, each with a certificate of its own."""
    with encrypted_site(user, tmp_path, **MUTUAL) as site:
        user.wait_ready("TLSPolicy", "plant", within=60)
        for name in ("pump", "fan"):
            user.apply_device(name)
        for name in ("pump", "fan"):
            user.wait_ready("Device", name)
        yield site


def context_of(site: EncryptedSite, name: str, directory: Path) -> ssl.SSLContext:
    """What shows the certificate of this Device."""
    pair = site.user.wait_secret(f"{name}-device-tls")
    return client_context(pair["ca.crt"], pair, directory=directory / name)


def mismatches(operator: Operator, site: EncryptedSite) -> float | None:
    """What Prometheus is told of the Hub, `None` for nothing."""
    with urllib.request.urlopen(operator.metrics_url, timeout=5) as answer:  # noqa: S310 - http, to our own operator
        told = answer.read().decode()
    of_hub = f'iotsec_certificate_mismatch{{hub="plant",namespace="{site.user.namespace}"}} '
    return next((float(line.removeprefix(of_hub)) for line in told.splitlines() if line.startswith(of_hub)), None)


def is_told_of(device: Object) -> bool:
    return condition_of(device, "ForeignCertificate").get("status") == "True"


@asynccontextmanager
async def looking_anew(operator: Operator) -> AsyncIterator[None]:
    """Start the operator again when the block is over: it looks when it starts, and then every minute."""
    await off_the_loop(operator.stop)
    try:
        yield
    finally:
        await off_the_loop(operator.start)


async def test_a_device_with_the_certificate_of_another_is_told_of_until_it_shows_its_own(
    site: EncryptedSite, operator: Operator, tmp_path: Path
) -> None:
    user, url, creds = site.user, site.server.url, site.user.creds("pump")
    foreign, own = context_of(site, "fan", tmp_path), context_of(site, "pump", tmp_path)

    async with AsyncExitStack() as wrongly:
        async with looking_anew(operator):
            pump = await wrongly.enter_async_context(connect_as(url, creds, tls=foreign))
            assert await pump.may_publish("device.pump.temperature"), "nats-server cannot bind the two"
        told = await off_the_loop(user.wait_for, "Device", "pump", is_told_of)
        await off_the_loop(wait_until, lambda: mismatches(operator, site) == 1, what="the metric")
    async with AsyncExitStack() as rightly:
        async with looking_anew(operator):
            await rightly.enter_async_context(connect_as(url, creds, tls=own))
        better = await off_the_loop(user.wait_for, "Device", "pump", lambda d: not is_told_of(d))

    assert f"Device {user.namespace}/fan" in condition_of(told, "ForeignCertificate")["message"]
    assert told["status"]["foreignCertificate"]["owner"] == f"Device {user.namespace}/fan"
    assert condition_of(told, "Ready")["status"] == "True"
    assert better["status"]["foreignCertificate"] == told["status"]["foreignCertificate"], "what was seen stays known"
    assert mismatches(operator, site) == 0
    assert "foreignCertificate" not in (user.get("Device", "fan") or {})["status"]


async def test_a_restart_of_the_operator_takes_nothing_back_that_is_still_so(
    site: EncryptedSite, operator: Operator, tmp_path: Path
) -> None:
    foreign = context_of(site, "fan", tmp_path)
    async with connect_as(site.server.url, site.user.creds("pump"), tls=foreign):
        async with looking_anew(operator):
            pass
        told = await off_the_loop(site.user.wait_for, "Device", "pump", is_told_of)

        async with looking_anew(operator):
            pass
        await off_the_loop(wait_until, lambda: mismatches(operator, site) == 1, what="another look")

    again = site.user.wait_for("Device", "pump", is_told_of)
    assert condition_of(again, "ForeignCertificate") == condition_of(told, "ForeignCertificate")


async def test_where_nobody_shows_a_certificate_any_more_nobody_is_told_of(
    site: EncryptedSite, operator: Operator, tmp_path: Path
) -> None:
    async with connect_as(site.server.url, site.user.creds("pump"), tls=context_of(site, "fan", tmp_path)):
        async with looking_anew(operator):
            pass
        await off_the_loop(site.user.wait_for, "Device", "pump", is_told_of)

    site.user.apply_tls_policy("plant", **{**MUTUAL, "mode": "ServerOnly"})

    site.user.wait_for("Device", "pump", lambda device: not is_told_of(device))
    assert mismatches(operator, site) is None
