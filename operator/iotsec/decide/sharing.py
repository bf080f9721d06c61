"""What cannot be in the accounts of a Hub: faults of exports, imports, roles and default permissions.

A server says nothing of most of them: it leaves an import out, or lets more through than was meant. The API server
refuses some at admission; here all of them are found.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from iotsec.api.accounts import Account, Export, Import
from iotsec.api.hub import HubSpec
from iotsec.api.permissions import DefaultPermissions, DefaultPublish, DefaultSubscribe
from iotsec.decide import roles
from iotsec.decide.import_cycles import forms_cycle, is_reference, local_pattern
from iotsec.decide.refusal import check_permissions
from iotsec.nats import subjects
from iotsec.nats.claims import Permissions

_NOTHING = DefaultPermissions(publish=DefaultPublish(deny=(">",)), subscribe=DefaultSubscribe(deny=(">",)))

Accounts = Mapping[str, Account]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that cannot be, and what to write instead."""

    account: int
    """Where the account is in ``spec.accounts``."""
    part: Literal["roles", "exports", "imports", "defaultPermissions"]
    message: str
    item: int | None = None
    """Where the item is in that part, if it is a list."""
    field: str = ""

    def __str__(self) -> str:
        """Return the path and the message."""
        item = "" if self.item is None else f"[{self.item}]"
        return f"spec.accounts[{self.account}].{self.part}{item}{self.field and f'.{self.field}'}: {self.message}"


def fault(spec: HubSpec) -> str:
    """Return the first thing that cannot be, with what to write instead; empty where there is none."""
    return next(map(str, faults(spec)), "")


def sound(spec: HubSpec) -> HubSpec:
    """Return the spec without the exports and imports that cannot be; default permissions that cannot be are none.

    What an operator that starts goes by while a Hub is at fault: nobody has more than the spec says.
    """
    while broken := next((f for f in faults(spec) if f.part != "roles"), None):
        account = spec.accounts[broken.account]
        left = {
            "exports": tuple(e for n, e in enumerate(account.exports) if (broken.part, broken.item) != ("exports", n)),
            "imports": tuple(i for n, i in enumerate(account.imports) if (broken.part, broken.item) != ("imports", n)),
            "default_permissions": _NOTHING if broken.part == "defaultPermissions" else account.default_permissions,
        }
        accounts = list(spec.accounts)
        accounts[broken.account] = account.model_copy(update=left)
        spec = spec.model_copy(update={"accounts": tuple(accounts)})
    return spec


def faults(spec: HubSpec) -> Iterator[Fault]:
    """Yield all that cannot be: exports before the imports that may rest on them."""
    accounts = {account.name: account for account in spec.effective_accounts()}
    offered = {*roles.PRESETS, *(role.name for role in spec.roles)}
    for number, account in enumerate(accounts.values()):
        for item, role in enumerate(account.roles):
            if role not in offered:
                yield Fault(number, "roles", f"there is no role {role!r}: write one of {_list(offered)}", item)
        if message := _permissions_fault(account):
            yield Fault(number, "defaultPermissions", message)
        for item, export in enumerate(account.exports):
            for field, message in _export_faults(account, export, account.exports[:item], accounts):
                yield Fault(number, "exports", message, item, field)
    for number, account in enumerate(accounts.values()):
        for item, shared in enumerate(account.imports):
            for field, message in _import_faults(account, shared, account.imports[:item], accounts):
                yield Fault(number, "imports", message, item, field)


def export_for(exporter: Account, shared: Import) -> Export | None:
    """Return the export that an import rests on: there is one at most, since exports of a type do not overlap."""
    same = (export for export in exporter.exports if export.type == shared.type)
    return next((export for export in same if subjects.covers(export.subject, shared.subject)), None)


def _permissions_fault(account: Account) -> str:
    declared = account.default_permissions
    if declared is None:
        return ""
    permissions = Permissions(
        publish_allow=declared.publish.allow,
        publish_deny=declared.publish.deny,
        subscribe_allow=declared.subscribe.allow,
        subscribe_deny=declared.subscribe.deny,
    )
    try:
        check_permissions(permissions, template=False)
    except subjects.InvalidSubject as error:
        return str(error)
    return ""


def _export_faults(
    account: Account, export: Export, before: tuple[Export, ...], accounts: Accounts
) -> Iterator[tuple[str, str]]:
    if message := _subject_fault(export.subject, may_reach_system=export.type == "Stream"):
        yield "subject", message
        return
    limits = account.limits
    if not limits.wildcard_exports and {"*", ">"} & set(export.subject):
        yield "subject", "limits.wildcardExports is false: write the subject out, or leave the limit out"
    if limits.exports is not None and len(before) >= limits.exports:
        yield "", f"limits.exports has room for {limits.exports}: raise the limit, or leave this one out"
    for other in before:
        if other.type == export.type and subjects.overlaps(other.subject, export.subject):
            # A server takes either for who may import what both have, now this and now that one.
            message = f"{export.subject!r} overlaps {other.subject!r} of export {other.name}: "
            yield "subject", f"{message}write subjects that have nothing in common, or one export for both"
    for name in export.accounts:
        if name not in accounts or name == account.name:
            others = accounts.keys() - {account.name}
            yield "accounts", f"this Hub has no other account {name!r} to let in: write some of {_list(others)}"


def _import_faults(
    account: Account, shared: Import, before: tuple[Import, ...], accounts: Accounts
) -> Iterator[tuple[str, str]]:
    exporter = accounts.get(shared.account)
    if exporter is None or exporter is account:
        others = accounts.keys() - {account.name}
        yield "account", f"this Hub has no other account {shared.account!r}: write one of {_list(others)}"
        return
    if message := _subject_fault(shared.subject, may_reach_system=True):
        yield "subject", message
        return
    if message := _not_exported(account, shared, exporter):
        yield "subject", message
    if message := _local_fault(shared):
        yield "localSubject", message
        return
    if shared.share and shared.type == "Stream":
        yield "share", "nobody asks for a stream, so there is nobody to tell of: leave share out, or import a Service"
    if account.limits.imports is not None and len(before) >= account.limits.imports:
        yield "", f"limits.imports has room for {account.limits.imports}: raise the limit, or leave this one out"
    for other in before:
        if message := _clash(shared, other):
            yield "localSubject" if shared.type == "Service" else "subject", message
    if forms_cycle(accounts, account.name, shared):
        message = (
            f"what account {shared.account} imports leads from {shared.subject!r} back to account {account.name}, "
        )
        yield "subject", f"{message}and servers leave such an import out: write other subjects, or import one way only"


def _not_exported(account: Account, shared: Import, exporter: Account) -> str:
    export = export_for(exporter, shared)
    if export is None:
        there = [other.subject for other in exporter.exports if other.type == shared.type]
        instead = f"write a subject within {_list(there)}, or add an export" if there else "add an export there"
        return f"account {exporter.name} exports no {shared.type} that covers {shared.subject!r}: {instead}"
    if export.accounts and account.name not in export.accounts:
        return (
            f"export {export.name} of account {exporter.name} is not for account {account.name}: "
            f"add {account.name} to its accounts, or leave this import out"
        )
    return ""


def _subject_fault(subject: str, *, may_reach_system: bool) -> str:
    """Return what is wrong with a subject that is shared.

    A service that reaches ``$SYS`` lets its importers ask the servers as if they were users of the exporter, for its
    connections and their JWTs for instance (nats-server ``monitor.go``, Connz); what is imported to such a subject
    could pass for an answer of the servers.
    """
    try:
        subjects.check_publish(subject, template=False)
    except subjects.InvalidSubject as error:
        return str(error)
    if subject.split(".", 1)[0] == "$SYS":
        return f"{subject!r} belongs to the system account: write a subject of this account"
    if not may_reach_system and subjects.reaches_system(subject):
        return f"{subject!r} takes in the servers' own subjects, $SYS.>: write its first token out"
    return ""


def _local_fault(shared: Import) -> str:
    """Return what is wrong with the local subject (jwt v2 ``types.go``, ``RenamingSubject.Validate``)."""
    local = shared.local_subject or shared.subject
    if message := _subject_fault(local, may_reach_system=False):
        return message
    if shared.local_subject is None:
        return ""
    tokens = local.split(".")
    wildcards = shared.subject.split(".").count("*")
    references = sorted(token for token in tokens if is_reference(token))
    named = not references or references == sorted(f"${n}" for n in range(1, wildcards + 1))
    if len(references) + tokens.count("*") != wildcards or not named:
        return (
            f"{local!r} must have every * of {shared.subject!r} once: write as many *, "
            "or $1, $2 and so on where their order changes"
        )
    if (tokens[-1] == ">") != shared.subject.endswith(">"):
        return f"{local!r} and {shared.subject!r} must both end in >, or neither"
    return ""


def _clash(shared: Import, other: Import) -> str:
    if shared.type != other.type:
        return ""
    mine, theirs = local_pattern(shared), local_pattern(other)
    if shared.type == "Service" and subjects.overlaps(mine, theirs):
        return (
            f"{mine!r} overlaps {theirs!r} of import {other.name}, and nobody could say who answers: "
            "write a localSubject of its own"
        )
    if shared.account == other.account and subjects.overlaps(shared.subject, other.subject):
        return (
            f"{shared.subject!r} overlaps {other.subject!r} of import {other.name}: messages would come twice, "
            "or under one subject only; import them once"
        )
    return ""


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
