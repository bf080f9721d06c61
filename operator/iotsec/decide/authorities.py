"""A Hub's CAs by generation: which signs, which are trusted, and how that is written down in ``<hub>-ca``.

The key of a CA that somebody else keeps in a Secret of his own is never copied: it is in memory while it signs.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from iotsec.api.issuers import IssuerRef
from iotsec.decide.names import CA_KEY
from iotsec.x509.anchors import lone_root
from iotsec.x509.authority import Authority, UnusableAuthorityError, read_authority
from iotsec.x509.bundle import bundle, digest, separate
from iotsec.x509.certificate import InvalidCertificateError, matches, read_certificate
from iotsec.x509.keys import PrivateKey

_DAMAGED = "its entries do not fit together"

STATE = "state.json"

_BUNDLE_NAME = re.compile(r"ca(-[0-9a-f]+)?[.]crt")

LOST = "lost"
"""The source of a CA of which nothing but its root is left."""


class AuthoritiesDamagedError(ValueError):
    """The Secret with a Hub's CAs holds something else."""


class Phase(StrEnum):
    """How far one CA has taken the place of another; what a phase does begins once it is written down."""

    STEADY = "Steady"
    TRUST = "Trust"
    """Everybody gets the new root; the former CA signs."""
    USE = "Use"
    """The new CA signs, and everything is issued again by it."""
    RETIRE = "Retire"
    """Nobody uses the former CA; its root goes."""


@dataclass(frozen=True)
class Generation:
    """One CA; instants in unix seconds."""

    number: int
    source: str
    """Who it is from: another source in the spec asks for another CA."""
    root: bytes
    """What is trusted, PEM."""
    issued_at: int
    expires_at: int
    subject: str
    key_id: str
    """Identifier of its key, in hexadecimal; of the root's where somebody else signs."""
    certificate: bytes = b""
    """Its own certificate and those above it, PEM; empty where somebody else signs."""
    authority: Authority | None = field(default=None, repr=False, compare=False)
    """What signs, where its key is at hand and its time has come and is not over."""
    key: PrivateKey | None = field(default=None, repr=False, compare=False)
    """Its key, where it is known, whatever it is good for now: what is kept is not lost by a wrong clock."""

    @cached_property
    def id(self) -> str:
        """Names it, as notes of certificates do."""
        return digest(self.certificate or self.root)


@dataclass(frozen=True)
class Authorities:
    """All CAs of a Hub that are trusted, the oldest first; there is at least one."""

    generations: tuple[Generation, ...]
    current: int
    """The number of the one that signs."""
    phase: Phase = Phase.STEADY
    since: int = 0
    """When the phase began, in unix seconds."""
    arrived: int = 0
    """When everybody was seen to have what this phase brings, in unix seconds; 0 before."""
    heeded: str = ""
    """The token that asked for another CA last, and was heeded."""

    @property
    def signing(self) -> Generation:
        """The one that signs."""
        return next(one for one in self.generations if one.number == self.current)

    @property
    def newest(self) -> Generation:
        """The one that came last."""
        return self.generations[-1]

    @property
    def former(self) -> tuple[Generation, ...]:
        """Those that signed before the one that signs now."""
        return tuple(one for one in self.generations if one.number < self.current)

    @cached_property
    def roots(self) -> bytes:
        """All roots that are trusted, PEM; the oldest first: the same when another one signs."""
        return bundle(*(one.root for one in self.generations))

    @cached_property
    def bundle(self) -> bytes:
        """All roots that are trusted, PEM; the one in use first."""
        rest = (one.root for one in reversed(self.generations) if one.number != self.current)
        return bundle(self.signing.root, *rest)

    def to_data(self) -> dict[str, bytes]:
        """Return the data of the Secret."""
        data = {CA_KEY: self.bundle, STATE: self._state()}
        for one in self.generations:
            data[f"{one.number}.root.crt"] = one.root
            if one.certificate:
                data[f"{one.number}.crt"] = one.certificate
            if one.key is not None and is_kept(one.source):
                data[f"{one.number}.key"] = one.key.to_pem()
        return data

    def _state(self) -> bytes:
        body = {
            "generations": [{"number": one.number, "source": one.source} for one in self.generations],
            "current": self.current,
            "phase": str(self.phase),
            "since": self.since,
            "arrived": self.arrived,
            "heeded": self.heeded,
        }
        return json.dumps(body, sort_keys=True).encode()


def is_kept(source: str) -> bool:
    """Tell whether a CA's key is the operator's to keep."""
    return source.startswith("selfSigned")


def is_asked(source: str) -> bool:
    """Tell whether somebody else signs, who is asked to."""
    return source.startswith("certManager/")


def source_of(issuer: IssuerRef) -> str:
    """Return the source of the CA of somebody who is asked to sign."""
    return f"certManager/{issuer.group}/{issuer.kind}/{issuer.name}"


def issuer_of(source: str) -> IssuerRef | None:
    """Return who is asked to sign by the CA of this source; ``None`` where nobody is."""
    if not is_asked(source):
        return None
    _, group, kind, name = source.split("/", 3)
    return IssuerRef(name=name, kind=kind, group=group)


def of_authority(authority: Authority, source: str, *, number: int = 1) -> Generation:
    """Return the generation of a CA whose key is at hand."""
    return Generation(
        number=number,
        source=source,
        root=authority.root,
        issued_at=authority.issued_at,
        expires_at=authority.expires_at,
        subject=authority.subject,
        key_id=authority.key_id,
        certificate=bundle(authority.certificate, authority.chain),
        authority=authority,
        key=authority.key,
    )


def of_root(root: bytes, source: str, *, number: int = 1) -> Generation:
    """Return the generation of a CA of which the root is known.

    Raises:
        InvalidCertificateError: that is no certificate.

    """
    facts = read_certificate(root)
    return Generation(
        number=number,
        source=source,
        root=bundle(root),
        issued_at=facts.issued_at,
        expires_at=facts.expires_at,
        subject=facts.subject,
        key_id=facts.subject_key_id,
    )


def first(generation: Generation, *, now: int) -> Authorities:
    """Return the authorities of a Hub that had none."""
    return Authorities((replace(generation, number=1),), current=1, since=now)


def recovered(roots: Sequence[bytes], *, now: int) -> Authorities | None:
    """Return what is left where the Secret is lost: the roots that servers were told to trust; ``None`` without any.

    The last was in use. Nothing can be signed with them. They stay trusted while another CA takes their place.
    """
    found = tuple(of_root(root, LOST, number=number) for number, root in enumerate(dict.fromkeys(roots), 1))
    return Authorities(found, current=len(found), since=now) if found else None


def roots_in(config: Mapping[str, bytes]) -> tuple[bytes, ...]:
    """Return the roots that servers were told to trust, PEM; the one in use last.

    ``config`` is what they mount, or, where none of them verifies anybody, the Secret with a certificate of theirs.
    """
    found = [pem for name, pem in config.items() if _BUNDLE_NAME.fullmatch(name)]
    try:
        return tuple(reversed([one for pem in found for one in separate(pem)]))
    except InvalidCertificateError:
        return ()


def read_authorities(data: Mapping[str, bytes], *, now: int) -> Authorities:
    """Read the Secret.

    A key that is missing or damaged leaves its CA without one. One whose time has not come, or is over, does not sign.

    Raises:
        AuthoritiesDamagedError: nothing can be made of it.

    """
    try:
        body = json.loads(data[STATE])
        found = tuple(
            _read(data, int(one["number"]), str(one["source"]), now=now)
            for one in sorted(body["generations"], key=lambda g: int(g["number"]))
        )
        state = Authorities(
            found,
            current=int(body["current"]),
            phase=Phase(body["phase"]),
            since=int(body["since"]),
            arrived=int(body["arrived"]),
            heeded=str(body["heeded"]),
        )
        state.signing  # noqa: B018 - is it there
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise AuthoritiesDamagedError(_DAMAGED) from error
    if len({one.number for one in found}) < len(found):
        raise AuthoritiesDamagedError(_DAMAGED)
    return state


def _read(data: Mapping[str, bytes], number: int, source: str, *, now: int) -> Generation:
    root, certificate, key = (data.get(f"{number}.{entry}", b"") for entry in ("root.crt", "crt", "key"))
    root = _readable(root) or lone_root(certificate)  # what is missing may be in the other
    try:
        return of_authority(read_authority(certificate, key, root=root, now=now), source, number=number)
    except UnusableAuthorityError:
        pass
    certificate = _readable(certificate)
    found = of_root(root, source, number=number)
    if not certificate:
        return found
    facts = read_certificate(certificate)
    return replace(
        found,
        issued_at=facts.issued_at,
        expires_at=min(found.expires_at, *(read_certificate(one).expires_at for one in separate(certificate))),
        subject=facts.subject,
        key_id=facts.subject_key_id,
        certificate=certificate,
        key=PrivateKey.from_pem(key) if matches(certificate, key) else None,
    )


def _readable(pem: bytes) -> bytes:
    """Return the certificates of a text, canonically; none where they cannot be read."""
    try:
        return bundle(pem)
    except InvalidCertificateError:
        return b""


def with_key(state: Authorities, authority: Authority) -> Authorities:
    """Return the authorities with the key of one that somebody else keeps, where it is one of them."""
    given = of_authority(authority, "")
    return replace(
        state,
        generations=tuple(
            replace(one, authority=authority, key=authority.key)
            if one.id == given.id and not is_kept(one.source)
            else one
            for one in state.generations
        ),
    )
