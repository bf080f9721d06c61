"""The TLSPolicy: how a Hub is encrypted."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from iotsec.api.constraints import Items, Rule, Text
from iotsec.api.durations import Duration
from iotsec.api.hub import HUB_NAME_LENGTH
from iotsec.api.issuers import CaRotation, Certificates, Issuer, SelfSigned
from iotsec.api.listeners import ListenerName, Listeners, TlsMode
from iotsec.api.meta import SUBDOMAIN, Conditions, ObjectMeta, ObservedGeneration, Timestamp
from iotsec.api.model import Model
from iotsec.api.selectors import Namespaces

NAME_LENGTH = 253
DEFAULT_MOUNT_PATH = "/etc/nats-iotsec"
DEFAULT_VALIDITY = timedelta(minutes=1)

_PATH = "^(/[A-Za-z0-9_.-]+)+$"


class PolicyHubRef(Model):
    """The Hub, in the policy's own namespace."""

    cel_rules = (Rule("self == oldSelf", "a policy stays with its Hub: delete it and create another for another Hub"),)
    atomic = True

    name: Annotated[str, Text(HUB_NAME_LENGTH, SUBDOMAIN, "write the metadata.name of a Hub")] = Field(
        description="Name of the Hub."
    )


class BundleConfigMap(Model):
    """ConfigMaps with what verifies the servers."""

    name: Annotated[str, Text(253, SUBDOMAIN, "write the name of a ConfigMap")] | None = Field(
        default=None, description="Name of the ConfigMaps; by default the Hub's name and -ca-bundle."
    )
    key: Annotated[str, Text(253, "^[-._a-zA-Z0-9]{1,253}$", "write a key of a ConfigMap, such as ca.crt")] = Field(
        default="ca.crt", description="Key in them; ca.crt by default."
    )
    namespaces: Namespaces = Field(default=Namespaces(), description="Where they are; in the Hub's own by default.")


class TrustBundle(Model):
    """Where else than in the Secrets of identities the trust bundle goes."""

    config_map: BundleConfigMap | None = Field(default=None, description="ConfigMaps in chosen namespaces.")


class Revocation(Model):
    """How servers learn of certificates that ended early."""

    url: Annotated[
        str,
        Text(
            256,
            "^https?://[A-Za-z0-9.:-]+(/[A-Za-z0-9._/-]*)?$",
            "write the URL of the operator's revocation endpoint, such as http://iot-security-operator.iot:8085",
        ),
    ] = Field(description="URL at which servers and others reach the operator's revocation endpoint.")
    when_unreachable: Literal["Allow", "Refuse"] = Field(
        default="Allow",
        description="What a server does when nobody answers: Allow, the default, or Refuse every new client.",
    )
    validity: Duration | None = Field(
        default=None, description="How long an answer is good, and so how late a revocation may take effect; 1m."
    )
    stapling: bool = Field(default=False, description="Whether servers send the answer about their own certificate.")


class TLSPolicySpec(Model):
    """What the user declares of a Hub's encryption."""

    hub_ref: PolicyHubRef = Field(description="Hub that it is for; it cannot be changed.")
    mode: TlsMode = Field(
        default="ServerOnly",
        description="ServerOnly, the default: servers show certificates; Mutual: identities do, too.",
    )
    mount_path: Annotated[str, Text(256, _PATH, "write an absolute path, such as /etc/nats-iotsec")] | None = Field(
        default=None, description="Where servers have the Hub's nats-config Secret; /etc/nats-iotsec by default."
    )
    issuer: Issuer = Field(
        default=Issuer(self_signed=SelfSigned()), description="Who signs; a CA of the Hub's own by default."
    )
    ca_rotation: CaRotation = Field(default=CaRotation(), description="How one CA takes the place of another.")
    certificates: Certificates = Field(default=Certificates(), description="Life of the certificates.")
    listeners: Listeners = Field(
        default=Listeners(), description="What differs from the defaults, listener by listener; all are encrypted."
    )
    trust_domain: (
        Annotated[
            str,
            Text(
                255,
                "^[a-z0-9._-]{1,255}$",
                "write a SPIFFE trust domain: lower-case letters, digits, dots, dashes and underscores",
            ),
        ]
        | None
    ) = Field(default=None, description="SPIFFE trust domain of identities; by default the Hub's name and namespace.")
    trust_bundle: TrustBundle = Field(default=TrustBundle(), description="Where else the trust bundle goes.")
    revocation: Revocation | None = Field(
        default=None, description="How servers learn of certificates that ended early; they do not by default."
    )


class AuthorityStatus(Model):
    """One CA of the Hub."""

    id: Annotated[str, Text(64)] = Field(description="Names it: the first digits of its fingerprint, in hexadecimal.")
    key_id: Annotated[str, Text(64)] | None = Field(
        default=None, description="Identifier of its key, in hexadecimal; a CA that was renewed may keep its key."
    )
    subject: Annotated[str, Text(1024)] | None = Field(default=None, description="Its name.")
    state: Literal["Next", "Current", "Former"] = Field(
        description="Current: it signs; Next: it is trusted and will sign; Former: it is trusted still."
    )
    expires_at: Timestamp | None = Field(default=None, description="When it ends.")


class ServerCertificateStatus(Model):
    """One certificate of the servers, or of the operator itself."""

    name: Literal["server", "routes", "operator"] = Field(
        description="server: shown to clients; routes: between servers; operator: the operator's own."
    )
    secret_name: Annotated[str, Text(253)] = Field(description="Secret that holds it.")
    serial: Annotated[str, Text(64)] | None = Field(default=None, description="Serial number, in hexadecimal.")
    issuer: Annotated[str, Text(64)] | None = Field(default=None, description="Identifier of the CA's key.")
    issued_at: Timestamp | None = Field(default=None, description="When it was issued.")
    expires_at: Timestamp | None = Field(default=None, description="When it ends.")
    renewal_time: Timestamp | None = Field(default=None, description="When it is renewed.")


class TlsServerStatus(Model):
    """How far one server is."""

    name: Annotated[str, Text(256)] = Field(description="Name of the server.")
    version: Annotated[str, Text(64)] | None = Field(default=None, description="Version it runs.")
    state: Literal["Current", "Waiting", "ReloadRefused", "RestartNeeded", "Overruled", "Away"] = Field(
        description="Current: it runs the configuration as written last; otherwise what is missing."
    )
    message: Annotated[str, Text(1024)] | None = Field(default=None, description="What is being waited for.")
    served: Annotated[str, Text(64)] | None = Field(
        default=None, description="Fingerprint of the certificate it was seen to show, in hexadecimal."
    )


class CaRotationStatus(Model):
    """A CA that takes the place of another."""

    phase: Literal["Trust", "Use", "Retire"] = Field(
        description="Trust: everybody gets the new CA; Use: certificates are issued by it; Retire: the former one goes."
    )
    since: Timestamp = Field(description="When the phase began.")
    message: Annotated[str, Text(1024)] = Field(description="What is being waited for.")


class Consumers(Model):
    """How many Secrets of identities have what they should."""

    total: Annotated[int, Field(ge=0)] = Field(description="Secrets there are.")
    bundle: Annotated[int, Field(ge=0)] = Field(description="Those with the current trust bundle.")
    certificate: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Identities with a certificate of the current CA, where they have any."
    )


class RestartStatus(Model):
    """A change that only a restart of the servers brings."""

    since: Timestamp = Field(description="Since when it is in their configuration.")
    reason: Annotated[str, Text(1024)] = Field(description="What changed.")
    listeners: Annotated[tuple[ListenerName, ...], Items(6)] = Field(
        default=(), description="The listeners it is about: servers without them need no restart."
    )
    servers: Annotated[tuple[Annotated[str, Text(64)], ...], Items(256)] = Field(
        default=(), description="Ids of the servers that ran then; a server has another after each start."
    )


class TLSPolicyStatus(Model):
    """What the operator found and made."""

    observed_generation: ObservedGeneration | None = Field(
        default=None, description="Generation of the spec that this status describes; -1 before the first."
    )
    conditions: Conditions = Field(default=(), description="Ready, and what else is to be known.")
    authorities: Annotated[tuple[AuthorityStatus, ...], Items(16, kind="map", key="id")] = Field(
        default=(), description="The CAs that are trusted."
    )
    certificates: Annotated[tuple[ServerCertificateStatus, ...], Items(3, kind="map", key="name")] = Field(
        default=(), description="The certificates of the servers."
    )
    rotation: CaRotationStatus | None = Field(default=None, description="The rotation of the CA that is under way.")
    servers: Annotated[tuple[TlsServerStatus, ...], Items(256, kind="map", key="name")] = Field(
        default=(), description="The servers that answered."
    )
    restart: RestartStatus | None = Field(
        default=None, description="The last change for which servers had to be restarted."
    )
    consumers: Consumers | None = Field(default=None, description="How far identities are.")
    expires_at: Timestamp | None = Field(default=None, description="When the CA that signs ends.")
    rotated: Annotated[tuple[Annotated[str, Text(256)], ...], Items(2)] = Field(
        default=(), description="Tokens of the annotations iotsec.dev/rotate-ca and iotsec.dev/rotate that were heeded."
    )


class TLSPolicy(Model):
    """How a Hub is encrypted, and who may connect."""

    metadata: ObjectMeta
    spec: TLSPolicySpec
    status: TLSPolicyStatus = TLSPolicyStatus()
