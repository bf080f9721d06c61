"""The operator's signing key is replaced as far as servers were restarted, and signs nothing that one would refuse."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import pytest
from decide.key_material import numbered_entropy
from hypothesis import given, settings
from hypothesis import strategies as st

from iotsec.decide import trust
from iotsec.decide.operator_rotation import ROTATE_OPERATOR, OperatorStep, Trusts, next_operator_key, trusts
from iotsec.decide.seeds import OPERATOR, RECORDS, OperatorPhase, TrustSeeds, completed, generations, records
from iotsec.decide.server_trust import nats_config, system_jwt_of
from iotsec.decide.trust import TrustRoot
from iotsec.nats import jwt
from iotsec.nats.claims import OperatorClaims

NOW = 1_800_000_000
ROLES = {"iot": ("device",)}


@dataclass
class Site:
    """A Hub and its servers, each of which trusts what its configuration named when it was started."""

    token: str = "a"  # noqa: S105 - the value of an annotation
    names: tuple[str, ...] = ("nats-0", "nats-1", "nats-2")
    entropy: Iterator[bytes] = field(default_factory=numbered_entropy)
    signed_by: str = ""
    """Whose account JWTs every server runs."""

    def __post_init__(self) -> None:
        self.seeds = completed(TrustSeeds({}, {}), roles=ROLES, entropy=self.random, now=NOW)
        self.config: Mapping[str, bytes] = {}
        self.configure()
        self.servers = {name: self.configured() for name in self.names}
        self.signed_by = self.trust.account_signer.public

    def random(self) -> bytes:
        return next(self.entropy)

    @property
    def trust(self) -> TrustRoot:
        return trust.trust_root(self.seeds, roles=ROLES)

    @property
    def phase(self) -> OperatorPhase:
        return records(self.seeds.signing).operator

    def configure(self) -> None:
        """Write the servers' configuration, as every bring-up does."""
        self.config = nats_config(self.trust, name="iot/plant", existing=self.config, now=NOW)

    def configured(self) -> frozenset[str]:
        """The operator keys that the configuration names."""
        claims = jwt.decode(self.config["operator.jwt"].decode()).claims
        assert isinstance(claims, OperatorClaims)
        return frozenset(claims.signing_keys)

    def restart(self, *names: str) -> None:
        for name in names:
            self.servers[name] = self.configured()

    def push(self) -> None:
        """Have every server that takes it run what is signed now."""
        signer = self.trust.account_signer.public
        if all(signer in found for found in self.servers.values()):
            self.signed_by = signer

    def shown(self, away: tuple[str, ...]) -> dict[str, Trusts]:
        """What the servers answer; nobody is asked while there is one key."""
        if len(generations(self.seeds.signing, OPERATOR)) < 2:
            return {}
        return {n: Trusts.AWAY if n in away else trusts(k, self.seeds) for n, k in self.servers.items()}

    def step(self, away: tuple[str, ...] = ()) -> OperatorStep:
        """Make the next step, and write the configuration that goes with it."""
        done = next_operator_key(
            "plant",
            self.seeds,
            token=self.token,
            servers=self.shown(away),
            resigned=self.signed_by == self.trust.account_signer.public,
            entropy=self.random,
            now=NOW,
        )
        self.seeds = done.seeds
        self.configure()
        return done


@pytest.fixture
def prepared() -> Site:
    site = Site()
    site.step()
    return site


@pytest.fixture
def resigned(prepared: Site) -> Site:
    prepared.restart(*prepared.names)
    prepared.step()
    prepared.push()
    prepared.step()
    return prepared


def message(step: OperatorStep) -> str:
    assert step.progress is not None
    return step.progress.message


def test_nobody_asks_and_nothing_happens() -> None:
    site = Site(token="")

    assert site.step() == OperatorStep(site.seeds)


def test_a_token_brings_a_second_key_into_the_configuration_while_the_first_goes_on_signing() -> None:
    site = Site()
    (before,) = site.configured()

    told = site.step().told

    assert site.phase is OperatorPhase.PREPARED
    assert len(site.configured()) == 2
    assert site.trust.account_signer.public == before
    assert [str(one.reason) for one in told] == ["OperatorKeyAdded"]
    assert records(site.seeds.signing).heeded == {ROTATE_OPERATOR: "a"}


def test_it_says_what_to_restart_and_who_was(prepared: Site) -> None:
    prepared.restart("nats-1")

    step = prepared.step()

    assert message(step) == (
        "restart every nats-server of this Hub, e.g. kubectl rollout restart statefulset/nats: Secret "
        "plant-nats-config names the new key beside the old one; 1 of 3 have: nats-1"
    )
    assert step.progress is not None
    assert step.progress.to_status()["servers"] == [
        {"name": "nats-0", "operatorKeys": "Old"},
        {"name": "nats-1", "operatorKeys": "Both"},
        {"name": "nats-2", "operatorKeys": "Old"},
    ]


def test_the_new_key_signs_nothing_before_every_server_trusts_it(prepared: Site) -> None:
    old = prepared.trust.account_signer.public
    prepared.restart("nats-0", "nats-1")
    prepared.step()
    assert prepared.trust.account_signer.public == old

    prepared.restart("nats-2")
    prepared.step()

    assert prepared.phase is OperatorPhase.RESIGNING
    assert prepared.trust.account_signer.public != old


def test_a_server_that_is_away_is_waited_for(prepared: Site) -> None:
    prepared.restart(*prepared.names)

    step = prepared.step(away=("nats-2",))

    assert prepared.phase is OperatorPhase.PREPARED
    assert "nats-2 does not answer and is waited for" in message(step)


def test_a_server_that_comes_back_with_an_older_secret_takes_the_old_key_back_to_work(prepared: Site) -> None:
    old = prepared.trust.account_signer.public
    late = dict(prepared.servers)["nats-2"]
    prepared.restart(*prepared.names)
    prepared.step()

    prepared.servers["nats-2"] = late
    prepared.step()

    assert prepared.phase is OperatorPhase.PREPARED
    assert prepared.trust.account_signer.public == old


def test_the_old_key_leaves_the_configuration_when_every_account_is_signed_by_the_new_one(prepared: Site) -> None:
    prepared.restart(*prepared.names)
    prepared.step()
    prepared.step()
    assert prepared.phase is OperatorPhase.RESIGNING
    assert len(prepared.configured()) == 2

    prepared.push()
    step = prepared.step()

    assert prepared.phase is OperatorPhase.RESIGNED
    assert prepared.configured() == {prepared.trust.account_signer.public}
    assert "once more: Secret plant-nats-config names the new key alone; 0 of 3 have" in message(step)


def test_the_old_seed_goes_when_every_server_trusts_the_new_key_alone(resigned: Site) -> None:
    config = dict(resigned.config)
    resigned.restart("nats-0", "nats-1")
    resigned.step()
    assert generations(resigned.seeds.signing, "operator") == ("operator", "operator.2")

    resigned.restart("nats-2")
    step = resigned.step()

    assert generations(resigned.seeds.signing, "operator") == ("operator.2",)
    assert resigned.phase is OperatorPhase.NONE
    assert step.progress is None
    assert [str(one.reason) for one in step.told] == ["OperatorKeyReplaced"]
    assert resigned.config == config, "the servers need no third restart"
    assert resigned.step() == OperatorStep(resigned.seeds)


def test_a_server_that_is_late_by_two_restarts_is_named(resigned: Site) -> None:
    (old, _) = (key.public for key in resigned.trust.operator_signing)
    resigned.restart("nats-0", "nats-1")
    resigned.servers["nats-2"] = frozenset({old})

    told = message(resigned.step())

    assert "nats-2 started with an older Secret, does not trust the new key and lets nobody in" in told
    assert resigned.phase is OperatorPhase.RESIGNED


def test_a_token_that_comes_in_the_middle_is_heeded_afterwards(resigned: Site) -> None:
    resigned.token = "b"  # noqa: S105 - the value of an annotation
    resigned.step()
    assert len(generations(resigned.seeds.signing, "operator")) == 2

    resigned.restart(*resigned.names)
    resigned.step()
    resigned.step()

    assert resigned.phase is OperatorPhase.PREPARED
    assert generations(resigned.seeds.signing, "operator") == ("operator.2", "operator.3")


def test_a_lost_record_of_the_phase_is_made_up_for_by_what_the_servers_show(resigned: Site) -> None:
    resigned.seeds = replace(resigned.seeds, signing={**resigned.seeds.signing, RECORDS: b"?"})
    resigned.token = ""

    for _ in range(6):
        resigned.restart(*resigned.names)
        resigned.push()
        resigned.step()

    assert generations(resigned.seeds.signing, "operator") == ("operator.2",)


def test_the_configuration_says_what_the_servers_are_told_of_the_system_account(resigned: Site) -> None:
    token = jwt.decode(system_jwt_of(resigned.config))

    assert token.issuer == resigned.trust.account_signer.public
    assert token.issued_at > NOW


def test_a_trust_root_of_somebody_else_has_no_key_to_replace() -> None:
    site = Site()
    site.seeds = replace(site.seeds, signing={RECORDS: b"{}"})

    done = next_operator_key(
        "plant", site.seeds, token=site.token, servers={}, resigned=True, entropy=site.random, now=NOW
    )

    assert done == OperatorStep(site.seeds)


@settings(max_examples=60)
@given(st.lists(st.sampled_from(["step", "push", "nats-0", "nats-1", "nats-2", "late"]), max_size=40))
def test_no_account_is_ever_signed_by_a_key_that_a_server_does_not_trust(events: list[str]) -> None:
    """Whatever is restarted when, and however often the operator looks; one server may come back as it was."""
    site = Site()
    for event in events:
        if event == "step":
            site.step()
        elif event == "push":
            site.push()
        elif event == "late" and site.phase is OperatorPhase.PREPARED:
            site.servers["nats-2"] = frozenset({site.trust.operator_signing[0].public})
        elif event in site.names:
            site.restart(event)
        if event == "step":
            assert all(site.trust.account_signer.public in found for found in site.servers.values())
