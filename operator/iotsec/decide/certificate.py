"""An identity's certificate: kept, presented otherwise, renewed, replaced or issued anew.

The same for every kind of identity, and level-triggered as :mod:`iotsec.decide.identity` is. Key and certificate always
change in one write.
"""

from collections.abc import Iterable
from dataclasses import replace

from iotsec.decide import identity_secrets
from iotsec.decide.certificate_cutoff import is_revoked, lost_certificate, pending_certificates
from iotsec.decide.certificate_issue import Fault, Making, NotIssuedError, issuer_fault, made_certificate
from iotsec.decide.certificate_note import CertificateNote, IssuedCertificate
from iotsec.decide.certificate_occasion import CertificateOccasion, Why, is_accepted
from iotsec.decide.certificate_secret import Material, held_key, held_material, manifest, recovered_certificate
from iotsec.decide.certificate_standing import CertificatePlan, Standing
from iotsec.decide.certificate_wanted import wanted_certificate
from iotsec.decide.conditions import Reason
from iotsec.decide.credential import BUNDLE_SECONDS
from iotsec.decide.grant import Grant
from iotsec.decide.identity_secrets import certificates_of, credentials_of, current_certificate
from iotsec.decide.secrets import SecretFacts, SecretWrite, data_of, is_satisfied, tidied
from iotsec.decide.views import Contents, HubView, Identity, Observed
from iotsec.x509.keys import PrivateKey

_MOST_FORMERS = 64  # noted on a Secret, some 90 bytes each


def plan_certificate(
    identity: Identity, hub: HubView, granted: Grant, observed: Observed, making: Making
) -> CertificatePlan:
    """Decide about the certificate of an identity that is granted something and not suspended."""
    held = certificates_of(identity, observed.secrets)
    tls = hub.tls
    if tls is None or not tls.mutual:
        over = observed.placed is not None
        return CertificatePlan(drop=held, deadline=making.now + BUNDLE_SECONDS, order_over=over)
    wanted = wanted_certificate(identity, granted, tls)
    told = [one for s in held if s.certificate is not None for one in s.certificate.everything()]
    at = Standing(
        identity=identity,
        hub=hub,
        granted=granted,
        tls=tls,
        wanted=wanted,
        held=held,
        current=current_certificate(identity, held),
        lost=lost_certificate(identity, told, now=making.now),
        making=making,
        has_turn=observed.has_turn,
    )
    fault = _taken_name(at, observed)
    return _kept(at, fault) if fault is not None else _plan(at, observed.certificate_contents)


def _plan(at: Standing, contents: Contents | None) -> CertificatePlan:
    current, note = at.current, at.note
    coming = at.coming(note) if note is not None else None
    due = coming is None or coming.is_due(at.making.now) or at.lost is not None
    in_order = note is not None and note.layout == at.wanted.layout and not at.astray
    fault = issuer_fault(at.tls) if due else None
    if in_order and (not due or fault is not None):
        return _kept(at, fault)
    if current is None:
        return _kept(at, fault) if fault is not None else _issued(at, None, None, why=Why.REISSUE, deadline=None)
    deadline = _patience(at, coming)
    if contents is not None:
        return _from_contents(at, current, contents, deadline)
    if note is not None and coming is not None and due and fault is None and (at.wanted.request or not at.tls.keep_key):
        if deadline is not None and not at.has_turn:
            return replace(_kept(at, None), awaits_turn=True, deadline=deadline)
        return _issued(at, note, None, why=coming.why if at.lost is None else Why.REISSUE, deadline=deadline)
    return replace(_kept(at, fault), read=current, deadline=deadline)


def _from_contents(at: Standing, current: SecretFacts, contents: Contents, deadline: int | None) -> CertificatePlan:
    """Decide with the Secret in hand."""
    data, note = data_of(contents.secret), current.certificate
    if note is None:
        note = recovered_certificate(at.identity, at.tls, at.wanted, current, data)
        at = replace(at, lost=None) if note is not None else at
    material = held_material(data, note) if note is not None and at.lost is None else None
    if note is None or material is None:
        return _issued(at, note, None, why=Why.REISSUE, deadline=deadline, contents=contents)
    coming = at.coming(note)
    due = coming.is_due(at.making.now)
    fault = issuer_fault(at.tls) if due else None
    if due and fault is None:
        key = held_key(data, note) if coming.why in (Why.RENEW, Why.CHANGE) else None
        return _issued(at, note, key, why=coming.why, deadline=deadline, contents=contents)
    action = "repair-certificate" if at.astray else "re-present-certificate"
    return replace(_presented(at, note, material, deadline, contents, action=action), fault=fault)


def _patience(at: Standing, coming: CertificateOccasion | None) -> int | None:
    """Return until when a write may wait: what is only to be presented otherwise, as by another bundle, can as well."""
    if coming is None or at.astray or at.lost is not None or at.note is None:
        return None
    if coming.is_due(at.making.now):
        return coming.deadline
    deadline = at.tls.reissue_deadline or at.making.now + BUNDLE_SECONDS
    return min(deadline, coming.deadline) if coming.deadline is not None else deadline


def _issued(
    at: Standing,
    note: CertificateNote | None,
    key: PrivateKey | None,
    *,
    why: Why,
    deadline: int | None,
    contents: Contents | None = None,
) -> CertificatePlan:
    """Issue, or tell why that cannot be; ``key`` is the one in use, where it is at hand and may be kept."""
    keeps = at.tls.keep_key and key is not None and key.key_type == at.tls.key_type
    try:
        new, material = made_certificate(at.wanted, at.tls, key if keeps else None, at.making)
    except NotIssuedError as error:
        kept = replace(_kept(at, error.fault), found_root=error.found_root, due=error.due)
        if error.placing is None:
            return kept
        return replace(kept, placing=error.placing, order_over=error.stale, deadline=deadline)
    formers, superseded = _ended(at, note)
    known = at.identity.status.get("certificate") or {}
    new = replace(
        new,
        revision=max(note.revision if note is not None else 0, int(known.get("revision", 0))) + 1,
        formers=formers,
        superseded=superseded,
        heeded=at.tokens,
    )
    action = f"{why}-certificate" if note is not None else "issue-certificate"
    return _presented(at, new, material, deadline, contents, action=action)


def _ended(
    at: Standing, note: CertificateNote | None
) -> tuple[tuple[IssuedCertificate, ...], tuple[IssuedCertificate, ...]]:
    """Return what may be used to its end beside what is issued now, and what must be refused.

    A renewal ends nothing: who has the former certificate may take its time to read the new one. What says something
    that is not wanted any more, or is of a key that is not, ends.
    """
    ended = [at.lost] if at.lost is not None else []
    formers: list[IssuedCertificate] = []
    if note is not None:
        ended += note.superseded
        (formers if at.wanted.goes_beyond(note) else ended).extend((*note.formers, note.certificate))
    working = [one for one in formers if at.making.now < one.expires_at and not is_revoked(at.tls, one)]
    ended += working[:-_MOST_FORMERS]
    return tuple(working[-_MOST_FORMERS:]), pending_certificates(at.hub, ended, now=at.making.now)


def _presented(
    at: Standing,
    note: CertificateNote,
    material: Material,
    deadline: int | None,
    contents: Contents | None,
    *,
    action: str,
) -> CertificatePlan:
    """Return the plan that brings the Secret to hold this."""
    wanted = manifest(at.identity, at.granted, at.wanted, note, material, tls=at.tls)
    kept = _kept(at, None, note=wanted.certificate)
    moved = (at.current,) if at.moves and at.current is not None else ()
    if contents is not None and not moved:
        wanted = tidied(wanted, contents.secret)
        if is_satisfied(contents.secret, wanted):
            return kept
    write = SecretWrite(wanted, None if at.moves else at.current)
    return replace(kept, write=write, drop=(*moved, *kept.drop), deadline=deadline, action=action)


def _kept(at: Standing, fault: Fault | None, *, note: CertificateNote | None = None) -> CertificatePlan:
    """Return the plan that leaves the Secret as it is, or as ``note`` says that it will be."""
    now = at.making.now
    secret_name = at.wanted.secret_name if note is not None else at.current.name if at.current is not None else ""
    note = note or at.note
    told = note.everything() if note is not None else ()
    stale = tuple(secret for secret in at.held if secret is not at.current)
    left = {s.uid: pending_certificates(at.hub, _beside(s, told), now=now) for s in stale}
    superseded = pending_certificates(at.hub, note.superseded if note is not None else (), now=now)
    return CertificatePlan(
        wanted=True,
        secret_name=secret_name,
        note=note,
        usable=note is not None and is_accepted(note, at.tls, now=now),
        fault=fault,
        coming=at.coming(note) if note is not None else None,
        order_over=at.making.placed is not None and fault is None,
        drop=tuple(s for s in stale if not left[s.uid] and (s.certificate is not None or s.deleting)),
        revoke=(*superseded, *(one for rest in left.values() for one in rest)),
    )


def _beside(stale: SecretFacts, told: Iterable[IssuedCertificate]) -> tuple[IssuedCertificate, ...]:
    """Return what a Secret that is to go tells of and the one in use does not."""
    known = set(told)
    return tuple(one for one in stale.certificate.everything() if one not in known) if stale.certificate else ()


def _taken_name(at: Standing, observed: Observed) -> Fault | None:
    """Return why the Secret cannot have its name; ``None`` where it can."""
    name, change = at.wanted.secret_name, "set another spec.certificate.secretName"
    beside = (secret.name for secret in credentials_of(at.identity, observed.secrets))
    if name in (identity_secrets.credential(at.identity), *beside):
        return Fault(Reason.SECRET_CONFLICT, f"Secret {name} is for its credentials: {change}", stalled=True)
    if observed.certificate_obstacle is None or (at.current is not None and at.current.name == name):
        return None
    if observed.certificate_obstacle.leaving:
        message = f"Secret {name} of an earlier object of this name is still being cut off"
        return Fault(Reason.SECRET_CONFLICT, message)
    message = f"Secret {name} exists and is not ours: {change}, or delete that Secret"
    return Fault(Reason.SECRET_CONFLICT, message, stalled=True)
