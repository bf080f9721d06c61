"""An account's changes, gathered, written down, pushed to every server and seen to be there.

Many changes make one push: what comes while a push is under way, or within 100 ms of the last, waits for the next.
Written down comes first, so that no crash can take a revocation back.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import structlog

from iotsec.broker.connection import UnavailableError
from iotsec.broker.distribution import Distribution
from iotsec.decide.account import AccountToken, issue_account
from iotsec.decide.ledger import EVERYBODY, Ledger, LedgerFullError, merged_with_server
from iotsec.decide.secrets import Owner
from iotsec.decide.server_trust import system_token
from iotsec.kube.account_runtime import AccountRuntime
from iotsec.kube.adopted_accounts import check_signer, last_token, learn
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.hub_secrets import HubSecrets
from iotsec.kube.ledgers import Ledgers
from iotsec.nats import jwt
from iotsec.nats.claims import AccountClaims, signing_key_of

log = structlog.get_logger()

COALESCE_SECONDS = 0.1
PRESENCE_SECONDS = 3.0
"""How often it is asked who is there: one small message, by which a server that went is missed."""
_VERIFY_SECONDS = 10.0
_VERIFY_SHARE = 0.05  # of the time, at most: the check of a big account is an answer of megabytes from each server
_SLOWEST_RETRY_SECONDS = 30.0
# Longer than any JWT revoked in a lost ledger can live: the API takes durations of ten years at most.
_ADOPTED_FOR_SECONDS = 3650 * 86_400


class AccountPusher:
    """Brings the accounts of a Hub to its servers."""

    def __init__(self, secrets: HubSecrets, ledgers: Ledgers, *, clock: Callable[[], int]) -> None:
        self._secrets = secrets
        self._ledgers = ledgers
        self._clock = clock

    async def distribute(self, hub: HubRuntime, owner: Owner) -> bool:
        """Write down and push what changed; check what did not, every so often; tell whether all of it arrived.

        Raises:
            UnavailableError: the servers cannot be asked now; what is asked for is written down.

        """
        try:
            return await self._distribute(hub, owner)
        except UnavailableError:
            hub.check_due = float("-inf")
            for name in hub.accounts:
                await self._write_down(hub, name, owner)
            raise

    async def retire(self, hub: HubRuntime) -> None:
        """Push each account's last JWT, and see it arrive; one that was there before us stays as it was without us.

        Raises:
            UnavailableError: not every server could be told.

        """
        if hub.root is None:
            return
        check_signer(hub)
        await hub.servers.discover()
        for name, account in hub.accounts.items():
            public, now = hub.root.accounts[name].public, self._clock()
            if account.ledger.adopted is not None:
                learn(hub, name, (await hub.servers.look(public)).tokens, now=now)
            answer = await hub.servers.push(public, last_token(hub, name, now=now).token)
            if not answer.complete:
                raise UnavailableError(answer.error or "not every server took an account's end")
            log.info("account retired", hub=str(hub.key), account=name, action="retire")

    async def _distribute(self, hub: HubRuntime, owner: Owner) -> bool:
        if hub.connection.problem:
            raise UnavailableError(hub.connection.problem)
        check_signer(hub)
        loop = asyncio.get_running_loop()
        began = loop.time()
        check = began >= hub.check_due
        if check:
            # Claimed before asking: a server that appears meanwhile resets it.
            hub.check_due = began + _VERIFY_SECONDS
        if check or began - hub.pinged_at >= PRESENCE_SECONDS:
            hub.pinged_at = began
            await hub.servers.discover()
        await self._bring_system(hub, look=check)
        for name in hub.push_order():
            try:
                await self._bring(hub, name, owner, look=check)
            except jwt.TokenTooLarge:
                hub.accounts[name].distribution = None  # its status tells; the other accounts go on
        if check:
            hub.check_due = max(hub.check_due, began + (loop.time() - began) / _VERIFY_SHARE)
        system = hub.existing.trust is not None or is_complete(hub.system)
        return system and all(map(is_complete, hub.accounts.values()))

    async def _bring_system(self, hub: HubRuntime, *, look: bool) -> None:
        if hub.trust is None or not (look or not is_complete(hub.system)):
            return
        public = hub.trust.system.public
        hub.system.distribution = _still(hub.system, (await hub.servers.look(public)).judged_by(hub.system_jwt))
        if is_complete(hub.system):
            _system_came_alive(hub)
        if is_complete(hub.system) or _must_wait(hub.system):
            return
        if hub.system.stuck:
            issued_at = jwt.decode(hub.system_jwt, verify=False).issued_at
            hub.system_jwt = system_token(hub.trust, issued_at=max(self._clock(), issued_at + 1))
        await self._push(hub, hub.system, public, hub.system_jwt)
        if is_complete(hub.system):
            _system_came_alive(hub)

    async def _bring(self, hub: HubRuntime, name: str, owner: Owner, *, look: bool) -> None:
        """See whether every server runs the account's JWT as it should be, and push it where one does not."""
        account = hub.accounts[name]
        if hub.root is None:
            return
        public = hub.root.accounts[name].public
        if look or not account.confirmed or not is_complete(account):
            sighting = await hub.servers.look(public)
            self._learn(hub, name, public, sighting.tokens)
            account.confirmed = True
            if account.blocked:
                account.distribution = None
                return
            before, was_complete = account.token, is_complete(account)
            token = await self._issue(hub, name, owner)
            account.distribution = _still(account, sighting.judged_by(token.token))
            if token == before and not is_complete(account):
                if was_complete:
                    log.warning("account drifted", hub=str(hub.key), account=public, action="repair")
                if _must_wait(account):
                    return
                token = await self._issue(hub, name, owner, anew=account.stuck > 0)
        else:
            token = await self._issue(hub, name, owner)
            if account.live == token.ledger:
                return
            account.distribution = None
        if not is_complete(account):
            await self._push(hub, account, public, token.token)
        if is_complete(account):
            _came_alive(account, token)

    async def _push(self, hub: HubRuntime, account: AccountRuntime, public: str, token: str) -> None:
        now = asyncio.get_running_loop().time()
        hub.pushed_at = now
        account.distribution = await hub.servers.push(public, token)
        account.stuck = 0 if is_complete(account) else account.stuck + 1
        account.retry_due = now + min(_SLOWEST_RETRY_SECONDS, 2.0**account.stuck)
        log.info(
            "account pushed",
            hub=str(hub.key),
            account=public,
            servers=len(account.distribution.servers),
            behind=len(account.distribution.behind),
            complete=account.distribution.complete,
            action="push",
        )

    async def _write_down(self, hub: HubRuntime, name: str, owner: Owner) -> None:
        """Keep what was asked for though no server can be told; nothing is signed before one can."""
        account = hub.accounts[name]
        known = self._ledgers.kept_small(hub, name, account.ledger)
        try:
            ledger = self._ledgers.with_requested(hub, name, known)
        except LedgerFullError as error:
            account.full = str(error)
            ledger = self._ledgers.with_what_fits(hub, name, known)
        if ledger != account.ledger:
            await self._take_in(hub, name, ledger, owner)
        account.settle(self._clock())

    async def _issue(self, hub: HubRuntime, name: str, owner: Owner, *, anew: bool = False) -> AccountToken:
        """Sign the account's JWT, with a later ``iat`` where its claims changed; what that stands for is written down.

        ``anew``: later in any case. A resolver whose file was lost does not take the JWT that it believes to have
        (nats-server ``dirstore.go``, write).

        Raises:
            TokenTooLarge: no JWT can say what the account is to be, whatever is left out.

        """
        account = hub.accounts[name]
        now = self._clock()
        known = replace(account.ledger, digest="") if anew else account.ledger
        token = self._signed(hub, name, self._ledgers.kept_small(hub, name, known), now)
        if token.ledger != account.ledger:
            await self._take_in(hub, name, token.ledger, owner)
        account.settle(now)
        account.token = token
        return token

    def _signed(self, hub: HubRuntime, name: str, known: Ledger, now: int) -> AccountToken:
        """Sign with all that was asked for, else with what there is room for, else with nothing new."""
        account = hub.accounts[name]
        account.full = ""
        for take_in in (self._ledgers.with_requested, self._ledgers.with_what_fits):
            try:
                return self._sign(hub, name, take_in(hub, name, known), now)
            except (LedgerFullError, jwt.TokenTooLarge) as error:
                account.full = account.full or str(error)
        return self._sign(hub, name, known, now)

    def _sign(self, hub: HubRuntime, name: str, ledger: Ledger, now: int) -> AccountToken:
        if hub.root is None:
            raise RuntimeError("the Hub's keys are not loaded")
        account, wanted = hub.accounts[name], hub.definitions[name]
        signer = hub.root.account_signer
        if account.token is None or account.token.ledger != ledger or account.signed_for != (wanted, signer.public):
            token = issue_account(wanted, ledger=ledger, signer=signer, now=now)
            account.signed_for = wanted, signer.public
            return token
        return account.token

    async def _take_in(self, hub: HubRuntime, name: str, ledger: Ledger, owner: Owner) -> None:
        """Write a ledger down, and hold to it."""
        account = hub.accounts[name]
        await self._secrets.write_ledger(hub, name, ledger, owner)
        account.ledger = ledger

    def _learn(self, hub: HubRuntime, name: str, public: str, tokens: Iterable[str]) -> None:
        """Take over what a newer JWT of ours revokes: a ledger that was lost must not revive anybody."""
        account = hub.accounts[name]
        if account.ledger.adopted is not None:
            learn(hub, name, tokens, now=self._clock())
            return
        known = account.token.token if account.token else ""
        others = [text for text in tokens if text != known]
        newer = sorted(self._ours(hub, public, others), key=lambda found: found[0])
        for issued_at, claims in newer:
            merged = merged_with_server(
                account.ledger,
                server_issued_at=issued_at,
                revocations=claims.revocations,
                until=self._clock() + _ADOPTED_FOR_SECONDS,
                oldest=self._ledgers.oldest(hub, name) if EVERYBODY in claims.revocations else None,
            )
            if merged != account.ledger:
                log.warning("newer account JWT found on a server", hub=str(hub.key), account=name, action="adopt")
                account.ledger = merged

    def _ours(self, hub: HubRuntime, public: str, tokens: Iterable[str]) -> Iterator[tuple[int, AccountClaims]]:
        for text in tokens:
            try:
                found = jwt.decode(text)
            except jwt.InvalidToken:
                continue
            signed = hub.root is not None and found.issuer in hub.root.account_signers
            if signed and found.subject == public and isinstance(found.claims, AccountClaims):
                yield found.issued_at, found.claims


def _still(account: AccountRuntime, seen: Distribution) -> Distribution:
    """Keep what was said against the last push for as long as it did not arrive."""
    said = account.distribution.error if account.distribution and account.stuck else ""
    return seen if seen.complete or not said else replace(seen, error=said)


def _must_wait(account: AccountRuntime) -> bool:
    """Tell whether the same was pushed in vain not long ago."""
    return account.stuck > 0 and asyncio.get_running_loop().time() < account.retry_due


def is_complete(account: AccountRuntime) -> bool:
    """Tell whether every server that answers was seen to run the account's JWT."""
    return account.distribution is not None and account.distribution.complete


def _came_alive(account: AccountRuntime, token: AccountToken) -> None:
    if account.live == token.ledger:
        return
    account.live = token.ledger
    account.signers_live = _signers(token.token)


def _system_came_alive(hub: HubRuntime) -> None:
    hub.system.signers_live = _signers(hub.system_jwt)


def _signers(token: str) -> frozenset[str]:
    claims = jwt.decode(token, verify=False).claims
    return frozenset(map(signing_key_of, claims.signing_keys)) if isinstance(claims, AccountClaims) else frozenset()
