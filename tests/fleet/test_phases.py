"""An object of every kind in every phase of its life, as the API server has it, and what GitOps tools make of it."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from fleet.conftest import new_namespace
from fleet.encrypted import EncryptedSite, encrypted_site
from gitops.judge import Judge
from gitops.phases import IDENTITIES, VERDICTS, cases, phases_of, record, recorded, shape
from kstatus import faults, kstatus

from testbed.control_plane import ControlPlane
from testbed.operator import Operator
from testbed.user import Object, condition_of

OVERLAP = {"jwt": {"duration": "2h"}, "keys": {"duration": "2h", "overlap": "1h"}}
BESIDES: dict[str, dict[str, Any]] = {"Client": {"accessLevel": "Standard"}}
ROLES = [{"name": "gateway", "publish": {"allow": ["event.{id}"]}}]
HOLD = {"finalizers": ["example.com/hold"]}
"""For what would be gone before anybody has seen it go."""

Phases = dict[tuple[str, str], Object]


def name_of(kind: str) -> str:
    """What the identity of a kind is called."""
    return f"{kind.lower()}-01"


def lead_an_identity(kind: str, site: EncryptedSite) -> Phases:
    """Through all phases but the last, in which it waits for servers that are gone."""
    user, name = site.user, name_of(kind)
    spec = {"hubRef": {"name": "plant"}, "rotation": OVERLAP, **BESIDES.get(kind, {})}
    found = {"new": user.apply(kind, name, spec)}
    found["ready"] = user.wait_ready(kind, name)
    found["changed"] = user.apply(kind, name, spec | {"suspended": True})
    found["suspended"] = user.wait_reason(kind, name, "Suspended")
    user.apply(kind, name, spec)
    user.wait_ready(kind, name)
    user.annotate(kind, name, {"iotsec.dev/rotate": "1"})
    found["rotating"] = user.wait_reason(kind, name, "Overlap", condition="Rotating")
    user.apply(kind, f"{name}-waiting", spec | {"hubRef": {"name": "missing"}})
    found["waiting"] = user.wait_reason(kind, f"{name}-waiting", "HubNotFound")
    user.apply(kind, f"{name}-stalled", spec | {"account": "missing"})
    found["stalled"] = user.wait_reason(kind, f"{name}-stalled", "AccountUnknown")
    return {(kind, phase): thing for phase, thing in found.items()}


def lead_a_hub(site: EncryptedSite) -> Phases:
    """The same; roles that are in use cannot be taken away, and a Hub in use does not go."""
    user = site.user
    new = user.apply_hub("next", ["nats://127.0.0.1:9"], roles=ROLES)
    waiting = user.wait_reason("Hub", "next", "NatsUnavailable")
    ready = user.wait_ready("Hub", "plant")
    user.annotate("Hub", "plant", {"rotate.iotsec.dev/device": "1"})
    rotating = user.wait_reason("Hub", "plant", "SigningKeyAdded", condition="Rotating")
    user.apply_device("gateway-01", role="gateway")
    user.wait_ready("Device", "gateway-01")
    servers = ready["spec"]["nats"]["servers"]
    changed = user.apply_hub("plant", servers)
    stalled = user.wait_reason("Hub", "plant", "RoleInUse")
    user.apply_hub("plant", servers, roles=ROLES)
    user.wait_ready("Hub", "plant")
    found = {"new": new, "waiting": waiting, "ready": ready, "rotating": rotating}
    return {("Hub", phase): thing for phase, thing in (found | {"changed": changed, "stalled": stalled}).items()}


def lead_a_policy(site: EncryptedSite) -> Phases:
    """The same."""
    user = site.user
    ready = user.wait_ready("TLSPolicy", "plant", within=60)
    new = user.apply_tls_policy("next", hub="missing")
    waiting = user.wait_reason("TLSPolicy", "next", "HubNotFound")
    user.apply_tls_policy("other")
    stalled = user.wait_reason("TLSPolicy", "other", "AnotherPolicy")
    user.annotate("TLSPolicy", "plant", {"iotsec.dev/rotate-ca": "1"})
    user.wait_reason("TLSPolicy", "plant", "CaAdded", condition="Rotating")
    rotating = user.wait_for(
        "TLSPolicy",
        "plant",
        lambda p: condition_of(p, "Rotating") != {} and condition_of(p, "Ready")["status"] == "True",
    )
    changed = user.apply_tls_policy("plant", certificates={"duration": "168h"})
    found = {"new": new, "waiting": waiting, "ready": ready, "stalled": stalled, "rotating": rotating}
    return {("TLSPolicy", phase): thing for phase, thing in (found | {"changed": changed}).items()}


def lead_out(site: EncryptedSite) -> Phases:
    """Delete everything while no server is there that could be told to refuse anybody."""
    user, found = site.user, {}
    site.server.stop()
    user.patch("TLSPolicy", "plant", {"metadata": HOLD})
    for kind in IDENTITIES:
        user.delete(kind, name_of(kind))
        found[kind, "deleting"] = user.wait_for(kind, name_of(kind), lambda o: not_ready(o) and deleting(o))
    for kind in ("Hub", "TLSPolicy"):
        user.delete(kind, "plant")
        found[kind, "deleting"] = user.wait_for(kind, "plant", deleting)
    found["Hub", "deleting"] = user.wait_reason("Hub", "plant", "InUse")
    return found


def not_ready(thing: Object) -> bool:
    return condition_of(thing, "Ready").get("status") == "False"


def deleting(thing: Object) -> bool:
    return "deletionTimestamp" in thing["metadata"]


@pytest.fixture(scope="module")
def lives(
    operator: Operator,  # noqa: ARG001 - it leads these lives
    plane: ControlPlane,
    judge: Judge,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Phases]:
    with (
        new_namespace(plane) as user,
        encrypted_site(user, tmp_path_factory.mktemp("lives"), hub={"roles": ROLES}, mode="ServerOnly") as site,
    ):
        found: Phases = {}
        for kind in IDENTITIES:
            found |= lead_an_identity(kind, site)
        found |= lead_a_hub(site)
        found |= lead_a_policy(site)
        found |= lead_out(site)
        if os.environ.get("WRITE_TESTDATA"):
            record(found, judge)
        yield found


def test_every_phase_of_every_kind_was_seen(lives: Phases) -> None:
    assert lives.keys() == set(cases())
    assert {phase for kind in IDENTITIES for phase in phases_of(kind)} == VERDICTS.keys()


@pytest.mark.parametrize(("kind", "phase"), cases())
def test_tools_make_of_it_what_it_is(lives: Phases, judge: Judge, kind: str, phase: str) -> None:
    thing = lives[kind, phase]

    verdicts = (judge.argo_cd(thing)[0], judge.flux(thing), judge.kstatus(thing))

    assert verdicts == VERDICTS[phase]
    assert kstatus(thing) == VERDICTS[phase][2], "ours is the same as theirs"
    if thing["status"].get("conditions"):
        assert faults(thing) == []


@pytest.mark.parametrize(("kind", "phase"), cases())
def test_test_data_are_objects_as_they_are(lives: Phases, kind: str, phase: str) -> None:
    assert shape(recorded(kind, phase)) == shape(lives[kind, phase])
