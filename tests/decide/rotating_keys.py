"""A Hub's signing keys, and a world that follows as soon as it is told."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from decide.key_material import numbered_entropy

from iotsec.decide import trust
from iotsec.decide.key_rotation import KeyPolicy, Signers, Standing, Step, Tally, next_keys
from iotsec.decide.seeds import TrustSeeds, completed, generations
from iotsec.decide.trust import TrustRoot

NOW = 1_800_000_000
DAY = 86_400
ROLES = {"iot": ("device", "module"), "mir": ("device",)}
DEVICE, MODULE = "account.iot.role.device", "account.iot.role.module"
ROTATE = "iotsec.dev/rotate"
ROTATE_DEVICE = "rotate.iotsec.dev/device"


@dataclass
class Keys:
    """The keys, what the servers know of them, and who uses which."""

    entropy: Iterator[bytes] = field(default_factory=numbered_entropy)
    now: int = NOW
    policy: KeyPolicy = field(default_factory=KeyPolicy)
    asked: dict[str, str] = field(default_factory=dict)
    live: dict[str, int] = field(default_factory=dict)
    identities: dict[str, int] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    connected_by: str = ""

    def __post_init__(self) -> None:
        self.seeds = completed(TrustSeeds({}, {}), roles=ROLES, entropy=self.random, now=NOW)
        self.publish()
        self.connected_by = self.trust.system_signing[0].public

    def random(self) -> bytes:
        return next(self.entropy)

    @property
    def trust(self) -> TrustRoot:
        return trust.trust_root(self.seeds, roles=ROLES)

    @property
    def signers(self) -> Signers:
        return Signers(self.trust.system_signing, self.trust.accounts)

    def publics(self, name: str) -> list[str]:
        """The public keys of a name, the oldest first."""
        root = self.trust
        if name == "system":
            return [key.public for key in root.system_signing]
        _, account, *role = name.split(".")
        keys = root.accounts[account]
        return [key.public for key in (keys.scoped[role[1]] if len(role) > 1 else keys.unscoped)]

    def publish(self) -> None:
        """Have every server run what the seeds say."""
        root = self.trust
        keys = [*root.system_signing]
        for account in root.accounts.values():
            keys += [*account.unscoped, *(key for scoped in account.scoped.values() for key in scoped)]
        self.live = {key.public: self.live.get(key.public, self.now) for key in keys}

    def look(self) -> Step:
        """What is to be done now."""
        standing = Standing(self.live, self.connected_by, Tally(self.identities, self.ends), self.now)
        return next_keys(
            "uid",
            self.seeds,
            self.signers,
            policy=self.policy,
            asked=self.asked,
            standing=standing,
            entropy=self.random,
        )

    def step(self) -> Step:
        """Do it."""
        done = self.look()
        self.seeds = done.seeds
        return done


def message(step: Step) -> str:
    """What the Hub says of a rotation under way."""
    return next((c.message for c in step.conditions if c.type == "Rotating"), "")


def entries(seeds: TrustSeeds, name: str) -> tuple[str, ...]:
    return generations(seeds.signing, name)
