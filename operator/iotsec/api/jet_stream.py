"""What streams of an account may take, at large or by their number of replicas."""

from typing import Annotated

from pydantic import Field, model_validator

from iotsec.api.constraints import Items, Rule
from iotsec.api.model import Model
from iotsec.api.quantities import Quantity

_COUNT = Annotated[int, Field(ge=1, le=2**31 - 1)]


class JetStreamUse(Model):
    """What streams may take; what is left out is unlimited, and a storage that is left out cannot be used."""

    memory_storage: Quantity | None = Field(default=None, description="Memory for streams, such as 64Mi.")
    disk_storage: Quantity | None = Field(default=None, description="Disk for streams, such as 10Gi.")
    streams: _COUNT | None = Field(default=None, description="Streams.")
    consumers: _COUNT | None = Field(default=None, description="Consumers.")
    max_ack_pending: _COUNT | None = Field(default=None, description="Unacknowledged messages of a consumer.")
    memory_max_stream_bytes: Quantity | None = Field(default=None, description="Size of one stream in memory.")
    disk_max_stream_bytes: Quantity | None = Field(default=None, description="Size of one stream on disk.")
    max_bytes_required: bool = Field(default=False, description="Whether every stream must say its greatest size.")


_STORAGE = "write memoryStorage or diskStorage, or both: without storage there is no JetStream"


class JetStreamTier(JetStreamUse):
    """What streams of one number of replicas may take."""

    cel_rules = (Rule("has(self.memoryStorage) || has(self.diskStorage)", _STORAGE),)

    replicas: Annotated[int, Field(ge=1, le=5)] = Field(description="Replicas of the streams meant.")

    @model_validator(mode="after")
    def _has_storage(self) -> "JetStreamTier":
        if not (self.memory_storage or self.disk_storage):
            raise ValueError(_STORAGE)
        return self


_TIERED = "write limits either at large or in tiers, not both"


class JetStream(JetStreamUse):
    """JetStream of an account, at large or by tiers."""

    cel_rules = (
        Rule(
            "!has(self.tiers) || !(has(self.memoryStorage) || has(self.diskStorage) || has(self.streams) || "
            "has(self.consumers) || has(self.maxAckPending) || has(self.memoryMaxStreamBytes) || "
            "has(self.diskMaxStreamBytes) || has(self.maxBytesRequired))",
            _TIERED,
            path=".tiers",
        ),
        Rule("has(self.tiers) || has(self.memoryStorage) || has(self.diskStorage)", _STORAGE),
    )

    tiers: Annotated[tuple[JetStreamTier, ...], Items(5, min_items=1, kind="map", key="replicas")] = Field(
        default=(), description="Limits by the number of replicas, instead of limits at large."
    )

    @model_validator(mode="after")
    def _is_limited_in_one_way(self) -> "JetStream":
        at_large = self.model_dump(exclude={"tiers"}, exclude_defaults=True)
        if self.tiers and at_large:
            raise ValueError(_TIERED)
        if not self.tiers and not (self.memory_storage or self.disk_storage):
            raise ValueError(_STORAGE)
        return self
