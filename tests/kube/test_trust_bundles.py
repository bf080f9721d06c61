"""ConfigMaps with trust bundles on a real API server, by the operator's own rights and no more."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from kube.api_client import api_client

from iotsec.decide import names
from iotsec.decide.trust_bundles import TRUST_BUNDLES
from iotsec.kube.client import Client
from iotsec.kube.informer import Informer
from iotsec.kube.keys import Key
from iotsec.kube.placements import Placements
from iotsec.kube.resources import CONFIG_MAPS, Selection
from testbed.control_plane import ControlPlane
from testbed.operator import SERVICE_ACCOUNT
from testbed.user import Object, User
from testbed.waiting import until

RBAC = Path(__file__).parents[2] / "manifests" / "rbac.yaml"
NAME = "plant-ca-bundle"
OLD, NEW = b"-----BEGIN CERTIFICATE-----\nold\n", b"-----BEGIN CERTIFICATE-----\nold\nnew\n"


class Desk:
    """Trust bundles that are kept told by a watch, and what changed in others' hands."""

    def __init__(self, client: Client, hub: Key) -> None:
        self.hub = hub
        self.writes = 0
        self.touched: list[Key] = []
        self.bundles = Placements(client, TRUST_BUNDLES, CONFIG_MAPS, changed=self.touched.append)
        self.informer = Informer(
            client,
            Selection(CONFIG_MAPS, labels=self.bundles.labels),
            upsert=self.bundles.upsert,
            gone=self.bundles.gone,
            metadata_only=True,
        )

    async def keep(self, *users: User, bundle: bytes = OLD, key: str = "ca.crt", name: str = NAME) -> tuple[str, ...]:
        """Have the bundle in the namespaces of these users and nowhere else."""
        wanted = {(user.namespace, name): {key: bundle.decode()} for user in users}
        return tuple((await self.bundles.keep(self.hub, wanted)).values())

    async def keep_when_touched(self, *users: User) -> None:
        """Do as the Hub's worker does when it is told that somebody touched one."""
        await until(lambda: self.hub in self.touched)
        self.touched.clear()
        await self.keep(*users)


@asynccontextmanager
async def desk_at(kubeconfig: Path, hub: Key) -> AsyncIterator[Desk]:
    """A desk that works; at the end it is gone as an operator is that was killed."""
    desks: list[Desk] = []

    async def count() -> None:
        desks[0].writes += 1

    async with api_client(kubeconfig, sending=count) as client:
        desks.append(Desk(client, hub))
        watch = asyncio.create_task(desks[0].informer.run())
        try:
            await desks[0].informer.synced.wait()
            desks[0].touched.clear()
            yield desks[0]
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch


@contextmanager
def new_namespace(plane: ControlPlane, name: str) -> Iterator[User]:
    plane.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    try:
        yield User(plane.api, name)
    finally:
        plane.api.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def kubeconfig(control_plane: ControlPlane) -> Path:
    """The operator's own."""
    control_plane.apply(RBAC)
    return control_plane.kubeconfig_for(SERVICE_ACCOUNT)


@pytest.fixture
def hub(namespace: str) -> Key:
    return Key("Hub", namespace, "plant")


@pytest.fixture
def users(control_plane: ControlPlane, namespace: str) -> Iterator[tuple[User, User]]:
    with ExitStack() as stack:
        a, b = (stack.enter_context(new_namespace(control_plane, f"{namespace}-{letter}")) for letter in "ab")
        yield a, b


@pytest.fixture
async def desk(kubeconfig: Path, hub: Key) -> AsyncIterator[Desk]:
    async with desk_at(kubeconfig, hub) as desk:
        yield desk


def config_map(user: User, name: str = NAME) -> Object:
    found = user.get("ConfigMap", name)
    assert found is not None
    return found


def bundle_of(user: User, key: str = "ca.crt", name: str = NAME) -> str:
    found: str = config_map(user, name)["data"][key]
    return found


async def test_every_namespace_has_the_bundle_and_the_next_one_with_one_write_each(
    desk: Desk, users: tuple[User, User]
) -> None:
    assert await desk.keep(*users) == ()
    assert [bundle_of(user) for user in users] == [OLD.decode()] * 2

    desk.writes = 0
    await desk.keep(*users, bundle=NEW)
    await desk.keep(*users, bundle=NEW)

    assert [bundle_of(user) for user in users] == [NEW.decode()] * 2
    assert desk.writes == 2
    assert "ownerReferences" not in config_map(users[0])["metadata"]


async def test_a_bundle_leaves_a_namespace_that_is_no_longer_meant_and_goes_with_its_hub(
    desk: Desk, users: tuple[User, User]
) -> None:
    stays, leaves = users
    await desk.keep(*users)

    await desk.keep(stays)
    assert bundle_of(stays)
    assert leaves.get("ConfigMap", NAME) is None

    await desk.bundles.keep(desk.hub, {})
    assert stays.get("ConfigMap", NAME) is None


async def test_another_name_or_key_leaves_nothing_of_the_former_one(desk: Desk, users: tuple[User, User]) -> None:
    user, _ = users
    await desk.keep(user)

    await desk.keep(user, key="root.pem")
    assert config_map(user)["data"] == {"root.pem": OLD.decode()}

    await desk.keep(user, key="root.pem", name="other")
    assert user.get("ConfigMap", NAME) is None
    assert bundle_of(user, "root.pem", "other") == OLD.decode()


@pytest.mark.parametrize(
    "harm",
    [
        lambda user: user.patch("ConfigMap", NAME, {"data": {"ca.crt": "a CA of mine"}}),
        lambda user: user.patch("ConfigMap", NAME, {"data": None}),
        lambda user: user.patch("ConfigMap", NAME, {"metadata": {"annotations": None}, "data": {"ca.crt": "mine"}}),
        lambda user: user.patch("ConfigMap", NAME, {"metadata": {"labels": None}, "data": {"ca.crt": "mine"}}),
        lambda user: user.annotate("ConfigMap", NAME, {names.HUB: "iot/another"}),
        lambda user: user.delete("ConfigMap", NAME),
    ],
    ids=["another bundle", "none", "unmarked", "unlabelled", "given away", "deleted"],
)
async def test_a_harmed_bundle_is_as_it_was(
    desk: Desk, users: tuple[User, User], harm: Callable[[User], object]
) -> None:
    user, other = users
    await desk.keep(*users)
    before = config_map(user)
    untouched = config_map(other)["metadata"]["resourceVersion"]
    desk.touched.clear()

    harm(user)
    await desk.keep_when_touched(*users)

    after = config_map(user)
    assert after["data"] == before["data"]
    for marks in ("labels", "annotations"):
        assert after["metadata"][marks] == before["metadata"][marks]
    assert config_map(other)["metadata"]["resourceVersion"] == untouched


async def test_what_others_add_stays(desk: Desk, users: tuple[User, User]) -> None:
    user, _ = users
    await desk.keep(user)

    user.patch("ConfigMap", NAME, {"metadata": {"labels": {"team": "x"}}, "data": {"notes": "ours"}})
    await desk.keep_when_touched(user)
    await desk.keep(user, bundle=NEW)

    assert config_map(user)["data"] == {"ca.crt": NEW.decode(), "notes": "ours"}
    assert config_map(user)["metadata"]["labels"]["team"] == "x"


async def test_a_stranger_in_the_way_is_named_and_left_alone_and_holds_nobody_up(
    desk: Desk, users: tuple[User, User]
) -> None:
    user, other = users
    user.create("ConfigMap", NAME, data={"ca.crt": "of a service mesh"})

    problems = [await desk.keep(*users) for _ in range(3)]

    why = f"ConfigMap {user.namespace}/{NAME} exists and is not ours: delete it"
    assert all(len(found) == 1 and found[0].startswith(why) for found in problems)
    assert bundle_of(user) == "of a service mesh"
    assert bundle_of(other) == OLD.decode()
    assert desk.writes == 2, "it is not tried again at once"


async def test_two_hubs_of_one_name_do_not_fight_over_a_config_map(
    kubeconfig: Path, desk: Desk, users: tuple[User, User]
) -> None:
    user, _ = users
    await desk.keep(user)
    async with desk_at(kubeconfig, Key("Hub", users[1].namespace, "plant")) as other:
        (why,) = await other.keep(user, bundle=NEW)
        await other.bundles.keep(other.hub, {})

    assert f"is that of Hub {desk.hub.namespace}/plant" in why
    assert bundle_of(user) == OLD.decode()


async def test_one_that_cannot_be_changed_is_named_with_the_api_servers_words(
    desk: Desk, users: tuple[User, User]
) -> None:
    user, other = users
    await desk.keep(*users)
    user.patch("ConfigMap", NAME, {"immutable": True})

    (why,) = await desk.keep(*users, bundle=NEW)

    assert "immutable" in why
    assert bundle_of(other) == NEW.decode()


async def test_a_namespace_that_is_gone_holds_nobody_up(desk: Desk, users: tuple[User, User]) -> None:
    user, _ = users
    gone = User(user.api, "never-was")

    (why,) = await desk.keep(user, gone)

    assert 'namespaces "never-was" not found' in why
    assert bundle_of(user) == OLD.decode()


async def test_a_namespace_that_is_going_is_no_trouble(
    control_plane: ControlPlane, desk: Desk, namespace: str, users: tuple[User, User]
) -> None:
    other, _ = users
    with new_namespace(control_plane, f"{namespace}-going") as user:
        await desk.keep(user, other)
        held = {"metadata": {"name": "held", "finalizers": ["example.com/held"]}}
        user.create("ConfigMap", "held", **held)
        desk.touched.clear()  # our own writes may have been seen before they were answered
        control_plane.api.request("DELETE", f"/api/v1/namespaces/{user.namespace}")
        await until(lambda: user.get("ConfigMap", NAME) is None, within=30)
        await until(lambda: desk.hub in desk.touched, within=30)

        assert await desk.keep(user, other, bundle=NEW) == ()

        assert bundle_of(other) == NEW.decode()
        user.patch("ConfigMap", "held", {"metadata": {"finalizers": None}})


async def test_a_restart_writes_nothing_that_is_so_and_finds_what_was_left(
    kubeconfig: Path, hub: Key, users: tuple[User, User]
) -> None:
    user, other = users
    async with desk_at(kubeconfig, hub) as desk:
        await desk.keep(*users)
    harmed: dict[str, Any] = {"data": {"ca.crt": "a CA of mine"}}
    other.patch("ConfigMap", NAME, harmed)

    async with desk_at(kubeconfig, hub) as desk:
        assert desk.hub in desk.bundles.hubs()
        await desk.keep(*users)

        assert (desk.writes, bundle_of(other)) == (1, OLD.decode())
        await desk.bundles.keep(desk.hub, {})
    assert (user.get("ConfigMap", NAME), other.get("ConfigMap", NAME)) == (None, None)
