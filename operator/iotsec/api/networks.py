"""Networks as users write them: ``10.0.0.0/8``, ``2001:db8::/32``; the text as it is in the models."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from iotsec.api.constraints import RULES, Node, Rule

PATTERN = "^[0-9A-Fa-f:.]+/(0|[1-9][0-9]{0,2})$"
MESSAGE = "write a network, an address and the length of its prefix, for example 10.0.0.0/8 or 2001:db8::/32"

_fits = re.compile(PATTERN).fullmatch


def check_network(text: str) -> str:
    """The text, when it is a network that nats-server takes (Go's ``net.ParseCIDR``); host bits may be set.

    Raises:
        ValueError: it is no network, or an IPv4 network written as IPv6.

    """
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(MESSAGE) from None
    mapped = isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped
    if not _fits(text) or mapped:
        raise ValueError(MESSAGE)
    return text


@dataclass(frozen=True, slots=True)
class _NetworkText:
    """Checks the field's text; the API server knows networks by a function of CEL (Kubernetes 1.31)."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(check_network, handler(source))

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> Node:
        rule = Rule(f"self.matches('{PATTERN}') && isCIDR(self)", MESSAGE)
        return {"type": "string", "maxLength": 49, "pattern": PATTERN, RULES: [rule.node()]}


Network = Annotated[str, _NetworkText()]
