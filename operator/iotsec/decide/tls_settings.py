"""What a TLSPolicy asks for, worked out: each listener, each certificate of the servers, times and keys."""

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from iotsec.api.hub import HubSpec
from iotsec.api.issuers import (
    DEFAULT_CA_DURATION,
    DEFAULT_DISTRIBUTE,
    DEFAULT_DURATION,
    Issuer,
    IssuerRef,
    PrivateKey,
    SelfSigned,
)
from iotsec.api.listeners import BETWEEN_SERVERS, LISTENERS, Listener, ListenerName
from iotsec.api.tls_policy import DEFAULT_MOUNT_PATH, DEFAULT_VALIDITY, BundleConfigMap, Revocation, TLSPolicySpec
from iotsec.decide.authorities import source_of
from iotsec.decide.ca_rotation import Pace
from iotsec.decide.rotation import Policy
from iotsec.decide.rotation_policy import seconds, window, window_fault
from iotsec.nats.listener_rules import ListenerSettings, OcspPeer, check_listener
from iotsec.nats.tls_config import GROUPS
from iotsec.x509.keys import KeyType
from iotsec.x509.names import InvalidNamesError, Names, Usage, checked, short_name

_SERVICE_PARTS = 3  # <service>.<namespace>.svc
_CLIENTS: tuple[ListenerName, ...] = tuple(name for name in LISTENERS if name not in BETWEEN_SERVERS)
_HANDSHAKE = {"Off": "", "On": "true", "Auto": "auto"}
_ASKING = ("client", "websocket", "leafnodes")
_ASKING_SECONDS = 5

SERVER, ROUTES, OPERATOR = "server", "routes", "operator"
"""The certificates for clients of any kind, between servers, and the operator's own, by name."""
"""The certificate that the operator itself shows to servers."""
CERTIFICATES = (*dict.fromkeys(GROUPS.values()), OPERATOR)
"""All that a Hub may have."""


class PolicyRefusedError(ValueError):
    """A TLSPolicy asks for what cannot be; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """A TLSPolicy as it is carried out."""

    mount_path: str
    listeners: Mapping[str, ListenerSettings]
    """Those that are encrypted."""
    groups: Mapping[str, tuple[Names, Usage]]
    """The certificates of the servers, and of the operator where it must show one, by name."""
    mutual: bool
    """Identities get certificates, whether or not a listener asks for them yet."""
    handshake_first: bool
    """Clients begin with TLS, before any word of NATS."""
    policy: Policy
    key_type: KeyType
    keep_key: bool
    source: str
    """Who issues: another source is another CA."""
    ca_secret: str
    """Name of the Secret with the user's own CA; empty where it is none."""
    issuer: IssuerRef | None
    """Who is asked to sign, where the key of the CA is not at hand."""
    ca_policy: Policy
    ca_key_type: KeyType
    pace: Pace
    trust_domain: str
    revocation: Revocation | None
    bundle: BundleConfigMap | None
    """ConfigMaps that the trust bundle is put into as well."""

    @property
    def source_is_given(self) -> bool:
        """Whether the CA is somebody else's: the user's own, or an issuer's."""
        return bool(self.ca_secret) or self.issuer is not None

    @property
    def validity(self) -> int:
        """How long an answer about a certificate is good, in seconds."""
        return seconds((self.revocation.validity if self.revocation else None) or DEFAULT_VALIDITY)


def tls_settings(spec: TLSPolicySpec, hub: HubSpec, *, name: str, namespace: str) -> TlsSettings:
    """Work a policy out for the Hub of this name and namespace.

    Raises:
        PolicyRefusedError: it asks for what cannot be.

    """
    windows = spec.certificates.windows or hub.rotation.windows
    for number, declared in enumerate(spec.certificates.windows):
        if fault := window_fault(declared):
            raise PolicyRefusedError(f"spec.certificates.windows[{number}]: {fault}")
    sound = tuple(window(declared) for declared in windows if not window_fault(declared))
    listeners = _listeners(spec)
    duration = seconds(spec.certificates.duration or DEFAULT_DURATION)
    distribute = seconds(spec.ca_rotation.distribute_for or DEFAULT_DISTRIBUTE)
    own = spec.issuer.self_signed
    ca_duration = seconds((own.duration if own else None) or DEFAULT_CA_DURATION)
    if own is not None and duration >= ca_duration:
        raise PolicyRefusedError(
            "spec.certificates.duration: no certificate outlives its CA: write one shorter than "
            "spec.issuer.selfSigned.duration, which is 43800h by default"
        )
    # Early enough that what the former CA issues last lives its whole life, and never as soon as it is made.
    renew_ca_before = min(ca_duration * 2 // 3, max(ca_duration // 5, duration + 2 * distribute))
    if own is not None and 2 * distribute >= renew_ca_before:
        raise PolicyRefusedError(
            "spec.caRotation.distributeFor: the next CA would not be in use before this one ends: write less than a "
            "third of spec.issuer.selfSigned.duration, 1h unless given"
        )
    if spec.revocation is not None and spec.issuer.cert_manager is not None:
        raise PolicyRefusedError(
            "spec.revocation: who issues with certManager tells himself what was revoked, and the operator cannot: "
            "leave it out, or choose another issuer"
        )
    return TlsSettings(
        mount_path=spec.mount_path or DEFAULT_MOUNT_PATH,
        listeners=listeners,
        groups=dict(_groups(spec, hub, listeners, name=name, namespace=namespace)),
        mutual=spec.mode == "Mutual" or any(listeners[one].verify for one in _CLIENTS if one in listeners),
        handshake_first=bool(listeners["client"].handshake_first) if "client" in listeners else False,
        policy=Policy(
            duration=duration,
            renew_before=_optional(spec.certificates.renew_before),
            renew_before_percentage=spec.certificates.renew_before_percentage,
            windows=sound,
        ),
        key_type=_key_type(spec.certificates.private_key),
        keep_key=spec.certificates.private_key.rotation_policy == "Never",
        source=_source(spec.issuer),
        ca_secret=spec.issuer.ca.secret_name if spec.issuer.ca else "",
        issuer=spec.issuer.cert_manager.issuer_ref if spec.issuer.cert_manager else None,
        ca_policy=Policy(duration=ca_duration, renew_before=renew_ca_before, windows=sound),
        ca_key_type=_key_type((own or SelfSigned()).private_key),
        pace=Pace(spec.ca_rotation.retire, distribute),
        trust_domain=spec.trust_domain or f"{name}.{namespace}",
        revocation=spec.revocation,
        bundle=spec.trust_bundle.config_map,
    )


def _listeners(spec: TLSPolicySpec) -> dict[str, ListenerSettings]:
    found: dict[str, ListenerSettings] = {}
    for name in LISTENERS:
        declared = spec.listeners.of(name)
        mode = declared.mode or ("Mutual" if name in BETWEEN_SERVERS else spec.mode)
        if mode == "Off":
            continue
        settings = _settings(spec, name, declared, mutual=mode == "Mutual")
        if fault := check_listener(name, settings, key_algorithm=spec.certificates.private_key.algorithm):
            raise PolicyRefusedError(f"spec.listeners.{fault}")
        found[name] = settings
    client, mqtt = found.get("client"), found.get("mqtt")
    if client is not None and client.ocsp_peer is not None and mqtt is not None and not mqtt.verify:
        raise PolicyRefusedError(
            "spec.listeners.mqtt.mode: servers ask about clients of MQTT as about those of NATS, and let nobody in who "
            "has no certificate: write Mutual or Off, or leave spec.revocation out"
        )
    return found


def _settings(spec: TLSPolicySpec, name: ListenerName, declared: Listener, *, mutual: bool) -> ListenerSettings:
    asked = spec.revocation
    has_peer = mutual and asked is not None and name in _ASKING
    return ListenerSettings(
        verify=mutual,
        min_version=declared.min_version or "1.3",
        cipher_suites=tuple(declared.cipher_suites),
        curves=tuple(declared.curves),
        handshake_first=_HANDSHAKE[declared.handshake_first],
        # A handshake waits for whoever is asked; of leaf nodes the time is not changed by a reload.
        timeout=_ASKING_SECONDS if has_peer and name != "leafnodes" else None,
        ocsp_peer=OcspPeer(allow_when_unreachable=asked.when_unreachable == "Allow") if has_peer and asked else None,
    )


def _groups(
    spec: TLSPolicySpec, hub: HubSpec, listeners: Mapping[str, ListenerSettings], *, name: str, namespace: str
) -> Iterator[tuple[str, tuple[Names, Usage]]]:
    hub_uri = f"spiffe://{spec.trust_domain or f'{name}.{namespace}'}/ns/{namespace}/hub/{name}"
    hosts = [host for host in (urlsplit(url).hostname for url in hub.nats.servers) if host]
    for group in dict.fromkeys(GROUPS.values()):
        members = [one for one in LISTENERS if one in listeners and GROUPS[one] == group]
        if not members:
            continue
        between = any(one in BETWEEN_SERVERS for one in members)
        dns: list[str] = [variant for host in hosts if not _is_address(host) for variant in _variants(host, between)]
        addresses: list[str] = [host for host in hosts if _is_address(host)]
        for one in members:
            dns += spec.listeners.of(one).dns_names
            addresses += spec.listeners.of(one).ip_addresses
        names = Names(
            common_name=short_name(f"{name}-{group}.{namespace}"),
            # By this servers know each other: no identity can have it, while names of DNS are anybody's to ask for.
            uris=(f"{hub_uri}/routes",) if between else (),
            dns_names=tuple(sorted(set(dns))),
            ip_addresses=tuple(sorted({str(ipaddress.ip_address(a)) for a in addresses if _is_address(a)})),
        )
        bad = [address for address in addresses if not _is_address(address)]
        if bad:
            raise PolicyRefusedError(f"spec.listeners: {bad[0]!r} is no IP address: write one such as 10.0.0.7")
        yield group, (_checked(names), Usage.PEER if between else Usage.SERVER)
    if "client" in listeners and listeners["client"].verify:
        names = Names(
            common_name="iot-security-operator",
            uris=(hub_uri,),
        )
        yield OPERATOR, (names, Usage.CLIENT)


def _variants(host: str, between: bool) -> Iterator[str]:  # noqa: FBT001 - one of two kinds of names
    """Yield the names a server is reached by: those of a Service at any length, and those of pods between servers."""
    parts = host.removesuffix(".cluster.local").split(".")
    is_service = len(parts) == 1 or (len(parts) >= _SERVICE_PARTS and parts[2] == "svc")
    yield host
    if not is_service:
        return
    endings = [".".join(parts[1:length]) for length in range(1, len(parts) + 1)]
    if len(parts) >= _SERVICE_PARTS:
        endings.append(f"{parts[1]}.svc.cluster.local")
    for ending in endings:
        dot = f".{ending}" if ending else ""
        yield f"{parts[0]}{dot}"
        if between:  # routes go to pods by the headless Service, as the official chart names it
            yield f"*.{parts[0]}-headless{dot}"


def _checked(names: Names) -> Names:
    try:
        return checked(names)
    except InvalidNamesError as error:
        raise PolicyRefusedError(f"spec.listeners: {error}") from None


def _source(issuer: Issuer) -> str:
    if issuer.ca is not None:
        return f"ca/{issuer.ca.secret_name}"
    if issuer.cert_manager is not None:
        return source_of(issuer.cert_manager.issuer_ref)
    return f"selfSigned/{_key_type((issuer.self_signed or SelfSigned()).private_key)}"


def _key_type(key: PrivateKey) -> KeyType:
    return KeyType(key.algorithm, key.effective_size)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _optional(duration: timedelta | None) -> int | None:
    return None if duration is None else seconds(duration)
