"""Subjects as users write them in permissions: one grammar, as patterns and messages.

A subject is tokens separated by dots; a token is printable ASCII, or ``*``, or the identity's own ``{id}``; ``>`` may
only be the last. nats-server checks none of this in a JWT, so what is not refused here is granted as it stands.
"""

from typing import Annotated

from iotsec.api.constraints import Refusal, Text

MAX_LENGTH = 256

# Printable ASCII without the dot, the wildcards and braces.
_LITERAL = "[!-)+,/-=?-z|~-]+"
_TOKEN = f"({_LITERAL}|[*]|[{{]id[}}])"
_SUBJECT = f"({_TOKEN}[.])*({_TOKEN}|>)"
_PLAIN = f"(({_LITERAL}|[*])[.])*({_LITERAL}|[*]|>)"  # no placeholder: nobody's id is meant

_GRAMMAR = (
    "write tokens of printable ASCII separated by single dots; * and > are whole tokens, > only the last, "
    "and the only placeholder is {id}, a whole token: for example device.{id}.>"
)
_GROUP_GRAMMAR = f"{_GRAMMAR}; a queue group follows after one space"

_SYSTEM = Refusal(
    "^[$]SYS([. ]|$)",
    "system subjects are never granted to an identity: name a subject of the account, or move $SYS to deny",
)
BARE = "^([*][.])*[*>]( |$)"
"""What a subject of wildcards alone looks like."""

_EVERYTHING = Refusal(
    BARE,
    "wildcards alone reach every identity in the account: write at least one token out, for example device.{id}.>",
)
_PLAIN_EVERYTHING = Refusal(
    BARE, "wildcards alone reach everybody in the account: write at least one token out, for example alarms.>"
)
_SHARED_SYSTEM = Refusal(
    "^[$]SYS([.]|$)", "system subjects are not shared between accounts: name a subject of the exporting account's own"
)
_QUEUE = Refusal(" ", "a queue group belongs in subscribe lists only: write the subject alone, without a space")

_PUBLISH = f"^{_SUBJECT}$"
_SUBSCRIBE = f"^{_SUBJECT}( {_PLAIN})?$"

PublishAllow = Annotated[str, Text(MAX_LENGTH, _PUBLISH, _GRAMMAR, (_QUEUE, _SYSTEM, _EVERYTHING), checked="rule")]
PublishDeny = Annotated[str, Text(MAX_LENGTH, _PUBLISH, _GRAMMAR, (_QUEUE,), checked="rule")]
SubscribeAllow = Annotated[str, Text(MAX_LENGTH, _SUBSCRIBE, _GROUP_GRAMMAR, (_SYSTEM, _EVERYTHING), checked="rule")]
SubscribeDeny = Annotated[str, Text(MAX_LENGTH, _SUBSCRIBE, _GROUP_GRAMMAR, checked="rule")]

# Roles may allow what reaches everybody, where they say so.
BroadPublish = Annotated[str, Text(MAX_LENGTH, _PUBLISH, _GRAMMAR, (_QUEUE, _SYSTEM), checked="rule")]
BroadSubscribe = Annotated[str, Text(MAX_LENGTH, _SUBSCRIBE, _GROUP_GRAMMAR, (_SYSTEM,), checked="rule")]

_PLAIN_GRAMMAR = (
    "write tokens of printable ASCII separated by single dots; * and > are whole tokens, > only the last: "
    "for example alarms.*.>"
)
_PLAIN_GROUP_GRAMMAR = f"{_PLAIN_GRAMMAR}; a queue group follows after one space"
_PLAIN_PUBLISH = f"^{_PLAIN}$"
_PLAIN_SUBSCRIBE = f"^{_PLAIN}( {_PLAIN})?$"

# What accounts share, and what users may who have no role, is the same for every identity.
SharedSubject = Annotated[str, Text(MAX_LENGTH, _PLAIN_PUBLISH, _PLAIN_GRAMMAR, (_SHARED_SYSTEM,), checked="rule")]
PlainPublishAllow = Annotated[
    str, Text(MAX_LENGTH, _PLAIN_PUBLISH, _PLAIN_GRAMMAR, (_QUEUE, _SYSTEM, _PLAIN_EVERYTHING), checked="rule")
]
PlainPublishDeny = Annotated[str, Text(MAX_LENGTH, _PLAIN_PUBLISH, _PLAIN_GRAMMAR, (_QUEUE,), checked="rule")]
PlainSubscribeAllow = Annotated[
    str, Text(MAX_LENGTH, _PLAIN_SUBSCRIBE, _PLAIN_GROUP_GRAMMAR, (_SYSTEM, _PLAIN_EVERYTHING), checked="rule")
]
PlainSubscribeDeny = Annotated[str, Text(MAX_LENGTH, _PLAIN_SUBSCRIBE, _PLAIN_GROUP_GRAMMAR, checked="rule")]
