"""Which CA a Hub has, and which next: one of its own, the user's as he keeps it, or an issuer's as it is found."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from iotsec.decide import authorities as ca
from iotsec.decide import names
from iotsec.decide.authorities import Authorities, Generation
from iotsec.decide.ca_rotation import Convergence, advanced, begin, may_begin
from iotsec.decide.rotation import Life, turn
from iotsec.decide.tls_settings import TlsSettings
from iotsec.x509.authority import UnusableAuthorityError, read_authority, self_signed
from iotsec.x509.certificate import BACKDATED_SECONDS
from iotsec.x509.keys import KeyType, PrivateKey, new_serial
from iotsec.x509.names import short_name


def kept(
    state: Authorities | None,
    settings: TlsSettings,
    given: Generation | None,
    seen: Convergence,
    *,
    make: Callable[[int], Generation],
    token: str,
    salt: str,
    now: int,
) -> Authorities | None:
    """Return a Hub's CAs after the next step; ``None`` while there is none to begin with. ``now`` in unix seconds.

    ``given`` is the CA that somebody else keeps, where it is known; ``make`` makes one of the Hub's own with a number.
    ``token`` asks for another CA, which nobody heeded yet where it is not the state's.
    """
    if state is None:
        first = given if settings.source_is_given else make(1)
        return None if first is None else replace(ca.first(first, now=now), heeded=token)
    if given is not None and given.authority is not None:
        state = ca.with_key(state, given.authority)
    if may_begin(state, settings.pace):
        successor = _successor(state, settings, given, make=make, token=token, salt=salt, now=now)
        if successor is not None:
            return begin(state, successor, settings.pace, now=now, token=token)
    return advanced(state, seen, settings.pace, now=now)


def renewal_due(state: Authorities, settings: TlsSettings, *, salt: str, now: int) -> int | None:
    """Return when the CA is replaced, in unix seconds; ``None`` for one that is somebody else's to replace."""
    if settings.source_is_given:
        return None
    life = Life(state.newest.issued_at, state.newest.expires_at)
    return turn(life, settings.ca_policy, salt=salt, now=now).due


def own_ca(
    settings: TlsSettings,
    number: int,
    *,
    hub: str,
    make_key: Callable[[KeyType], PrivateKey],
    now: int,
    entropy: Callable[[], bytes],
) -> Generation:
    """Return a new CA of a Hub's own, whose name begins with ``hub``; ``now`` in unix seconds."""
    authority = self_signed(
        short_name(f"{hub} CA {number}"),
        make_key(settings.ca_key_type),
        serial=new_serial(entropy()),
        issued_at=now - BACKDATED_SECONDS,
        expires_at=now + settings.ca_policy.duration,
    )
    return ca.of_authority(authority, settings.source, number=number)


def users_ca(data: Mapping[str, bytes] | None, settings: TlsSettings, *, now: int) -> Generation:
    """Return the CA that the user keeps in a Secret with this data, ``None`` where there is no such Secret.

    Raises:
        UnusableAuthorityError: it cannot be used.

    """
    secret = f"Secret {settings.ca_secret}"
    if data is None:
        raise UnusableAuthorityError(f"{secret} with the CA does not exist: create it, or write the name of another")
    for entry in (names.TLS_CERTIFICATE_KEY, names.TLS_PRIVATE_KEY):
        if not data.get(entry):
            raise UnusableAuthorityError(f"{secret} has no {entry}: write it there")
    certificates, key = data[names.TLS_CERTIFICATE_KEY], data[names.TLS_PRIVATE_KEY]
    try:
        authority = read_authority(certificates, key, root=data.get(names.CA_KEY, b""), now=now)
    except UnusableAuthorityError as error:
        raise UnusableAuthorityError(f"{secret}: {error}") from None
    return ca.of_authority(authority, settings.source)


def _successor(
    state: Authorities,
    settings: TlsSettings,
    given: Generation | None,
    *,
    make: Callable[[int], Generation],
    token: str,
    salt: str,
    now: int,
) -> Generation | None:
    """Return another CA where one is wanted: by the spec, by its age, or since somebody asks."""
    newest = state.newest
    if settings.source_is_given:
        return given if given is not None and given.id != newest.id else None
    due = renewal_due(state, settings, salt=salt, now=now)
    is_asked = token not in ("", state.heeded)
    is_of_spec = newest.source == settings.source and newest.authority is not None
    if is_of_spec and not is_asked and due is not None and due > now:
        return None
    return make(newest.number + 1)
