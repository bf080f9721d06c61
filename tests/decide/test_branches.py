"""Nobody gets by a choice of id what a role of another name is for."""

from decide.world import World, ready

TELEMETRY = {"name": "telemetry", "publish": {"allow": ["readings.{id}"]}}


def test_an_id_that_begins_the_subjects_of_a_role_is_refused_where_it_would_open_them(world: World) -> None:
    world.hub["roles"] = [TELEMETRY]
    world.change(deviceId="readings")  # a device subscribes {id}.>

    world.settle()

    assert ready(world.status) == ("False", "InvalidId")
    assert "role telemetry" in world.status["conditions"][0]["message"]
    assert world.secrets.objects == {}


def test_the_same_id_is_fine_where_it_opens_nothing(world: World) -> None:
    world.hub["roles"] = [TELEMETRY]
    world.change(deviceId="readings", role="client-standard")

    world.settle()

    assert ready(world.status) == ("True", "Issued")


def test_permissions_of_its_own_open_nothing_either(world: World) -> None:
    world.hub["roles"] = [TELEMETRY]
    own = {"subscribe": {"allow": ["{id}.>"]}}
    world.change(deviceId="readings", role="client-standard", permissions=own)

    world.settle()

    assert ready(world.status) == ("False", "InvalidId")
