"""Permissions beside roles: of one identity on top of its own, and of an account's users that have none."""

from typing import Annotated

from pydantic import Field

from iotsec.api.constraints import Items
from iotsec.api.model import Model
from iotsec.api.subject_rules import (
    PlainPublishAllow,
    PlainPublishDeny,
    PlainSubscribeAllow,
    PlainSubscribeDeny,
    PublishAllow,
    PublishDeny,
    SubscribeAllow,
    SubscribeDeny,
)

_subjects = Items(64)


class PermissionLists(Model):
    """Subjects allowed and subjects denied; a denied subject is denied even where it is allowed."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class PublishLists(PermissionLists):
    """Subjects the identity may and may not publish to."""

    allow: Annotated[tuple[PublishAllow, ...], _subjects] = Field(
        default=(), description="Subjects it may publish to; {id} stands for the identity's own id."
    )
    deny: Annotated[tuple[PublishDeny, ...], _subjects] = Field(
        default=(), description="Subjects it may not publish to, whatever allows them."
    )


class SubscribeLists(PermissionLists):
    """Subjects the identity may and may not subscribe to."""

    allow: Annotated[tuple[SubscribeAllow, ...], _subjects] = Field(
        default=(), description="Subjects it may subscribe to, each optionally with one space and a queue group."
    )
    deny: Annotated[tuple[SubscribeDeny, ...], _subjects] = Field(
        default=(), description="Subjects it may not subscribe to, whatever allows them."
    )


class Permissions(Model):
    """Permissions added to those of the role."""

    publish: PublishLists = Field(default=PublishLists(), description="What it may publish.")
    subscribe: SubscribeLists = Field(default=SubscribeLists(), description="What it may subscribe to.")


class DefaultPublish(PermissionLists):
    """Subjects that users without permissions may and may not publish to."""

    allow: Annotated[tuple[PlainPublishAllow, ...], _subjects] = Field(
        default=(), description="Subjects they may publish to; every subject by default."
    )
    deny: Annotated[tuple[PlainPublishDeny, ...], _subjects] = Field(
        default=(), description="Subjects they may not publish to, whatever allows them."
    )


class DefaultSubscribe(PermissionLists):
    """Subjects that users without permissions may and may not subscribe to."""

    allow: Annotated[tuple[PlainSubscribeAllow, ...], _subjects] = Field(
        default=(), description="Subjects they may subscribe to; every subject by default."
    )
    deny: Annotated[tuple[PlainSubscribeDeny, ...], _subjects] = Field(
        default=(), description="Subjects they may not subscribe to, whatever allows them."
    )


class DefaultPermissions(Model):
    """Permissions of users that were given none; the server knows no id of them, and so no placeholder."""

    publish: DefaultPublish = Field(default=DefaultPublish(), description="What they may publish.")
    subscribe: DefaultSubscribe = Field(default=DefaultSubscribe(), description="What they may subscribe to.")
