"""Servers and devices that trust the CAs of one Hub, each at its own pace, and an operator that replaces them.

What is checked is what they really have, not what the functions say of themselves.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from x509.pki import P256, serial

from iotsec.decide.authorities import Authorities, Generation, Phase, first, of_authority, read_authorities
from iotsec.decide.ca_rotation import Convergence, Pace, advanced, begin, may_begin
from iotsec.x509.authority import self_signed
from iotsec.x509.bundle import separate
from iotsec.x509.keys import generate

START = 1_790_000_000
DISTRIBUTE = 100
CA_LIFE = 100_000
SOURCE = "selfSigned/ECDSA 256"
SERVERS = 2
LATE = ("nobody", "a server", "the configuration", "a Secret", "a device")


def new_ca(now: int, *, life: int = CA_LIFE, source: str = SOURCE) -> Generation:
    authority = self_signed("plant CA", generate(P256), serial=serial(), issued_at=now - 60, expires_at=now + life)
    return of_authority(authority, source)


@dataclass(frozen=True, slots=True)
class Certificate:
    """Whose certificate it is, as whoever verifies it sees it."""

    root: bytes
    generation: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class Held:
    """Whom somebody trusts, and what he shows; nothing where nobody could sign for him yet."""

    roots: frozenset[bytes]
    shows: Certificate | None


@dataclass(slots=True)
class Device:
    """A Secret, and the device that reads it within the time it is given."""

    secret: Held
    has: Held
    unread_since: int | None = None

    def write(self, held: Held, at: int) -> None:
        if held != self.secret:
            self.secret = held
            self.unread_since = at if self.unread_since is None else self.unread_since

    def read(self) -> None:
        self.has, self.unread_since = self.secret, None


@dataclass(slots=True)
class World:
    """One Hub; ``now`` is the operator's clock, ``real`` is everybody's."""

    state: Authorities
    now: int = START
    real: int = START
    pace: Pace = field(default_factory=lambda: Pace(distribute_for=DISTRIBUTE))
    written: Held = field(init=False)
    servers: list[Held] = field(init=False)
    devices: list[Device] = field(default_factory=list)
    data: dict[str, bytes] = field(init=False, repr=False)
    late: str = "nobody"
    """Who of `LATE` gets nothing for a while."""
    shut_out: bool = False
    """Somebody is refused for a reason: a CA is distrusted at once, or ended before another was ready."""

    def __post_init__(self) -> None:
        self.data = self.state.to_data()
        self.written = self.wanted(None)
        self.servers = [self.written] * SERVERS

    @property
    def roots(self) -> frozenset[bytes]:
        return frozenset(separate(self.state.bundle))

    def wanted(self, shown: Certificate | None) -> Held:
        """What the operator would write for somebody who shows this: what cannot be signed stays as it is."""
        signing = self.state.signing
        if signing.authority is None or (shown is not None and shown.generation == signing.id):
            return Held(self.roots, shown)
        return Held(self.roots, Certificate(signing.root, signing.id, signing.expires_at))

    def seen(self) -> Convergence:
        roots, signing = self.roots, self.state.signing.id
        up_to_date = self.written.roots == roots and all(server == self.written for server in self.servers)
        shown = [self.written.shows, *(device.secret.shows for device in self.devices)]
        return Convergence(
            "" if up_to_date else "not on every server yet",
            bundles_behind=sum(device.secret.roots != roots for device in self.devices),
            certificates_behind=sum(one is not None and one.generation != signing for one in shown),
        )

    def keep(self, state: Authorities) -> None:
        """Write the state down before anything relies on it."""
        ended = self.now >= self.state.signing.expires_at
        self.shut_out |= state != self.state and (ended or self.pace.retire == "Immediate")
        self.state, self.data = state, state.to_data()

    def step(self) -> None:
        self.keep(advanced(self.state, self.seen(), self.pace, now=self.now))

    def crash(self) -> None:
        """The operator ends, and all that it had in mind."""
        self.state = read_authorities(self.data, now=self.now)

    def replace_ca(self, successor: Generation) -> bool:
        if may_begin(self.state, self.pace):
            self.keep(begin(self.state, successor, self.pace, now=self.now))
            return True
        return False

    def write_config(self) -> None:
        self.written = self.wanted(self.written.shows)

    def write_secret(self, device: Device) -> None:
        device.write(self.wanted(device.secret.shows), self.real)

    def write_bundle(self, device: Device) -> None:
        device.write(replace(device.secret, roots=self.roots), self.real)

    def onboard(self) -> None:
        held = self.wanted(None)
        self.devices.append(Device(held, held))

    def pass_time(self, seconds: int) -> None:
        """Let time pass; whoever was given time to read his Secret has read it by then."""
        self.now, self.real = self.now + seconds, self.real + seconds
        for device in self.devices:
            if device.unread_since is not None and device.unread_since + DISTRIBUTE <= self.real:
                device.read()

    def settle(self) -> None:
        """Let everybody get what there is for him, but who is late."""
        if self.late != "the configuration":
            self.write_config()
        self.servers = [self.servers[0] if self.late == "a server" else self.written, *[self.written] * (SERVERS - 1)]
        for device in self.devices:
            is_late = device is self.devices[0]
            if not (is_late and self.late == "a Secret"):
                self.write_secret(device)
            if not (is_late and self.late == "a device"):
                device.read()

    def refusals(self) -> Iterator[str]:
        """Tell which handshakes fail now, of those that should not: what has ended is refused by anybody."""
        for device in self.devices:
            for what, held in (("device", device.has), ("its Secret", device.secret)):
                for server in self.servers:
                    yield from self._refused(server.shows, by=held.roots, which=f"a server by a {what}")
                    yield from self._refused(held.shows, by=server.roots, which=f"a {what} by a server")
        for server in self.servers:
            for other in self.servers:
                yield from self._refused(server.shows, by=other.roots, which="a server by a server")

    def is_settled(self) -> bool:
        seen = self.seen()
        everywhere = not (seen.servers or seen.bundles_behind or seen.certificates_behind)
        return self.state.phase is Phase.STEADY and everywhere and all(d.has == d.secret for d in self.devices)

    def _refused(self, shown: Certificate | None, *, by: frozenset[bytes], which: str) -> Iterator[str]:
        if shown is not None and shown.expires_at > self.real and shown.root not in by:
            yield f"{which}, in {self.state.phase}"


def new_world(*, devices: int = 2) -> World:
    world = World(first(new_ca(START), now=START))
    for _ in range(devices):
        world.onboard()
    return world
