"""What accounts of one Hub cannot share, each told with where it is and what to write instead."""

from typing import Any, NamedTuple

import pytest

from iotsec.api.accounts import Account, Export, Import
from iotsec.api.hub import HubSpec
from iotsec.api.permissions import DefaultPermissions, DefaultPublish
from iotsec.decide.import_cycles import push_order
from iotsec.decide.sharing import fault, faults, sound
from iotsec.nats.claims import Import as Claimed
from iotsec.nats.claims import ShareKind

Json = dict[str, Any]


def hub(*accounts: Json) -> HubSpec:
    return HubSpec.parse({"nats": {"servers": ["nats://nats:4222"]}, "accounts": list(accounts)})


class Wrong(NamedTuple):
    spec: HubSpec
    message: str


def share(kind: str, subject: str) -> Json:
    name = subject.replace("*", "any").replace(">", "all")
    return {"name": f"{kind.lower()}.{name}", "type": kind, "subject": subject}


def stream(subject: str, **more: Any) -> Json:
    return share("Stream", subject) | more


def service(subject: str, **more: Any) -> Json:
    return share("Service", subject) | more


def exporting(*exports: Json, name: str = "plc", **more: Any) -> Json:
    return {"name": name, "exports": list(exports)} | more


def importing(*imports: Json, name: str = "mir", **more: Any) -> Json:
    return {"name": name, "imports": [{"account": "plc"} | shared for shared in imports]} | more


def unchecked(spec: HubSpec, account: int, **fields: Any) -> HubSpec:
    """The spec with fields that the API would refuse, as if somebody had got round it."""
    accounts = list(spec.accounts)
    accounts[account] = accounts[account].model_copy(update=fields)
    return spec.model_copy(update={"accounts": tuple(accounts)})


PLAIN = hub(importing(stream("alarms.>")), exporting(stream("alarms.>")))

RIGHT = {
    "nothing shared": hub({"name": "mir"}),
    "no accounts": HubSpec.parse({"nats": {"servers": ["nats://nats:4222"]}}),
    "an import of all that is exported": PLAIN,
    "an import of a part": hub(importing(stream("alarms.x.*")), exporting(stream("alarms.>"))),
    "an import by leave": hub(importing(service("time")), exporting(service("time", accounts=["mir"]))),
    "wildcards in another order": hub(importing(service("a.*.*", localSubject="b.$2.$1")), exporting(service("a.*.*"))),
    "a stream and a service of one subject": hub(
        importing(stream("a"), service("a")), exporting(stream("a"), service("a"))
    ),
    "streams of two accounts that flow together": hub(
        importing(stream("a.>"), stream("a.>", account="lab", name="other")),
        exporting(stream("a.>")),
        exporting(stream("a.>"), name="lab"),
    ),
    "accounts that import different things from each other": hub(
        importing(service("y")) | {"exports": [service("x")]},
        exporting(service("y")) | {"imports": [service("x", account="mir")]},
    ),
    "everything as a stream, kept apart": hub(importing(stream(">", localSubject="plc.>")), exporting(stream(">"))),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_can_be_has_no_fault(name: str) -> None:
    assert fault(RIGHT[name]) == ""
    assert sound(RIGHT[name]) is RIGHT[name]


WRONG = {
    "what is not exported": Wrong(
        hub(importing(stream("secrets.>")), exporting(stream("alarms.>"))),
        "spec.accounts[0].imports[0].subject: account plc exports no Stream that covers 'secrets.>': "
        "write a subject within alarms.>, or add an export",
    ),
    "more than is exported": Wrong(
        hub(importing(stream("alarms.>")), exporting(stream("alarms.*"))),
        "exports no Stream that covers 'alarms.>'",
    ),
    "as another type than is exported": Wrong(
        hub(importing(service("alarms")), exporting(stream("alarms"))),
        "exports no Service that covers 'alarms': add an export there",
    ),
    "what is exported to others": Wrong(
        hub(importing(stream("a")), exporting(stream("a", accounts=["lab"])), {"name": "lab"}),
        "spec.accounts[0].imports[0].subject: export stream.a of account plc is not for account mir: "
        "add mir to its accounts, or leave this import out",
    ),
    "two exports of which either could decide who may import": Wrong(
        hub(exporting(stream("a.*.b"), stream("a.b.*", accounts=["mir"])), {"name": "mir"}),
        "spec.accounts[0].exports[1].subject: 'a.b.*' overlaps 'a.*.b' of export stream.a.any.b: "
        "write subjects that have nothing in common, or one export for both",
    ),
    "the servers' own services": Wrong(
        hub(exporting(service(">"))),
        "spec.accounts[0].exports[0].subject: '>' takes in the servers' own subjects, $SYS.>: "
        "write its first token out",
    ),
    "an export to itself": Wrong(
        hub(exporting(stream("a", accounts=["plc"])), {"name": "mir"}),
        "spec.accounts[0].exports[0].accounts: this Hub has no other account 'plc' to let in: write some of mir",
    ),
    "a local subject that could be the servers'": Wrong(
        hub(importing(stream("a.>", localSubject=">")), exporting(stream("a.>"))),
        "spec.accounts[0].imports[0].localSubject: '>' takes in the servers' own subjects",
    ),
    "a wildcard that gets lost": Wrong(
        hub(importing(stream("a.*", localSubject="b")), exporting(stream("a.*"))),
        "spec.accounts[0].imports[0].localSubject: 'b' must have every * of 'a.*' once: write as many *, "
        "or $1, $2 and so on where their order changes",
    ),
    "one wildcard twice": Wrong(
        hub(importing(service("a.*.*", localSubject="b.$1.$1")), exporting(service("a.*.*"))),
        "must have every * of 'a.*.*' once",
    ),
    "a wildcard that is not there": Wrong(
        hub(importing(service("a.*", localSubject="b.$2")), exporting(service("a.*"))),
        "must have every * of 'a.*' once",
    ),
    "a tail that gets lost": Wrong(
        hub(importing(stream("a.>", localSubject="b")), exporting(stream("a.>"))),
        "'b' and 'a.>' must both end in >, or neither",
    ),
    "who asks for a stream": Wrong(
        hub(importing(stream("a", share=True)), exporting(stream("a"))),
        "spec.accounts[0].imports[0].share: nobody asks for a stream",
    ),
    "two services under one subject": Wrong(
        hub(
            importing(service("a"), service("b", localSubject="a")),
            exporting(service("a"), service("b")),
        ),
        "spec.accounts[0].imports[1].localSubject: 'a' overlaps 'a' of import service.a, "
        "and nobody could say who answers: write a localSubject of its own",
    ),
    "services of two accounts under one subject": Wrong(
        hub(
            importing(service("a.>"), service("a.b", account="lab")),
            exporting(service("a.>")),
            exporting(service("a.b"), name="lab"),
        ),
        "'a.b' overlaps 'a.>' of import service.a.all",
    ),
    "messages that would come twice": Wrong(
        hub(importing(stream("a.>"), stream("a.b")), exporting(stream("a.>"))),
        "spec.accounts[0].imports[1].subject: 'a.b' overlaps 'a.>' of import stream.a.all: messages would come twice, "
        "or under one subject only; import them once",
    ),
    "a service that asks itself": Wrong(
        hub(
            importing(service("x")) | {"exports": [service("x")]},
            exporting(service("x")) | {"imports": [service("x", account="mir")]},
        ),
        "spec.accounts[0].imports[0].subject: what account plc imports leads from 'x' back to account mir, "
        "and servers leave such an import out: write other subjects, or import one way only",
    ),
    "a stream that comes back by a third": Wrong(
        hub(
            importing(stream("x.>")) | {"exports": [stream("x.>")]},
            exporting(stream("x.>")) | {"imports": [stream("x.>", account="lab")]},
            exporting(stream("x.>"), name="lab") | {"imports": [stream("x.y", account="mir")]},
        ),
        "leads from 'x.>' back to account mir",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_says_where_it_is_and_what_to_write_instead(name: str) -> None:
    spec, message = WRONG[name]

    assert message in fault(spec)


BEYOND_ADMISSION = {
    "an unknown exporter": Wrong(
        unchecked(PLAIN, 0, imports=(Import(name="a", account="gone", type="Stream", subject="a"),)),
        "spec.accounts[0].imports[0].account: this Hub has no other account 'gone': write one of plc",
    ),
    "itself": Wrong(
        unchecked(PLAIN, 0, imports=(Import(name="a", account="mir", type="Stream", subject="a"),)),
        "this Hub has no other account 'mir'",
    ),
    "leave for an unknown account": Wrong(
        unchecked(PLAIN, 1, exports=(Export(name="a", type="Stream", subject="alarms.>", accounts=("mir", "gone")),)),
        "spec.accounts[1].exports[0].accounts: this Hub has no other account 'gone' to let in: write some of mir",
    ),
    "a role that nobody has": Wrong(
        unchecked(PLAIN, 0, roles=("device", "gone")),
        "spec.accounts[0].roles[1]: there is no role 'gone': write one of client-read-only",
    ),
    "a system subject": Wrong(
        unchecked(PLAIN, 1, exports=(Export.model_construct(name="a", type="Stream", subject="$SYS.>", accounts=()),)),
        "spec.accounts[1].exports[0].subject: '$SYS.>' belongs to the system account",
    ),
    "a subject that is none": Wrong(
        unchecked(PLAIN, 1, exports=(Export.model_construct(name="a", type="Stream", subject="a..b", accounts=()),)),
        "spec.accounts[1].exports[0].subject: 'a..b' has an empty token",
    ),
    "default permissions for an id": Wrong(
        unchecked(
            PLAIN,
            0,
            default_permissions=DefaultPermissions.model_construct(
                publish=DefaultPublish.model_construct(allow=("device.{id}.>",), deny=())
            ),
        ),
        "spec.accounts[0].defaultPermissions: 'device.{id}.>' has {id}, which stands for nothing here: "
        "write the token in full",
    ),
}


@pytest.mark.parametrize("name", BEYOND_ADMISSION)
def test_what_admission_refuses_is_refused_here_as_well(name: str) -> None:
    spec, message = BEYOND_ADMISSION[name]

    assert message in "\n".join(map(str, faults(spec)))


@pytest.mark.parametrize("spec", [spec for spec, _ in (*WRONG.values(), *BEYOND_ADMISSION.values())])
def test_what_is_left_without_the_faults_has_none_and_grants_no_more(spec: HubSpec) -> None:
    left = sound(spec)

    assert {f.part for f in faults(left)} <= {"roles"}  # a role that nobody has grants nothing
    for before, after in zip(spec.accounts, left.accounts, strict=True):
        assert set(after.exports) <= set(before.exports)
        assert set(after.imports) <= set(before.imports)
        assert after.roles == before.roles


def test_default_permissions_that_cannot_be_are_none_until_they_are_right() -> None:
    spec, _ = BEYOND_ADMISSION["default permissions for an id"]

    left = sound(spec).accounts[0].default_permissions

    assert left is not None
    assert (left.publish.deny, left.subscribe.deny) == ((">",), (">",))


def test_an_import_goes_with_the_export_that_it_rests_on() -> None:
    spec = hub(importing(service("a"), stream("b")), exporting(service(">"), stream("b")))

    left: list[Account] = list(sound(spec).accounts)

    assert [shared.subject for shared in left[0].imports] == ["b"]
    assert [shared.subject for shared in left[1].exports] == ["b"]


def test_accounts_that_gain_imports_are_pushed_after_those_that_lose_them() -> None:
    one, other = (Claimed(subject, "A", ShareKind.SERVICE) for subject in ("x", "y"))

    assert push_order({"b": (one,), "c": (one,)}, {"a": (one,), "b": (one,), "c": ()}) == ("b", "c", "a")
    assert push_order({"a": (one,)}, {"a": (other,), "b": ()}) == ("b", "a")
