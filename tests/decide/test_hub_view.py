"""When a change at a Hub concerns all of its identities, and when only those who wait for it."""

from dataclasses import replace

from decide.encrypted_world import EncryptedWorld, authority
from decide.world import World

from iotsec.decide.adoption import AdoptedAccount
from iotsec.decide.ledger import Revocation
from iotsec.decide.revoked_certificates import RevokedCertificate, RevokedCertificates
from iotsec.decide.views import HubView


def revoked_by_others(world: World, **revocations: int) -> HubView:
    """The Hub with an adopted account in which somebody else revoked these keys."""
    view = world.view()
    account = view.accounts["iot"]
    adopted = AdoptedAccount(account.keys.public, issued_at=1, said={"revocations": revocations})
    account = replace(account, recorded=replace(account.recorded, adopted=adopted))
    return replace(view, accounts={**view.accounts, "iot": account})


def test_who_was_revoked_by_somebody_else_is_looked_at_at_once(issued: World) -> None:
    key = issued.tokens[-1].key

    assert revoked_by_others(issued, **{key: issued.now}).grants_otherwise_than(revoked_by_others(issued))
    assert not revoked_by_others(issued, **{key: issued.now}).grants_otherwise_than(
        revoked_by_others(issued, **{key: issued.now})
    )


def test_a_revocation_of_ours_concerns_only_who_asked_for_it(issued: World) -> None:
    before = issued.view()
    account = issued.keys["iot"].public
    issued.requested["iot"].append(Revocation(account, issued.tokens[-1].key, issued.now, issued.now + 9))

    assert issued.view() != before
    assert not issued.view().grants_otherwise_than(before)


def test_another_trust_bundle_and_another_ca_concern_everybody() -> None:
    plant = EncryptedWorld()
    before, (first, second) = plant.view(), (authority(1), authority(2))

    plant.trust(first, second, use=first)
    both = plant.view()
    plant.trust(first, second, use=second)

    assert both.grants_otherwise_than(before)
    assert plant.view().grants_otherwise_than(both)
    assert World().view().grants_otherwise_than(plant.view()), "so does a policy that goes"


def test_a_certificate_that_ended_concerns_only_who_waits_for_that() -> None:
    plant = EncryptedWorld()
    before = plant.view()

    ended = RevokedCertificate(7, "ab", plant.now, plant.now + 9)
    plant.encrypt(revoked=RevokedCertificates().with_revoked([ended], now=plant.now))

    assert plant.view() != before
    assert not plant.view().grants_otherwise_than(before)
