"""What was lost, and how a fleet comes back from it: etcd, the cluster, the volumes of NATS."""

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fleet.conftest import ROOT, Site, bring_up
from fleet.logins import off_the_loop

from testbed.clients import connect_as, is_accepted, is_refused, wait_accepted, wait_refused
from testbed.control_plane import ControlPlane
from testbed.nats_server import NatsServer
from testbed.operator import Operator
from testbed.user import User
from testbed.waiting import wait_until_async

IMMEDIATE = {"signingKeys": {"duration": "8760h", "retire": "Immediate"}}
KEYS = ("plant-identity-keys", "plant-signing-keys", "plant-ledger-iot")


@pytest.fixture
def own_plane(tmp_path: Path) -> Iterator[ControlPlane]:
    """A control plane whose database may be lost: nobody else is on it."""
    manifests = [ROOT / "crds", ROOT / "manifests"]
    with ControlPlane(tmp_path / "plane", controller_manager=False, manifests=manifests) as plane:
        yield plane


@pytest.fixture
def own_operator(own_plane: ControlPlane, tmp_path: Path) -> Iterator[Operator]:
    with Operator(own_plane, tmp_path / "operator") as operator:
        yield operator


@pytest.fixture
def own_site(own_plane: ControlPlane, own_operator: Operator, server: NatsServer) -> Site:  # noqa: ARG001 - it makes the Hub work
    own_plane.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": "iot"}})
    return bring_up(User(own_plane.api, "iot"), server)


async def test_an_etcd_of_before_revives_nobody_and_new_signing_keys_end_whom_it_has_forgotten(
    own_site: Site, own_plane: ControlPlane, own_operator: Operator, tmp_path: Path
) -> None:
    user, url = own_site.user, own_site.url
    creds = own_site.ready_devices(["kept", "deleted-since"])
    own_operator.stop()
    own_plane.back_up(tmp_path / "backup")
    own_operator.start()
    user.delete("Device", "deleted-since")
    user.wait_gone("Device", "deleted-since")
    forgotten = own_site.ready_devices(["forgotten"])["forgotten"]
    assert await is_refused(url, creds["deleted-since"])

    async with connect_as(url, creds["kept"]) as device:
        own_operator.stop()
        own_plane.restore(tmp_path / "backup")
        own_operator.start()
        user.wait_ready("Hub", "plant")
        assert await device.may_publish("device.kept.telemetry"), "nobody notices"

    assert user.get("Device", "forgotten") is None
    assert await is_accepted(url, forgotten), "the cluster does not know of it, and NATS knows its signer"
    user.wait_ready("Device", "deleted-since")
    assert await is_refused(url, creds["deleted-since"]), "servers remember whom they refuse"
    await wait_until_async(lambda: off_the_loop(changed, user, "deleted-since", creds["deleted-since"]))
    await wait_accepted(url, user.creds("deleted-since"))
    assert await is_refused(url, creds["deleted-since"])
    user.delete("Device", "deleted-since")
    user.wait_gone("Device", "deleted-since")
    assert await is_refused(url, creds["deleted-since"])

    user.apply_hub("plant", [url], rotation=IMMEDIATE)
    user.annotate("Hub", "plant", {"iotsec.dev/rotate": "after the restore"})

    await wait_refused(url, forgotten)
    await wait_refused(url, creds["kept"])
    await wait_until_async(lambda: off_the_loop(changed, user, "kept", creds["kept"]))
    await wait_accepted(url, user.creds("kept"))


def changed(user: User, name: str, before: str) -> bool:
    return user.creds(name) != before


async def test_keys_restored_into_another_cluster_are_those_of_a_hub_that_is_named_as_their_owner(
    own_site: Site, own_operator: Operator
) -> None:
    user, url = own_site.user, own_site.url
    creds = own_site.ready_devices(["weather-01", "weather-02"])
    user.delete("Device", "weather-02")
    user.wait_gone("Device", "weather-02")
    backup = {name: user.wait_secret(name) for name in KEYS}
    own_operator.stop()
    lose_everything(user)

    hub = user.apply_hub("plant", [url])
    for name, data in backup.items():
        user.create("Secret", name, **owned(hub, name, data))
    own_operator.start()

    user.wait_ready("Hub", "plant")
    assert {name: user.wait_secret(name) for name in KEYS[:2]} == {name: backup[name] for name in KEYS[:2]}
    assert await is_accepted(url, creds["weather-01"]), "what devices have works on, with servers that were not touched"
    assert await is_refused(url, creds["weather-02"]), "who was cut off stays out"
    assert await is_accepted(url, own_site.ready_devices(["weather-01"])["weather-01"])


def lose_everything(user: User) -> None:
    """Every object of ours and every Secret, whatever holds them."""
    for kind in ("Device", "Hub", "Secret"):
        user.delete_all(kind)
        plural = f"{kind.lower()}s"
        base = "/api/v1" if kind == "Secret" else "/apis/iotsec.dev/v1alpha1"
        for thing in user.api.request("GET", f"{base}/namespaces/{user.namespace}/{plural}")["items"]:
            user.patch(kind, thing["metadata"]["name"], {"metadata": {"finalizers": None}})
            user.wait_gone(kind, thing["metadata"]["name"])


def owned(hub: dict[str, Any], name: str, data: dict[str, bytes]) -> dict[str, Any]:
    """A Secret of a Hub, as whoever restores it writes it."""
    owner = {k: hub[k] for k in ("apiVersion", "kind")} | {k: hub["metadata"][k] for k in ("name", "uid")}
    return {
        "metadata": {"name": name, "ownerReferences": [owner | {"controller": True}]},
        "data": {key: b64encode(value).decode() for key, value in data.items()},
    }


async def test_servers_that_all_lost_their_volumes_are_told_everything_again(own_site: Site) -> None:
    creds = own_site.ready_devices(["weather-01", "weather-02"])
    own_site.user.delete("Device", "weather-02")
    own_site.user.wait_gone("Device", "weather-02")

    own_site.server.stop()
    own_site.server.wipe()
    own_site.server.start()

    await wait_accepted(own_site.url, creds["weather-01"])
    assert await is_refused(own_site.url, creds["weather-02"])
