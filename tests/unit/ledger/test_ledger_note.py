"""Notes, keys and checkpoints: shared vectors, golden bytes, one accepted spelling."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st

from cloison.errors import InputError, IntegrityError
from cloison.ledger import Checkpoint, NoteSigner, NoteVerifier, sign_checkpoint, verify_checkpoint
from cloison.ledger.checkpoint import parse_checkpoint_text
from cloison.ledger.note import Note, NoteSignature, parse_note, verify_note
from cloison.ledger.tree import root_of

SIGNER = NoteSigner(
    "caf.cloison.local/traces", Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
)
OTHER = NoteSigner(
    "caf.cloison.local/traces", Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
)
HEAD = Checkpoint(SIGNER.name, 7, bytes(range(32)))
NOTE = sign_checkpoint(HEAD, SIGNER)
DASH = "\u2014"


def test_verify_note_of_another_implementation_passes(vectors: Path) -> None:
    cases = json.loads((vectors / "notes.json").read_text("utf-8"))["signed"]
    assert cases
    for case in cases:
        text = verify_note(case["note"].encode(), NoteVerifier.parse(case["vkey"]))
        assert case["note"].startswith(text)


def test_parse_vkey_of_another_implementation_prints_again(vectors: Path) -> None:
    cases = json.loads((vectors / "notes.json").read_text("utf-8"))["vkeys"]
    assert [NoteVerifier.parse(case["vkey"]).vkey for case in cases] == [
        case["vkey"] for case in cases
    ]


def test_parse_note_of_the_specification_prints_again(vectors: Path) -> None:
    for case in json.loads((vectors / "notes.json").read_text("utf-8"))["well_formed"]:
        note = parse_note(case.encode())
        assert note.encode() == case.encode()
        assert note.text.endswith("ed è subito sera.\n")


def test_sign_checkpoint_writes_the_golden_bytes(vectors: Path) -> None:
    leaves = json.loads((vectors / "roots.json").read_text("utf-8"))
    head = Checkpoint(SIGNER.name, 300, bytes.fromhex(leaves["300"]))
    assert sign_checkpoint(head, SIGNER) == (vectors / "checkpoint.note").read_bytes()


def test_verify_checkpoint_gives_back_what_was_signed() -> None:
    assert verify_checkpoint(NOTE, SIGNER.verifier) == HEAD


def test_verify_checkpoint_with_unknown_signatures_passes() -> None:
    stranger = NoteSignature("witness.example", b"abcd", b"x" * 72).line()
    same_name = NoteSignature(SIGNER.name, b"abcd", b"x" * 64).line()
    note = NOTE + (same_name + 15 * stranger).encode()
    assert verify_checkpoint(note, SIGNER.verifier) == HEAD


@given(st.integers(0, len(NOTE) - 1), st.integers(1, 255))
def test_verify_checkpoint_with_a_changed_byte_fails(place: int, change: int) -> None:
    note = NOTE[:place] + bytes([NOTE[place] ^ change]) + NOTE[place + 1 :]
    with pytest.raises(IntegrityError):
        verify_checkpoint(note, SIGNER.verifier)


@given(st.binary(max_size=8), st.integers(0, len(NOTE)))
def test_verify_checkpoint_with_inserted_bytes_fails(extra: bytes, place: int) -> None:
    note = NOTE[:place] + extra + NOTE[place:]
    if note != NOTE:
        with pytest.raises(IntegrityError):
            verify_checkpoint(note, SIGNER.verifier)


@given(st.text(max_size=200))
@example(f"a\n\n{DASH} n AAAAAAA=\n")
@example(f"\n\n{DASH} n AAAAAAA=\n")
def test_parse_note_accepts_only_what_it_prints(text: str) -> None:
    data = text.encode()
    try:
        note = parse_note(data)
    except IntegrityError:
        return
    assert note.encode() == data


BAD_NOTES = {
    "empty": b"",
    "no signature": b"text\n",
    "no blank line": f"text\n{DASH} n AAAAAAA=\n".encode(),
    "no final newline": f"text\n\n{DASH} n AAAAAAA=".encode(),
    "two final newlines": f"text\n\n{DASH} n AAAAAAA=\n\n".encode(),
    "carriage return": f"text\r\n\n{DASH} n AAAAAAA=\n".encode(),
    "control character": f"te\x01xt\n\n{DASH} n AAAAAAA=\n".encode(),
    "not UTF-8": f"text\n\n{DASH} n AAAAAAA=\n".encode("utf-16"),
    "a hyphen for the dash": b"text\n\n- n AAAAAAA=\n",
    "name with plus": f"text\n\n{DASH} n+ AAAAAAA=\n".encode(),
    "name with space": f"text\n\n{DASH} n\u00a0n AAAAAAA=\n".encode(),
    "no name": f"text\n\n{DASH}  AAAAAAA=\n".encode(),
    "a key id and no signature": f"text\n\n{DASH} n AAAAAA==\n".encode(),
    "base64 with loose bits": f"text\n\n{DASH} n AAAAAAB=\n".encode(),
    "base64 without padding": f"text\n\n{DASH} n AAAAAAA\n".encode(),
    "base64 of the URL alphabet": f"text\n\n{DASH} n AAAA_AA=\n".encode(),
    "base64 not ASCII": f"text\n\n{DASH} n AAAAAAé=\n".encode(),
    "65 signatures": b"text\n\n" + 65 * f"{DASH} n AAAAAAA=\n".encode(),
    "too long": b"t" * 65_536 + f"\n\n{DASH} n AAAAAAA=\n".encode(),
}


@pytest.mark.parametrize("name", BAD_NOTES)
def test_parse_note_of_another_spelling_fails(name: str) -> None:
    with pytest.raises(IntegrityError) as raised:
        parse_note(BAD_NOTES[name])
    assert raised.value.reason == "BAD_NOTE"


BAD_SIGNERS = {
    "another key under the name": sign_checkpoint(HEAD, OTHER),
    "the signature twice": NOTE + NOTE[NOTE.index(DASH.encode()) :],
    "a known key that fails": Note(
        HEAD.text(), (NoteSignature(SIGNER.name, SIGNER.verifier.key_id, bytes(64)),)
    ).encode(),
    "a short signature": Note(
        HEAD.text(), (NoteSignature(SIGNER.name, SIGNER.verifier.key_id, b"x"),)
    ).encode(),
}


@pytest.mark.parametrize("name", BAD_SIGNERS)
def test_verify_checkpoint_of_a_bad_signer_fails(name: str) -> None:
    with pytest.raises(IntegrityError) as raised:
        verify_checkpoint(BAD_SIGNERS[name], SIGNER.verifier)
    assert raised.value.reason == "BAD_SIGNATURE"


ROOT = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
BAD_TEXTS = {
    "extension line": f"o\n7\n{ROOT}\nmore\n",
    "no origin": f"\n7\n{ROOT}\n",
    "leading zero": f"o\n07\n{ROOT}\n",
    "sign": f"o\n+7\n{ROOT}\n",
    "underscore": f"o\n1_0\n{ROOT}\n",
    "other digits": f"o\n\u0667\n{ROOT}\n",
    "size too great": f"o\n9223372036854775808\n{ROOT}\n",
    "short root": "o\n7\nAAEC\n",
    "root with loose bits": f"o\n7\n{ROOT[:-2]}9=\n",
    "empty tree with another root": f"o\n0\n{ROOT}\n",
    "two lines": "o\n7\n",
    "no newline": f"o\n7\n{ROOT}",
}


@pytest.mark.parametrize("name", BAD_TEXTS)
def test_parse_checkpoint_text_of_another_spelling_fails(name: str) -> None:
    with pytest.raises(IntegrityError) as raised:
        parse_checkpoint_text(BAD_TEXTS[name])
    assert raised.value.reason == "BAD_CHECKPOINT"


@given(st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_parse_checkpoint_text_of_what_was_printed_gives_it_back(size: int, root: bytes) -> None:
    head = Checkpoint("caf.cloison.local/traces", size, root)
    assert parse_checkpoint_text(head.text()) == head


def test_verify_checkpoint_of_another_origin_fails() -> None:
    note = SIGNER.sign(Checkpoint("msa.cloison.local/traces", 0, root_of([])).text())
    with pytest.raises(IntegrityError, match="origin `msa"):
        verify_checkpoint(note, SIGNER.verifier)


VKEY = SIGNER.verifier.vkey
NAME, KEY_ID, KEY = VKEY.split("+", 2)
BAD_VKEYS = {
    "empty": "",
    "no key": f"{NAME}+{KEY_ID}",
    "no name": f"+{KEY_ID}+{KEY}",
    "another key id": f"{NAME}+00000000+{KEY}",
    "upper-case key id": f"{NAME}+{KEY_ID.upper()}+{KEY}",
    "space in the name": f"a b+{KEY_ID}+{KEY}",
    "another algorithm": f"{NAME}+{KEY_ID}+BA{KEY[2:]}",
    "short key": f"{NAME}+{KEY_ID}+{KEY[:40]}",
    "two newlines": f"{VKEY}\n\n",
    "trailing space": f"{VKEY} ",
}


@pytest.mark.parametrize("name", BAD_VKEYS)
def test_parse_vkey_of_another_spelling_fails(name: str) -> None:
    with pytest.raises(InputError) as raised:
        NoteVerifier.parse(BAD_VKEYS[name])
    assert raised.value.reason == "BAD_VKEY"


def test_parse_vkey_with_its_file_newline_passes() -> None:
    assert NoteVerifier.parse(VKEY + "\n").vkey == VKEY


def test_signer_with_a_space_in_its_name_is_refused() -> None:
    with pytest.raises(InputError, match="key name"):
        NoteSigner("a b", Ed25519PrivateKey.generate())
