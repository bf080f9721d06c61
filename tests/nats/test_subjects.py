"""The grammar of subjects, held against a matcher that lists every literal subject there is."""

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iotsec.nats.claims import Permissions, UserClaims, UserPermissionLimits
from iotsec.nats.jwt import encode
from iotsec.nats.keys import KeyType, SigningKey
from iotsec.nats.subjects import (
    InvalidSubject,
    check_id,
    check_publish,
    check_subject,
    check_subscribe,
    covers,
    is_bare_wildcard,
    overlaps,
    reaches_system,
    scope_loses_queue,
)

ALPHABET = "abc"
LONGEST = 5
LITERALS = [literal for length in range(1, LONGEST + 1) for literal in itertools.product(ALPHABET, repeat=length)]


def filters(tokens: str = "ab*") -> st.SearchStrategy[str]:
    """Filters short enough for `LITERALS` to hold a witness of whatever is true of them."""
    heads = st.lists(st.sampled_from(tokens), min_size=1, max_size=LONGEST - 1)
    return st.builds(lambda head, tail: ".".join(head + tail), heads, st.sampled_from([[], [">"]])) | st.just(">")


def matched(subject: str) -> set[tuple[str, ...]]:
    """Every literal the filter matches, by the definition of `*` and `>`."""
    wanted = subject.split(".")
    if wanted[-1] == ">":
        return {
            literal
            for literal in LITERALS
            if len(literal) >= len(wanted) and all(w in ("*", t) for w, t in zip(wanted[:-1], literal, strict=False))
        }
    return {
        literal
        for literal in LITERALS
        if len(literal) == len(wanted) and all(w in ("*", t) for w, t in zip(wanted, literal, strict=True))
    }


IDS = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
LITERAL_TOKENS = st.text(
    st.characters(exclude_characters=".*>{} ", exclude_categories=("Z", "C")), min_size=1, max_size=8
)
TEMPLATES = st.lists(LITERAL_TOKENS | st.sampled_from(["*", "{id}"]), min_size=1, max_size=6).map(".".join)
ANYTHING = st.text(st.sampled_from("ab.*>{}id \t\n\x00\u00a0é$_-"), max_size=20) | TEMPLATES


@given(filters(), filters())
def test_a_filter_covers_another_if_it_matches_all_its_literals(wider: str, narrower: str) -> None:
    assert covers(wider, narrower) == (matched(narrower) <= matched(wider))


@given(filters(), filters())
def test_filters_overlap_if_some_literal_matches_both(one: str, other: str) -> None:
    assert overlaps(one, other) == bool(matched(one) & matched(other)) == overlaps(other, one)


@given(filters())
def test_a_bare_wildcard_matches_every_literal_as_long_as_itself(subject: str) -> None:
    tokens = len(subject.split("."))
    assert is_bare_wildcard(subject) == all(
        literal in matched(subject) for literal in LITERALS if len(literal) == tokens
    )


@given(ANYTHING)
def test_a_subject_is_accepted_only_if_each_token_is_a_literal_a_wildcard_or_the_id(subject: str) -> None:
    try:
        check_subject(subject)
    except InvalidSubject:
        return
    tokens = subject.split(".")
    assert all(tokens)
    assert ">" not in tokens[:-1]
    for token in tokens:
        assert token in ("*", ">", "{id}") or not set(token) & set("*>{} \t\n\x00\u00a0")


@given(TEMPLATES)
def test_every_sequence_of_whole_tokens_is_accepted(template: str) -> None:
    assert check_subject(template) == check_publish(template) == check_subscribe(template) == template
    assert check_subscribe(f"{template} pool.*") == f"{template} pool.*"
    with pytest.raises(InvalidSubject, match="queue group"):
        check_publish(f"{template} pool")


@given(TEMPLATES, IDS)
def test_a_template_with_an_id_filled_in_is_a_subject_that_it_covers_as_a_wildcard(
    template: str, identity: str
) -> None:
    expanded = template.replace("{id}", check_id(identity))
    assert check_subject(expanded, template=False) == expanded
    assert covers(template.replace("{id}", "*"), expanded)
    assert overlaps(template, expanded)
    assert len(expanded.split(".")) == len(template.split("."))


@settings(max_examples=5, deadline=None)
@given(entries=st.lists(TEMPLATES.map(lambda template: template.replace("{id}", "x")), min_size=50, max_size=100))
def test_what_the_grammar_accepts_the_go_library_accepts(
    go_check: Callable[[list[str]], list[dict[str, object]]],
    entries: list[str],
) -> None:
    account = SigningKey.generate(KeyType.ACCOUNT, bytes(32))
    queued = [f"{entry} pool.*" for entry in entries]
    claims = UserClaims(limits=UserPermissionLimits(Permissions(publish_allow=(*entries,), subscribe_allow=(*queued,))))
    user = SigningKey.generate(KeyType.USER, bytes(32))
    (verdict,) = go_check([encode(claims, account, subject=user.public, issued_at=1)])
    assert verdict == {"type": "user", "issues": [], "same": True}


@pytest.mark.parametrize(
    ("subject", "advice"),
    [
        ("", "at least one token"),
        (".a", "empty token"),
        ("a.", "empty token"),
        ("a..b", "empty token"),
        ("a.>.b", "only as the last"),
        ("a.b>", "whole token"),
        ("a*.b", "whole token"),
        ("a b", "leave it out"),
        ("a.\tb", "leave it out"),
        ("a.b\n", "leave it out"),
        ("a.\u200bb", "leave it out"),
        ("a.\ud800", "leave it out"),
        ("dev-{id}.x", "whole token"),
        ("{ID}", "braces"),
        ("{{name()}}", "braces"),
        ("}", "braces"),
        ("a" * 257, "256 bytes"),
        ("é" * 129, "256 bytes"),
        (".".join("a" * 65), "at most 64"),
    ],
)
def test_a_subject_that_breaks_the_grammar_is_refused_with_advice(subject: str, advice: str) -> None:
    with pytest.raises(InvalidSubject, match=advice):
        check_subject(subject)


def test_the_longest_subjects_are_accepted() -> None:
    check_subject("a" * 256)
    check_subject(".".join("a" * 64))


@pytest.mark.parametrize("subject", ["a.*", ">", "a.>"])
def test_wildcards_are_refused_where_a_literal_subject_is_needed(subject: str) -> None:
    with pytest.raises(InvalidSubject, match="wildcard"):
        check_subject(subject, wildcards=False)


def test_the_id_is_refused_where_nobody_fills_it_in() -> None:
    with pytest.raises(InvalidSubject, match="in full"):
        check_subject("device.{id}", template=False)


@pytest.mark.parametrize("permission", ["a.> ", "a  q", "a q r", " q", "a q..r", "a\tq", "a {id"])
def test_a_queue_group_is_one_name_after_one_space(permission: str) -> None:
    with pytest.raises(InvalidSubject):
        check_subscribe(permission)


@pytest.mark.parametrize("text", ["", "a.b", "*", ">", "a b", "a\n", "é", "a" * 65, "{id}", "$SYS"])
def test_an_id_that_could_widen_a_permission_is_refused(text: str) -> None:
    with pytest.raises(InvalidSubject, match="letters, digits"):
        check_id(text)


@pytest.mark.parametrize("subject", [">", "*.>", "*.*", "$SYS.>", "$SYS.REQ.SERVER.PING", "$SYS.* q", "> q", "$SYS.*"])
def test_what_reaches_the_system_is_noticed(subject: str) -> None:
    assert reaches_system(subject)


@pytest.mark.parametrize("subject", ["*", "$SYS", "a.>", "$SYSTEM.>", "{id}.>", "$JS.API.>", "device.*.>"])
def test_what_cannot_reach_the_system_is_let_be(subject: str) -> None:
    assert not reaches_system(subject)


def test_queue_groups_narrow_what_a_permission_covers() -> None:
    assert covers("a.>", "a.b q")
    assert covers("a.> q.*", "a.b q.1")
    assert not covers("a.> q", "a.b")
    assert not covers("a.> q", "a.b r")
    assert overlaps("a.> q", "a.b")
    assert not overlaps("a.> q", "a.b r")


def test_the_id_stands_for_any_id_and_nothing_else() -> None:
    assert covers("device.*.>", "device.{id}.>")
    assert covers("device.{id}.>", "device.{id}.x")
    assert not covers("device.{id}.>", "device.a.x")
    assert overlaps("device.{id}", "device.a")
    assert overlaps("device.a", "device.{id}")
    assert not overlaps("{id}.x", "$SYS.x")


@pytest.mark.parametrize(
    ("permissions", "loses"),
    [
        (["a.{id}", "work.* q"], True),
        (["a.{{name()}}", "work.* q"], True),
        (["work.{id} q"], True),
        (["a.{id}", "b"], False),
        (["a", "work.* q"], False),
        ([], False),
    ],
)
def test_a_list_with_templates_loses_its_queue_permissions(permissions: list[str], *, loses: bool) -> None:
    assert scope_loses_queue(permissions) is loses
