"""Identities with certificates, and what is refused in them."""

from typing import Any

from api.objects import Json, Refused, client, device, module

REQUEST = "-----BEGIN CERTIFICATE REQUEST-----\nMIIBADCBpwIBADAA\n-----END CERTIFICATE REQUEST-----\n"
PRIVATE_KEY = "-----BEGIN PRIVATE KEY-----\nnobodys-private-key\n-----END PRIVATE KEY-----\n"


def certified(**fields: Any) -> Json:
    return device(certificate=fields)


ACCEPTED: dict[str, Json] = {
    "a device with every field of a certificate": certified(
        dnsNames=["weather.example.com", "*.weather.example.com"],
        ipAddresses=["10.0.0.7", "2001:db8::7"],
        csr=REQUEST,
        secretName="weather.tls",
    ),
    "a device with a certificate of its name": certified(),
    "a device whose request has text behind it": certified(csr=f"{REQUEST}of the workshop\n"),
    "a module with a certificate": module(certificate={"dnsNames": ["protobuf.iot.svc"]}),
    "a client with a certificate": client(certificate={"secretName": "ada"}),
}

_CSR = ("spec.certificate", "write a certificate request in PEM")

REFUSED: tuple[Refused, ...] = (
    Refused("a private key for a request", certified(csr=PRIVATE_KEY), *_CSR),
    Refused("a private key behind the request", certified(csr=REQUEST + PRIVATE_KEY), *_CSR),
    Refused("a certificate for a request", certified(csr="-----BEGIN CERTIFICATE-----\n"), *_CSR),
    Refused("a request in base64", certified(csr="MIIBADCBpwIBADAA"), *_CSR),
    Refused("an empty request", certified(csr=""), *_CSR),
    Refused("a module's private key", module(certificate={"csr": PRIVATE_KEY}), *_CSR),
    Refused("a client's private key", client(certificate={"csr": PRIVATE_KEY}), *_CSR),
    Refused(
        "a certificate for a URL",
        certified(dnsNames=["https://weather.example.com"]),
        "spec.certificate.dnsNames[0]",
        "write a DNS name",
    ),
    Refused(
        "a certificate for a net",
        certified(ipAddresses=["10.0.0.0/8"]),
        "spec.certificate.ipAddresses[0]",
        "write an IP address",
    ),
    Refused(
        "a certificate's Secret in capitals",
        certified(secretName="TLS"),
        "spec.certificate.secretName",
        "write the name of a Secret",
    ),
)

REFUSED_BY_LIMITS: tuple[Refused, ...] = (
    Refused(
        "a certificate for 17 names",
        certified(dnsNames=[f"n{i}" for i in range(17)]),
        "spec.certificate.dnsNames",
        "at most 16 items",
    ),
    Refused(
        "a certificate for a name twice",
        certified(dnsNames=["a", "a"]),
        "spec.certificate.dnsNames[1]",
        "Duplicate value",
    ),
)
