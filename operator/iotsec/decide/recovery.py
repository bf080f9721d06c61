"""What was issued, where the note of it on its Secret was damaged and the JWT beside it was not."""

from collections.abc import Mapping

from iotsec.decide import names
from iotsec.decide.cutoff import horizon
from iotsec.decide.grant import Grant
from iotsec.decide.issued import Issued
from iotsec.decide.ledger import Revocation
from iotsec.decide.times import unix
from iotsec.decide.views import Identity
from iotsec.nats import jwt


def recovered_note(identity: Identity, granted: Grant, data: Mapping[str, bytes], public: str) -> Issued | None:
    """Return what was issued where only the note of it was damaged: the JWT is just what would be issued now."""
    text = data.get(names.USER_JWT_KEY, b"").decode(errors="replace")
    try:
        found = jwt.decode(text, verify=False)
    except jwt.InvalidToken:
        return None
    status = identity.status
    signer = granted.signed_by(found.issuer)
    if found.expires_at is None or signer is None or "issuedAt" not in status:
        return None
    if not status.get("publicKey") == found.subject == public:
        return None
    token = granted.token(signer, key=public, issued_at=found.issued_at, expires_at=found.expires_at)
    if token != text or found.issued_at < unix(status["issuedAt"]):
        return None
    return Issued(
        account=granted.account.keys.public,
        key=public,
        id=granted.name,
        issued_at=found.issued_at,
        expires_at=found.expires_at,
        valid_until=horizon(identity, granted.account, found.expires_at),
        signer=found.issuer,
        key_at=unix(status.get("keyIssuedAt", status["issuedAt"])),
        digest=granted.digest,
        layout="",
        keys=(),
        revision=max(1, int(status.get("revision", 1))),
        # How long they were to overlap is not known any more: they end now.
        superseded=tuple(
            Revocation(granted.account.keys.public, f["publicKey"], unix(f["issuedAt"]), unix(f["expiresAt"]))
            for f in status.get("formerKeys", ())
        ),
    )
