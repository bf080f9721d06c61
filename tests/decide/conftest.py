"""A world for each test."""

import pytest
from decide.world import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def issued(world: World) -> World:
    """A world whose Device has its credential, accepted by every server."""
    world.settle()
    return world
