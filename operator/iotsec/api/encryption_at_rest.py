"""How JetStream encrypts what it stores on its servers' volumes."""

from typing import Annotated, Literal

from pydantic import Field

from iotsec.api.constraints import Items, Text
from iotsec.api.model import Model

Cipher = Literal["ChaCha", "AES"]


class EncryptionAtRest(Model):
    """How JetStream encrypts what it stores."""

    cipher: Cipher = Field(
        default="ChaCha", description="ChaCha20-Poly1305, the default, or AES-GCM, where FIPS 140 asks for it."
    )


class ServerKey(Model):
    """Which key one NATS server encrypts with."""

    name: Annotated[str, Text(256)] = Field(description="Name of the server.")
    current: bool = Field(description="Whether it was started with the key and the cipher as they are now.")


class EncryptionAtRestStatus(Model):
    """How far encryption at rest has come."""

    phase: Literal["RestartNeeded", "Active"] = Field(
        description="RestartNeeded: servers must be restarted, as the message says; Active: every server encrypts."
    )
    message: Annotated[str, Text(1024)] = Field(description="What is so, and what to do.")
    cipher: Cipher = Field(description="What the key is used with.")
    key_id: Annotated[str, Text(64)] = Field(description="Names the key; it tells nothing of it.")
    servers: Annotated[tuple[ServerKey, ...], Items(256, kind="map", key="name")] = Field(
        default=(), description="What each server was started with."
    )
