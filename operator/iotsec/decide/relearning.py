"""What somebody else made of an adopted account since: it counts, and our part is put into it again.

Times alone do not tell whose a JWT is: ours run ahead of the clock when many changes come in one second. So the
record knows the latest that we signed ourselves.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace

from iotsec.decide.account import AccountDefinition, account_claims, issue_account
from iotsec.decide.adoption import adopted_from, fingerprint
from iotsec.decide.ledger import Ledger
from iotsec.nats import jwt
from iotsec.nats.claims import claims_digest
from iotsec.nats.keys import SigningKey


def newest_by_others(ledger: Ledger, tokens: Iterable[str], *, public: str, signers: Collection[str]) -> str | None:
    """Return the newest JWT of the account that is later than what is known of it and not by us, if there is one.

    ``signers`` are the operator's keys, of which anybody may have used one. What is no later is an old copy.
    """
    found: list[tuple[int, str]] = []
    for token in tokens:
        try:
            decoded = jwt.decode(token)
        except jwt.InvalidToken:
            continue
        if decoded.subject != public or decoded.issuer not in signers or ledger.adopted is None:
            continue
        if decoded.issued_at > ledger.adopted.issued_at and fingerprint(token) not in ledger.adopted.signed:
            found.append((decoded.issued_at, token))
    return max(found)[1] if found else None


def relearned(ledger: Ledger, token: str, *, ours: Collection[str]) -> Ledger:
    """Return the ledger that takes what this JWT says for what the account says without us.

    ``ours`` are our signing keys of now. What we revoked stays revoked, though a copy without it was pushed.

    Raises:
        AdoptionRefusedError: it says something that would be lost.

    """
    before = ledger.adopted
    known = before.ours if before is not None else frozenset()
    revoked = {key: at for key, (at, _) in ledger.entries.items()}
    found = adopted_from(token, ours=known | frozenset(ours), revoked=revoked)
    if before is not None:
        found = replace(found, signed=before.signed)
        if found.issued_at < ledger.issued_at and replace(found, issued_at=before.issued_at) == before:
            return ledger  # one of ours from long ago
    # The digest no longer stands: the next issue gets an iat above this one's.
    return replace(ledger, issued_at=max(ledger.issued_at, found.issued_at), digest="", adopted=found)


def settled(ledger: Ledger, token: str, *, account: AccountDefinition, signer: SigningKey) -> Ledger:
    """Return the ledger as one that has issued this very JWT, where that is just what we would issue.

    Else two Hubs that adopted one account would outdo each other for ever. ``account`` is what it is to say by now.
    """
    digest = claims_digest(account_claims(account, ledger=ledger), name=signer.public)
    as_issued = replace(ledger, digest=digest)
    again = issue_account(account, ledger=as_issued, signer=signer, now=ledger.issued_at)
    return as_issued if again.token == token else ledger
