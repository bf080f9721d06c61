"""The listeners of NATS servers, and how each is encrypted."""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from iotsec.api.constraints import Items, Rule, Text
from iotsec.api.model import Model

ListenerName = Literal["client", "websocket", "mqtt", "leafnodes", "cluster", "gateway"]
LISTENERS: tuple[ListenerName, ...] = get_args(ListenerName)

BETWEEN_SERVERS: frozenset[ListenerName] = frozenset({"cluster", "gateway"})
"""There each side shows a certificate, whatever is written (nats-server ``opts.go``)."""

TlsMode = Literal["ServerOnly", "Mutual"]
TlsVersion = Literal["1.2", "1.3"]

CipherSuite = Literal[
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
]
"""Those of TLS 1.2 that are no weakness by now; those of TLS 1.3 cannot be chosen (Go ``crypto/tls``)."""
Curve = Literal["X25519MLKEM768", "X25519", "CurveP256", "CurveP384", "CurveP521"]

_LABEL = "[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?"
DnsName = Annotated[
    str,
    Text(
        253,
        f"^([*][.])?{_LABEL}([.]{_LABEL})*$",
        "write a DNS name, such as nats.example.com, or *.example.com for all names right below it",
    ),
]
IpAddress = Annotated[
    str,
    Text(45, "^[0-9A-Fa-f:.]{2,45}$", "write an IP address, such as 10.0.0.7 or 2001:db8::7"),
]

_ONLY_1_2 = (
    "TLS 1.3 has cipher suites of its own, which cannot be chosen: leave cipherSuites out, or set minVersion 1.2"
)
_HANDSHAKE = "only the listeners client and leafnodes know handshakeFirst: leave it out here"
_MUTUAL = "between servers each side shows a certificate: write Mutual or Off, or leave mode out"


class Listener(Model):
    """How one listener is encrypted."""

    cel_rules = (
        Rule(
            "!has(self.cipherSuites) || (has(self.minVersion) && self.minVersion == '1.2')",
            _ONLY_1_2,
            path=".cipherSuites",
        ),
    )

    mode: Literal["Off", "ServerOnly", "Mutual"] | None = Field(
        default=None, description="Off, ServerOnly or Mutual; as the policy says by default, Mutual between servers."
    )
    dns_names: Annotated[tuple[DnsName, ...], Items(32, kind="set")] = Field(
        default=(), description="Names clients reach it by, beside those of the Hub's servers."
    )
    ip_addresses: Annotated[tuple[IpAddress, ...], Items(32, kind="set")] = Field(
        default=(), description="Addresses clients reach it at."
    )
    min_version: TlsVersion | None = Field(default=None, description="Oldest version of TLS it speaks; 1.3 by default.")
    cipher_suites: Annotated[tuple[CipherSuite, ...], Items(6, min_items=1, kind="set")] = Field(
        default=(), description="Cipher suites of TLS 1.2, the best first; where minVersion is 1.2."
    )
    curves: Annotated[tuple[Curve, ...], Items(5, min_items=1, kind="set")] = Field(
        default=(), description="Curves of the key exchange, the best first; Go's choice by default."
    )
    handshake_first: Literal["Off", "On", "Auto"] = Field(
        default="Off",
        description="Off, the default; On: TLS before any word of NATS; Auto: also, for clients that begin so.",
    )

    @model_validator(mode="after")
    def _has_ciphers_of_its_version(self) -> "Listener":
        if self.cipher_suites and self.min_version != "1.2":
            raise ValueError(_ONLY_1_2)
        return self


def _rules(name: str) -> tuple[Rule, ...]:
    found = []
    if name in BETWEEN_SERVERS:
        found.append(
            Rule(
                f"!has(self.{name}) || !has(self.{name}.mode) || self.{name}.mode != 'ServerOnly'",
                _MUTUAL,
                path=f".{name}.mode",
            )
        )
    if name not in ("client", "leafnodes"):
        found.append(
            Rule(
                f"!has(self.{name}) || !has(self.{name}.handshakeFirst) || self.{name}.handshakeFirst == 'Off'",
                _HANDSHAKE,
                path=f".{name}.handshakeFirst",
            )
        )
    return tuple(found)


class Listeners(Model):
    """What differs from the defaults, listener by listener."""

    cel_rules = tuple(rule for name in LISTENERS for rule in _rules(name))

    client: Listener = Field(default=Listener(), description="Clients of NATS.")
    websocket: Listener = Field(default=Listener(), description="Clients by WebSocket.")
    mqtt: Listener = Field(default=Listener(), description="Clients of MQTT.")
    leafnodes: Listener = Field(default=Listener(), description="Leaf nodes.")
    cluster: Listener = Field(default=Listener(), description="Routes between the servers of a cluster.")
    gateway: Listener = Field(default=Listener(), description="Gateways between clusters.")

    def of(self, name: ListenerName) -> Listener:
        """The listener of this name."""
        found: Listener = getattr(self, name)
        return found

    @model_validator(mode="after")
    def _suits_each(self) -> "Listeners":
        for name in LISTENERS:
            listener = self.of(name)
            if name in BETWEEN_SERVERS and listener.mode == "ServerOnly":
                raise ValueError(_MUTUAL)
            if name not in ("client", "leafnodes") and listener.handshake_first != "Off":
                raise ValueError(_HANDSHAKE)
        return self
