"""The claims of an account as its Hub's spec declares it: limits, JetStream and default permissions."""

from collections.abc import Mapping

from iotsec.api.accounts import Account, Limits
from iotsec.api.hub import HubSpec
from iotsec.api.jet_stream import JetStreamUse
from iotsec.decide.account import AccountKeys
from iotsec.nats.claims import UNLIMITED, AccountClaims, AccountLimits, JetStreamLimits


def declared_claims(
    spec: HubSpec,  # noqa: ARG001 - exports and imports need the other accounts
    account: Account,
    keys: Mapping[str, AccountKeys],  # noqa: ARG001 - the same
    *,
    adopted: AccountClaims | None = None,
) -> AccountClaims:
    """Return what the spec says of an account; of one that was ``adopted`` it adds to what was there."""
    base = adopted or AccountClaims()
    if adopted is not None:
        return base
    return AccountClaims(limits=_limits(account.limits, account))


def _limits(limits: Limits, account: Account) -> AccountLimits:
    jet_stream = account.jet_stream
    tiers = jet_stream.tiers if jet_stream is not None else ()
    return AccountLimits(
        subscriptions=_or_unlimited(limits.subscriptions),
        payload=_or_unlimited(limits.payload),
        imports=_or_unlimited(limits.imports),
        exports=_or_unlimited(limits.exports),
        wildcard_exports=limits.wildcard_exports,
        disallow_bearer=limits.disallow_bearer,
        connections=_or_unlimited(limits.connections),
        leaf_nodes=_or_unlimited(limits.leaf_nodes),
        jetstream=_storage(jet_stream) if jet_stream is not None and not tiers else None,
        tiers={f"R{tier.replicas}": _storage(tier) for tier in tiers},
    )


def _storage(use: JetStreamUse) -> JetStreamLimits:
    """Return the limits of what streams may take; a storage that is left out is none (jwt v2, ``JetStreamLimits``)."""
    return JetStreamLimits(
        memory_storage=use.memory_storage or 0,
        disk_storage=use.disk_storage or 0,
        streams=_or_unlimited(use.streams),
        consumers=_or_unlimited(use.consumers),
        max_ack_pending=use.max_ack_pending or 0,
        memory_max_stream_bytes=use.memory_max_stream_bytes or 0,
        disk_max_stream_bytes=use.disk_max_stream_bytes or 0,
        max_bytes_required=use.max_bytes_required,
    )


def _or_unlimited(limit: int | None) -> int:
    return UNLIMITED if limit is None else limit
