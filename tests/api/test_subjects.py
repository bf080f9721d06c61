"""The grammar of subjects, against a second reading of its rules."""

import string
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from iotsec.api.subject_rules import (
    BroadPublish,
    BroadSubscribe,
    PlainPublishAllow,
    PlainPublishDeny,
    PlainSubscribeAllow,
    PlainSubscribeDeny,
    PublishAllow,
    PublishDeny,
    SharedSubject,
    SubscribeAllow,
    SubscribeDeny,
)

NEAR_MISSES = st.lists(
    st.one_of(
        st.sampled_from(["", "*", ">", "{id}", "$SYS", "a*", "{id}x", "{name}", "}{", "é", " ", "\t", "\n", "a\n"]),
        st.text(alphabet=string.printable, min_size=1, max_size=3),
        st.just("a"),
    ),
    min_size=1,
    max_size=4,
).map(".".join)
WITH_QUEUE = st.one_of(NEAR_MISSES, st.tuples(NEAR_MISSES, NEAR_MISSES).map(" ".join))


def is_token(token: str) -> bool:
    literal = all("!" <= char <= "~" and char not in "*>{}." for char in token) and token != ""
    return literal or token in ("*", "{id}")


def is_subject(subject: str) -> bool:
    *first, last = subject.split(".")
    return all(map(is_token, first)) and (is_token(last) or last == ">")


def is_granted(subject: str) -> bool:
    tokens = subject.split(".")
    return is_subject(subject) and tokens[0] != "$SYS" and not set(tokens) <= {"*", ">"}


def is_broad(subject: str) -> bool:
    return is_subject(subject) and not subject.startswith(("$SYS.", "$SYS ")) and subject != "$SYS"


def plain(fits: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda text: fits(text) and "{id}" not in text


def with_queue(fits: Callable[[str], bool]) -> Callable[[str], bool]:
    def fits_with_queue(text: str) -> bool:
        subject, space, group = text.partition(" ")
        return fits(subject) and (not space or (is_subject(group) and "{id}" not in group))

    return fits_with_queue


def accepted(kind: object, text: str) -> bool:
    try:
        TypeAdapter(kind).validate_python(text)
    except ValidationError:
        return False
    return True


@given(NEAR_MISSES)
def test_publish_lists_take_exactly_the_subjects_of_the_grammar(text: str) -> None:
    assert accepted(PublishAllow, text) == is_granted(text)
    assert accepted(PublishDeny, text) == is_subject(text)


@given(WITH_QUEUE)
def test_subscribe_lists_take_a_queue_group_after_one_space(text: str) -> None:
    assert accepted(SubscribeAllow, text) == with_queue(is_granted)(text)
    assert accepted(SubscribeDeny, text) == with_queue(is_subject)(text)


@given(WITH_QUEUE)
def test_a_role_may_be_broad_but_never_of_the_system(text: str) -> None:
    assert accepted(BroadPublish, text) == is_broad(text)
    assert accepted(BroadSubscribe, text) == with_queue(is_broad)(text)


@given(NEAR_MISSES)
def test_accounts_share_subjects_that_name_no_identity(text: str) -> None:
    assert accepted(SharedSubject, text) == plain(is_broad)(text)


@given(WITH_QUEUE)
def test_users_without_a_role_have_no_placeholder(text: str) -> None:
    assert accepted(PlainPublishAllow, text) == plain(is_granted)(text)
    assert accepted(PlainPublishDeny, text) == plain(is_subject)(text)
    assert accepted(PlainSubscribeAllow, text) == plain(with_queue(is_granted))(text)
    assert accepted(PlainSubscribeDeny, text) == plain(with_queue(is_subject))(text)
