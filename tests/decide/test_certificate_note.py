"""The note of a certificate: read back as it was written, and nobody else's to write."""

from dataclasses import replace

from decide.notes import ACCOUNT, PLACE
from hypothesis import given
from hypothesis import strategies as st

from iotsec.decide.certificate_note import CertificateNote, IssuedCertificate
from iotsec.decide.issued import Issued

words = st.text(max_size=20)
times = st.integers(0, 2**40)
several = st.lists(words, max_size=4).map(tuple)
certificates = st.builds(IssuedCertificate, st.integers(1, 2**127), words, times)
notes = st.builds(
    CertificateNote,
    account=words,
    serial=st.integers(1, 2**127),
    issuer=words,
    generation=words,
    issued_at=times,
    expires_at=times,
    key=words,
    id=words,
    dns_names=several,
    ip_addresses=several,
    shape=words,
    request=words,
    layout=words,
    bundle=words,
    keys=several,
    revision=times,
    superseded=st.lists(certificates, max_size=4).map(tuple),
    formers=st.lists(certificates, max_size=4).map(tuple),
    heeded=several,
)


@given(notes)
def test_a_note_is_read_back_as_it_was_written_and_its_seal_still_fits(note: CertificateNote) -> None:
    read = CertificateNote.from_json(note.to_json())

    assert read == note
    assert read.is_sealed(note.seal(ACCOUNT, **PLACE), ACCOUNT, **PLACE)


def test_a_note_of_a_credential_is_as_it_was_where_there_is_no_bundle() -> None:
    note = Issued("A", "U", "x", 1, 2, 2, "S", 1, "d", "l", ("user.jwt",))

    assert "bundle" not in note.to_json()
    assert Issued.from_json(replace(note, bundle="b").to_json()).bundle == "b"
