"""A small world in which plans are carried out: an API server's Secrets, one Device, an account and its servers.

It is as unkind as the real one: writes can stop after any effect, the servers can lag behind, anybody can edit Secrets.
"""

import copy
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from decide.key_material import account_keys, numbered_entropy, signers
from decide.secret_store import Object, Secrets
from decide.user_tokens import Token, read_token

from iotsec.api.device import DeviceSpec
from iotsec.api.hub import HubSpec
from iotsec.decide import names
from iotsec.decide.identity import plan_identity
from iotsec.decide.ledger import Ledger, Revocation, with_revocations
from iotsec.decide.plan import Plan
from iotsec.decide.roles import role_limits
from iotsec.decide.secrets import SecretFacts, SecretWrite
from iotsec.decide.views import AccountView, Contents, HubView, Identity, Observed, Rival
from iotsec.kube.secret_cache import SecretCache
from iotsec.x509.keys import generate

NAMESPACE, NAME, UID = "iot", "weather-01", "5f3c9b1e-0000-4000-8000-000000000001"
NOW = 1_800_000_000
HUB = "iot/plant"


class World:
    """One Device of a Hub with two accounts."""

    def __init__(self) -> None:
        self.now = NOW
        self.spec: Object = {"hubRef": {"name": "plant"}, "account": "iot"}
        self.hub: Object = {
            "nats": {"servers": ["nats://nats:4222"]},
            "accounts": [{"name": "iot"}, {"name": "other"}],
        }
        self.generation = 1
        self.deleting = False
        self.finalized = True
        self.status: Object = {"observedGeneration": -1}
        self.status_writes = 0
        self.rotate = ""
        """The annotation that asks for a rotation."""
        self.secrets = Secrets()
        self.cache = SecretCache()
        self.entropy = numbered_entropy()
        self.keys = {name: account_keys(name, self.entropy) for name in ("iot", "other")}
        self.written = dict.fromkeys(self.keys, Ledger())
        """What is in the ledger Secrets."""
        self.requested: dict[str, list[Revocation]] = {name: [] for name in self.keys}
        self.live: dict[str, Ledger | None] = dict.fromkeys(self.keys)
        self.signers_live = {name: signers(keys) for name, keys in self.keys.items()}
        self.problem = ""
        self.rival: Rival | None = None
        """Who has the id already."""
        self.released = False
        self.tokens: list[Token] = []

    # What is there for a plan to see.

    def view(self) -> HubView:
        accounts = {
            name: AccountView(
                keys=keys,
                roles=role_limits(HubSpec.parse(self.hub)),
                recorded=with_revocations(self.written[name], self.requested[name], now=self.now),
                live=self.live[name],
                signers_live=self.signers_live[name] if self.live[name] is not None else frozenset(),
            )
            for name, keys in self.keys.items()
        }
        return HubView("iot", "plant", HubSpec.parse(self.hub), MappingProxyType(accounts), problem=self.problem)

    def identity(self) -> Identity:
        spec = DeviceSpec.parse(self.spec)
        return Identity(
            kind="Device",
            namespace=NAMESPACE,
            name=NAME,
            uid=UID,
            generation=self.generation,
            deleting=self.deleting,
            finalized=self.finalized,
            status=MappingProxyType(dict(self.status)),
            id=spec.own_id or NAME,
            role=spec.role,
            spec=spec,
            rotate=self.rotate,
        )

    def observed(self) -> Observed:
        return Observed(secrets=self.cache.owned_by(NAMESPACE, UID), id_rival=self.rival)

    def given(self) -> dict[str, Any]:
        """What a decision is given beside what it is about: the time, and chance."""
        return {"now": self.now, "entropy": self.entropy.__next__, "make_key": generate}

    def watch(self) -> None:
        """Tell the cache all there is, as the watch does sooner or later."""
        for name in [f.name for f in self.cache]:
            if name not in self.secrets.objects or not self._is_watched(name):
                self.cache.remove(NAMESPACE, name)
        for name, found in self.secrets.objects.items():
            if self._is_watched(name):
                self.cache.upsert(copy.deepcopy(found))

    def _is_watched(self, name: str) -> bool:
        return names.COMPONENT in self.secrets.objects[name]["metadata"].get("labels", {})

    # What the operator does.

    def plan(self) -> Plan:
        """The plan, with the Secret read where it asks for that."""
        observed = self.observed()
        for _ in range(4):
            plan = plan_identity(self.identity(), self.view(), observed, **self.given())
            if plan.read_secret is not None:
                observed = replace(observed, contents=self._read(plan.read_secret.name))
            elif plan.read_certificate is not None:
                observed = replace(observed, certificate_contents=self._read(plan.read_certificate.name))
            elif plan.awaits_turn:
                observed = replace(observed, has_turn=True)
            else:
                return plan
        raise AssertionError("a Secret was asked for twice")

    def _read(self, name: str) -> Contents:
        return Contents(copy.deepcopy(self.secrets.objects[name]))

    def carry_out(self, plan: Plan, effects: int = 99) -> None:
        """Carry out a plan, or only the first few of its effects: then the power was cut."""
        for effect in self.effects()[:effects]:
            effect(plan)

    def effects(self) -> list[Callable[[Plan], None]]:
        """What carrying out a plan is, in this order."""
        return [self._write, self._drop, self._revoke, self._tell]

    def reconcile(self, effects: int = 99) -> Plan:
        self.watch()
        plan = self.plan()
        self.carry_out(plan, effects)
        return plan

    def _write(self, plan: Plan) -> None:
        if plan.write is None:
            return
        manifest = plan.write.manifest
        assert manifest.issued is not None
        self.tokens.append(read_token(manifest.data, manifest.issued.digest))
        self._put(plan.write, plan.drop)

    def _put(self, write: SecretWrite, drop: Iterable[SecretFacts]) -> None:
        manifest = write.manifest
        if write.replaces is not None:
            self.secrets.patch(manifest.name, manifest.to_patch(replaces=write.replaces))
        elif not self.secrets.create(manifest.to_object()):
            for facts in drop:
                if facts.name == manifest.name:
                    self.secrets.finalize(facts.name, facts.uid)
                    self.secrets.delete(facts.name)
            if not self.secrets.create(manifest.to_object()):
                raise RuntimeError("conflict")
        self.cache.wrote(copy.deepcopy(self.secrets.objects[manifest.name]["metadata"]))

    def _drop(self, plan: Plan) -> None:
        for facts in plan.drop:
            found = self.secrets.objects.get(facts.name)
            if found is not None and found["metadata"]["uid"] == facts.uid:
                self.secrets.finalize(facts.name, facts.uid)
                self.secrets.delete(facts.name)
                self.cache.remove(NAMESPACE, facts.name, uid=facts.uid)

    def _revoke(self, plan: Plan) -> None:
        for revocation in plan.revoke:
            name = next(n for n, k in self.keys.items() if k.public == revocation.account)
            self.requested[name].append(revocation)
        self.released = self.released or plan.release

    def _tell(self, plan: Plan) -> None:
        if plan.status is not None and dict(plan.status) != self.status:
            self.status = copy.deepcopy(dict(plan.status))
            self.status_writes += 1

    # What the Hub's worker does, and what happens to it.

    def record(self) -> None:
        """Write the ledgers down."""
        for name, asked in self.requested.items():
            self.written[name] = with_revocations(self.written[name], asked, now=self.now)
            self.requested[name] = []

    def push(self) -> None:
        """Bring the ledgers to the servers."""
        self.record()
        self.live = dict(self.written)

    def prune(self) -> None:
        """Bring the ledgers to the servers without what has expired, as the next change of any Device would."""
        for name, keys in self.keys.items():
            self.requested[name].append(Revocation(keys.public, f"UPRUNE{self.now}", self.now, self.now + 1))
        self.push()

    def restart(self) -> None:
        """Forget everything that is only in memory."""
        self.cache = SecretCache()
        self.requested = {name: [] for name in self.keys}
        self.live = dict.fromkeys(self.keys)

    def settle(self) -> Plan:
        """Let the operator work until nothing is left to do."""
        for _ in range(12):
            plan = self.reconcile()
            self.push()
            if plan.settled and plan.write is None and not plan.revoke and not plan.drop:
                return plan
        raise AssertionError(f"it never comes to rest: {plan}")

    # What a user does.

    def change(self, **spec: Any) -> None:
        changed = {**self.spec, **spec}
        self.spec = {key: value for key, value in changed.items() if value is not None}
        self.generation += 1

    def delete(self) -> None:
        self.deleting = True
        self.generation += 1

    def secret(self) -> Object:
        """The one Secret there is."""
        (found,) = self.secrets.objects.values()
        return found

    def data(self) -> dict[str, bytes]:
        return {key: b64decode(value) for key, value in self.secret().get("data", {}).items()}

    def edit(self, **data: bytes | None) -> None:
        """Change data by hand; a name's dots are written as underscores."""
        encoded = {
            key.replace("__", "-").replace("_", "."): None if value is None else b64encode(value).decode()
            for key, value in data.items()
        }
        self.secrets.patch(self.secret()["metadata"]["name"], {"data": encoded}, manager="kubectl")

    # What servers do.

    def lets_in(self, token: Token, ledgers: Mapping[str, Ledger | None] | None = None) -> bool:
        """Tell whether servers with these ledgers, else the live ones, accept a JWT."""
        ledgers = self.live if ledgers is None else ledgers
        name = next(n for n, k in self.keys.items() if k.public == token.account)
        ledger = ledgers[name]
        return token.expires_at > self.now and (ledger is None or ledger.revoked_at(token.key) < token.issued_at)


def ready(status: Mapping[str, Any]) -> tuple[str, str]:
    """Ready's status and reason."""
    return next((c["status"], c["reason"]) for c in status["conditions"] if c["type"] == "Ready")


def decide(world: World, *, hub: HubView | None = None, **observed: Any) -> Plan:
    """Plan for a Hub that is not as the world has it, or with something else in view."""
    world.watch()
    seen = replace(world.observed(), **observed)
    return plan_identity(world.identity(), hub, seen, **world.given())


def as_object(world: World, plan: Plan | None = None) -> dict[str, Any]:
    """The Device as the API server would show it."""
    metadata: dict[str, Any] = {"generation": world.generation}
    if world.deleting:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"metadata": metadata, "status": dict(plan.status or {}) if plan else world.status}
