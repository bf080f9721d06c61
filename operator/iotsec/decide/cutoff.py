"""What must be refused: everything that was ever issued to an identity, from all that still tells of it.

The Secrets tell it first. Where one was lost, or an older version of it put back, the status knows what came after.
"""

from collections.abc import Iterable
from dataclasses import replace

from iotsec.decide import names
from iotsec.decide.ledger import FOREVER, Revocation
from iotsec.decide.secrets import SecretFacts
from iotsec.decide.times import is_over, rfc3339, unix
from iotsec.decide.views import AccountView, Declared, HubView

# Longer than any JWT is likely to live of which nothing is known but that it was issued.
UNKNOWN_SECONDS = 400 * 86_400


def vouched(secret: SecretFacts, hub: HubView | None) -> SecretFacts:
    """Return the Secret with what it says was issued only where that is the operator's own word."""
    if secret.note is not None and not is_sealed_for(secret, hub, secret.owner.uid if secret.owner else ""):
        return replace(secret, issued=None, certificate=None, suspect=True)
    expected = names.CERTIFICATE if secret.certificate is not None else names.CREDENTIALS
    if secret.component != expected and not secret.suspect:
        return replace(secret, suspect=True)
    return secret


def is_sealed_for(secret: SecretFacts, hub: HubView | None, uid: str) -> bool:
    """Tell whether a Secret is as the operator wrote it for the identity with this uid."""
    note = secret.note
    account = hub.account_by_key(note.account) if note is not None and hub is not None else None
    if note is None or account is None:
        return False
    place = f"{secret.namespace}/{secret.name}"
    return note.is_sealed(secret.seal, account.keys.seal, secret=place, owner=uid)


def everything(
    identity: Declared, hub: HubView | None, secrets: Iterable[SecretFacts], *, now: int
) -> tuple[Revocation, ...]:
    """Return what cuts off all that was ever issued to the identity and may still be valid."""
    secrets = tuple(secrets)
    told = [revocation for secret in secrets if secret.issued is not None for revocation in secret.issued.everything()]
    forgotten = lost(identity, hub, secrets, now=now)
    formers = lost_formers(identity, hub, secrets, now=now)
    return (*told, *((forgotten,) if forgotten else ()), *formers)


def lost(identity: Declared, hub: HubView | None, secrets: Iterable[SecretFacts], *, now: int) -> Revocation | None:
    """Return what the status says was issued where no Secret tells of it (any more)."""
    status = identity.status
    key, issued_at = status.get("publicKey"), status.get("issuedAt")
    if not key or not issued_at or not status.get("expiresAt") or hub is None:
        return None
    account = hub.accounts.get(status.get("account", ""))
    if account is None or any(_tells(s, key, issued_at) for s in secrets):
        return None
    public = account.keys.public
    at = unix(issued_at)
    told = (r for s in secrets if s.issued for r in s.issued.everything())
    if any((r.account, r.key) == (public, key) and r.at >= at for r in told):
        return None
    forgotten = Revocation(public, key, at, horizon(identity, account, unix(status["expiresAt"])))
    return None if is_over(forgotten.until, now) else forgotten


def lost_formers(
    identity: Declared, hub: HubView | None, secrets: Iterable[SecretFacts], *, now: int
) -> tuple[Revocation, ...]:
    """Return what the status says still worked beside the credential in use, where no Secret tells of it any more."""
    account = hub.accounts.get(identity.status.get("account", "")) if hub is not None else None
    if account is None or not identity.status.get("formerKeys"):
        return ()
    told = {(r.account, r.key) for s in secrets if s.issued for r in s.issued.everything()}
    found = (
        Revocation(account.keys.public, former["publicKey"], unix(former["issuedAt"]), unix(former["expiresAt"]))
        for former in identity.status["formerKeys"]
    )
    return tuple(r for r in found if not is_over(r.until, now) and (r.account, r.key) not in told)


def is_recorded(hub: HubView, revocation: Revocation) -> bool:
    """Tell whether a revocation was asked for already, arrived or not."""
    account = hub.account_by_key(revocation.account)
    return account is not None and account.recorded.covers(revocation)


def horizon(identity: Declared, account: AccountView, expires_at: int) -> int:
    """Return when the last JWT ends that a lost Secret may have held, or issued before.

    A first JWT is the only one; one issued earlier, under a longer duration, may outlive those after it. In an account
    that was there before us somebody else may have issued one without an end.
    """
    if account.recorded.adopted is not None:
        return FOREVER
    return expires_at if int(identity.status.get("revision", 0)) <= 1 else expires_at + UNKNOWN_SECONDS


def pending(hub: HubView | None, wanted: Iterable[Revocation], *, now: int) -> tuple[Revocation, ...]:
    """Return what is not refused yet on every reachable server; an account that is gone refuses everything."""
    return tuple(r for r in wanted if not _is_refused(hub, r, now))


def merged(revocations: Iterable[Revocation]) -> tuple[Revocation, ...]:
    """Return one revocation for each key of each account, as late and as long as the latest and longest of them."""
    found: dict[tuple[str, str], Revocation] = {}
    for r in revocations:
        known = found.get((r.account, r.key), r)
        found[r.account, r.key] = replace(r, at=max(r.at, known.at), until=max(r.until, known.until))
    return tuple(found.values())


def _is_refused(hub: HubView | None, revocation: Revocation, now: int) -> bool:
    account = hub.account_by_key(revocation.account) if hub else None
    if account is None or is_over(revocation.until, now):
        return True
    return any(ledger is not None and ledger.covers(revocation) for ledger in (account.untold, account.live))


def _tells(secret: SecretFacts, key: str, issued_at: str) -> bool:
    """Tell at once in the usual case: the Secret and the status say the same."""
    return secret.issued is not None and secret.issued.key == key and rfc3339(secret.issued.issued_at) == issued_at
