"""The stages of the example for Kustomize: built by kustomize, brought up, and left alone by who applies them again."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from fleet.conftest import ROOT, new_namespace
from fleet.encrypted import client_context
from fleet.gitops_tool import ARGO_CD, FLUX, MARKS, GitOpsTool, by_name, children, everything, overlay

from testbed.clients import is_accepted
from testbed.control_plane import ControlPlane
from testbed.kubelet import Kubelet
from testbed.nats_server import NatsServer
from testbed.operator import Operator
from testbed.user import Object, User
from testbed.waiting import wait_until

OVERLAYS = ROOT / "examples" / "kustomize" / "overlays"
STAGES = ("dev", "stage", "prod")
ROUNDS = 10


@dataclass(frozen=True)
class Stage:
    """A stage that is up, and what was applied for it."""

    user: User
    server: NatsServer
    things: list[Object]

    def wait_ready(self) -> None:
        """Wait until all of it works."""
        for thing in self.things:
            self.user.wait_ready(thing["kind"], thing["metadata"]["name"], within=60)


@pytest.fixture(scope="module", params=STAGES)
def stage(
    request: pytest.FixtureRequest,
    operator: Operator,  # noqa: ARG001 - it makes the stage work
    plane: ControlPlane,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stage]:
    """Applied as Argo CD applies it."""
    directory = tmp_path_factory.mktemp(request.param)
    with new_namespace(plane) as user, NatsServer(directory / "nats", interval="2s") as server:
        things = overlay(
            OVERLAYS / request.param, directory / "overlay", namespace=user.namespace, servers=[server.url]
        )
        ARGO_CD.apply(user, things)
        user.wait_for("Secret", "plant-nats-config", lambda s: any(n.endswith(".key") for n in s["data"]))
        server.mount(user.wait_secret("plant-nats-config"))
        server.start()
        with Kubelet(user, "plant-nats-config", [server]):
            stage = Stage(user, server, things)
            stage.wait_ready()
            yield stage


def settle(stage: Stage, number: int) -> None:
    """Wait until the operator has seen to all that was done before: a Device that comes later works by then."""
    stage.user.apply_device(f"later-{number}")
    stage.user.wait_ready("Device", f"later-{number}")
    stage.wait_ready()


async def test_its_devices_connect_as_strictly_as_it_says(stage: Stage, tmp_path: Path) -> None:
    (policy,) = (thing for thing in stage.things if thing["kind"] == "TLSPolicy")
    mutual = policy["spec"]["mode"] == "Mutual"
    secret = stage.user.wait_secret("weather-01-device-creds")
    pair = stage.user.wait_secret("weather-01-device-tls") if mutual else None

    context = client_context(secret["ca.crt"], pair, directory=tmp_path)

    assert await is_accepted(stage.server.url, secret["nats.creds"].decode(), tls=context)
    bare = client_context(secret["ca.crt"])
    assert await is_accepted(stage.server.url, secret["nats.creds"].decode(), tls=bare) is not mutual


def test_marks_of_tools_reach_nothing_that_the_operator_makes(stage: Stage) -> None:
    FLUX.apply(stage.user, stage.things)
    settle(stage, 0)

    found = children(stage.user)

    assert {"secrets", "configmaps"} & {thing["kind"] for thing in found}
    for thing in found:
        metadata = thing["metadata"]
        keys = (metadata.get("labels") or {}).keys() | (metadata.get("annotations") or {}).keys()
        assert [key for key in keys if key.startswith(MARKS)] == []


def test_applied_again_it_is_as_it_was(stage: Stage) -> None:
    for tool in (ARGO_CD, FLUX, ARGO_CD):
        before = by_name(tool.apply(stage.user, stage.things), lambda thing: thing["metadata"]["generation"])
        settle(stage, 1)

        wait_until(partial(writes_nothing, tool, stage), what="nothing is written")
        after = by_name(everything(stage.user, stage.things), lambda thing: thing["metadata"]["generation"])
        assert after == before


def writes_nothing(tool: GitOpsTool, stage: Stage) -> bool:
    """Whether not one object is another one after it; its status may have changed just then."""
    was = by_name(everything(stage.user, stage.things), version)
    return by_name(tool.apply(stage.user, stage.things), version) == was


def version(thing: Object) -> str:
    return str(thing["metadata"]["resourceVersion"])


def wanted(thing: Object) -> tuple[Object, int, list[Object]]:
    """What is in Git, as it is in the cluster, and which fields of it whoever applied it has."""
    metadata = thing["metadata"]
    owned = [entry["fieldsV1"] for entry in metadata["managedFields"] if entry["manager"] == ARGO_CD.manager]
    return thing["spec"], metadata["generation"], owned


def test_ten_reconciles_change_no_spec_and_nothing_that_was_made(stage: Stage, operator: Operator) -> None:
    settle(stage, 2)
    specs, made = by_name(everything(stage.user, stage.things), wanted), by_name(children(stage.user), version)
    assert len(made) > len(stage.things)

    for number in range(ROUNDS):
        for thing in stage.things:
            kind, name = thing["kind"], thing["metadata"]["name"]
            stage.user.annotate(kind, name, {"example.com/touched": str(number)})
            if number % 3 == 1:
                stage.user.patch(kind, name, {"status": {"conditions": []}}, subresource="status")
        if number % 3 == 2:
            operator.stop()
            operator.start()
        settle(stage, 2)

    assert by_name(everything(stage.user, stage.things), wanted) == specs
    after = by_name(children(stage.user), version)
    assert {name: after[name] for name in made} == made
