"""The claims of an account as its Hub's spec declares it: limits, JetStream, default permissions, exports, imports."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from iotsec.api.accounts import Account, Limits
from iotsec.api.accounts import Export as DeclaredExport
from iotsec.api.accounts import Import as DeclaredImport
from iotsec.api.hub import HubSpec
from iotsec.api.jet_stream import JetStream, JetStreamUse
from iotsec.api.permissions import DefaultPermissions
from iotsec.decide import roles
from iotsec.decide.account import AccountKeys
from iotsec.decide.sharing import export_for
from iotsec.nats import jwt
from iotsec.nats.claims import (
    UNLIMITED,
    AccountClaims,
    AccountLimits,
    ActivationClaims,
    Export,
    Import,
    JetStreamLimits,
    Permissions,
    ShareKind,
)

Shared = TypeVar("Shared", Export, Import)

# Equal activations are equal bytes, so that no account's JWT changes by itself. They end with the import or the export.
_ACTIVATED_AT = 1


def declared_claims(
    spec: HubSpec, account: Account, keys: Mapping[str, AccountKeys], *, adopted: AccountClaims | None = None
) -> AccountClaims:
    """Return what the spec, which has no faults, says of an account, by the keys of all accounts by name.

    Of one that was ``adopted`` it adds to what was there: what the spec leaves out stays.
    """
    base = adopted or AccountClaims()
    exports = tuple(_export(shared) for shared in account.exports)
    imports = tuple(_import(spec, account, shared, keys) for shared in account.imports)
    declared = account.default_permissions
    return replace(
        base,
        exports=(*_others(base.exports, exports), *exports),
        imports=(*_others(base.imports, imports), *imports),
        limits=_limits(account, base.limits),
        default_permissions=base.default_permissions if declared is None else _default_permissions(declared),
    )


def _export(shared: DeclaredExport) -> Export:
    threshold = shared.response_threshold
    return Export(
        subject=shared.subject,
        kind=_kind(shared),
        name=shared.name,
        token_required=bool(shared.accounts),
        response_type=shared.response_type or "",
        response_threshold_ns=int(threshold.total_seconds() * 10**9) if threshold is not None else 0,
        advertise=shared.advertise,
        description=shared.description,
    )


def _import(spec: HubSpec, account: Account, shared: DeclaredImport, keys: Mapping[str, AccountKeys]) -> Import:
    (exporter,) = (other for other in spec.effective_accounts() if other.name == shared.account)
    export = export_for(exporter, shared)
    needs_token = export is not None and bool(export.accounts)
    return Import(
        subject=shared.subject,
        account=keys[exporter.name].public,
        kind=_kind(shared),
        name=shared.name,
        token=_activation(keys[exporter.name], keys[account.name].public, shared) if needs_token else "",
        local_subject=shared.local_subject or "",
        share=shared.share,
    )


def _activation(exporter: AccountKeys, importer: str, shared: DeclaredImport) -> str:
    """Sign the exporter's leave for one import, and for no more than it takes.

    With the exporter's identity where we have it, which never changes; servers in strict mode take that (nats-server
    ``accounts.go``, ``isIssuerClaimTrusted``). Else with the oldest of its signing keys, which every server knows.
    """
    by_identity = exporter.seal.public == exporter.public
    claims = ActivationClaims(
        import_subject=shared.subject, kind=_kind(shared), issuer_account="" if by_identity else exporter.public
    )
    signer = exporter.seal if by_identity else exporter.unscoped[0]
    return jwt.encode(claims, signer, subject=importer, name=shared.name, issued_at=_ACTIVATED_AT)


def _kind(shared: DeclaredExport | DeclaredImport) -> ShareKind:
    return ShareKind.STREAM if shared.type == "Stream" else ShareKind.SERVICE


def _default_permissions(declared: DefaultPermissions) -> Permissions:
    """Return the permissions of users that have none of their own, written out and without the system."""
    return roles.without_system(
        Permissions(
            publish_allow=declared.publish.allow or (">",),
            publish_deny=declared.publish.deny,
            subscribe_allow=declared.subscribe.allow or (">",),
            subscribe_deny=declared.subscribe.deny,
        )
    )


def _limits(account: Account, base: AccountLimits) -> AccountLimits:
    """Return the limits; each that the spec leaves out is as it was, which is unlimited unless it was adopted."""
    limits: Limits = account.limits
    jet_stream = account.jet_stream
    return AccountLimits(
        subscriptions=_given(limits.subscriptions, base.subscriptions),
        data=base.data,
        payload=_given(limits.payload, base.payload),
        imports=_given(limits.imports, base.imports),
        exports=_given(limits.exports, base.exports),
        wildcard_exports=limits.wildcard_exports and base.wildcard_exports,
        disallow_bearer=limits.disallow_bearer or base.disallow_bearer,
        connections=_given(limits.connections, base.connections),
        leaf_nodes=_given(limits.leaf_nodes, base.leaf_nodes),
        jetstream=base.jetstream if jet_stream is None else _at_large(jet_stream),
        tiers=base.tiers if jet_stream is None else {f"R{tier.replicas}": _storage(tier) for tier in jet_stream.tiers},
    )


def _at_large(use: JetStream) -> JetStreamLimits | None:
    return None if use.tiers else _storage(use)


def _storage(use: JetStreamUse) -> JetStreamLimits:
    """Return the limits of what streams may take; a storage that is left out is none (jwt v2, ``JetStreamLimits``)."""
    return JetStreamLimits(
        memory_storage=use.memory_storage or 0,
        disk_storage=use.disk_storage or 0,
        streams=_given(use.streams, UNLIMITED),
        consumers=_given(use.consumers, UNLIMITED),
        max_ack_pending=use.max_ack_pending or 0,
        memory_max_stream_bytes=use.memory_max_stream_bytes or 0,
        disk_max_stream_bytes=use.disk_max_stream_bytes or 0,
        max_bytes_required=use.max_bytes_required,
    )


def _given(limit: int | None, otherwise: int) -> int:
    return otherwise if limit is None else limit


def _others(there: tuple[Shared, ...], declared: tuple[Shared, ...]) -> tuple[Shared, ...]:
    """Return what was there and is not declared anew."""
    anew = {(shared.kind, shared.subject) for shared in declared}
    return tuple(shared for shared in there if (shared.kind, shared.subject) not in anew)
