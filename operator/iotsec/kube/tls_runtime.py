"""What is held in memory of how a Hub is encrypted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from iotsec.api.hub import HubSpec
from iotsec.broker.client_tls import ClientTls
from iotsec.decide.authorities import Authorities
from iotsec.decide.ca_rotation import Convergence
from iotsec.decide.certificate_note import IssuedCertificate
from iotsec.decide.conditions import Reason
from iotsec.decide.consumers import Consumers
from iotsec.decide.foreign_certificate import Foreign
from iotsec.decide.revoked_certificates import RevokedCertificates, Sources
from iotsec.decide.rollout import Attempt, Current, Loaded, Restart, ServerRollout
from iotsec.decide.server_certificates import ServerCertificate
from iotsec.decide.tls_settings import OPERATOR, SERVER, TlsSettings
from iotsec.decide.tls_view import TlsView
from iotsec.kube.keys import Key
from iotsec.nats.tls_config import KeyPair, TlsConfig
from iotsec.x509.bundle import bundle


@dataclass(slots=True)
class RolloutRuntime:
    """How far the configuration is that was written last; times by the wall clock, in unix seconds."""

    wanted: str = ""
    """Digest of the configuration as it was written last; empty where servers tell none."""
    written_at: int = 0
    restart: Restart | None = None
    """A change that only a start brings."""
    attempts: dict[str, list[Attempt]] = field(default_factory=dict)
    """Reloads asked for since, by server id."""
    loaded: dict[str, Loaded] = field(default_factory=dict)
    states: dict[str, ServerRollout] = field(default_factory=dict)
    """How far each server is, by its id."""
    served: dict[str, str] = field(default_factory=dict)
    """Fingerprint of the certificate each server was seen to serve, by its id."""
    look_due: float = float("-inf")
    """When to look again; by the event loop's clock."""
    serve_due: float = float("-inf")
    """When to see again what servers serve."""

    def is_written(self, digest: str, now: int, restart: Restart | None) -> None:
        """Take note of the configuration that servers are to load, and of what only a start brings of it."""
        self.restart = restart or self.restart
        if digest != self.wanted or not self.written_at:
            self.wanted, self.written_at = digest, now
            self.attempts.clear()
            self.states.clear()
            self.served.clear()
            self.look_due = self.serve_due = float("-inf")

    @property
    def converged(self) -> bool:
        """Whether every server runs it, of those that answered when they were asked last."""
        return bool(self.states) and all(isinstance(state, Current) for state in self.states.values())


@dataclass(slots=True)
class TlsRuntime:
    """How things stand with the encryption of one Hub."""

    settings: TlsSettings | None = None
    """The policy, worked out; ``None`` where there is none."""
    source: tuple[str, int, HubSpec] | None = None
    """The policy's uid and generation, and the Hub's spec, that the settings are of."""
    carried_out: tuple[str, int] | None = None
    """Uid and generation of the policy that was carried out last, or tried to be; ``None`` where there was none."""
    trouble: tuple[Reason, str] | None = None
    """Why the policy cannot be carried out as it is now; what works goes on."""
    authorities: Authorities | None = None
    certificates: dict[str, ServerCertificate] = field(default_factory=dict)
    formers: dict[str, KeyPair] = field(default_factory=dict)
    """Certificates of a CA that nobody is to trust any more, while servers may show them, or know ours by it, still.

    A server's is without its key: it is trusted itself, not what signed it.
    """
    dues: dict[str, int] = field(default_factory=dict)
    """When each certificate of the servers is renewed, in unix seconds."""
    waits_for: dict[str, str] = field(default_factory=dict)
    """What is missing of each certificate of the servers."""
    heeded: str = ""
    """The token that asked for other certificates of the servers, and was heeded."""
    renewed: dict[str, str] = field(default_factory=dict)
    """The token that each certificate of the servers was replaced for last."""
    found_root: bytes = b""
    """The root that an issuer was found to have, PEM, and that nobody trusted when it was found."""
    given: tuple[str, Mapping[str, bytes]] | None = field(default=None, repr=False)
    """The name of the Secret with the user's CA, and its data when it was read last."""
    issuer_due: float = float("-inf")
    """When to read somebody else's CA again; by the event loop's clock."""
    config: TlsConfig | None = None
    """What servers are given."""
    view: TlsView | None = None
    """What identities see of it."""
    revoked: RevokedCertificates | None = None
    """Certificates that ended early, as it is written down; ``None`` before it was read."""
    requested: dict[int, IssuedCertificate] = field(default_factory=dict)
    """What was asked for since, by serial."""
    established: bool = False
    """Every server was seen to be encrypted: from then on none is spoken to that is not."""
    rollout: RolloutRuntime = field(default_factory=RolloutRuntime)
    seen: Convergence = field(default_factory=lambda: Convergence("the servers were not asked yet"))
    """What everybody was seen to have."""
    consumers: Consumers | None = None
    """How many have what; ``None`` while nobody has to get anything."""
    count_due: float = float("-inf")
    """When to count them again; by the event loop's clock."""
    conflicts: tuple[str, ...] = ()
    """ConfigMaps of the trust bundle's name that are somebody else's."""
    foreign: dict[Key, tuple[Foreign, ...]] | None = None
    """Identities that were seen to show somebody else's certificate, and which; ``None`` before anybody looked."""
    written: dict[str, str] = field(default_factory=dict)
    """What is known to be in each Secret, so that it need not be read."""
    loaded: bool = False
    """Its Secrets were read."""

    def shown_by(self, key: Key) -> tuple[Foreign, ...] | None:
        """Return the certificates of others that an identity was seen to show; ``None`` before anybody looked."""
        return self.foreign.get(key, ()) if self.foreign is not None else None

    def request(self, ended: Iterable[IssuedCertificate]) -> bool:
        """Ask for certificates to be refused; tell whether any is new."""
        new = [
            one
            for one in ended
            if one.serial not in self.requested and not (self.revoked and self.revoked.covers(one.serial, one.issuer))
        ]
        self.requested.update((one.serial, one) for one in new)
        return bool(new)

    def found(self, root: bytes) -> bool:
        """Take note of the root that an issuer was found to have, PEM; tell whether it is not known as his yet."""
        root, state = bundle(root), self.authorities
        known = state is not None and any(one.root == root and not one.certificate for one in state.generations)
        if root == self.found_root or known:
            return False
        self.found_root = root
        return True

    def client_tls(self) -> ClientTls | None:
        """Return what our own connections are encrypted with; ``None`` where nobody ever was."""
        if self.authorities is None:
            return None
        own = self.certificates.get(OPERATOR)
        settings = self.settings
        on = settings is not None and "client" in settings.listeners
        tls = ClientTls(
            ca=self.authorities.bundle,
            certificate=own.certificate if own else b"",
            key=own.key.to_pem() if own else b"",
            handshake_first=settings.handshake_first if settings is not None else False,
            required=on and self.established,
        )
        shown = self.formers.get(SERVER)
        if shown is None:
            return tls
        ours = self.formers.get(OPERATOR, KeyPair(b"", b""))
        former = replace(tls, ca=shown.certificate, certificate=ours.certificate, key=ours.key, required=True)
        return replace(tls, former=former)

    def sources(self) -> Sources | None:
        """Return what is told of its certificates to whoever asks; ``None`` while nothing is known of them."""
        if self.authorities is None or self.revoked is None:
            return None
        authorities = tuple(one.authority for one in self.authorities.generations if one.authority is not None)
        return Sources(authorities, self.revoked, self.settings.validity if self.settings is not None else None)
