"""Accounts that were there before us, as they live on: what others change is learned, and at the end given back."""

from collections.abc import Iterable

import structlog

from iotsec.broker.connection import UnavailableError
from iotsec.decide.account import AccountToken, released_token, retirement_token
from iotsec.decide.adoption import AdoptionRefusedError
from iotsec.decide.relearning import newest_by_others, relearned, settled
from iotsec.decide.times import rfc3339
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.nats import jwt

log = structlog.get_logger()


def check_signer(hub: HubRuntime) -> None:
    """See that every server trusts what we sign, as far as they told: one that does not would lose the good JWT.

    Raises:
        UnavailableError: one does not any more.

    """
    root = hub.root
    if root is not None and root.account_signer.public not in root.account_signers:
        raise UnavailableError("the servers do not trust the key any more that accounts are signed with")


def learn(hub: HubRuntime, name: str, tokens: Iterable[str], *, now: int) -> None:
    """Take over what somebody made of an adopted account since, or note why nothing can be signed for it."""
    root, account = hub.root, hub.accounts[name]
    if root is None or account.ledger.adopted is None:
        return
    keys = root.accounts[name]
    known = account.token.token if account.token is not None else ""
    others = (token for token in tokens if token != known)
    newer = newest_by_others(account.ledger, others, public=keys.public, signers=root.account_signers)
    try:
        if newer is not None:
            ledger = relearned(account.ledger, newer, ours=keys.every_signer())
            if ledger != account.ledger:
                log.info("account changed by others", hub=str(hub.key), account=name, action="adopt")
                account.ledger = ledger
                hub.define()
                wanted, signer = hub.definitions[name], root.account_signer
                account.ledger = settled(ledger, newer, account=wanted, signer=signer)
        adopted = account.ledger.adopted
        ends = adopted.expires_at if adopted is not None else None
        expired = ends is not None and ends <= now
        account.blocked = f"account {name} expired at {rfc3339(ends)}: issue it again" if ends and expired else ""
    except (AdoptionRefusedError, jwt.TokenTooLarge) as error:
        account.blocked = f"account {name}: {error}"


def last_token(hub: HubRuntime, name: str, *, now: int) -> AccountToken:
    """Sign what ends our part in an account: one that we made is retired, an adopted one is given back.

    Raises:
        UnavailableError: nothing can be signed for the account.

    """
    root, account = hub.root, hub.accounts[name]
    if root is None:
        raise RuntimeError("the Hub's keys are not loaded")
    if account.blocked:
        raise UnavailableError(account.blocked)
    end = retirement_token if account.ledger.adopted is None else released_token
    return end(root.accounts[name], ledger=account.ledger, signer=root.account_signer, now=now)
