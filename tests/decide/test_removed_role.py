"""A role that leaves the spec while somebody has it goes on for those who do, and for nobody else."""

from dataclasses import replace

import pytest
from decide.world import World, ready

from iotsec.api.hub import HubSpec
from iotsec.decide.definition import definition, former_roles
from iotsec.decide.identity import plan_identity
from iotsec.decide.ledger import Ledger
from iotsec.decide.plan import Plan
from iotsec.decide.roles import role_limits
from iotsec.decide.views import HubView
from iotsec.nats import jwt
from iotsec.nats.keys import KeyType, SigningKey

GATEWAY = {"name": "gateway", "publish": {"allow": ["event.gateway.{id}"]}, "limits": {"subscriptions": 7}}


@pytest.fixture
def gateway(world: World) -> World:
    """A world whose Device has a role of the Hub's own."""
    key = SigningKey.generate(KeyType.ACCOUNT, next(world.entropy))
    world.keys["iot"] = replace(world.keys["iot"], scoped={**world.keys["iot"].scoped, "gateway": (key,)})
    world.signers_live["iot"] |= {key.public}
    world.hub["roles"] = [GATEWAY]
    world.change(role="gateway")
    world.settle()
    return world


def without_role(world: World) -> HubView:
    """The Hub once the role has left its spec; the account's JWT says it for as long as somebody has it."""
    granted = {name: limits.to_json() for name, limits in role_limits(HubSpec.parse(world.hub)).items()}
    del world.hub["roles"]
    view = world.view()
    account = view.accounts["iot"]
    said = definition(view.spec, world.keys, "iot", ledger=Ledger(roles=granted))
    account = replace(account, former_roles=former_roles(said, account.roles))
    return replace(view, accounts={**view.accounts, "iot": account})


def plan(world: World, hub: HubView) -> Plan:
    world.watch()
    return plan_identity(world.identity(), hub, world.observed(), **world.given())


def test_who_has_it_is_told_nothing_and_renewed_in_time(gateway: World) -> None:
    hub = without_role(gateway)
    due = plan(gateway, hub).due
    assert due is not None

    gateway.now = due
    renewal = plan(gateway, hub)

    assert renewal.deadline is not None
    assert renewal.read_secret is not None


def test_what_it_grants_is_what_it_granted_so_that_nothing_is_issued_again(gateway: World) -> None:
    own = {"publish": {"allow": ["extra.{id}"]}}
    gateway.change(permissions=own)
    gateway.settle()
    issued_at = jwt.decode(gateway.tokens[-1].token).issued_at

    gateway.now += 60
    after = plan(gateway, without_role(gateway))

    assert after.read_secret is None
    assert after.status is not None
    assert ready(after.status) == ("True", "Issued")
    assert jwt.decode(gateway.tokens[-1].token).issued_at == issued_at


def test_nobody_new_gets_it(gateway: World) -> None:
    hub = without_role(gateway)
    gateway.status = {"observedGeneration": -1}
    gateway.secrets.objects.clear()

    refused = plan(gateway, hub)

    assert refused.write is None
    assert refused.status is not None
    assert ready(refused.status) == ("False", "RoleUnknown")
