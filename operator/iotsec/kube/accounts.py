"""An account's changes, gathered, written down, pushed to every server and seen to be there.

Many changes make one push: what comes while a push is under way, or within a tenth of a second of the last, waits for
the next. Written down comes first, so that no crash can take a revocation back.
"""

import asyncio
from collections.abc import Callable

import structlog

from iotsec.broker.connection import UnavailableError
from iotsec.broker.distribution import Distribution
from iotsec.decide.account import AccountToken, issue_account, retirement_token
from iotsec.decide.ledger import LedgerFullError, merged_with_server
from iotsec.decide.secrets import Owner
from iotsec.kube.hub_runtime import AccountRuntime, HubRuntime
from iotsec.kube.hub_secrets import HubSecrets
from iotsec.nats import jwt
from iotsec.nats.claims import AccountClaims, signing_key_of

log = structlog.get_logger()

COALESCE_SECONDS = 0.1
_VERIFY_SECONDS = 15.0
# Longer than any JWT revoked in a lost ledger can live: the API takes durations of ten years at most.
_ADOPTED_FOR_SECONDS = 3650 * 86_400


class AccountPusher:
    """Brings the accounts of a Hub to its servers."""

    def __init__(self, secrets: HubSecrets, *, clock: Callable[[], int]) -> None:
        self._secrets = secrets
        self._clock = clock

    async def distribute(self, hub: HubRuntime, owner: Owner) -> bool:
        """Write down and push what changed; check what did not, every so often; tell whether all of it arrived.

        Raises:
            UnavailableError: the servers cannot be asked now; what is asked for is kept.

        """
        loop = asyncio.get_running_loop()
        for name in hub.accounts:
            await self._issue(hub, name, owner)
        if hub.connection.problem:
            raise UnavailableError(hub.connection.problem)
        check = loop.time() - hub.verified_at >= _VERIFY_SECONDS
        if check:
            # Claimed before asking: a server that appears meanwhile resets it.
            hub.verified_at = loop.time()
            await hub.servers.discover()
        if hub.trust is not None and (check or not _complete(hub.system)):
            await self._bring(hub, hub.system, hub.trust.system.public, hub.system_jwt)
        for name, account in hub.accounts.items():
            if account.token is None or hub.trust is None:
                continue
            public = hub.trust.accounts[name].identity.public
            if check or not _complete(account) or account.live != account.token.ledger:
                pushed = account.token
                answer = await self._bring(hub, account, public, pushed.token)
                if answer.complete:
                    _came_alive(account, pushed)
                elif answer.newest_foreign:
                    await self._adopt(hub, name, answer.newest_foreign, owner)
        return _complete(hub.system) and all(map(_complete, hub.accounts.values()))

    async def retire(self, hub: HubRuntime) -> None:
        """Push each account's last JWT, and see it arrive.

        Raises:
            UnavailableError: not every server could be told.

        """
        if hub.trust is None:
            return
        for name, account in hub.accounts.items():
            keys = hub.trust.accounts[name]
            last = retirement_token(keys, ledger=account.ledger, signer=hub.trust.operator_signing, now=self._clock())
            answer = await hub.servers.push(keys.identity.public, last.token)
            if not answer.complete:
                raise UnavailableError(answer.error or "not every server took the account's end")
            log.info("account retired", hub=str(hub.key), account=name, action="retire")

    async def _issue(self, hub: HubRuntime, name: str, owner: Owner) -> None:
        """Sign the account's JWT where its claims changed, and write down what it stands for."""
        account = hub.accounts[name]
        if hub.trust is None or hub.spec is None:
            return
        now = self._clock()
        taken = dict(account.requested)
        try:
            ledger = account.wanted(now)
            account.full = ""
        except LedgerFullError as error:
            account.full = str(error)
            ledger, taken = account.ledger, {}
        token = issue_account(
            hub.trust.accounts[name],
            inbox=hub.spec.inbox,
            ledger=ledger,
            signer=hub.trust.operator_signing,
            now=now,
        )
        if token.ledger != account.ledger:
            await self._secrets.write_ledger(hub, name, token.ledger, owner)
            account.ledger = token.ledger
        account.token = token
        for key, revocation in taken.items():
            if account.requested.get(key) == revocation:
                del account.requested[key]

    async def _bring(self, hub: HubRuntime, account: AccountRuntime, public: str, token: str) -> Distribution:
        """See whether every server runs the JWT, and push it where one does not."""
        known_wrong = (
            account.distribution is None
            or not account.distribution.complete
            or (account.token is not None and account.live != account.token.ledger)
        )
        if not known_wrong:
            account.distribution = await hub.servers.verify(public, token)
            if account.distribution.complete:
                return account.distribution
            log.warning("account drifted", hub=str(hub.key), account=public, action="repair")
        hub.pushed_at = asyncio.get_running_loop().time()
        account.distribution = await hub.servers.push(public, token)
        log.info(
            "account pushed",
            hub=str(hub.key),
            account=public,
            servers=len(account.distribution.servers),
            behind=len(account.distribution.behind),
            complete=account.distribution.complete,
            action="push",
        )
        return account.distribution

    async def _adopt(self, hub: HubRuntime, name: str, foreign: str, owner: Owner) -> None:
        """Take over what a newer JWT of ours revokes: our ledger was lost, and must not revive anybody."""
        if hub.trust is None:
            return
        account = hub.accounts[name]
        try:
            theirs = jwt.decode(foreign)
        except jwt.InvalidToken:
            return
        if theirs.issuer != hub.trust.operator_signing.public or not isinstance(theirs.claims, AccountClaims):
            return
        merged = merged_with_server(
            account.ledger,
            server_issued_at=theirs.issued_at,
            revocations=theirs.claims.revocations,
            until=self._clock() + _ADOPTED_FOR_SECONDS,
        )
        if merged != account.ledger:
            log.warning("newer account JWT found on a server", hub=str(hub.key), account=name, action="adopt")
            account.ledger = merged
            await self._issue(hub, name, owner)


def _complete(account: AccountRuntime) -> bool:
    return account.distribution is not None and account.distribution.complete


def _came_alive(account: AccountRuntime, token: AccountToken) -> None:
    if account.live == token.ledger:
        return
    claims = jwt.decode(token.token, verify=False).claims
    account.live = token.ledger
    if isinstance(claims, AccountClaims):
        account.signers_live = frozenset(map(signing_key_of, claims.signing_keys))
