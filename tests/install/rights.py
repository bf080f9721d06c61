"""What rights a role gives, one by one, and what the API server's own authorizer says of somebody who lacks one."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from testbed.api import Api
from testbed.apply import apply_one

_RBAC = "rbac.authorization.k8s.io"
_NO_NAME_YET = ("create",)
"""What the authorizer is asked before anybody has read the name; the audit log has it from the body."""


@dataclass(frozen=True, order=True)
class Right:
    """One verb on one resource, and where a rule names objects on one of them: the least that a rule can be without."""

    rule: int
    group: str
    resource: str
    """With its subresource, `hubs/status`."""
    verb: str
    name: str = ""

    def __str__(self) -> str:
        what = f"{self.verb} {self.resource}" + (f".{self.group}" if self.group else "")
        return what + (f" named {self.name}" if self.name else "")

    def to_rule(self) -> dict[str, Any]:
        """The rule that gives this right alone."""
        rule: dict[str, Any] = {"apiGroups": [self.group], "resources": [self.resource], "verbs": [self.verb]}
        return rule | ({"resourceNames": [self.name]} if self.name else {})

    def covers(self, request: "Request") -> bool:
        """Whether this right is one that would allow a request."""
        wanted = (request.group, request.resource, request.verb)
        return wanted == (self.group, self.resource, self.verb) and self.name in ("", request.name)


@dataclass(frozen=True)
class Role:
    """A Role or a ClusterRole: what it gives, and in which namespaces; in none, it is for the whole cluster."""

    name: str
    namespaces: tuple[str, ...]
    rights: tuple[Right, ...]

    @property
    def kind(self) -> str:
        return "Role" if self.namespaces else "ClusterRole"

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    def give(self, api: Api, to: Mapping[str, str], name: str, *, lacking: Right | None = None) -> None:
        """Give a user or a group what this role gives, but for one right, by a role of another name."""
        rules = [right.to_rule() for right in self.rights if right != lacking]
        kind = self.kind
        reference = {"apiGroup": _RBAC, "kind": kind, "name": name}
        for place in [{"namespace": one} for one in self.namespaces] or [{}]:
            metadata = {"name": name, **place}
            head = {"apiVersion": f"{_RBAC}/v1", "metadata": metadata}
            apply_one(api, {**head, "kind": kind, "rules": rules})
            apply_one(api, {**head, "kind": f"{kind}Binding", "roleRef": reference, "subjects": [dict(to)]})


@dataclass(frozen=True, order=True)
class Request:
    """What an authorizer is asked of a request."""

    verb: str
    group: str
    resource: str
    """With its subresource."""
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} {self.namespace}/{self.name}"


def roles_of(objects: Iterable[Mapping[str, Any]], account: str) -> list[Role]:
    """The roles that manifests bind to a ServiceAccount, "namespace/name"; the same Role in many places is one."""
    things = {
        (thing["kind"], thing["metadata"]["name"], thing["metadata"].get("namespace")): thing for thing in objects
    }
    who = {"kind": "ServiceAccount", **dict(zip(("namespace", "name"), account.split("/"), strict=True))}
    places: dict[tuple[str, tuple[Right, ...]], list[str]] = {}
    for (kind, _, place), binding in things.items():
        if kind.endswith("RoleBinding") and who in binding["subjects"]:
            role = things[binding["roleRef"]["kind"], binding["roleRef"]["name"], place]
            found = places.setdefault((role["metadata"]["name"], tuple(_rights(role["rules"]))), [])
            found += [place] if place else []
    return [Role(name, tuple(where), rights) for (name, rights), where in places.items()]


def _rights(rules: Sequence[Mapping[str, Any]]) -> Iterator[Right]:
    for number, rule in enumerate(rules):
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    for name in rule.get("resourceNames", [""]):
                        yield Right(number, group, resource, verb, name)


def allowed_requests(audit_log: Path, user: str) -> set[Request]:
    """What a user asked of the API server, and was allowed to."""
    return {_request(event) for event in _events(audit_log, user) if _decision(event) == "allow"}


def refused_requests(audit_log: Path, user: str) -> set[Request]:
    """What a user asked of the API server without a right to it."""
    return {_request(event) for event in _events(audit_log, user) if _decision(event) == "forbid"}


def label_selectors(audit_log: Path, user: str, resource: str) -> set[str]:
    """By which labels a user lists and watches a resource; an empty text where by none."""
    return {
        parse_qs(urlsplit(event["requestURI"]).query).get("labelSelector", [""])[0]
        for event in _events(audit_log, user)
        if event["verb"] in ("list", "watch") and event["objectRef"]["resource"] == resource
    }


def _events(audit_log: Path, user: str) -> Iterator[Mapping[str, Any]]:
    with audit_log.open("rb") as log:
        for line in log:
            if line.endswith(b"\n") and user.encode() in line:
                event: Mapping[str, Any] = json.loads(line)
                if event["user"]["username"] == user and "objectRef" in event:
                    yield event


def _decision(event: Mapping[str, Any]) -> str:
    return str(event.get("annotations", {}).get("authorization.k8s.io/decision", ""))


def _request(event: Mapping[str, Any]) -> Request:
    thing = event["objectRef"]
    name = "" if event["verb"] in _NO_NAME_YET else thing.get("name", "")
    resource = "/".join(filter(None, (thing["resource"], thing.get("subresource"))))
    return Request(event["verb"], thing.get("apiGroup", ""), resource, thing.get("namespace", ""), name)


def may(api: Api, user: str, groups: Iterable[str], request: Request) -> bool:
    """Ask the authorizer whether somebody may make a request."""
    resource, _, subresource = request.resource.partition("/")
    attributes = {
        "verb": request.verb,
        "group": request.group,
        "resource": resource,
        "subresource": subresource,
        "namespace": request.namespace,
        "name": request.name,
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": [*groups], "resourceAttributes": attributes},
    }
    answer = api.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    allowed: bool = answer["status"]["allowed"]
    return allowed
