"""What a key may be used for, as certificates say it (RFC 5280 4.2.1.3)."""

from typing import Final

from cryptography import x509

_BITS: Final = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


def key_usage(*bits: str) -> x509.KeyUsage:
    """Return the extension with these bits set, which `cryptography` wants told of each; raises ``ValueError``."""
    if unknown := set(bits) - set(_BITS):
        raise ValueError(f"there is no key usage {', '.join(sorted(unknown))}: write some of {', '.join(_BITS)}")
    return x509.KeyUsage(**{bit: bit in bits for bit in _BITS})
