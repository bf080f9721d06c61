"""A TLSPolicy worked out for the Hub `plant` in the namespace `iot`."""

from typing import Any

from api.objects import hub

from iotsec.api.hub import parse_hub
from iotsec.api.tls_policy import TLSPolicy
from iotsec.decide.tls_settings import TlsSettings, tls_settings


def settle(obj: dict[str, Any], *servers: str, **of_hub: Any) -> TlsSettings:
    declared = parse_hub(hub(nats={"servers": list(servers or ["nats://nats.iot.svc:4222"])}, **of_hub)).spec
    return tls_settings(TLSPolicy.parse(obj).spec, declared, name="plant", namespace="iot")
