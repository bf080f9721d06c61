"""What was issued is told by Secrets and status, as far as there is somebody left to refuse it."""

from dataclasses import replace

import pytest
from decide.world import NOW, World

from iotsec.decide import names
from iotsec.decide.cutoff import lost, vouched
from iotsec.decide.secrets import facts_of


def test_a_credential_that_only_the_status_tells_of_is_to_be_refused(issued: World) -> None:
    forgotten = lost(issued.identity(), issued.view(), (), now=NOW)

    assert forgotten is not None
    assert (forgotten.key, forgotten.at) == (issued.tokens[-1].key, issued.tokens[-1].issued_at)


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
