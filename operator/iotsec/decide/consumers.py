"""Who of a Hub's identities has what, while one CA takes the place of another."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from iotsec.decide.authorities import Authorities, Phase
from iotsec.decide.ca_rotation import Convergence
from iotsec.decide.secrets import SecretFacts
from iotsec.decide.server_certificates import ServerCertificate
from iotsec.decide.tls_view import TlsView

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Consumers:
    """Secrets of identities that are in use, by what they have."""

    total: int
    with_bundle: int
    """Those with the current trust bundle."""
    with_certificate: int | None = None
    """Those with a certificate of the CA that signs; ``None`` where identities need none."""


def in_use_until(secret: SecretFacts) -> int:
    """Return when what a Secret holds ends, in unix seconds; 0 where nothing is known to have been issued."""
    if secret.issued is not None:
        return secret.issued.last_end()
    return secret.certificate.expires_at if secret.certificate is not None else 0


def counted(
    secrets: Iterable[SecretFacts],
    certificates: Iterable[ServerCertificate],
    state: Authorities,
    tls: TlsView,
    *,
    servers: str,
) -> tuple[Convergence, Consumers]:
    """Tell how far everybody is with what is written down now.

    ``secrets`` are those that must not be left behind, ``certificates`` those of the servers and of the operator;
    ``servers`` is what is missing at the servers, in words.
    """
    everybody = tuple(secrets)
    no_bundle = [one for one in everybody if one.note is not None and one.note.bundle != tls.digest]
    certified = [(one, one.certificate.generation) for one in everybody if one.certificate is not None]
    former = [one for one, generation in certified if generation != state.signing.id]
    behind = former if state.phase is Phase.USE else no_bundle
    seen = Convergence(
        servers,
        bundles_behind=len(no_bundle),
        certificates_behind=len(former) + sum(not held.is_of(state.signing) for held in certificates),
        examples=tuple(f"{one.namespace}/{one.name}" for one in islice(behind, _EXAMPLES)),
    )
    return seen, Consumers(
        total=len(everybody),
        with_bundle=len(everybody) - len(no_bundle),
        with_certificate=len(certified) - len(former) if tls.mutual else None,
    )
