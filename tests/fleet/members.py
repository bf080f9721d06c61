"""A Device in each account of a Hub, by which tests try what the account lets it do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fleet.conftest import Site

from testbed.clients import Connected, connect_as

Json = dict[str, Any]

TALKS = {"publish": {"allow": ["alarms.>"]}, "subscribe": {"allow": ["alarms.>", "plc.>"]}}


def declare(site: Site, *accounts: Json, **spec: Any) -> None:
    """Apply the Hub with these accounts and wait until every server has them."""
    site.user.apply_hub("plant", [site.url], accounts=list(accounts), **spec)
    site.user.wait_ready("Hub", "plant")


def member(site: Site, account: str, permissions: Json = TALKS) -> str:
    """The creds of a Device of the account's name, that may talk and listen."""
    site.ready_device(f"in-{account}", account=account, permissions=permissions)
    return site.user.creds(f"in-{account}")


@asynccontextmanager
async def connected(site: Site, account: str) -> AsyncIterator[Connected]:
    """A connection of the Device in an account."""
    creds = site.user.creds(f"in-{account}")
    async with connect_as(site.url, creds, inbox_prefix=f"_INBOX_in-{account}") as device:
        yield device


async def settled(device: Connected) -> None:
    """What was sent before has been dealt with once the second answer is there."""
    await device.client.flush()
    await device.client.flush()
