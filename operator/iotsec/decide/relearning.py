"""What somebody else made of an adopted account since: it counts, and our part is put into it again."""

from collections.abc import Collection, Iterable
from dataclasses import replace

from iotsec.decide.adoption import adopted_from, claims_of, payload_of
from iotsec.decide.ledger import Ledger
from iotsec.nats import jwt
from iotsec.nats.claims import AccountClaims, InvalidClaims, claims_digest
from iotsec.nats.keys import InvalidKey


def newest_by_others(ledger: Ledger, tokens: Iterable[str], *, public: str, signers: Collection[str]) -> str | None:
    """Return the newest JWT of the account that is later than ours and not by us, if there is one.

    ``signers`` are the operator's keys, of which anybody may have used one. What is older than ours is a copy that
    missed something, whoever made it.
    """
    found: list[tuple[int, str]] = []
    for token in tokens:
        try:
            decoded = jwt.decode(token)
        except jwt.InvalidToken:
            continue
        if decoded.subject != public or decoded.issuer not in signers or decoded.issued_at < ledger.issued_at:
            continue
        if decoded.issued_at > ledger.issued_at or not _is_by_us(ledger, decoded, token):
            found.append((decoded.issued_at, token))
    return max(found)[1] if found else None


def relearned(ledger: Ledger, token: str, *, ours: Collection[str]) -> Ledger:
    """Return the ledger that takes what this JWT says for what the account says without us.

    ``ours`` are our signing keys of now. What we revoked stays revoked, though a copy without it was pushed.

    Raises:
        AdoptionRefusedError: it says something that would be lost.

    """
    known = ledger.adopted.ours if ledger.adopted is not None else frozenset()
    revoked = {key: at for key, (at, _) in ledger.entries.items()}
    adopted = adopted_from(token, ours=known | frozenset(ours), revoked=revoked)
    if adopted == ledger.adopted and adopted.issued_at == ledger.issued_at:
        return ledger
    # The digest no longer stands: the next issue gets an iat above this one's.
    return replace(ledger, issued_at=max(ledger.issued_at, adopted.issued_at), digest="", adopted=adopted)


def _is_by_us(ledger: Ledger, decoded: jwt.Decoded, token: str) -> bool:
    if ledger.adopted is None or not isinstance(decoded.claims, AccountClaims):
        return False
    try:
        claims = claims_of(payload_of(token)["nats"], ours=ledger.adopted.ours)
        return claims_digest(claims, name=decoded.issuer) == ledger.digest
    except (InvalidClaims, InvalidKey):
        return False
