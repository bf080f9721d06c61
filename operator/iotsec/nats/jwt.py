"""NATS JWTs of version 2: claims under an envelope and a signature (jwt v2 claims.go, header.go, decoder.go).

A token is `header.payload.signature`, each base64url without padding; the signature is Ed25519 over the first two and
their dot. Tokens never stand in an exception: a bearer token is a password.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson

from iotsec.nats.claims import (
    AccountClaims,
    ActivationClaims,
    Claims,
    GenericClaims,
    InvalidClaims,
    OperatorClaims,
    UserClaims,
)
from iotsec.nats.claims.wire import number, present, record, text
from iotsec.nats.go_json import go_json
from iotsec.nats.keys import InvalidKey, KeyType, SigningKey, check_public_key, public_key_type, verify

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_TOKEN_BYTES: Final = 1024 * 1024
"""What jwt v2 (decoder.go `MaxTokenSize`), and so every server, refuses to read beyond."""

_VERSION: Final = 2
_ALGORITHM: Final = "ed25519-nkey"
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+")


class InvalidToken(ValueError):  # noqa: N818 - named for the value it is about, as its siblings are
    """A token is malformed, forged, of another type or cannot be made. The message never holds it."""


class TokenTooLarge(InvalidToken):
    """A token is beyond `MAX_TOKEN_BYTES`; for an account, fewer revocations or scopes make it smaller."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the token has {size} bytes, servers read {MAX_TOKEN_BYTES}: put less into it")
        self.size = size


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a token says. Times are Unix seconds, None where the token has none; `issuer` is the key that signed it.

    Whether the issuer is trusted and the times are right is for the reader to judge.
    """

    subject: str
    issuer: str
    name: str
    issued_at: int
    expires_at: int | None
    not_before: int | None
    audience: str
    jti: str
    claims: Claims


@dataclass(frozen=True, slots=True)
class _Type:
    """The rules of one type of claims: whose keys may sign (`ExpectedPrefixes`), and whom they are about."""

    claims: type[Claims]
    issuers: frozenset[KeyType] = field(default_factory=lambda: frozenset(KeyType) - {KeyType.CURVE})
    subject: KeyType | None = None


_O, _A, _U = KeyType.OPERATOR, KeyType.ACCOUNT, KeyType.USER
_TYPES: Final[dict[str, _Type]] = {
    "operator": _Type(OperatorClaims, frozenset({_O}), _O),
    "account": _Type(AccountClaims, frozenset({_O, _A}), _A),
    "user": _Type(UserClaims, frozenset({_A}), _U),
    "activation": _Type(ActivationClaims, frozenset({_O, _A}), _A),
}
_GENERIC: Final = _Type(GenericClaims)
_BY_CLASS: Final = {rules.claims: rules for rules in (*_TYPES.values(), _GENERIC)}


def _base64url(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


_HEADER: Final = _base64url(go_json({"typ": "JWT", "alg": _ALGORITHM}))


def encode(
    claims: Claims,
    signer: SigningKey,
    *,
    subject: str,
    name: str = "",
    issued_at: int,
    expires_at: int | None = None,
    not_before: int | None = None,
    audience: str = "",
) -> str:
    """The token in which `signer` says `claims` about `subject`, byte for byte what jwt v2 would write.

    Times are Unix seconds. The `jti` hashes all but the claims, so two tokens of one second about one subject share it.
    Raises `InvalidToken` (`TokenTooLarge` too), `InvalidClaims` or `InvalidKey` for what a server would refuse.
    """
    rules = _BY_CLASS[type(claims)]
    _check_parties(rules, signer.public, subject)
    before = present({"aud": audience, "exp": expires_at})
    after = present({"iat": issued_at, "iss": signer.public, "name": name, "nbf": not_before, "sub": subject})
    try:
        jti = base64.b32encode(hashlib.new("sha512_256", go_json(before | after)).digest()).rstrip(b"=").decode()
        payload = go_json({**before, "jti": jti, **after, "nats": claims.to_json()})
    except TypeError:
        raise InvalidToken(
            "a value in the claims has no JSON form: write text, whole numbers, lists and objects"
        ) from None
    message = _HEADER + b"." + _base64url(payload)
    token = message + b"." + _base64url(signer.sign(message))
    if len(token) > MAX_TOKEN_BYTES:
        raise TokenTooLarge(len(token))
    return token.decode()


def decode(token: str, *, verify: bool = True) -> Decoded:
    """What `token` says, once its form, signature and the kinds of its keys were checked.

    `verify=False` leaves the signature alone, for a token that was just made or read before. Raises `InvalidToken`.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise TokenTooLarge(len(token))
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, payload, signature
        raise InvalidToken(f"a token has three parts with dots between them, this has {len(parts)}: copy it in full")
    _check_header(_object(parts[0], "header"))
    payload = _object(parts[1], "payload")
    signature = _bytes(parts[2], "signature")
    try:
        decoded, rules = _read(payload)
        _check_parties(rules, decoded.issuer, decoded.subject)
    except (InvalidClaims, InvalidKey) as fault:
        raise InvalidToken(f"the payload of the token is not as NATS has it: {fault}") from None
    except RecursionError:
        raise InvalidToken(
            "the payload of the token is nested beyond reason: issue it again with flatter data"
        ) from None
    if verify and not _is_signed(decoded.issuer, token, signature):
        raise InvalidToken("the signature of the token is not that of its issuer: it was changed, issue it again")
    return decoded


def _read(payload: Mapping[str, Any]) -> tuple[Decoded, _Type]:
    body = record(payload, "nats")
    if payload.get("type") or number(body, "version") != _VERSION:
        raise InvalidClaims(f"nats.version must be {_VERSION}; issue it again with tools of that version")
    rules = _TYPES.get(text(body, "type"), _GENERIC)
    decoded = Decoded(
        subject=text(payload, "sub"),
        issuer=text(payload, "iss"),
        name=text(payload, "name"),
        issued_at=number(payload, "iat"),
        expires_at=number(payload, "exp") or None,
        not_before=number(payload, "nbf") or None,
        audience=text(payload, "aud"),
        jti=text(payload, "jti"),
        claims=rules.claims.from_json(body),
    )
    return decoded, rules


def _check_parties(rules: _Type, issuer: str, subject: str) -> None:
    signed_by = public_key_type(issuer)
    if signed_by not in rules.issuers:
        wanted = " or ".join(sorted(kind.name.lower() for kind in rules.issuers))
        raise InvalidToken(
            f"{rules.claims.__name__} cannot be signed by a key of kind {signed_by.name.lower()}: use {wanted}"
        )
    if rules.subject is not None:
        check_public_key(subject, rules.subject)
    elif not subject:
        raise InvalidToken("a token needs a subject, whom it is about")


def _check_header(header: Mapping[str, Any]) -> None:
    # Go reads both in any case, and the older name "ed25519" too, which none but version 1 tokens have.
    if str(header.get("typ")).upper() != "JWT" or str(header.get("alg")).lower() != _ALGORITHM:
        raise InvalidToken(f"the header of the token must name typ JWT and alg {_ALGORITHM}: this is no NATS token")


def _is_signed(issuer: str, token: str, signature: bytes) -> bool:
    return verify(issuer, token[: token.rindex(".")].encode(), signature)


def _object(part: str, what: str) -> dict[str, Any]:
    raw = _bytes(part, what)
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        found = None  # raised below, so that the error, which holds the document, is no context of ours
    if not isinstance(found, dict):
        raise InvalidToken(f"the {what} of the token is no JSON object: copy the token in full")
    return found


def _bytes(part: str, what: str) -> bytes:
    if not _BASE64URL.fullmatch(part) or len(part) % 4 == 1:
        raise InvalidToken(f"the {what} of the token is no base64url: copy the token in full, without spaces")
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
