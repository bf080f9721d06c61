"""A Module's workload is restarted for a certificate as for a credential: once for each that took another's place.

A trust bundle alone is no reason.
"""

import pytest
from decide.encrypted_world import DAY, EncryptedWorld, authority
from decide.module_world import ModuleWorld

from iotsec.decide.plan import Plan


class EncryptedModule(ModuleWorld, EncryptedWorld):
    """One Module with a certificate."""

    def carry_out(self, plan: Plan, effects: int = 99) -> None:
        for effect in [
            *(self._write, self._write_certificate, self._drop, self._revoke, self._revoke_certificates),
            *(self._restart, self._tell),
        ][:effects]:
            effect(plan)


@pytest.fixture
def module() -> EncryptedModule:
    world = EncryptedModule()
    world.settle()
    return world


def ask_for_another(module: EncryptedModule) -> None:
    """Ask for another certificate, and for nothing else."""
    name = "weather-01-module-tls"
    module.secrets.patch(name, {"metadata": {"annotations": {"iotsec.dev/rotate": "now"}}}, manager="kubectl")


def test_the_first_certificate_restarts_nothing(module: EncryptedModule) -> None:
    assert module.marks == []


def test_a_policy_that_becomes_mutual_restarts_nothing(module: EncryptedModule) -> None:
    module.encrypt(mutual=False)
    module.settle()
    module.encrypt(mutual=True)

    module.settle()

    assert module.marks == []


def test_another_certificate_restarts_it_once(module: EncryptedModule) -> None:
    module.now += DAY
    ask_for_another(module)

    module.settle()
    module.settle()

    assert len(module.shown) == 2
    assert len(module.marks) == 1
    assert module.status["restartedAt"] == module.marks[-1]


@pytest.mark.parametrize("effects", range(7))
def test_wherever_it_stops_the_pods_are_replaced_once(module: EncryptedModule, effects: int) -> None:
    module.now += DAY
    ask_for_another(module)
    module.reconcile(effects)
    module.restart()

    module.settle()

    assert len(module.marks) == 1


def test_another_bundle_restarts_nothing(module: EncryptedModule) -> None:
    assert module.tls is not None
    assert module.tls.authority is not None
    module.trust(module.tls.authority, authority(2), use=module.tls.authority)

    module.settle()

    assert module.marks == []
