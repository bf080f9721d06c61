"""The grammar of NATS subjects and of the permissions written with them.

A subject is tokens joined by dots; `*` stands for one token, `>` for one or more at the end. A subscribe permission may
add one space and a queue group. In what users write, the token `{id}` stands for the identity that gets the permission.
nats-server checks none of this in an account JWT (jwt v2 signingkeys.go `UserScope.Validate` looks at the key only), so
what is refused here is refused nowhere else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_BYTES: Final = 256
MAX_TOKENS: Final = 64
IDENTITY: Final = "{id}"
SYSTEM: Final = "$SYS.>"

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class InvalidSubject(ValueError):  # noqa: N818 - named for the value it is about, as its siblings are
    """A subject, permission or id breaks the grammar; the message says what to write instead."""


def check_subject(subject: str, *, wildcards: bool = True, template: bool = True) -> str:
    """`subject`, which follows the grammar; `wildcards` admits `*` and `>`, `template` admits the token `{id}`.

    At most 256 bytes of UTF-8 and 64 tokens. Raises `InvalidSubject`.
    """
    if not subject:
        raise InvalidSubject("a subject has at least one token: write one, such as device.{id}.>")
    if len(subject) > MAX_BYTES or len(subject.encode(errors="replace")) > MAX_BYTES:
        raise InvalidSubject(
            f"a subject has at most {MAX_BYTES} bytes: shorten this one, which starts {subject[:32]!r}"
        )
    tokens = subject.split(".")
    if len(tokens) > MAX_TOKENS:
        raise InvalidSubject(f"{subject!r} has {len(tokens)} tokens: write at most {MAX_TOKENS}")
    if ">" in tokens[:-1]:
        raise InvalidSubject(f"{subject!r} has > before its end: write * for one token, > only as the last")
    for token in tokens:
        fault = _token_fault(token, wildcards=wildcards, template=template)
        if fault:
            raise InvalidSubject(f"{subject!r} {fault}")
    return subject


def check_publish(subject: str, *, template: bool = True) -> str:
    """`subject`, which may stand in a publish permission: a subject with wildcards and no queue group.

    Raises `InvalidSubject`.
    """
    if " " in subject:
        raise InvalidSubject(f"{subject!r} has a space: a publish permission is a subject alone, without a queue group")
    return check_subject(subject, template=template)


def check_subscribe(subject: str, *, template: bool = True) -> str:
    """`subject`, which may stand in a subscribe permission: a subject, or a subject, one space and a queue group.

    A queue group follows the grammar of subjects, wildcards included (nats-server client.go `queueMatches`).
    Raises `InvalidSubject`.
    """
    name, space, queue = subject.partition(" ")
    check_subject(name, template=template)
    if space:
        if not queue or " " in queue:
            raise InvalidSubject(f"{subject!r} needs one queue group after one space: write it as 'orders.> workers'")
        check_subject(queue, template=template)
    return subject


def check_id(text: str) -> str:
    """`text`, which is an id: one literal token of 1 to 64 letters, digits, `_` and `-`. Raises `InvalidSubject`.

    nats-server puts names into scopes as they are, wildcards and dots included (auth.go
    `processUserPermissionsTemplate`), so an id of `>` would be a permission for everything.
    """
    if not _ID.fullmatch(text):
        raise InvalidSubject(f"{text[:80]!r} is no id: write 1 to 64 letters, digits, _ or -")
    return text


def scope_loses_queue(permissions: Iterable[str]) -> bool:
    """Whether a scoped signing key would lose entries of this list, which users must then get unscoped.

    Once one entry holds a template, nats-server checks every result as a plain subject and silently drops those with
    a queue group (auth.go `processUserPermissionsTemplate`). Takes templates with `{id}` or with `{{name()}}`.
    """
    entries = tuple(permissions)
    return any("{" in entry for entry in entries) and any(" " in entry for entry in entries)


def covers(wider: str, narrower: str) -> bool:
    """Whether `wider` admits all that `narrower` does; both are subjects, with or without a queue group.

    `{id}` is taken for the same identity in both. Without a queue group a permission admits every queue group; with one
    it admits only members of it.
    """
    wide, _, wide_queue = wider.partition(" ")
    narrow, _, narrow_queue = narrower.partition(" ")
    if wide_queue and not (narrow_queue and _covers(wide_queue.split("."), narrow_queue.split("."))):
        return False
    return _covers(wide.split("."), narrow.split("."))


def overlaps(one: str, other: str) -> bool:
    """Whether some literal subject, and queue group if both name one, is admitted by both.

    `{id}` may stand for any id.
    """
    one_subject, _, one_queue = one.partition(" ")
    other_subject, _, other_queue = other.partition(" ")
    if one_queue and other_queue and not _overlaps(one_queue.split("."), other_queue.split(".")):
        return False
    return _overlaps(one_subject.split("."), other_subject.split("."))


def reaches_system(subject: str) -> bool:
    """Whether `subject` admits anything under `$SYS.>`, where servers answer questions about other users."""
    return overlaps(subject, SYSTEM)


def is_bare_wildcard(subject: str) -> bool:
    """Whether `subject` is made of wildcards alone: `>`, `*.>`, `*`. Such a permission names nothing it is for."""
    return all(token in ("*", ">") for token in subject.partition(" ")[0].split("."))


def _token_fault(token: str, *, wildcards: bool, template: bool) -> str:
    """What is wrong with one token, as the rest of a sentence; empty if nothing."""
    is_wildcard = token in ("*", ">")
    is_identity = token == IDENTITY
    faults = (
        (not token, "has an empty token: write no dot at either end and none twice in a row"),
        (is_wildcard and not wildcards, f"has the wildcard {token}: write every token in full"),
        (is_identity and not template, f"has {IDENTITY}, which stands for nothing here: write the token in full"),
        (
            not is_wildcard and ("*" in token or ">" in token),
            "has a wildcard inside a token: make * or > a whole token",
        ),
        (
            not is_identity and ("{" in token or "}" in token),
            f"has braces: only {IDENTITY} as a whole token may have them",
        ),
        (" " in token or not token.isprintable(), "has white space or a character that does not print: leave it out"),
    )
    return next((fault for is_wrong, fault in faults if is_wrong), "")


def _covers(wide: list[str], narrow: list[str]) -> bool:
    for position, wanted in enumerate(wide):
        if position == len(narrow):
            return False
        if wanted == ">":
            return True
        if narrow[position] == ">" or wanted not in ("*", narrow[position]):
            return False
    return len(wide) == len(narrow)


def _overlaps(one: list[str], other: list[str]) -> bool:
    for mine, theirs in zip(one, other, strict=False):
        if ">" in (mine, theirs):
            return True
        if not _tokens_meet(mine, theirs):
            return False
    return len(one) == len(other)


def _tokens_meet(mine: str, theirs: str) -> bool:
    if mine == theirs or "*" in (mine, theirs):
        return True
    if mine == IDENTITY:
        return _ID.fullmatch(theirs) is not None
    return theirs == IDENTITY and _ID.fullmatch(mine) is not None
