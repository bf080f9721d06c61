"""Whatever happens in whatever order while a CA is replaced: nobody is refused who should not be, and it ends.

AfterConvergence promises: as long as every device reads its Secret within ``distribute_for`` of its being written, each
certificate in use at a device or a server that has not ended is verified by everybody. AtExpiry promises the same, and
keeps the former root until it ends. Immediate promises neither, and no more can be had of a CA that ends before another
is ready: from then on nothing is asked for here until all is at rest.
"""

import random
from collections.abc import Callable

import pytest
from decide.trusting_world import CA_LIFE, DISTRIBUTE, LATE, SOURCE, World, new_ca, new_world

from iotsec.decide.authorities import Authorities, Phase, read_authorities
from iotsec.decide.ca_rotation import Pace, next_step, waits_for

Act = Callable[[World, int], None]
MOST_DEVICES = 5
ACTS = 400


def another_ca_is_wanted(world: World, _: int) -> None:
    world.replace_ca(new_ca(world.now))


def another_ca_is_wanted_in_peace(world: World, _: int) -> None:
    if world.state.phase is Phase.STEADY:
        world.replace_ca(new_ca(world.now))


def the_one_in_use_is_wanted_again(world: World, _: int) -> None:
    if world.state.phase is Phase.TRUST and world.state.signing.authority is not None:
        world.replace_ca(world.state.signing)


def a_former_one_is_wanted_again(world: World, _: int) -> None:
    former = [one for one in world.state.former if one.authority is not None]
    if former and world.state.phase is Phase.STEADY:
        world.replace_ca(former[-1])


def the_operator_looks(world: World, _: int) -> None:
    world.step()


def the_operator_looks_after_a_while(world: World, number: int) -> None:
    world.pass_time((DISTRIBUTE, DISTRIBUTE // 2, DISTRIBUTE - 1, 1, 1, 1)[number % 6])
    world.step()


def somebody_else_is_late(world: World, number: int) -> None:
    comes_late = world.late == "a Secret" and number % 2
    world.late = "a device" if comes_late else LATE[number % len(LATE)]


def everybody_else_gets_what_there_is(world: World, _: int) -> None:
    world.settle()


def the_servers_configuration_is_written(world: World, _: int) -> None:
    world.write_config()


def a_server_loads_it(world: World, number: int) -> None:
    world.servers[number % len(world.servers)] = world.written


def a_bundle_is_written(world: World, number: int) -> None:
    world.write_bundle(world.devices[number % len(world.devices)])


def a_secret_is_written(world: World, number: int) -> None:
    world.write_secret(world.devices[number % len(world.devices)])


def a_device_reads_its_secret(world: World, number: int) -> None:
    world.devices[number % len(world.devices)].read()


def a_device_is_new(world: World, _: int) -> None:
    if len(world.devices) < MOST_DEVICES:
        world.onboard()


def the_operator_is_killed(world: World, _: int) -> None:
    before = world.state
    world.crash()
    assert world.state == before


def the_operator_is_away_for_long(world: World, _: int) -> None:
    world.pass_time(CA_LIFE // 20)
    world.crash()


def the_clock_is_set_back(world: World, number: int) -> None:
    world.now -= number * DISTRIBUTE
    world.crash()


def a_key_is_lost(world: World, number: int) -> None:
    lost = world.state.generations[number % len(world.state.generations)]
    world.data.pop(f"{lost.number}.key", None)
    world.crash()


def former_ones_go_after_convergence(world: World, _: int) -> None:
    world.pace = Pace("AfterConvergence", DISTRIBUTE)


def former_ones_go_when_they_end(world: World, _: int) -> None:
    world.pace = Pace("AtExpiry", DISTRIBUTE)


def former_ones_go_at_once(world: World, _: int) -> None:
    world.pace = Pace("Immediate", DISTRIBUTE)


HOW_OFTEN: dict[Act, int] = {
    the_operator_looks_after_a_while: 10,
    everybody_else_gets_what_there_is: 15,
    somebody_else_is_late: 3,
    another_ca_is_wanted_in_peace: 5,
    the_operator_looks: 5,
    the_operator_is_killed: 3,
    former_ones_go_after_convergence: 6,
    former_ones_go_when_they_end: 2,
    a_former_one_is_wanted_again: 2,
    the_servers_configuration_is_written: 2,
    a_server_loads_it: 2,
    a_bundle_is_written: 2,
    a_secret_is_written: 2,
    a_device_reads_its_secret: 2,
    a_device_is_new: 1,
    another_ca_is_wanted: 1,
    the_one_in_use_is_wanted_again: 1,
    the_operator_is_away_for_long: 1,
    the_clock_is_set_back: 1,
    a_key_is_lost: 1,
    former_ones_go_at_once: 1,
}


@pytest.mark.parametrize("seed", range(40))
def test_nobody_is_refused_and_it_ends(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a simulation, the same each time
    world = new_world()
    for act in chance.choices(list(HOW_OFTEN), list(HOW_OFTEN.values()), k=ACTS):
        act(world, chance.randrange(8))
        check(world)
    it_ends(world)


def check(world: World) -> None:
    state = world.state
    if world.shut_out and world.is_settled():
        world.shut_out = False
    assert world.shut_out or list(world.refusals()) == []
    assert len(state.generations) - len(state.former) <= (2 if state.phase is Phase.TRUST else 1)
    told = waits_for(state, world.seen(), world.pace)
    assert bool(told) == (state.phase is not Phase.STEADY)


def it_ends(world: World) -> None:
    """Everybody does his part from now on, and the operator looks when something happened or it is time to."""
    former_ones_go_after_convergence(world, 0)
    world.late, world.now = "nobody", world.real
    world.crash()
    for _ in range(20):
        if world.state.newest.authority is None:
            world.replace_ca(new_ca(world.now))
        before: Authorities | None = None
        while before != world.state:
            before = world.state
            world.settle()
            world.step()
            check(world)
        at = next_step(world.state, world.pace, now=world.now)
        if at is None:
            break
        world.pass_time(at - world.now)
    assert world.is_settled()
    assert [one.source for one in world.state.generations] == [SOURCE]
    assert read_authorities(world.data, now=world.now) == world.state
