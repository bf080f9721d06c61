"""What was issued is told by Secrets and status, as far as there is somebody left to refuse it."""

from dataclasses import replace

import pytest
from decide.world import NOW, World

from iotsec.decide import names
from iotsec.decide.cutoff import lost, lost_formers, vouched
from iotsec.decide.secrets import facts_of
from iotsec.decide.times import CLOCK_LAG_SECONDS, rfc3339


def test_a_credential_that_only_the_status_tells_of_is_to_be_refused(issued: World) -> None:
    forgotten = lost(issued.identity(), issued.view(), (), now=NOW)

    assert forgotten is not None
    assert (forgotten.key, forgotten.at) == (issued.tokens[-1].key, issued.tokens[-1].issued_at)


@pytest.mark.parametrize(("since", "matters"), [(CLOCK_LAG_SECONDS, True), (CLOCK_LAG_SECONDS + 1, False)])
def test_what_only_the_status_tells_of_matters_until_it_has_expired_for_every_server(
    issued: World, since: int, *, matters: bool
) -> None:
    now = issued.tokens[-1].expires_at + since

    assert (lost(issued.identity(), issued.view(), (), now=now) is not None) == matters


@pytest.mark.parametrize(("since", "matters"), [(CLOCK_LAG_SECONDS, True), (CLOCK_LAG_SECONDS + 1, False)])
def test_a_former_that_only_the_status_tells_of_matters_until_it_has_expired_for_every_server(
    issued: World, since: int, *, matters: bool
) -> None:
    former = {"publicKey": "UFORMER", "issuedAt": rfc3339(NOW), "expiresAt": rfc3339(NOW + 60)}
    identity = replace(issued.identity(), status={**issued.status, "formerKeys": [former]})

    found = lost_formers(identity, issued.view(), (), now=NOW + 60 + since)

    assert [one.key for one in found] == (["UFORMER"] if matters else [])


def test_an_account_that_is_gone_refuses_everybody_by_itself(issued: World) -> None:
    identity = replace(issued.identity(), status={**issued.status, "account": "gone"})

    assert lost(identity, issued.view(), (), now=NOW) is None


@pytest.mark.parametrize(
    ("component", "suspect"), [(names.CREDENTIALS, False), (names.CERTIFICATE, True), ("somebody-elses", True)]
)
def test_a_secret_that_says_it_is_another_part_is_looked_at_again(
    issued: World, component: str, *, suspect: bool
) -> None:
    metadata = issued.secret()["metadata"]
    labels = {**metadata["labels"], names.COMPONENT: component}
    facts = replace(facts_of({**metadata, "labels": labels}), suspect=False)

    found = vouched(facts, issued.view())

    assert (found.suspect, found.issued) == (suspect, facts.issued)
