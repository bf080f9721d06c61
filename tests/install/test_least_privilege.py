"""The operator's rights suffice for all that it does, and each one is needed: judged by the API server's authorizer."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart.helm import Helm
from fleet.conftest import ROOT
from fleet.encrypted import encrypted_site
from install import errands
from install.rights import Request, Role, allowed_requests, label_selectors, may, refused_requests, roles_of

from iotsec.decide.names import COMPONENT
from iotsec.kube.access import find_access
from iotsec.kube.client import Client
from iotsec.kube.errors import ApiError
from iotsec.kube.resources import SECRETS
from testbed.apply import apply_objects
from testbed.cert_manager import CertManager
from testbed.control_plane import ControlPlane
from testbed.crds import cert_manager_crds
from testbed.operator import LEASE, SERVICE_ACCOUNT, Operator
from testbed.user import Object, User
from testbed.waiting import wait_until

OWN, IOT, LAB = "iot-security-operator", "iot", "lab"
LISTENERS = {"listeners": {name: {"mode": "Off"} for name in ("websocket", "mqtt", "cluster")}}
LABEL = {"bundle": "yes"}
VALVE = "/apis/iotsec.dev/v1alpha1/namespaces/lab/devices/valve"


@dataclass(frozen=True)
class Installation:
    """What somebody installs, and what the operator is told by it."""

    objects: list[Object]
    account: str
    environment: Mapping[str, str]
    chosen: Mapping[str, Any]
    """The namespaces that a trust bundle goes to."""

    @property
    def user(self) -> str:
        return f"system:serviceaccount:{self.account.replace('/', ':')}"


def for_all_namespaces(_: Helm) -> Installation:
    objects = [*yaml.safe_load_all((ROOT / "manifests" / "rbac.yaml").read_text())]
    chosen = {"from": "Selector", "selector": {"matchLabels": LABEL}}
    return Installation(objects, SERVICE_ACCOUNT, {"IOTSEC_LEASE": LEASE}, chosen)


def for_some_namespaces(helm: Helm) -> Installation:
    values = {"watchNamespaces": [IOT, LAB], "fullnameOverride": "guard", "crds": {"enabled": False}}
    rendered = helm.render(values | {"rbac": {"userRoles": False}}, namespace=OWN)
    told = {name: rendered.environment[name] for name in ("IOTSEC_LEASE", "IOTSEC_NAMESPACES")}
    kinds = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
    objects = [thing for kind in kinds for thing in rendered.of(kind)]
    return Installation(objects, f"{OWN}/guard", told, {"from": "All"})


@dataclass(frozen=True)
class Evidence:
    """What an operator did with its rights."""

    plane: ControlPlane
    installation: Installation
    roles: list[Role]
    requests: set[Request]
    refused: set[Request]

    def may(self, request: Request, *, poor_in: Role | None = None, user: str = "somebody") -> bool:
        """Whether a user may make a request who has all roles, but for one that he has in part, as he was given it."""
        groups = [str(role) for role in self.roles if role != poor_in]
        return may(self.plane.api, user, groups, request)


@pytest.fixture(scope="module", params=[for_all_namespaces, for_some_namespaces])
def evidence(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evidence]:
    """The requests of two replicas that do all that there is to do, on an API server that asks owners, too."""
    folder = tmp_path_factory.mktemp("rights")
    installation: Installation = request.param(Helm(folder / "helm"))
    manifests = [ROOT / "crds", *cert_manager_crds()]
    flags = ["--enable-admission-plugins=OwnerReferencesPermissionEnforcement"]
    directory = folder / "plane"
    with ControlPlane(directory, controller_manager=False, manifests=manifests, api_server_flags=flags) as plane:
        for name in (OWN, IOT, LAB):
            apply_objects(plane.api, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}])
        apply_objects(plane.api, installation.objects)
        do_everything(plane, installation, folder)
        yield Evidence(
            plane,
            installation,
            roles_of(installation.objects, installation.account),
            allowed_requests(plane.audit_log, installation.user),
            refused_requests(plane.audit_log, installation.user),
        )


def do_everything(plane: ControlPlane, installation: Installation, folder: Path) -> None:
    """Have the operator do all that it can do."""
    iot, lab, own = (User(plane.api, name) for name in (IOT, LAB, OWN))
    iot.label_namespace(LABEL)
    with ExitStack() as running:
        cert_manager = running.enter_context(CertManager(plane.api))
        cert_manager.issuer("plant-ca", LAB)
        a, b = (replica(plane, installation, folder / name, name) for name in "ab")
        for one in (b, a):
            running.callback(one.stop)
        a.start()
        b.start(until="stands by")
        bundle = {"trustBundle": {"configMap": {"namespaces": installation.chosen}}}
        hub = {"network": errands.NETWORK}
        site = running.enter_context(encrypted_site(iot, folder / "own-ca", hub=hub, **LISTENERS, **bundle))
        errands.connect_everybody(site)
        errands.rotate_modules(site)
        errands.lose_secrets(site)
        errands.strip_labels(site)
        errands.take_bundle_back(site, **LISTENERS)
        errands.touch_lease(own, installation.environment["IOTSEC_LEASE"].partition("/")[2])
        a.stop()
        b.wait_told("started")
        errands.cut_everybody_off(site)
        errands.order_certificates(lab, folder / "cert-manager", LISTENERS)


def replica(plane: ControlPlane, installation: Installation, folder: Path, name: str) -> Operator:
    environment = {**installation.environment, "POD_NAME": name, "IOTSEC_LEASE_SECONDS": "10"}
    return Operator(plane, folder, service_account=installation.account, environment=environment)


def test_nothing_is_asked_for_that_is_not_allowed(evidence: Evidence) -> None:
    assert evidence.requests
    assert evidence.refused == set()


@pytest.mark.parametrize("resource", ["secrets", "configmaps", "networkpolicies"])
def test_what_belongs_to_others_is_neither_listed_nor_watched(evidence: Evidence, resource: str) -> None:
    selectors = label_selectors(evidence.plane.audit_log, evidence.installation.user, resource)

    assert selectors
    assert {selector.partition("=")[0] for selector in selectors} == {COMPONENT}


def test_each_right_is_needed_and_all_together_suffice(evidence: Evidence) -> None:
    api = evidence.plane.api
    poorer = [(role, right) for role in evidence.roles for right in role.rights]
    for number, (role, right) in enumerate(poorer):
        role.give(api, {"kind": "User", "name": f"poorer-{number}"}, f"poorer-{number}", lacking=right)
    for role in evidence.roles:  # last: the authorizer learns of one after the other
        role.give(api, {"kind": "Group", "name": str(role)}, f"whole-{role.name}")
    wait_until(lambda: all(evidence.may(request) for request in evidence.requests))

    needless = [
        f"{role}: {right}"
        for number, (role, right) in enumerate(poorer)
        if all(
            evidence.may(request, poor_in=role, user=f"poorer-{number}")
            for request in evidence.requests
            if right.covers(request)  # no other can be refused for want of it: roles only ever add
        )
    ]

    assert needless == [], "rights that nothing of what the operator does needs"


def of_the_valve(plane: ControlPlane, *, holds_up: bool) -> Object:
    """A Secret that belongs to a Device, and may hold up its end."""
    valve = plane.api.request("GET", VALVE)
    owner = {"apiVersion": valve["apiVersion"], "kind": valve["kind"], "name": "valve", "uid": valve["metadata"]["uid"]}
    owner |= {"controller": True, "blockOwnerDeletion": holds_up}
    return {"metadata": {"generateName": "of-the-valve-", "ownerReferences": [owner]}}


async def created_by_operator(evidence: Evidence, secret: Object) -> Object:
    """A Secret that is created with the operator's rights."""
    kubeconfig = evidence.plane.kubeconfig_for(evidence.installation.account)
    async with Client(find_access(str(kubeconfig), None, None), instance="attacker") as attacker:
        return await attacker.create(SECRETS, LAB, secret)


async def test_to_name_an_owner_takes_no_right_to_it(evidence: Evidence) -> None:
    assert await created_by_operator(evidence, of_the_valve(evidence.plane, holds_up=False))


async def test_an_owners_end_cannot_be_held_up(evidence: Evidence) -> None:
    """That would take `update` of its finalizers: the plugin that asks for it is on."""
    with pytest.raises(ApiError, match="cannot set blockOwnerDeletion"):
        await created_by_operator(evidence, of_the_valve(evidence.plane, holds_up=True))
