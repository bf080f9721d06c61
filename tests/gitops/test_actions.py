"""What the buttons in Argo CD do to an object: the annotation or the field that it is for, and nothing else."""

import re
from copy import deepcopy

import pytest
import yaml
from gitops.judge import ARGO_CD, Json, Judge
from gitops.kustomize import built
from gitops.phases import IDENTITIES, KINDS, recorded

from testbed.waiting import wait_until

TOKEN = re.compile("argocd-[0-9]{10}")


def actions_of(kind: str) -> Json:
    """What argocd-cm says of a kind's actions."""
    (config,) = built(ARGO_CD)
    found: Json = yaml.safe_load(config["data"][f"resource.customizations.actions.iotsec.dev_{kind}"])
    return found


def act(judge: Judge, thing: Json, action: str) -> Json:
    """What an action makes of an object."""
    (script,) = (a["action.lua"] for a in actions_of(thing["kind"])["definitions"] if a["name"] == action)
    found: Json = judge.lua(script, thing)
    return found


def offered(judge: Judge, thing: Json) -> set[str]:
    """The buttons that can be pressed."""
    found = judge.lua(actions_of(thing["kind"])["discovery.lua"], thing)
    return {name for name, how in found.items() if not (isinstance(how, dict) and how.get("disabled"))}


@pytest.mark.parametrize("kind", KINDS)
def test_argo_cds_configuration_has_health_and_actions_of_every_kind(kind: str) -> None:
    (config,) = built(ARGO_CD)

    health = (ARGO_CD / "resource_customizations" / "iotsec.dev" / "_" / "health.lua").read_text()
    assert (config["kind"], config["metadata"]["name"]) == ("ConfigMap", "argocd-cm")
    assert config["data"][f"resource.customizations.health.iotsec.dev_{kind}"] == health
    assert {action["name"] for action in actions_of(kind)["definitions"]} >= {"rotate"}


@pytest.mark.parametrize("kind", IDENTITIES)
def test_who_is_in_can_be_rotated_and_suspended_and_who_is_out_resumed(judge: Judge, kind: str) -> None:
    within, without = deepcopy(recorded(kind, "ready")), deepcopy(recorded(kind, "suspended"))
    without["spec"]["suspended"] = True

    assert offered(judge, within) == {"rotate", "suspend"}
    assert offered(judge, without) == {"resume"}


@pytest.mark.parametrize("kind", IDENTITIES)
def test_who_is_suspended_and_resumed_is_as_before(judge: Judge, kind: str) -> None:
    thing = recorded(kind, "ready")

    suspended = act(judge, thing, "suspend")

    assert suspended["spec"] == thing["spec"] | {"suspended": True}
    assert act(judge, suspended, "resume")["spec"] == thing["spec"]


@pytest.mark.parametrize(
    ("kind", "action"), [*((kind, "rotate") for kind in KINDS), ("TLSPolicy", "rotate-ca")], ids="-".join
)
@pytest.mark.parametrize("annotations", [None, {"team": "roof"}], ids=["bare", "annotated"])
def test_a_rotation_is_an_annotation_with_a_token_of_its_own(
    judge: Judge, kind: str, action: str, annotations: Json | None
) -> None:
    thing = deepcopy(recorded(kind, "ready"))
    thing["metadata"]["annotations"] = annotations
    assert action in offered(judge, thing)

    done = act(judge, thing, action)

    token = done["metadata"]["annotations"].pop(f"iotsec.dev/{action}")
    assert TOKEN.fullmatch(token)
    assert done["metadata"]["annotations"] in ([], {}, annotations)
    assert done["spec"] == thing["spec"]


def test_another_press_is_another_token(judge: Judge) -> None:
    thing = recorded("Device", "ready")
    first = act(judge, thing, "rotate")["metadata"]["annotations"]

    wait_until(lambda: act(judge, thing, "rotate")["metadata"]["annotations"] != first, what="the next second")
