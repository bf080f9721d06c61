"""What each account of a Hub is to be: its roles and its base claims, from the Hub's spec and what is still in use."""

from collections.abc import Collection, Mapping

from iotsec.api.accounts import Account
from iotsec.api.hub import HubSpec
from iotsec.decide import roles
from iotsec.decide.account import AccountDefinition, AccountKeys
from iotsec.decide.declared_account import declared_claims
from iotsec.decide.ledger import Ledger
from iotsec.decide.seeds import TrustSeeds, account_names, roles_of
from iotsec.nats.claims import AccountClaims, InvalidClaims, UserPermissionLimits

Users = Mapping[tuple[str, str], Collection[str]]
"""Who has a role in an account, by the names of both."""


def declared_roles(spec: HubSpec, account: Account) -> dict[str, UserPermissionLimits]:
    """Return what the roles grant that identities of an account may have."""
    limits = roles.role_limits(spec)
    return {name: limits[name] for name in limits if not account.roles or name in account.roles}


def keyed_roles(spec: HubSpec, seeds: TrustSeeds, users: Users) -> dict[str, set[str]]:
    """Return the roles that each account needs scoped signing keys for.

    Those the spec says, and those it no longer says whom somebody still has: their key goes with their last user. An
    account that left the spec keeps all it has, since it keeps its revocations.
    """
    found = {
        account.name: {name for name, limits in declared_roles(spec, account).items() if roles.fits_scope(limits)}
        for account in spec.effective_accounts()
    }
    for name in account_names(seeds) | found.keys():
        there = roles_of(seeds, name)
        kept = {role for role in there if users.get((name, role))} if name in found else there
        found[name] = found.get(name, set()) | kept
    return found


def removed_in_use(spec: HubSpec, users: Users) -> dict[str, list[str]]:
    """Return the roles that the spec no longer has, or no longer in some account, and who still has them."""
    offered = {account.name: declared_roles(spec, account) for account in spec.effective_accounts()}
    found: dict[str, list[str]] = {}
    for (account, role), names in users.items():
        if names and account in offered and role not in offered[account]:
            found.setdefault(role, []).extend(names)
    return found


def definition(
    spec: HubSpec,
    keys: Mapping[str, AccountKeys],
    name: str,
    *,
    ledger: Ledger,
    adopted: AccountClaims | None = None,
) -> AccountDefinition:
    """Return what an account's JWT is to say, but for its revocations.

    ``adopted`` is what it said when it was taken over from somebody else.
    """
    declared = next((a for a in spec.effective_accounts() if a.name == name), None)
    offered = declared_roles(spec, declared) if declared is not None else {}
    limits = {role: offered.get(role) or _before(ledger, role) for role in keys[name].scoped}
    base = declared_claims(spec, declared, keys, adopted=adopted) if declared is not None else adopted
    return AccountDefinition(
        keys=keys[name],
        roles={role: granted for role, granted in limits.items() if granted is not None},
        base=base or AccountClaims(),
    )


def former_roles(
    account: AccountDefinition | None, offered: Mapping[str, UserPermissionLimits] | None
) -> dict[str, UserPermissionLimits]:
    """Return what roles grant that are in an account's JWT for those who have them, and no longer in the spec.

    ``offered``: those that are; ``None`` where the account itself left the spec, and its identities are told so.
    """
    if account is None or offered is None:
        return {}
    return {role: limits for role, limits in account.roles.items() if role not in offered}


def _before(ledger: Ledger, role: str) -> UserPermissionLimits | None:
    """Return what a role granted when the account's JWT was last issued."""
    try:
        return UserPermissionLimits.from_json(ledger.roles[role], absent=-1)
    except (KeyError, TypeError, InvalidClaims):
        return None
