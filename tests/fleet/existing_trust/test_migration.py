"""Who follows `docs/migrate-from-nsc.md` disconnects nobody but whom he ends: its manifests, in its order."""

import pytest
from docs.blocks import ROOT, Json, yaml_blocks
from fleet.takeover import give

from testbed.clients import connect_as, is_accepted, is_refused
from testbed.existing_trust import ExistingTrust
from testbed.nats_server import NatsServer
from testbed.user import User

pytestmark = pytest.mark.usefixtures("operator")


class Reader:
    """Applies what the page says, for the test's server and the users that are there."""

    def __init__(self, user: User, server: NatsServer, keys: dict[str, str]) -> None:
        blocks = [block for block in yaml_blocks("") if block.page == ROOT / "docs" / "migrate-from-nsc.md"]
        things = [document for block in blocks for document in block.documents]
        self._specs: dict[tuple[str, str], Json] = {(t["kind"], t["metadata"]["name"]): t["spec"] for t in things}
        self._user = user
        self._specs["Hub", "plant"]["nats"]["servers"] = [server.url]
        for (_, name), spec in self._specs.items():
            if "publicKey" in spec:
                spec["publicKey"] = keys[name]

    def apply(self, kind: str, name: str, *, without: str = "") -> None:
        """Apply one object, perhaps without a field, and wait until it works."""
        spec = {field: value for field, value in self._specs[kind, name].items() if field != without}
        self._user.apply(kind, name, spec)
        self._user.wait_ready(kind, name)


async def test_users_stay_until_they_are_ended_and_have_the_operators_credentials_in_the_end(
    user: User, server: NatsServer, trust: ExistingTrust
) -> None:
    device, module = trust.lasting_user, trust.expiring_user
    reader = Reader(user, server, {"weather-01": device.public_key, "mir-srv": module.public_key})

    async with connect_as(server.url, device.creds) as weather, connect_as(server.url, module.creds) as old:
        give(user, trust, operator=("nats-operator", "seed"), system=("nats-system", "sys.creds"))
        reader.apply("Hub", "plant")
        reader.apply("Device", "weather-01")
        reader.apply("Module", "mir-srv")
        reader.apply("Module", "mir-server")
        assert await is_accepted(server.url, user.wait_secret("mir-server-auth")["mir.creds"].decode())
        assert not old.closed.is_set()

        user.delete("Module", "mir-srv")
        await old.wait_closed()
        assert await weather.may_publish("device.weather-01.telemetry")

        reader.apply("Device", "weather-01", without="publicKey")
        await weather.wait_closed()

    for former in (device.creds, module.creds):
        assert await is_refused(server.url, former)
    assert await is_accepted(server.url, user.creds("weather-01"))
