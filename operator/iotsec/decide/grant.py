"""What an identity is granted: its account, its signers and its permissions, or why it cannot have them."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from iotsec.api.identity import BEARER_TYPES
from iotsec.decide import roles
from iotsec.decide.admission import by_unknown_labels
from iotsec.decide.advisories import ID_TAG
from iotsec.decide.conditions import Reason
from iotsec.decide.refusal import RefusedError, check_branch, check_id, check_key, check_rivals, own_permissions
from iotsec.decide.rotation_policy import IdentityPolicy, identity_policy
from iotsec.decide.views import AccountView, HubView, Identity, Observed
from iotsec.nats import jwt
from iotsec.nats.claims import AccountLimits, UserClaims, UserPermissionLimits
from iotsec.nats.keys import SigningKey

_SALT = "iotsec/grant/2"


@dataclass(frozen=True, slots=True)
class Grant:
    """Everything a user JWT says but its key and its times."""

    account_name: str
    account: AccountView
    signers: tuple[SigningKey, ...]
    """The keys that may sign it: more than one while they are being replaced, the oldest first."""
    name: str
    claims: UserClaims
    digest: str
    policy: IdentityPolicy
    inbox_prefix: str
    unbounded: tuple[str, ...]
    bearer: bool
    """The JWT alone lets its holder in; no seed is given out."""

    @property
    def duration(self) -> int:
        """How long a JWT is valid, in seconds."""
        return self.policy.jwt.duration

    @property
    def signer(self) -> SigningKey:
        """The key to sign with from now on: the newest that every server knows.

        Where nothing is known of them, as after a start while none answers, the oldest: it is in the account's JWT
        longest.
        """
        live = self.account.signers_live
        return next((key for key in reversed(self.signers) if key.public in live), self.signers[0])

    def signed_by(self, public: str) -> SigningKey | None:
        """Return the signer with this public key, if it is still one."""
        return next((key for key in self.signers if key.public == public), None)

    def token(self, signer: SigningKey, *, key: str, issued_at: int, expires_at: int) -> str:
        """Sign the user JWT for a public key; times in unix seconds."""
        return jwt.encode(self.claims, signer, subject=key, name=self.name, issued_at=issued_at, expires_at=expires_at)


def grant(identity: Identity, hub: HubView | None, observed: Observed) -> Grant:
    """Work out what the identity is granted.

    Raises:
        RefusedError: with the reason, and what to write instead.

    """
    if hub is None and observed.hub_trouble:
        raise RefusedError(Reason.HUB_NOT_READY, observed.hub_trouble, stalled=False)
    if hub is None:
        reference = f"{identity.spec.hub_ref.namespace or identity.namespace}/{identity.spec.hub_ref.name}"
        raise RefusedError(
            Reason.HUB_NOT_FOUND,
            f"Hub {reference} does not exist yet: create it, or correct spec.hubRef",
            stalled=False,
        )
    account_name, account = _account(identity, hub)
    limits = _role(identity, hub, account_name, account)
    check_id(identity)
    check_key(identity)
    check_rivals(identity, observed)
    policy = identity_policy(identity, hub.spec)
    own = own_permissions(identity)
    types = _connection_types(identity, limits)
    bearer = bool(types) and BEARER_TYPES.issuperset(types)
    _check_bearer(identity, hub, account_name, bearer=bearer)
    scoped = own is None and not identity.spec.connection_types and not bearer and roles.fits_scope(limits)
    permissions = limits.permissions if own is None else roles.combined(limits.permissions, own)
    check_branch(identity, permissions, account.roles)
    # Of a bearer a server tells neither its JWT nor its key, and any name it likes: its tags alone tell who it is.
    claims = UserClaims(issuer_account=account.keys.public, tags=(f"{ID_TAG}{identity.id}",) if bearer else ())
    if not scoped:
        explicit = roles.expanded(permissions, identity.id)
        claims = replace(
            claims,
            limits=replace(
                limits,
                permissions=roles.for_mqtt(explicit) if bearer else explicit,
                connection_types=tuple(sorted(types)),
                bearer_token=bearer,
            ),
        )
    own_duration = identity.spec.rotation and identity.spec.rotation.jwt and identity.spec.rotation.jwt.duration
    said = "" if claims.limits is None else json.dumps(claims.to_json(), sort_keys=True)
    return Grant(
        account_name=account_name,
        account=account,
        signers=account.keys.signers(identity.role if scoped else None),
        name=identity.id,
        claims=claims,
        digest=_digest(identity.role if scoped else "", identity.id, said, str(own_duration or "")),
        policy=policy,
        inbox_prefix=roles.inbox_prefix(hub.spec.inbox, identity.id),
        unbounded=roles.unbounded(permissions),
        bearer=bearer,
    )


def account_of(hub: HubView, namespace: str, wanted: str | None, held: str) -> str | None:
    """Return the account an identity of this namespace is in: the one named, or the only one that admits it.

    Where several do, it stays in the one it is in (``held``, empty for none): a Hub that gains an account must not let
    credentials run out.
    """
    admitting = _admitting(hub, namespace)
    if wanted:
        return wanted if wanted in admitting else None
    if held in admitting:
        return held
    return admitting[0] if len(admitting) == 1 else None


def _admitting(hub: HubView, namespace: str) -> list[str]:
    return [account.name for account in hub.spec.effective_accounts() if hub.admits(account, namespace)]


def _account(identity: Identity, hub: HubView) -> tuple[str, AccountView]:
    """Find the account."""
    offered = {a.name for a in hub.spec.effective_accounts()}
    admitting = _admitting(hub, identity.namespace)
    wanted = identity.spec.account
    if wanted is not None and wanted not in offered:
        raise RefusedError(
            Reason.ACCOUNT_UNKNOWN,
            f"Hub {hub.namespace}/{hub.name} has no account {wanted!r}: set spec.account to one of {_list(offered)}",
        )
    held = str(identity.status.get("account", ""))
    unknown = by_unknown_labels(hub.spec.effective_accounts(), hub.labels(identity.namespace))
    if wanted in unknown or (wanted is None and (held in unknown or (unknown and not admitting))):
        raise RefusedError(
            Reason.NAMESPACE_LABELS_UNKNOWN,
            f"account {_list(unknown)} is for namespaces by their labels, which this operator may not look at: list "
            "namespaces by Same or All, or run the operator for the whole cluster; what was issued stays as it is",
        )
    if not admitting or (wanted is not None and wanted not in admitting):
        raise RefusedError(
            Reason.NAMESPACE_NOT_ADMITTED,
            f"Hub {hub.namespace}/{hub.name} does not admit namespace {identity.namespace}: set "
            "spec.accounts[].namespaces on the Hub, label the namespace as it asks for, "
            f"or put this {identity.kind} in a namespace it admits",
            cut=True,
        )
    name = account_of(hub, identity.namespace, wanted, held)
    if name is None:
        raise RefusedError(
            Reason.ACCOUNT_REQUIRED,
            f"the Hub offers this namespace several accounts: set spec.account to one of {_list(admitting)}",
            cut=bool(held),  # the account it is in admits it no longer
        )
    view = hub.accounts.get(name)
    if view is None:
        raise RefusedError(Reason.HUB_NOT_READY, "the Hub has not made this account's keys yet", stalled=False)
    return name, view


def _role(identity: Identity, hub: HubView, account_name: str, account: AccountView) -> UserPermissionLimits:
    """Find what the role grants, where the account lets identities have it."""
    (declared,) = (a for a in hub.spec.effective_accounts() if a.name == account_name)
    limits = account.roles.get(identity.role)
    if limits is None and _has_role(identity, account_name):
        limits = account.former_roles.get(identity.role)
    if limits is None:
        there = f"account {account_name} of Hub {hub.namespace}/{hub.name}"
        raise RefusedError(
            Reason.ROLE_UNKNOWN,
            f"{there} has no role {identity.role!r}: set spec.role to one of {_list(account.roles)}",
        )
    if identity.spec.permissions is not None and declared.own_permissions == "Refused":
        raise RefusedError(
            Reason.PERMISSIONS_REFUSED,
            f"account {account_name} lets nobody have permissions of their own: leave spec.permissions out, "
            "or have a role made on the Hub",
        )
    if not account.keys.signers(identity.role) and roles.fits_scope(limits):
        raise RefusedError(Reason.HUB_NOT_READY, "the Hub has not made this role's key yet", stalled=False)
    return limits


def _has_role(identity: Identity, account_name: str) -> bool:
    """Tell whether it was given credentials of its role in this account."""
    status = identity.status
    return "publicKey" in status and (status.get("account"), status.get("role")) == (account_name, identity.role)


def _connection_types(identity: Identity, limits: UserPermissionLimits) -> tuple[str, ...]:
    """Return the ways it may connect, empty for any."""
    wanted, offered = identity.spec.connection_types, limits.connection_types
    beyond = set(wanted) - set(offered) if offered else set()
    if beyond:
        raise RefusedError(
            Reason.CONNECTION_TYPE_REFUSED,
            f"role {identity.role} does not let its identities connect by {_list(beyond)}: "
            f"set spec.connectionTypes to some of {_list(offered)}",
        )
    return wanted or offered


def _check_bearer(identity: Identity, hub: HubView, account_name: str, *, bearer: bool) -> None:
    if not bearer:
        return
    (account,) = (a for a in hub.spec.effective_accounts() if a.name == account_name)
    adopted = hub.accounts[account_name].recorded.adopted
    before = adopted.claims.limits if adopted is not None else AccountLimits()
    if account.jet_stream is None and before.jetstream is None and not before.tiers:
        raise RefusedError(
            Reason.JET_STREAM_REQUIRED,
            f"MQTT needs JetStream: set spec.accounts[].jetStream of account {account_name} on the Hub",
        )
    if account.limits.disallow_bearer or before.disallow_bearer:
        raise RefusedError(
            Reason.BEARER_REFUSED,
            f"account {account_name} refuses bearer JWTs, which MQTT needs: "
            "set spec.accounts[].limits.disallowBearer to false on the Hub, or use another account",
        )
    if identity.spec.public_key is not None:
        raise RefusedError(
            Reason.INVALID_PUBLIC_KEY,
            f"role {identity.role} is for MQTT, where an identity has no key: leave spec.publicKey out",
        )


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join((_SALT, *parts)).encode()).hexdigest()[:32]


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
