"""What every identity has in common, whatever its kind: its Hub, its rights, and the Secret it gets."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from iotsec.api.accounts import AccountName
from iotsec.api.certificates import Certificate, CertificateStatus, ForeignCertificate
from iotsec.api.constraints import Entries, Items, Refusal, Rule, Text
from iotsec.api.hub import HUB_NAME_LENGTH
from iotsec.api.meta import LABEL, SUBDOMAIN, Conditions, ObjectMeta, ObservedGeneration, Timestamp
from iotsec.api.model import Model, SpecError
from iotsec.api.permissions import Permissions
from iotsec.api.roles import ConnectionType, RoleName
from iotsec.api.rotation import Rotation
from iotsec.api.selectors import LABEL_KEY, LABEL_NAME

ID_PATTERN = "^[A-Za-z0-9_-]{1,64}$"
DEFAULT_CREDS_KEY = "nats.creds"

_KEYS = Entries(
    32,
    LABEL_KEY,
    "write keys as name or prefix/name, such as team or example.com/team",
    (Refusal("^iotsec[.]dev/", "keys under iotsec.dev/ belong to the operator: choose another prefix"),),
)

BEARER_TYPES = frozenset({"MQTT", "MQTT_WS"})
"""Ways to connect that know no signature: whoever has the JWT is let in (nats-server ``auth.go``, bearer)."""

_MQTT_APART = (
    "MQTT and MQTT_WS need a JWT that works without its key, which must not be good for anything else: "
    "declare one identity for MQTT and another for the other connection types"
)
_BEARER_KEY = "an identity for MQTT proves itself by its JWT alone and has no key: leave publicKey out"

RESERVED_IDS = "^(device|client|event)$"
RESERVED = "the ids device, client, event and all that begin with _ name the subjects of others: choose another id"

LiteralToken = Annotated[
    str,
    Text(
        64,
        ID_PATTERN,
        "write one literal subject token: 1 to 64 letters, digits, underscores and dashes",
        (Refusal(RESERVED_IDS, RESERVED), Refusal("^_", RESERVED)),
    ),
]
SecretName = Annotated[
    str,
    Text(253, SUBDOMAIN, "write a Secret name: lower-case letters, digits, dashes and dots, such as weather-01-creds"),
]
CredsKey = Annotated[
    str,
    Text(
        253,
        "^[-._a-zA-Z0-9]{1,253}$",
        "write a Secret key: letters, digits, dashes, underscores and dots, such as nats.creds",
        (
            Refusal(
                "^(user[.]jwt|inbox-prefix|ca[.]crt)$",
                "the Secret's keys user.jwt, inbox-prefix and ca.crt hold something else: choose another key",
            ),
            Refusal("^[.]([.]|$)", "a Secret key is neither . nor begins with two dots: choose another key"),
        ),
    ),
]
_USER_KEY = "^U[A-Z2-7]{55}$"
_NO_USER_KEY = (
    "write the public user nkey, a U and 55 characters from A-Z and 2-7, never the seed (which begins with S)"
)
# Longer than a key is, so that a seed pasted here by mistake gets the message.
UserKey = Annotated[str, Text(64, _USER_KEY, _NO_USER_KEY, checked="around")]


class HubRef(Model):
    """The Hub an identity belongs to."""

    cel_rules = (
        Rule("self == oldSelf", "an identity stays in its Hub: delete it and create it anew to move it to another Hub"),
    )
    atomic = True

    name: Annotated[str, Text(HUB_NAME_LENGTH, SUBDOMAIN, "write the metadata.name of a Hub")] = Field(
        description="Name of the Hub."
    )
    namespace: (
        Annotated[
            str,
            Text(63, LABEL, "write a namespace name: lower-case letters, digits and dashes"),
        ]
        | None
    ) = Field(default=None, description="Namespace of the Hub; the identity's own by default.")


class SecretTemplate(Model):
    """Metadata for the generated Secret."""

    labels: Annotated[
        dict[
            str,
            Annotated[
                str,
                Text(
                    63,
                    f"^({LABEL_NAME})?$",
                    "write a label value: at most 63 letters, digits, dashes, underscores and dots",
                ),
            ],
        ],
        _KEYS,
    ] = Field(default_factory=dict, description="Labels added to the Secret.")
    annotations: Annotated[dict[str, Annotated[str, Text(4096)]], _KEYS] = Field(
        default_factory=dict, description="Annotations added to the Secret."
    )


class IdentitySpec(Model):
    """Base of the specs of all identities."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(f"!has(self.publicKey) || self.publicKey.matches('{_USER_KEY}')", _NO_USER_KEY, path=".publicKey"),
        Rule(
            "!has(self.connectionTypes) || self.connectionTypes.all(t, t in ['MQTT', 'MQTT_WS']) || "
            "self.connectionTypes.all(t, !(t in ['MQTT', 'MQTT_WS']))",
            _MQTT_APART,
            path=".connectionTypes",
        ),
        Rule(
            "!has(self.publicKey) || !has(self.connectionTypes) || "
            "self.connectionTypes.all(t, !(t in ['MQTT', 'MQTT_WS']))",
            _BEARER_KEY,
            path=".publicKey",
        ),
    )
    id_field: ClassVar[str]
    """The field that names the id, as objects write it; the object's name by default."""

    hub_ref: HubRef = Field(description="Hub the identity belongs to; it cannot be changed.")
    account: AccountName | None = Field(
        default=None,
        description="Account of the Hub; needed only where the Hub offers this namespace more than one.",
    )
    role: RoleName = Field(description="Name of its role.")
    public_key: UserKey | None = Field(
        default=None,
        description="Public user nkey of an identity that keeps its own key; the Secret then holds no seed.",
    )
    permissions: Permissions | None = Field(
        default=None, description="Permissions for this identity alone, added to those of its role."
    )
    connection_types: Annotated[tuple[ConnectionType, ...], Items(7, min_items=1, kind="set")] = Field(
        default=(), description="How it may connect; any way but MQTT by default."
    )
    suspended: bool = Field(default=False, description="Whether it is cut off now, while the object stays.")
    rotation: Rotation | None = Field(
        default=None, description="When its credentials are renewed; as the Hub says by default."
    )
    certificate: Certificate = Field(
        default=Certificate(), description="Its certificate, where the Hub's TLSPolicy is Mutual."
    )
    secret_name: SecretName | None = Field(
        default=None,
        description="Name of the generated Secret; by default name, kind and creds, as weather-01-device-creds.",
    )
    creds_key: CredsKey | None = Field(
        default=None, description="Key of the creds file in the Secret; nats.creds by default."
    )
    secret_template: SecretTemplate = Field(
        default=SecretTemplate(), description="Labels and annotations for the generated Secret."
    )

    @model_validator(mode="after")
    def _is_bearer_or_not(self) -> Self:
        bearer = BEARER_TYPES.intersection(self.connection_types)
        if bearer and not BEARER_TYPES.issuperset(self.connection_types):
            raise ValueError(_MQTT_APART)
        if bearer and self.public_key is not None:
            raise ValueError(_BEARER_KEY)
        return self

    @property
    def own_id(self) -> str | None:
        """The id where the spec says one."""
        return None

    @property
    def effective_role(self) -> str:
        """The role, given or by default."""
        return self.role

    @property
    def effective_creds_key(self) -> str:
        """The Secret's key of the creds file."""
        return self.creds_key or DEFAULT_CREDS_KEY


class Denial(Model):
    """An attempt to connect that a server refused."""

    time: Timestamp = Field(description="When it was.")
    reason: Annotated[str, Text(256)] = Field(description="Why, as far as is known.")
    from_: Annotated[str, Text(256)] = Field(alias="from", description="Address it came from.")


class FormerKey(Model):
    """A key that works beside the one in use until its overlap is over."""

    public_key: Annotated[str, Text(56)] = Field(description="Public user nkey.")
    issued_at: Timestamp = Field(description="When its last JWT was issued.")
    expires_at: Timestamp = Field(description="When the last of its JWTs expires.")


class IdentityStatus(Model):
    """Base of the statuses of all identities."""

    observed_generation: ObservedGeneration | None = Field(
        default=None, description="Generation of the spec that this status describes; -1 before the first."
    )
    conditions: Conditions = Field(default=(), description="Ready, and what else is to be known.")
    id: Annotated[str, Text(64)] | None = Field(default=None, description="Id in force.")
    account: Annotated[str, Text(40)] | None = Field(default=None, description="Account the identity is in.")
    public_key: Annotated[str, Text(56)] | None = Field(default=None, description="Public user nkey in use.")
    role: Annotated[str, Text(40)] | None = Field(default=None, description="Role in force.")
    secret_name: Annotated[str, Text(253)] | None = Field(default=None, description="Name of the generated Secret.")
    issued_at: Timestamp | None = Field(default=None, description="When the JWT in use was issued.")
    expires_at: Timestamp | None = Field(default=None, description="When the JWT in use expires.")
    renewal_time: Timestamp | None = Field(default=None, description="When the JWT or the key is replaced next.")
    key_issued_at: Timestamp | None = Field(default=None, description="When the key in use was made.")
    former_keys: Annotated[tuple[FormerKey, ...], Items(16)] = Field(
        default=(), description="Keys that work beside the one in use until their overlap is over."
    )
    rotated: Annotated[tuple[Annotated[str, Text(256)], ...], Items(2)] = Field(
        default=(), description="Tokens of the annotation iotsec.dev/rotate that were heeded, of the object and Secret."
    )
    connected: bool | None = Field(default=None, description="Whether it is connected, where the Hub keeps presence.")
    last_seen: Timestamp | None = Field(default=None, description="When it was last seen connected.")
    certificate: CertificateStatus | None = Field(default=None, description="The certificate in use.")
    foreign_certificate: ForeignCertificate | None = Field(
        default=None, description="A certificate of somebody else that it was seen to show."
    )
    last_denied: Denial | None = Field(default=None, description="When a server last refused it.")
    revision: Annotated[int, Field(ge=0)] | None = Field(default=None, description="Count of the JWTs issued so far.")


class Identity(Model):
    """Base of the kinds that are identities; the name of the class is the kind."""

    metadata: ObjectMeta
    spec: IdentitySpec
    status: IdentityStatus = IdentityStatus()

    @property
    def id(self) -> str:
        """The identity's token in its subjects; unique in its account."""
        return self.spec.own_id or self.metadata.name

    @classmethod
    def checked(cls, obj: Mapping[str, Any]) -> Self:
        """The identity that a JSON object of the API says, its id checked where it is the object's name.

        Raises:
            SpecError: it is not valid.

        """
        identity = cls.parse(obj)
        field = f"spec.{identity.spec.id_field}"
        if not _is_id(identity.id):
            raise SpecError(field, _name_is_no_id(identity.spec.id_field))
        if _is_reserved(identity.id):
            raise SpecError(field, RESERVED)
        return identity


_is_id = re.compile(ID_PATTERN).fullmatch
_is_reserved = re.compile(RESERVED_IDS).fullmatch


def _name_is_no_id(field: str) -> str:
    return f"metadata.name is no id: write spec.{field}, 1 to 64 letters, digits, underscores and dashes"


def id_rules(field: str) -> tuple[Rule, ...]:
    """The rules of an object whose name is its id unless ``spec.<field>`` says one."""
    return (
        Rule(
            f"has(self.spec.{field}) || self.metadata.name.matches('{ID_PATTERN}')",
            _name_is_no_id(field),
            path=f".spec.{field}",
            reason="FieldValueRequired",
        ),
        Rule(
            f"has(self.spec.{field}) || !self.metadata.name.matches('{RESERVED_IDS}')",
            RESERVED,
            path=f".spec.{field}",
        ),
    )
