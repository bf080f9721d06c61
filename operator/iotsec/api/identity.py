"""What every identity has in common, whatever its kind: its Hub, its rights, and the Secret it gets."""

from typing import Annotated, Literal

from pydantic import Field

from iotsec.api.constraints import Entries, Items, Refusal, Rule, Text
from iotsec.api.hub import HUB_NAME_LENGTH, AccountName, HubSpec
from iotsec.api.meta import LABEL, SUBDOMAIN, Conditions, ObjectMeta, ObservedGeneration, Timestamp
from iotsec.api.model import Model
from iotsec.api.permissions import Permissions
from iotsec.api.rotation import JwtLifetime, Rotation

ID_PATTERN = "^[A-Za-z0-9_-]{1,64}$"
DEFAULT_CREDS_KEY = "nats.creds"

_LABEL_NAME = "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_KEYS = Entries(
    32,
    f"{SUBDOMAIN.replace('^', '^(').replace('$', '/)?')}{_LABEL_NAME}$",
    "write keys as name or prefix/name, such as team or example.com/team",
    (Refusal("^iotsec[.]dev/", "keys under iotsec.dev/ belong to the operator: choose another prefix"),),
)

ConnectionType = Literal["STANDARD", "WEBSOCKET", "LEAFNODE", "LEAFNODE_WS", "IN_PROCESS"]

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
                    f"^({_LABEL_NAME})?$",
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

    cel_rules = (
        Rule(f"!has(self.publicKey) || self.publicKey.matches('{_USER_KEY}')", _NO_USER_KEY, path=".publicKey"),
    )

    hub_ref: HubRef = Field(description="Hub the identity belongs to; it cannot be changed.")
    account: AccountName | None = Field(
        default=None,
        description="Account of the Hub; needed only where the Hub offers this namespace more than one.",
    )
    role: str = Field(description="Name of its role.")
    public_key: UserKey | None = Field(
        default=None,
        description="Public user nkey of an identity that keeps its own key; the Secret then holds no seed.",
    )
    permissions: Permissions | None = Field(
        default=None, description="Permissions for this identity alone, added to those of its role."
    )
    connection_types: Annotated[tuple[ConnectionType, ...], Items(5, min_items=1, kind="set")] = Field(
        default=(), description="How it may connect; any way by default."
    )
    suspended: bool = Field(default=False, description="Whether it is cut off now, while the object stays.")
    rotation: Rotation | None = Field(
        default=None, description="When its credentials are renewed; as the Hub says by default."
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

    @property
    def own_id(self) -> str | None:
        """The id where the spec says one."""
        return None

    @property
    def effective_creds_key(self) -> str:
        """The Secret's key of the creds file."""
        return self.creds_key or DEFAULT_CREDS_KEY

    def jwt_lifetime(self, hub: HubSpec) -> JwtLifetime:
        """The life of this identity's JWT.

        An own ``rotation.jwt`` replaces the Hub's as a whole: mixing the two could renew after the end.
        """
        if self.rotation is not None and self.rotation.jwt is not None:
            return self.rotation.jwt.lifetime
        return hub.jwt_lifetime


class IdentityStatus(Model):
    """Base of the statuses of all identities."""

    observed_generation: ObservedGeneration | None = Field(
        default=None, description="Generation of the spec that this status describes; -1 before the first."
    )
    conditions: Conditions = Field(default=(), description="Ready, and what else is to be known.")
    account: Annotated[str, Text(40)] | None = Field(default=None, description="Account the identity is in.")
    public_key: Annotated[str, Text(56)] | None = Field(default=None, description="Public user nkey in use.")
    role: Annotated[str, Text(40)] | None = Field(default=None, description="Role in force.")
    secret_name: Annotated[str, Text(253)] | None = Field(default=None, description="Name of the generated Secret.")
    issued_at: Timestamp | None = Field(default=None, description="When the JWT in use was issued.")
    expires_at: Timestamp | None = Field(default=None, description="When the JWT in use expires.")
    renewal_time: Timestamp | None = Field(default=None, description="When the JWT is renewed.")
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
