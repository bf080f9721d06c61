"""Whatever happens in whatever order: no certificate that ended is let in again, none is issued without reason."""

from typing import Any

from decide.encrypted_world import DAY, TLS, EncryptedWorld, Shown, authority
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from iotsec.decide import names
from iotsec.decide.rotation import Policy
from iotsec.x509.certificate import matches, read_certificate
from iotsec.x509.keys import KeyType, generate
from iotsec.x509.names import Names, Usage
from iotsec.x509.requests import make_request

_KEYS = [generate(KeyType("Ed25519", 0)) for _ in range(2)]
_REQUESTS = [make_request(key, Names("device"), Usage.CLIENT).decode() for key in _KEYS]
_AUTHORITIES = [authority(number, days=36500) for number in range(1, 4)]

_CERTIFICATES: list[dict[str, Any] | None] = [
    None,
    {"dnsNames": ["a.example.com"]},
    {"dnsNames": ["a.example.com", "b.example.com"]},
    {"secretName": "weather-cert"},
    {"csr": _REQUESTS[0]},
    {"csr": _REQUESTS[1], "secretName": "weather-cert"},
]


class History(RuleBasedStateMachine):
    """The life of one Device with a certificate, with an operator that stops anywhere and CAs that come and go."""

    @initialize()
    def begin(self) -> None:
        self.world = EncryptedWorld()
        self.world.trust(_AUTHORITIES[0], use=_AUTHORITIES[0])
        self.forgotten: set[int] = set()
        """Certificates that nothing tells of any more, by serial: somebody took all of it away by force."""

    # What people do.

    @precondition(lambda self: not self.world.deleting)
    @rule(certificate=st.sampled_from(_CERTIFICATES))
    def change_certificate(self, certificate: dict[str, Any] | None) -> None:
        self.world.change(certificate=certificate)

    @precondition(lambda self: not self.world.deleting)
    @rule(suspended=st.booleans())
    def suspend(self, *, suspended: bool) -> None:
        self.world.change(suspended=suspended)

    @precondition(lambda self: not self.world.deleting)
    @rule(id_=st.sampled_from([None, "weather-02"]))
    def rename(self, id_: str | None) -> None:
        self.world.change(deviceId=id_)

    @rule(token=st.sampled_from(["", "first", "second"]))
    def ask_for_another(self, token: str) -> None:
        self.world.rotate = token

    @rule(sure=st.sampled_from([False, False, False, True]))
    def delete_device(self, *, sure: bool) -> None:
        """Now and then: little happens afterwards."""
        if sure:
            self.world.delete()

    @precondition(lambda self: self.world.secrets.objects)
    @rule(data=st.data())
    def delete_secret(self, data: st.DataObject) -> None:
        self.world.secrets.delete(data.draw(st.sampled_from(sorted(self.world.secrets.objects))))

    @precondition(lambda self: TLS in self.world.secrets.objects and not self.world.deleting)
    @rule(key=st.sampled_from(["tls.crt", "tls.key", "ca.crt"]))
    def damage_data(self, key: str) -> None:
        if key in self.world.certificate_data():
            self.world.secrets.patch(TLS, {"data": {key: ""}}, manager="kubectl")

    @precondition(lambda self: self.world.secrets.objects)
    @rule(data=st.data())
    def remove_label(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.world.secrets.objects)))
        if self.world.secrets.objects[name]["metadata"]["labels"].get(names.COMPONENT):
            self.world.secrets.patch(name, {"metadata": {"labels": {names.COMPONENT: "other"}}}, manager="kubectl")

    @precondition(lambda self: self.world.secrets.objects and not self.world.released)
    @rule()
    def lose_secrets(self) -> None:
        """Somebody strips every finalizer; all that is left is the certificate in use, which the status was told."""
        world = self.world
        world.reconcile()
        world.record()
        world.secrets.objects.clear()
        world.restart()
        told = (world.status.get("certificate") or {}).get("serial", "0")
        self.forgotten |= {one.facts.serial for one in world.shown} - {int(told, 16)}

    # What the Hub's policy says.

    @rule(
        days=st.sampled_from([1, 30, 90]),
        keep_key=st.booleans(),
        key_type=st.sampled_from([KeyType(), KeyType("Ed25519", 0)]),
    )
    def change_policy(self, days: int, key_type: KeyType, *, keep_key: bool) -> None:
        self.world.encrypt(policy=Policy(duration=days * DAY), keep_key=keep_key, key_type=key_type)

    @rule(trusted=st.sets(st.integers(0, 2), min_size=1), use=st.integers(0, 2))
    def change_authorities(self, trusted: set[int], use: int) -> None:
        everybody = [_AUTHORITIES[number] for number in sorted(trusted | {use})]
        self.world.trust(*everybody, use=_AUTHORITIES[use])

    # What time and the servers do.

    @rule(seconds=st.sampled_from([1, 3600, DAY, 30 * DAY]))
    def wait(self, seconds: int) -> None:
        self.world.now += seconds

    @precondition(lambda self: not self.world.released)
    @rule()
    def wait_until_something_is_due(self) -> None:
        due = self.world.reconcile().due
        if due is not None:
            self.world.now = max(self.world.now, due)

    @rule(everywhere=st.booleans())
    def distribute(self, *, everywhere: bool) -> None:
        (self.world.push if everywhere else self.world.record)()

    # What the operator does.

    @rule(effects=st.integers(0, 6))
    def work_and_stop(self, effects: int) -> None:
        if not self.world.released:
            self.world.reconcile(effects)
        self.world.restart()

    @rule()
    def come_to_rest(self) -> None:
        world = self.world
        if not world.released:
            world.settle()
            writes = (world.secrets.version, world.status_writes)
            world.reconcile()
            assert (world.secrets.version, world.status_writes) == writes, "a second look writes nothing"
        accepted = [one for one in world.shown if world.accepts(one) and one.facts.serial not in self.forgotten]
        if world.deleting or world.spec.get("suspended"):
            assert accepted == [], "the certificate of who was cut off is let in"
            return
        newest = world.shown[-1]
        assert newest in accepted, "the certificate in the Secret is refused"
        self._is_as_wanted(newest)
        for one in accepted:
            assert one.facts.names.common_name == newest.facts.names.common_name
            assert set(one.facts.names.dns_names) <= set(newest.facts.names.dns_names)

    def _is_as_wanted(self, newest: Shown) -> None:
        world, wanted = self.world, self.world.spec.get("certificate") or {}
        name = wanted.get("secretName", TLS)
        assert len(world.secrets.objects) == 2
        data = world.certificate_data(name)
        assert read_certificate(data["tls.crt"]) == newest.facts
        assert world.tls is not None
        assert data["ca.crt"] == world.creds_data()["ca.crt"] == world.tls.bundle
        assert newest.generation == world.tls.generation
        request = wanted.get("csr")
        if request is None:
            assert matches(data["tls.crt"], data["tls.key"])
            assert world.certificate_secret(name)["type"] == "kubernetes.io/tls"
            return
        assert newest.facts.public == _KEYS[_REQUESTS.index(request)].public
        assert "tls.key" not in data
        assert world.certificate_secret(name)["type"] == "Opaque"

    # What is always so.

    @invariant()
    def a_device_is_released_only_when_nothing_lets_it_in(self) -> None:
        world = getattr(self, "world", None)
        if world is not None and world.released:
            assert not [o for o in world.shown if world.accepts(o) and o.facts.serial not in self.forgotten]


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=200, stateful_step_count=40, deadline=None, derandomize=True)
