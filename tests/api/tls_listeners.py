"""What is refused in the listeners of TLSPolicies."""

from api.objects import Refused
from api.tls_policies import ECDSA_1_2, RSA_1_2, listening

_CLIENT = "spec.listeners.client"
_NAMES = f"{_CLIENT}.dnsNames[0]"
_ADDRESSES = f"{_CLIENT}.ipAddresses[0]"
_1_3 = (_CLIENT, "TLS 1.3 has cipher suites of its own")
_MUTUAL = ("spec.listeners", "between servers each side shows a certificate")
_FIRST = ("spec.listeners", "only the listeners client and leafnodes know handshakeFirst")

REFUSED: tuple[Refused, ...] = (
    Refused("ciphers of TLS 1.2 in 1.3", listening(client={"minVersion": "1.3", "cipherSuites": [RSA_1_2]}), *_1_3),
    Refused("ciphers of TLS 1.2 in no version", listening(client={"cipherSuites": [ECDSA_1_2]}), *_1_3),
    Refused("routes that trust everybody", listening(cluster={"mode": "ServerOnly"}), *_MUTUAL),
    Refused("gateways that trust everybody", listening(gateway={"mode": "ServerOnly"}), *_MUTUAL),
    *(
        Refused(
            f"TLS first on {name}, which says nothing first", listening(**{name: {"handshakeFirst": "On"}}), *_FIRST
        )
        for name in ("websocket", "mqtt", "cluster", "gateway")
    ),
    Refused("perhaps TLS first", listening(mqtt={"handshakeFirst": "Auto"}), *_FIRST),
    Refused("a name that is a URL", listening(client={"dnsNames": ["tls://nats"]}), _NAMES, "write a DNS name"),
    Refused("a wildcard within a name", listening(client={"dnsNames": ["nats.*.com"]}), _NAMES, "write a DNS name"),
    Refused("a wildcard within a label", listening(client={"dnsNames": ["n*.a.com"]}), _NAMES, "write a DNS name"),
    Refused("a name of nothing but a wildcard", listening(client={"dnsNames": ["*"]}), _NAMES, "write a DNS name"),
    Refused("a name that begins with a dash", listening(client={"dnsNames": ["-a"]}), _NAMES, "write a DNS name"),
    Refused("a name with an underscore", listening(client={"dnsNames": ["a_b.c"]}), _NAMES, "write a DNS name"),
    Refused("a label of 64", listening(client={"dnsNames": ["l" * 64]}), _NAMES, "write a DNS name"),
    Refused("a name with a line break", listening(client={"dnsNames": ["a\n"]}), _NAMES, "write a DNS name"),
    Refused("an address that is a name", listening(client={"ipAddresses": ["nats"]}), _ADDRESSES, "an IP address"),
    Refused("an address with its net", listening(client={"ipAddresses": ["10.0.0.7/8"]}), _ADDRESSES, "an IP address"),
)

REFUSED_BY_LIMITS: tuple[Refused, ...] = (
    Refused(
        "a TLS that is broken",
        listening(client={"minVersion": "1.1"}),
        f"{_CLIENT}.minVersion",
        'supported values: "1.2", "1.3"',
    ),
    Refused(
        "a cipher without forward secrecy",
        listening(client={"minVersion": "1.2", "cipherSuites": ["TLS_RSA_WITH_AES_128_CBC_SHA"]}),
        f"{_CLIENT}.cipherSuites[0]",
        "supported values",
    ),
    Refused(
        "a cipher twice",
        listening(client={"minVersion": "1.2", "cipherSuites": [RSA_1_2, RSA_1_2]}),
        f"{_CLIENT}.cipherSuites[1]",
        "Duplicate value",
    ),
    Refused(
        "no cipher at all",
        listening(client={"minVersion": "1.2", "cipherSuites": []}),
        f"{_CLIENT}.cipherSuites",
        "should have at least 1 items",
    ),
    Refused("a weak curve", listening(client={"curves": ["CurveP224"]}), f"{_CLIENT}.curves[0]", "supported values"),
    Refused(
        "33 names",
        listening(client={"dnsNames": [f"n{i}" for i in range(33)]}),
        f"{_CLIENT}.dnsNames",
        "at most 32 items",
    ),
)
