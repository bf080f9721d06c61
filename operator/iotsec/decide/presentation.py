"""The Secret that presents a credential: its keys, its metadata, and the seed it may hold."""

import hashlib
import json
import re
from collections.abc import Mapping

from iotsec.decide import names
from iotsec.decide.grant import Grant
from iotsec.decide.issued import Issued
from iotsec.decide.secrets import Owner, SecretManifest
from iotsec.decide.views import Identity
from iotsec.nats import creds
from iotsec.nats.keys import InvalidKey, KeyType, SigningKey

_SEED = re.compile(rb"(?<![A-Z2-7])SU[A-Z2-7]{56}(?![A-Z2-7])")


def contents(
    identity: Identity, granted: Grant, token: str, key: SigningKey | None, *, bundle: bytes = b""
) -> dict[str, bytes]:
    """Return the data of a creds Secret; ``key`` is ``None`` where its holder has it, or needs none.

    ``bundle`` is what verifies the servers, PEM; empty where they are not encrypted.
    """
    data = {names.USER_JWT_KEY: token.encode(), names.INBOX_KEY: granted.inbox_prefix.encode()}
    if bundle:
        data[names.CA_KEY] = bundle
    if granted.bearer:
        # An MQTT client sends any name and, as its password, the JWT (nats-server auth.go, MQTT).
        data |= {names.USERNAME_KEY: granted.name.encode(), names.PASSWORD_KEY: token.encode()}
    elif key is not None:
        data[identity.spec.effective_creds_key] = creds.format_creds(token, key)
    return data


def manifest(
    identity: Identity, granted: Grant, secret_name: str, data: Mapping[str, bytes], issued: Issued
) -> SecretManifest:
    """Return the Secret with this data, and with the sealed note of what was issued."""
    reference = identity.spec.hub_ref
    return SecretManifest(
        namespace=identity.namespace,
        name=secret_name,
        data=data,
        owner=Owner(identity.kind, identity.name, identity.uid),
        component=names.CREDENTIALS,
        hub=f"{reference.namespace or identity.namespace}/{reference.name}",
        labels=dict(identity.spec.secret_template.labels),
        annotations=dict(identity.spec.secret_template.annotations),
        issued=issued,
        seal=issued.seal(granted.account.keys.seal, secret=f"{identity.namespace}/{secret_name}", owner=identity.uid),
    )


def layout(identity: Identity, granted: Grant, secret_name: str, *, bundle: str = "") -> str:
    """Return a digest of how the Secret presents what was issued; ``bundle`` names the trust bundle beside it."""
    template = identity.spec.secret_template
    body: list[object] = [
        secret_name,
        identity.spec.public_key or ("" if granted.bearer else identity.spec.effective_creds_key),
        granted.inbox_prefix,
        dict(template.labels),
        dict(template.annotations),
    ]
    if bundle:
        body.append(bundle)
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]


def held_key(data: Mapping[str, bytes], public: str) -> SigningKey | None:
    """Return the key of this public half, if its seed is anywhere in a Secret's data; somebody else's is of no use."""
    for value in data.values():
        for seed in _SEED.findall(value):
            try:
                key = SigningKey.from_seed(seed, KeyType.USER)
            except InvalidKey:
                continue
            if key.public == public:
                return key
    return None
