"""A hundred thousand identity-years of rotations, with restarts, outages and long downtimes, in seconds.

The operator of this world drives the real functions and remembers nothing across a restart but what was issued. Time
jumps from event to event. The rules are checked against what the world saw, not against the functions themselves.
"""

import heapq
import random
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field

import pytest

from iotsec.decide.pacing import Pacing
from iotsec.decide.rotation import Life, Policy, overlap_end, turn
from iotsec.decide.windows import Window

START = 1_800_000_000 // 86400 * 86400
HOUR = 3600
DAY = 24 * HOUR
YEAR = 365 * DAY
YEARS = 20
IDENTITIES = 5000
RATE = 2  # writes per second, few, so that the budget is felt
WRITES = 2  # of one rotation
RETRY = 60
A_FEW = 100  # at most are looked at each time, else each hundredth time, where a look takes long
RESERVE = 60  # seconds before a deadline, from which on the budget counts no more
NIGHT = Window("0 2 * * *", 3 * HOUR)  # UTC, so that the test knows by itself when it is open
NEVER_IN_TIME = Window("0 2 1 1 *", 3 * HOUR)

POLICIES = (
    Policy(YEAR, renew_before_percentage=34),
    Policy(YEAR, renew_before=100 * DAY, overlap=DAY),
    Policy(YEAR, renew_before=90 * DAY, overlap=7 * DAY, windows=(NIGHT,)),
    Policy(5 * YEAR, overlap=0),
    Policy(90 * DAY, renew_before=30 * DAY, overlap=HOUR, windows=(NIGHT,)),
    Policy(90 * DAY, renew_before=10 * DAY, overlap=HOUR, windows=(NEVER_IN_TIME,)),
    Policy(30 * DAY, renew_before=10 * DAY),
)
SHARES = (35, 25, 20, 15, 2, 2, 1)  # per cent of the identities


class Spans:
    """Times in which something is down."""

    def __init__(self, spans: list[tuple[int, int]]) -> None:
        self.spans: list[tuple[int, int]] = []
        for start, end in sorted(spans):
            if self.spans and start <= self.spans[-1][1]:
                self.spans[-1] = (self.spans[-1][0], max(end, self.spans[-1][1]))
            else:
                self.spans.append((start, end))
        self._starts = [start for start, _ in self.spans]

    def covers(self, at: float) -> bool:
        index = bisect_right(self._starts, at) - 1
        return index >= 0 and at < self.spans[index][1]

    def up_between(self, start: float, end: float) -> float:
        """Seconds from start to end that are in no span."""
        first, last = max(0, bisect_right(self._starts, start) - 1), bisect_right(self._starts, end)
        down = sum(max(0.0, min(end, e) - max(start, s)) for s, e in self.spans[first:last])
        return max(0.0, end - start) - down


@dataclass(slots=True)
class Identity:
    """One credential with its key, as the world sees it."""

    name: str
    policy: Policy
    life: Life
    told: int = 0  # when the engine said that it is due
    missed: bool = False  # whether it said that windows are missed
    keys: list[tuple[int, int]] = field(default_factory=list)  # (superseded at, works until) of former keys


@dataclass(slots=True)
class World:
    """Identities, what fails when, and an operator."""

    identities: list[Identity]
    downtimes: Spans
    outages: Spans
    dead: Spans  # the two together
    pacing: Pacing[int] = field(default_factory=lambda: Pacing(RATE, reserve=RESERVE))
    events: list[tuple[float, int]] = field(default_factory=list)  # an identity's number, or one of the below
    waiting: dict[int, float] = field(default_factory=dict)  # deadlines
    made: deque[tuple[float, int]] = field(default_factory=deque)
    rung: float = float("inf")
    rotations: int = 0
    missed: int = 0
    over_budget: int = 0
    expired: int = 0


PACE, STOP, BEGIN, RECOVER = -1, -2, -3, -4


def make_world(seed: int) -> World:
    chance = random.Random(seed)  # noqa: S311 - a simulation, the same each time
    end = START + YEARS * YEAR
    downtimes = [(at, at + chance.randint(10, 600)) for at in (chance.randrange(START, end) for _ in range(30))]
    downtimes += [(at, at + chance.randint(1, 60) * DAY) for at in (chance.randrange(START, end) for _ in range(20))]
    outages = [(at, at + chance.randint(60, 4 * HOUR)) for at in (chance.randrange(START, end) for _ in range(300))]
    identities = []
    for number, policy in enumerate(chance.choices(POLICIES, SHARES, k=IDENTITIES)):
        age = chance.randrange(policy.duration // 2)
        identities.append(Identity(f"uid-{number}", policy, Life(START - age, START - age + policy.duration)))
    return World(identities, Spans(downtimes), Spans(outages), Spans(downtimes + outages))


def play(world: World) -> None:
    end = START + YEARS * YEAR
    for down, up in world.downtimes.spans:
        world.events += [(down, STOP), (up, BEGIN)]
    world.events += [(up, RECOVER) for _, up in world.outages.spans]
    heapq.heapify(world.events)
    begin(world, START)
    while world.events and world.events[0][0] < end:
        now, what = heapq.heappop(world.events)
        if what == BEGIN:
            begin(world, now)
        elif world.downtimes.covers(now):
            if what == STOP:
                stop(world)
        elif what == RECOVER:
            world.pacing.spent(now, 5)  # somebody else has work that cannot wait
            world.made.append((now, 5))
        elif what == PACE:
            world.rung = float("inf")
            let_go(world, now)
        elif what >= 0:
            wake(world, what, now)


def stop(world: World) -> None:
    """The operator ends, and everything it had in mind."""
    world.events = [event for event in world.events if event[1] in {BEGIN, STOP, RECOVER}]
    heapq.heapify(world.events)
    world.pacing = Pacing(RATE, reserve=RESERVE)
    world.waiting.clear()
    world.made.clear()
    world.rung = float("inf")


def begin(world: World, now: float) -> None:
    for number, identity in enumerate(world.identities):
        told = identity.told
        wake(world, number, now)
        assert told in {0, identity.told} or told < now, "a restart changed a time that had not come"


def wake(world: World, number: int, now: float) -> None:
    identity = world.identities[number]
    moment = turn(identity.life, identity.policy, salt=identity.name, now=int(now))
    assert not (identity.told == now and moment.due > now), "due, and then not due"
    identity.told, identity.missed = moment.due, moment.window_missed
    if not identity.policy.windows:
        latest = identity.life.expires_at - identity.policy.before_end(identity.policy.duration)
        assert moment.due <= latest, "jitter made it later"
    if moment.due > now:
        heapq.heappush(world.events, (moment.due, number))
    else:
        world.pacing.wait(number, deadline=moment.deadline, writes=WRITES)
        world.waiting[number] = moment.deadline
        ring(world, now)


def ring(world: World, now: float) -> None:
    at = world.pacing.next_go(now)
    if at is not None and at < world.rung:
        world.rung = max(at, now)
        heapq.heappush(world.events, (world.rung, PACE))


def let_go(world: World, now: float) -> None:
    gone = world.pacing.go(now)
    check_budget(world, gone, now)
    for number in gone:
        del world.waiting[number]
        identity = world.identities[number]
        moment = turn(identity.life, identity.policy, salt=identity.name, now=int(now))
        if moment.due > now:  # the window closed while it waited
            identity.told = moment.due
            heapq.heappush(world.events, (moment.due, number))
        elif world.outages.covers(now):
            identity.told = moment.due
            heapq.heappush(world.events, (now + RETRY, number))
        else:
            identity.missed = moment.window_missed
            rotate(world, identity, int(now), moment.deadline)
            wake(world, number, now)
    ring(world, now)


def check_budget(world: World, gone: list[int], now: float) -> None:
    """More writes than the budget in a second only where waiting any longer would have been too long."""
    while world.made and world.made[0][0] <= now - 0.999999:
        world.made.popleft()
    for _ in gone:
        world.made.append((now, WRITES))
        if sum(writes for _, writes in world.made) > RATE:
            world.over_budget += 1
            assert must(world, now), "over the budget without need"
    # The earliest deadline first: nobody is left behind by somebody who had more time.
    if gone and (len(world.waiting) < A_FEW or world.rotations % A_FEW == 0):
        last = max(world.waiting[number] for number in gone)
        assert all(last <= deadline for number, deadline in world.waiting.items() if number not in gone), "overtaken"


def must(world: World, now: float) -> bool:
    """Whether the budget alone would let something go too late, as seen from a second ago."""
    return any(
        ahead * WRITES >= RATE * 0.98 * (deadline - RESERVE - now)
        for ahead, deadline in enumerate(sorted(world.waiting.values()), 1)
    )


def rotate(world: World, identity: Identity, now: int, deadline: int) -> None:
    policy, before = identity.policy, identity.life
    world.rotations += 1
    world.missed += identity.missed
    if now > deadline - RESERVE + 2 * RETRY:
        possible = world.dead.up_between(deadline - RESERVE, now)
        assert possible <= 2 * RETRY, "it was possible before the deadline"
        world.expired += now >= before.expires_at
    if not policy.windows:
        waited = world.dead.up_between(identity.told, now)
        assert waited <= IDENTITIES * WRITES / RATE + 2 * RETRY, "waited for longer than the budget makes it"
    if policy.windows == (NIGHT,):
        assert 2 * HOUR <= now % DAY < 5 * HOUR or identity.missed, "outside the window without a word"
        assert not identity.missed or world.dead.up_between(now - 3 * DAY, now) < 3 * DAY, "missed without need"
    identity.keys = [(at, until) for at, until in identity.keys if until > now]
    identity.keys.append((now, overlap_end(expires_at=before.expires_at, overlap=policy.overlap, now=now)))
    identity.life = Life(now, now + policy.duration)
    identity.told = 0
    for superseded, until in identity.keys:
        if policy.overlap is not None:
            assert until <= superseded + policy.overlap, "a former key outlives its overlap"
    assert identity.keys[-1][1] <= max(now, before.expires_at) or before.expires_at <= now, "a key outlives its JWT"
    assert sum(until > now for _, until in identity.keys) <= 1, "more than two live keys"


@pytest.fixture(scope="module")
def world() -> World:
    made = make_world(seed=4)
    play(made)
    return made


def test_a_hundred_thousand_identity_years_break_no_rule(world: World) -> None:
    assert IDENTITIES * YEARS >= 100_000
    assert world.rotations > 100_000


def test_the_years_had_everything_in_them(world: World) -> None:
    assert world.missed > 100  # windows that never open in time
    assert world.over_budget > 10  # downtimes after which too much had to be done at once
    assert world.expired > 10  # downtimes longer than a credential had left


def test_at_the_end_nothing_is_expired(world: World) -> None:
    end = START + YEARS * YEAR
    possible = not world.dead.covers(end - HOUR)

    assert possible
    assert [i.name for i in world.identities if i.life.expires_at <= end] == []
