"""The Hub: one NATS deployment, its accounts and its defaults."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from iotsec.api.constraints import Items, Rule, Text
from iotsec.api.meta import Conditions, ObjectMeta, ObservedGeneration, Timestamp
from iotsec.api.model import Model
from iotsec.api.rotation import JwtLifetime, JwtRotation, Rotation

HUB_NAME_LENGTH = 63  # a Hub's name is a label value on everything made for it
DEFAULT_ACCOUNT = "iot"

_PORT = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_SERVER = f"^(nats|tls)://[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:{_PORT})?$"

_NO_SERVER = (
    "write nats://HOST:PORT or tls://HOST:PORT with a DNS name or an IPv4 address, without user, password or path"
)

ServerUrl = Annotated[str, Text(256, _SERVER, _NO_SERVER, checked="around")]  # a password may stand in it
AccountName = Annotated[
    str,
    Text(
        40,
        "^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$",
        "write an account name: 1 to 40 lower-case letters, digits and dashes, beginning and ending with no dash",
    ),
]
Inbox = Literal["Private", "Shared"]


class AccountNamespaces(Model):
    """Which namespaces may use an account."""

    from_: Literal["Same", "All"] = Field(
        default="Same", alias="from", description="Same: the Hub's own namespace, the default; All: every namespace."
    )


class Account(Model):
    """A NATS account of the Hub."""

    name: AccountName = Field(description="Name of the account.")
    namespaces: AccountNamespaces = Field(
        default=AccountNamespaces(), description="Namespaces whose identities may be in the account."
    )

    def admits(self, namespace: str, *, hub_namespace: str) -> bool:
        """Whether identities of ``namespace`` may be in this account of a Hub in ``hub_namespace``."""
        return self.namespaces.from_ == "All" or namespace == hub_namespace


class NatsServers(Model):
    """Where the Hub's NATS servers are."""

    cel_rules = (Rule(f"self.servers.all(url, url.matches('{_SERVER}'))", _NO_SERVER, path=".servers"),)

    servers: Annotated[tuple[ServerUrl, ...], Items(32, min_items=1)] = Field(
        description="URLs to reach the servers at, such as nats://nats.iot.svc:4222."
    )


class HubSpec(Model):
    """What the user declares of a NATS deployment."""

    nats: NatsServers = Field(description="Where NATS is.")
    accounts: Annotated[tuple[Account, ...], Items(32, min_items=1, kind="map", key="name")] = Field(
        default=(), description="Accounts; by default one named iot, for the Hub's own namespace."
    )
    inbox: Inbox = Field(
        default="Private",
        description="Private, the default: each identity has its own inbox; Shared: all reply on _INBOX.",
    )
    rotation: Rotation | None = Field(default=None, description="When credentials are renewed.")

    def effective_accounts(self) -> tuple[Account, ...]:
        """The accounts as written, or the default one."""
        return self.accounts or (Account(name=DEFAULT_ACCOUNT),)

    @property
    def jwt_lifetime(self) -> JwtLifetime:
        """The life of user JWTs, unless an identity says otherwise."""
        jwt = self.rotation.jwt if self.rotation is not None else None
        return (jwt or JwtRotation()).lifetime


class AccountStatus(Model):
    """What is true of one account."""

    name: Annotated[str, Text(40)] = Field(description="Name of the account.")
    public_key: Annotated[str, Text(56)] | None = Field(default=None, description="Public key of the account.")
    revocations: Annotated[int, Field(ge=0)] | None = Field(default=None, description="Revocations in force.")
    issued_at: Timestamp | None = Field(default=None, description="When the account JWT was issued.")
    distributed: Annotated[str, Text(24)] | None = Field(
        default=None, description="Servers that have the account JWT, of those there are, such as 3/3."
    )


class ServerStatus(Model):
    """What is true of one NATS server."""

    name: Annotated[str, Text(256)] = Field(description="Name of the server.")
    version: Annotated[str, Text(64)] | None = Field(default=None, description="Version it runs.")
    accounts_current: bool | None = Field(default=None, description="Whether it has every account JWT as issued last.")


class HubStatus(Model):
    """What the operator found and made."""

    observed_generation: ObservedGeneration | None = Field(
        default=None, description="Generation of the spec that this status describes; -1 before the first."
    )
    conditions: Conditions = Field(default=(), description="Ready, and what else is to be known.")
    operator_public_key: Annotated[str, Text(56)] | None = Field(
        default=None, description="Public key of the operator."
    )
    system_account_public_key: Annotated[str, Text(56)] | None = Field(
        default=None, description="Public key of the system account."
    )
    config_secret_name: Annotated[str, Text(253)] | None = Field(
        default=None, description="Secret that the NATS servers mount."
    )
    accounts: Annotated[tuple[AccountStatus, ...], Items(32, kind="map", key="name")] = Field(
        default=(), description="The accounts."
    )
    servers: Annotated[tuple[ServerStatus, ...], Items(256, kind="map", key="name")] = Field(
        default=(), description="The servers that answered."
    )


class Hub(Model):
    """A NATS deployment whose security the operator keeps."""

    metadata: ObjectMeta
    spec: HubSpec
    status: HubStatus = HubStatus()


def parse_hub(obj: Mapping[str, Any]) -> Hub:
    """The Hub that a JSON object of the API says.

    Raises:
        SpecError: it is not a valid Hub.

    """
    return Hub.parse(obj)
