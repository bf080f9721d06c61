"""What every kind shares: the group, the forms of Kubernetes names, metadata, conditions and timestamps."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from iotsec.api.constraints import Items, Text
from iotsec.api.model import Model

GROUP = "iotsec.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
CATEGORY = "iotsec"

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
LABEL = f"^{_LABEL}$"
SUBDOMAIN = f"^{_LABEL}([.]{_LABEL})*$"


def _from_rfc3339(value: Any) -> Any:
    """The moment a JSON timestamp names; code may pass a ``datetime``, and a naive one is refused."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if isinstance(moment, datetime) and moment.tzinfo is None:
        raise ValueError("a timestamp needs a time zone, for example 2030-01-31T12:00:00Z")
    return moment


def format_timestamp(moment: datetime) -> str:
    """The moment as the API writes it: UTC, whole seconds, ``2030-01-31T12:00:00Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Timestamp = Annotated[
    datetime,
    BeforeValidator(_from_rfc3339),
    PlainSerializer(format_timestamp, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "maxLength": 40}),
]


class ObjectMeta(Model):
    """The part of an object's metadata that decisions need; fields a file leaves out are empty."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    creation_timestamp: Timestamp | None = None
    deletion_timestamp: Timestamp | None = None
    finalizers: Annotated[tuple[str, ...], Items(1024)] = ()
    annotations: dict[str, str] = Field(default_factory=dict)
    resource_version: str = ""


class Condition(Model):
    """One observed aspect of the object."""

    type: Annotated[str, Text(316)] = Field(description="Aspect that is observed.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    observed_generation: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Generation of the spec that was observed."
    )
    last_transition_time: Timestamp = Field(description="When the status last changed.")
    reason: Annotated[str, Text(1024, "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")] = Field(
        description="Machine-readable cause."
    )
    message: Annotated[str, Text(32768)] = Field(description="What a person should know.")


Conditions = Annotated[tuple[Condition, ...], Items(16, kind="map", key="type")]
ObservedGeneration = Annotated[int, Field(ge=-1)]
