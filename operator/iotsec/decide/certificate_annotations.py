"""The annotations that cert-manager writes on its certificate Secrets: whatever reads its Secrets reads ours."""

from iotsec.api.issuers import IssuerRef
from iotsec.api.meta import GROUP
from iotsec.x509.names import Names

_PREFIX = "cert-manager.io/"


def certificate_annotations(name: str, names: Names, *, hub: str, issuer: IssuerRef | None) -> dict[str, str]:
    """Return the annotations of a certificate that is called ``name``; the Hub is its issuer where nobody else is."""
    issued_by = (issuer.name, issuer.kind, issuer.group) if issuer is not None else (hub, "Hub", GROUP)
    said = {
        "certificate-name": name,
        **dict(zip(("issuer-name", "issuer-kind", "issuer-group"), issued_by, strict=True)),
        "common-name": names.common_name,
        "alt-names": ",".join(names.dns_names),
        "ip-sans": ",".join(names.ip_addresses),
        "uri-sans": ",".join(names.uris),
    }
    return {f"{_PREFIX}{key}": value for key, value in said.items()}
