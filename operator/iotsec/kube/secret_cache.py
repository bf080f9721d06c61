"""What the watch of our Secrets told: facts from metadata, never data."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from iotsec.decide.secrets import Owner, SecretFacts, facts_of


class SecretCache:
    """The facts of every Secret of ours, by name and by owner."""

    def __init__(self) -> None:
        self._facts: dict[tuple[str, str], SecretFacts] = {}
        self._by_owner: defaultdict[tuple[str, str], set[str]] = defaultdict(set)

    def get(self, namespace: str, name: str) -> SecretFacts | None:
        """Return one Secret's facts."""
        return self._facts.get((namespace, name))

    def owned_by(self, namespace: str, uid: str) -> tuple[SecretFacts, ...]:
        """Return the Secrets of one owner, in its namespace: elsewhere anybody may claim to be owned by it."""
        return tuple(self._facts[namespace, name] for name in sorted(self._by_owner.get((namespace, uid), ())))

    def __iter__(self) -> Iterator[SecretFacts]:
        return iter(tuple(self._facts.values()))

    def upsert(self, item: Mapping[str, Any]) -> SecretFacts | None:
        """Take in a Secret as the watch shows it; return its facts where they are news.

        A version that is not the one we wrote may hold other data: it is suspect until it was read.
        """
        metadata = item["metadata"]
        before = self._facts.get((metadata["namespace"], metadata["name"]))
        if before is None or before.uid != metadata["uid"]:
            facts = facts_of(metadata)
        elif int(metadata["resourceVersion"]) <= int(before.resource_version):
            return None  # the echo of what we wrote, or older still: not worth reading
        else:
            facts = replace(facts_of(metadata), suspect=True)
            if facts.owner is None and before.owner is not None:
                facts = replace(facts, owner=before.owner, disowned=True)
        self._put(facts)
        return facts

    def adopt(self, item: Mapping[str, Any], owner: Owner) -> None:
        """Take in a Secret that is known to be this owner's, whatever it says itself."""
        facts = replace(facts_of(item["metadata"]), suspect=True)
        self._put(facts if facts.owner is not None else replace(facts, owner=owner, disowned=True))

    def wrote(self, metadata: Mapping[str, Any]) -> SecretFacts:
        """Take in a Secret as it is after our own write."""
        facts = replace(facts_of(metadata), suspect=False)
        self._put(facts)
        return facts

    def trust(self, facts: SecretFacts) -> None:
        """Take note that this very version was read and found in order."""
        if self._facts.get((facts.namespace, facts.name)) == facts:
            self._put(replace(facts, suspect=False))

    def remove(self, namespace: str, name: str, *, uid: str | None = None) -> SecretFacts | None:
        """Forget a Secret (the one of this uid, if given); return what it was."""
        facts = self._facts.get((namespace, name))
        if facts is None or (uid is not None and facts.uid != uid):
            return None
        del self._facts[namespace, name]
        if facts.owner is not None:
            members = self._by_owner[namespace, facts.owner.uid]
            members.discard(name)
            if not members:
                del self._by_owner[namespace, facts.owner.uid]
        return facts

    def _put(self, facts: SecretFacts) -> None:
        self.remove(facts.namespace, facts.name)
        self._facts[facts.namespace, facts.name] = facts
        if facts.owner is not None:
            self._by_owner[facts.namespace, facts.owner.uid].add(facts.name)
