"""A fleet that runs is given mutual TLS in the steps of `docs/tls.md`, by the page's own manifests."""

import ssl
from pathlib import Path

import pytest
from docs.blocks import ROOT, yaml_blocks
from fleet.encrypted import client_context, encrypted_site

from testbed.clients import connect_as, is_accepted
from testbed.user import User
from testbed.waiting import wait_until_async

pytestmark = pytest.mark.usefixtures("operator")


def stages() -> list[dict[str, object]]:
    """The specs of the section, in its order."""
    page = ROOT / "docs" / "tls.md"
    text = page.read_text()
    begin, end = (text[: text.index(heading)].count("\n") for heading in ("## Mutual TLS", "## Who signs"))
    blocks = [block for block in yaml_blocks("") if block.page == page and begin < block.line < end]
    return [document["spec"] for block in blocks for document in block.documents]


async def is_kept_out(url: str, creds: str, context: ssl.SSLContext) -> bool:
    return not await is_accepted(url, creds, tls=context)


async def test_nobody_is_locked_out_who_reads_his_files_before_he_needs_them(user: User, tmp_path: Path) -> None:
    files, encrypted, mutual = stages()

    with encrypted_site(user, tmp_path) as site:
        user.wait_ready("Hub", "plant")
        user.apply_device("weather-01")
        user.wait_ready("Device", "weather-01")
        url, creds = site.server.url, user.creds("weather-01")
        async with connect_as(url, creds) as early:
            user.apply("TLSPolicy", "plant", files)
            pair = user.wait_secret("weather-01-device-tls")
            user.wait_for("Secret", "weather-01-device-creds", lambda found: "ca.crt" in found["data"])
            bare = client_context(pair["ca.crt"])
            own = client_context(pair["ca.crt"], pair, directory=tmp_path / "weather-01")
            assert await is_accepted(url, creds)

            user.apply("TLSPolicy", "plant", encrypted)
            await wait_until_async(lambda: is_accepted(url, creds, tls=bare), within=60)

            user.apply("TLSPolicy", "plant", mutual)
            await wait_until_async(lambda: is_kept_out(url, creds, bare), within=60)
            assert await is_accepted(url, creds, tls=own)
            assert await early.may_publish("device.weather-01.telemetry")
