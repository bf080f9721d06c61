"""A trust root that somebody else made: what must be true before anything is signed in its name.

A server stores an account JWT that it is pushed, and loses the good one, though its operator does not trust the key
that signed it (nats-server ``accounts.go``). So nothing is signed before the servers themselves were asked whom they
trust, and no account is taken over whose JWT we could not issue again as it is.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from iotsec.decide.account import AccountKeys
from iotsec.decide.adoption import AdoptedAccount, AdoptionRefusedError, adopted_from, payload_of
from iotsec.decide.seeds import (
    RESTORE,
    Roles,
    TrustDamagedError,
    TrustSeeds,
    account_identity,
    account_seal,
    generations,
    read,
    read_all,
    role_key,
    roles_of,
    unscoped_key,
)
from iotsec.decide.times import rfc3339
from iotsec.decide.trust import KnownKeys, account_keys
from iotsec.nats import creds, jwt
from iotsec.nats.claims import AccountClaims, OperatorClaims, UserClaims
from iotsec.nats.keys import InvalidKey, KeyType, Seed, SigningKey


class ExistingTrustError(ValueError):
    """What the Hub was given of the existing trust root cannot be used; the message says what to give it instead."""


@dataclass(frozen=True, slots=True)
class SystemAccess:
    """The creds of a system-account user as they were given to us; they never show in a repr."""

    contents: bytes = field(repr=False)
    account: str
    """Public key of the system account."""
    expires_at: int | None


@dataclass(frozen=True, slots=True)
class TrustedOperator:
    """Whom all servers trust: the public keys that may sign accounts."""

    public: str
    """The operator's identity; of several the first."""
    signers: frozenset[str]


@dataclass(frozen=True, slots=True)
class AdoptedTrust:
    """The keys of a Hub whose trust root somebody else made; the shape is that of ``TrustRoot`` without its seeds."""

    operator: TrustedOperator
    account_signer: SigningKey
    """The operator's signing key that we were given."""
    system_public: str
    accounts: Mapping[str, AccountKeys]

    @property
    def account_signers(self) -> frozenset[str]:
        """Public halves of the keys that account JWTs of this Hub may be signed with."""
        return self.operator.signers

    @property
    def operator_public(self) -> str:
        """Public key of the operator's identity."""
        return self.operator.public


def read_signer(seed: bytes, *, where: str) -> SigningKey:
    """Read the operator's signing key; ``where`` names the entry of the Secret.

    Raises:
        ExistingTrustError: it is no seed of an operator's key.

    """
    try:
        return SigningKey.from_seed(Seed(seed), KeyType.OPERATOR)
    except InvalidKey as error:
        raise ExistingTrustError(f"{where} is no operator signing key ({error})") from None


def read_system_access(contents: bytes, *, where: str, now: int) -> SystemAccess:
    """Read the creds of the system-account user; ``where`` names the entry of the Secret, ``now`` is unix seconds.

    Raises:
        ExistingTrustError: it is no creds file, or one that has expired.

    """
    try:
        token, _ = creds.parse_creds(contents)
        found = jwt.decode(token, verify=False)
    except (creds.InvalidCreds, jwt.InvalidToken) as error:
        raise ExistingTrustError(f"{where}: {error}") from None
    if found.expires_at is not None and found.expires_at < now:
        raise ExistingTrustError(
            f"the system credentials in {where} expired at {rfc3339(found.expires_at)}: write new ones there, "
            "with nsc generate creds for instance"
        )
    account = found.claims.issuer_account if isinstance(found.claims, UserClaims) else ""
    return SystemAccess(contents, account or found.issuer, found.expires_at)


def trusted_operator(tokens: Iterable[Collection[str]]) -> TrustedOperator | None:
    """Return whom every server trusts, from the operator JWTs of each; ``None`` where no server tells."""
    first, common = "", None
    for of_server in tokens:
        signers: set[str] = set()
        for token in of_server:
            try:
                found = jwt.decode(token)
            except jwt.InvalidToken:
                continue
            if isinstance(found.claims, OperatorClaims):
                first = first or found.subject
                signers.update(found.claims.signing_keys)
                if not found.claims.strict_signing_key_usage:
                    signers.add(found.subject)
        common = signers if common is None else common & signers
    return TrustedOperator(first, frozenset(common)) if first and common is not None else None


def check_signer(signer: SigningKey, operator: TrustedOperator | None, *, where: str) -> TrustedOperator:
    """See that every server trusts what we would sign.

    Raises:
        ExistingTrustError: one does not; the message names the keys to choose from.

    """
    if operator is None:
        raise ExistingTrustError("the servers trust no operator: configure one, whose signing key this is")
    if signer.public not in operator.signers:
        raise ExistingTrustError(
            f"{where} is the seed of {signer.public}, which not every server trusts to sign accounts: write the seed "
            f"of one of {', '.join(sorted(operator.signers)) or 'its signing keys'} (operator {operator.public})"
        )
    return operator


def found_account(name: str, tokens: Iterable[str], *, signers: Collection[str], now: int) -> str | None:
    """Return the newest JWT of the account of this name; ``None`` where there is no such account.

    Accounts that were ended, by a last JWT that lets nobody in, are none.

    Raises:
        AdoptionRefusedError: it cannot be told which it is, or it cannot be taken over.

    """
    found: dict[str, tuple[int, str]] = {}
    for token in tokens:
        try:
            decoded = jwt.decode(token)
        except jwt.InvalidToken as error:
            if _name_in(token) == name:
                raise AdoptionRefusedError(
                    f"account {name}: its JWT cannot be read ({error}): issue it again, with nsc for instance"
                ) from None
            continue
        if decoded.name != name or not isinstance(decoded.claims, AccountClaims) or _is_ended(decoded):
            continue
        if decoded.issuer not in signers:
            raise AdoptionRefusedError(
                f"account {name} ({decoded.subject}) is signed by {decoded.issuer}, which the servers do not trust: "
                "sign it again and push it, with nsc for instance"
            )
        found[decoded.subject] = max(found.get(decoded.subject, (0, "")), (decoded.issued_at, token))
    if len(found) > 1:
        raise AdoptionRefusedError(
            f"the servers have {len(found)} accounts named {name} ({', '.join(sorted(found))}): "
            "rename or delete all but one of them, with nsc for instance"
        )
    for _, token in found.values():
        expires_at = jwt.decode(token, verify=False).expires_at
        if expires_at is not None and expires_at <= now:
            raise AdoptionRefusedError(f"account {name} expired at {rfc3339(expires_at)}: issue it again first")
        return token
    return None


def taken_over(name: str, token: str, *, ours: Collection[str]) -> AdoptedAccount:
    """Return the record of an account that is being taken over; ``ours`` are our signing keys of that name.

    Raises:
        AdoptionRefusedError: the message names the account.

    """
    try:
        return adopted_from(token, ours=ours)
    except AdoptionRefusedError as error:
        raise AdoptionRefusedError(f"account {name}: {error}") from None


def signers_of(seeds: TrustSeeds, account: str) -> frozenset[str]:
    """Return the public halves of all signing keys that we hold for an account.

    Raises:
        TrustDamagedError: one is no seed.

    """
    owned = (unscoped_key(account), *(role_key(account, role) for role in roles_of(seeds, account)))
    entries = (entry for name in owned for entry in generations(seeds.signing, name))
    return frozenset(read(seeds.signing, entry, KeyType.ACCOUNT).public for entry in entries)


def check_adopted(seeds: TrustSeeds, known: KnownKeys) -> None:
    """See that the seeds are those of the accounts that are out in the world.

    Raises:
        TrustDamagedError: one is missing, damaged or another; the message names it and never shows it.

    """
    for account, public in known.accounts.items():
        identity, seal = account_identity(account), account_seal(account)
        if identity not in seeds.identity:
            read(seeds.identity, seal, KeyType.ACCOUNT)
        elif read(seeds.identity, identity, KeyType.ACCOUNT).public != public:
            raise TrustDamagedError(f"the seed {identity!r} is of another key than this Hub's: {RESTORE}")
        read_all(seeds.signing, unscoped_key(account), KeyType.ACCOUNT)


def adopted_trust(
    seeds: TrustSeeds,
    *,
    roles: Roles,
    adopted: Mapping[str, AdoptedAccount],
    operator: TrustedOperator,
    signer: SigningKey,
    system: str,
) -> AdoptedTrust:
    """Read the keys; ``adopted`` are the accounts that were there before us, ``system`` the system account's key.

    Raises:
        TrustDamagedError: one is missing or is no seed of its kind.

    """
    return AdoptedTrust(
        operator=operator,
        account_signer=signer,
        system_public=system,
        accounts={
            name: account_keys(seeds, name, roles, adopted=adopted[name].public if name in adopted else "")
            for name in roles
        },
    )


def _is_ended(decoded: jwt.Decoded) -> bool:
    claims = decoded.claims
    if decoded.expires_at is None or not isinstance(claims, AccountClaims):
        return False
    return claims.limits.connections == 0 and claims.limits.leaf_nodes == 0 and not claims.signing_keys


def _name_in(token: str) -> str:
    try:
        return str(payload_of(token).get("name", ""))
    except (ValueError, IndexError, AttributeError):
        return ""
