"""The Hub: one NATS deployment, its accounts and its defaults."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from iotsec.api.accounts import Account
from iotsec.api.constraints import Items, Rule, Text
from iotsec.api.encryption_at_rest import EncryptionAtRest, EncryptionAtRestStatus
from iotsec.api.meta import SUBDOMAIN, Conditions, ObjectMeta, ObservedGeneration, Timestamp
from iotsec.api.model import Model
from iotsec.api.network import HubNetwork
from iotsec.api.roles import PRESET_NAMES, Role
from iotsec.api.rotation import HubRotation

HUB_NAME_LENGTH = 63  # a Hub's name is a label value on everything made for it
DEFAULT_ACCOUNT = "iot"

_PORT = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_SERVER = f"^(nats|tls)://[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:{_PORT})?$"

_NO_SERVER = (
    "write nats://HOST:PORT or tls://HOST:PORT with a DNS name or an IPv4 address, without user, password or path"
)

ServerUrl = Annotated[str, Text(256, _SERVER, _NO_SERVER, checked="around")]  # a password may stand in it
Inbox = Literal["Private", "Shared"]


class NatsServers(Model):
    """Where the Hub's NATS servers are, and how they keep what they store."""

    cel_rules = (
        Rule(f"self.servers.all(url, url.matches('{_SERVER}'))", _NO_SERVER, path=".servers"),
        Rule(
            "has(self.encryptionAtRest) || !has(oldSelf.encryptionAtRest)",
            "what is encrypted cannot be read without its key: leave encryptionAtRest as it was, or delete the Hub and "
            "create it anew with empty volumes",
            path=".encryptionAtRest",
        ),
    )

    servers: Annotated[tuple[ServerUrl, ...], Items(32, min_items=1)] = Field(
        description="URLs to reach the servers at, such as nats://nats.iot.svc:4222."
    )
    encryption_at_rest: EncryptionAtRest | None = Field(
        default=None, description="How JetStream encrypts what it stores; it does not by default."
    )


class SecretKeyRef(Model):
    """One entry of a Secret in the Hub's namespace."""

    name: Annotated[str, Text(253, SUBDOMAIN, "write the name of a Secret")] = Field(description="Name of the Secret.")
    key: Annotated[str, Text(253, "^[-._a-zA-Z0-9]{1,253}$", "write a key of the Secret")] = Field(
        description="Key in the Secret."
    )


class ExistingTrust(Model):
    """A trust root that was made elsewhere, by nsc for instance."""

    operator_signing_key_secret_ref: SecretKeyRef = Field(
        description="Seed of a signing key of the operator (SO…); with it accounts are signed."
    )
    system_credentials_secret_ref: SecretKeyRef = Field(
        description="Creds file of a user of the system account; with it the servers are told."
    )


class Trust(Model):
    """Where the Hub's keys come from."""

    existing: ExistingTrust | None = Field(default=None, description="A trust root to take over; made new by default.")


_UNKNOWN_EXPORTER = (
    "an import is from an account that this Hub does not have: write the name of one in spec.accounts, or add it there"
)
_UNKNOWN_IMPORTER = (
    "an export is for an account that this Hub does not have: write the name of one in spec.accounts, or add it there"
)
_UNKNOWN_ROLE = (
    "an account lists a role that is neither a preset nor in spec.roles: write the name of one, or add it there"
)

_ELSEWHERE = (
    "the servers of an existing trust root are configured elsewhere: leave encryptionAtRest out, and set cipher and "
    "key in their jetstream block"
)

# CEL of the names that accounts and roles of this Hub have; a set is compared cheaply.
_ACCOUNTS = "self.accounts.map(account, account.name)"
_ROLES = "(has(self.roles) ? self.roles.map(role, role.name) : [])"


class HubSpec(Model):
    """What the user declares of a NATS deployment."""

    cel_rules = (
        Rule(
            "(has(self.trust) && has(self.trust.existing) ? [self.trust.existing] : []) == "
            "(has(oldSelf.trust) && has(oldSelf.trust.existing) ? [oldSelf.trust.existing] : [])",
            "a Hub keeps its trust root: write trust.existing as it was, or delete the Hub and create it anew",
            path=".trust",
        ),
        Rule(
            f"!has(self.accounts) || self.accounts.all(a, !has(a.imports) || "
            f"sets.contains({_ACCOUNTS}, a.imports.map(i, i.account)))",
            _UNKNOWN_EXPORTER,
            path=".accounts",
        ),
        Rule(
            f"!has(self.accounts) || self.accounts.all(a, !has(a.exports) || "
            f"a.exports.all(e, !has(e.accounts) || sets.contains({_ACCOUNTS}, e.accounts)))",
            _UNKNOWN_IMPORTER,
            path=".accounts",
        ),
        Rule(
            f"!has(self.accounts) || self.accounts.all(a, !has(a.roles) || "
            f"sets.contains({list(PRESET_NAMES)} + {_ROLES}, a.roles))",
            _UNKNOWN_ROLE,
            path=".accounts",
        ),
        Rule(
            "!has(self.nats.encryptionAtRest) || !has(self.trust) || !has(self.trust.existing)",
            _ELSEWHERE,
            path=".nats.encryptionAtRest",
        ),
    )

    nats: NatsServers = Field(description="Where NATS is.")
    trust: Trust = Field(default=Trust(), description="Where its keys come from; made new by default.")
    accounts: Annotated[tuple[Account, ...], Items(32, min_items=1, kind="map", key="name")] = Field(
        default=(), description="Accounts; by default one named iot, for the Hub's own namespace."
    )
    inbox: Inbox = Field(
        default="Private",
        description="Private, the default: each identity has its own inbox; Shared: all reply on _INBOX.",
    )
    roles: Annotated[tuple[Role, ...], Items(32, kind="map", key="name")] = Field(
        default=(), description="Roles beside the presets; one of a preset's name takes its place."
    )
    rotation: HubRotation = Field(default=HubRotation(), description="When credentials are replaced.")
    network: HubNetwork | None = Field(
        default=None, description="Who reaches NATS over the network; no NetworkPolicies are made by default."
    )
    presence: Literal["Off", "Paced"] = Field(
        default="Off",
        description="Off, the default; Paced: who is connected or was refused shows in the status of each identity.",
    )

    @model_validator(mode="after")
    def _names_what_it_has(self) -> "HubSpec":
        accounts = {account.name for account in self.accounts}
        roles = {*PRESET_NAMES, *(role.name for role in self.roles)}
        for account in self.accounts:
            if not accounts.issuperset(shared.account for shared in account.imports):
                raise ValueError(_UNKNOWN_EXPORTER)
            if not accounts.issuperset(name for shared in account.exports for name in shared.accounts):
                raise ValueError(_UNKNOWN_IMPORTER)
            if not roles.issuperset(account.roles):
                raise ValueError(_UNKNOWN_ROLE)
        return self

    @model_validator(mode="after")
    def _encrypts_what_it_configures(self) -> "HubSpec":
        if self.nats.encryption_at_rest is not None and self.trust.existing is not None:
            raise ValueError(_ELSEWHERE)
        return self

    def effective_accounts(self) -> tuple[Account, ...]:
        """The accounts as written, or the default one."""
        return self.accounts or (Account(name=DEFAULT_ACCOUNT),)


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


class ServerTrust(Model):
    """Which signing keys of the operator one NATS server trusts."""

    name: Annotated[str, Text(256)] = Field(description="Name of the server.")
    operator_keys: Literal["Old", "Both", "New", "Neither", "Away"] = Field(
        description="Those it trusts; Away: it did not answer."
    )


class OperatorRotation(Model):
    """How far the replacement of the operator's signing key has come."""

    phase: Literal["Prepared", "Resigning", "Resigned"] = Field(
        description="Prepared: restart servers to trust both keys; Resigning: accounts are signed anew; "
        "Resigned: restart them again."
    )
    message: Annotated[str, Text(1024)] = Field(description="What is being waited for, and what to do.")
    servers: Annotated[tuple[ServerTrust, ...], Items(256, kind="map", key="name")] = Field(
        default=(), description="What each server trusts."
    )


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
    accounts: Annotated[tuple[AccountStatus, ...], Items(256, kind="map", key="name")] = Field(
        default=(), description="The accounts, those among them that left the spec: what they revoked stays so."
    )
    servers: Annotated[tuple[ServerStatus, ...], Items(256, kind="map", key="name")] = Field(
        default=(), description="The servers that answered."
    )
    operator_rotation: OperatorRotation | None = Field(
        default=None, description="The replacement of the operator's signing key, while one is under way."
    )
    encryption_at_rest: EncryptionAtRestStatus | None = Field(
        default=None, description="How far encryption at rest has come, where it is asked for."
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
