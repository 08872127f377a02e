"""C2SP signed notes with Ed25519 keys: one accepted spelling, known keys must verify.

Source: c2sp.org/signed-note.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cloison.errors import InputError, IntegrityError
from cloison.ledger.base64_text import parse_base64, print_base64

MAX_NOTE_BYTES = 65_536
MAX_SIGNATURES = 64
_KEY_NAME = re.compile(r"[^\s+\x00-\x1f]+")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
ED25519 = b"\x01"
"""Algorithm of what signs a log's heads."""
COSIGNATURE = b"\x04"
"""Algorithm of what a witness cosigns them with."""
_ALGORITHMS = {ED25519: "an Ed25519 key", COSIGNATURE: "an Ed25519 cosignature key"}
_KEY_ID_BYTES = 4
_PUBLIC_KEY_BYTES = 32
_DASH = "\u2014"
_KEY_ID = re.compile(r"[0-9a-f]{8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: who says they signed, and the signature."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        """The signature line, newline included."""
        return f"{_DASH} {self.name} {print_base64(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text, ending in a newline, and its signatures; nothing is verified yet."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def encode(self) -> bytes:
        """The note's only spelling."""
        return f"{self.text}\n{''.join(item.line() for item in self.signatures)}".encode()


class NoteVerifier:
    """A public key that notes are checked against.

    Args:
        name: The key's name: not empty, no spaces, no `+`.
        public_key: Ed25519, 32 bytes.
    """

    def __init__(self, name: str, public_key: bytes) -> None:
        if not is_key_name(name):
            raise InputError("BAD_VKEY", f"key name `{name}`: empty, or holds a space or `+`")
        self.name = name
        self.public_key = public_key
        self.key_id = key_id(name, public_key)
        self._key = Ed25519PublicKey.from_public_bytes(public_key)

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """From `name+hex(key id)+base64(01 ‖ public key)`; one final newline is allowed.

        Raises:
            InputError: `BAD_VKEY`: another spelling, another algorithm, or a key id that is not
                the key's.
        """
        return cls(*parse_vkey(vkey, ED25519))

    @property
    def vkey(self) -> str:
        """The text `parse` reads, without newline."""
        return print_vkey(self.name, self.public_key, ED25519)

    def verify(self, message: bytes, signature: bytes) -> None:
        """The signature is this key's over the message.

        Raises:
            IntegrityError: `BAD_SIGNATURE`.
        """
        try:
            self._key.verify(signature, message)
        except InvalidSignature as error:
            raise IntegrityError(
                "BAD_SIGNATURE", f"note: the signature of `{self.name}` does not verify"
            ) from error


class NoteSigner:
    """A private key that signs notes under a name.

    Args:
        name: The key's name: not empty, no spaces, no `+`. For a ledger, its origin.
        private_key: Ed25519.
    """

    def __init__(self, name: str, private_key: Ed25519PrivateKey) -> None:
        self._key = private_key
        self.verifier = NoteVerifier(name, private_key.public_key().public_bytes_raw())
        self.name = name

    def sign(self, text: str) -> bytes:
        """The text as a note with this key's one signature."""
        signature = self._key.sign(text.encode())
        line = NoteSignature(self.name, self.verifier.key_id, signature)
        return Note(text, (line,)).encode()


def key_id(name: str, public_key: bytes, algorithm: bytes = ED25519) -> bytes:
    """First 4 bytes of SHA-256(name ‖ 0A ‖ algorithm ‖ public key)."""
    return sha256(name.encode() + b"\n" + algorithm + public_key).digest()[:_KEY_ID_BYTES]


def print_vkey(name: str, public_key: bytes, algorithm: bytes) -> str:
    """The text `parse_vkey` reads, without newline."""
    hashed = key_id(name, public_key, algorithm).hex()
    return f"{name}+{hashed}+{print_base64(algorithm + public_key)}"


def parse_vkey(vkey: str, algorithm: bytes) -> tuple[str, bytes]:
    """Name and public key of `name+hex(key id)+base64(algorithm ‖ public key)`.

    Raises:
        InputError: `BAD_VKEY`: another spelling, another algorithm, or a key id that is not
            the key's.
    """
    text = vkey.removesuffix("\n")
    name, _, rest = text.partition("+")
    key_id_text, _, key_text = rest.partition("+")
    key = parse_base64(key_text)
    well_formed = _KEY_ID.fullmatch(key_id_text) is not None and is_key_name(name)
    if not well_formed or key is None or len(key) != 1 + _PUBLIC_KEY_BYTES:
        raise InputError("BAD_VKEY", "verifier key: not well formed", "use name+hash+key")
    if key[:1] != algorithm:
        raise InputError("BAD_VKEY", f"verifier key `{name}`: not {_ALGORITHMS[algorithm]}")
    if key_id(name, key[1:], algorithm).hex() != key_id_text:
        raise InputError("BAD_VKEY", f"verifier key `{name}`: the key id is not the key's")
    return name, key[1:]


def is_key_name(name: str) -> bool:
    """Not empty, printable, no Unicode space, no `+`."""
    return _KEY_NAME.fullmatch(name) is not None


def parse_note(data: bytes) -> Note:
    """Split a note into text and signatures; verifies nothing.

    Raises:
        IntegrityError: `BAD_NOTE`: too long, not UTF-8, a control character, no signature, or
            any spelling but the one `Note.encode` writes.
    """
    if len(data) > MAX_NOTE_BYTES:
        raise _bad_note(f"longer than {MAX_NOTE_BYTES} bytes")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _bad_note("not UTF-8") from error
    if _CONTROL.search(whole):
        raise _bad_note("holds a control character")
    text, blank, tail = whole.rpartition("\n\n")
    lines = tail.splitlines() if blank else []
    if not 1 <= len(lines) <= MAX_SIGNATURES:
        raise _bad_note(f"needs 1 to {MAX_SIGNATURES} signature lines")
    note = Note(text + "\n", tuple(_parse_signature(line) for line in lines))
    if note.encode() != data:
        raise _bad_note("not the one accepted spelling")
    return note


def verify_note(data: bytes, verifier: NoteVerifier) -> str:
    """The text of a note signed by `verifier`; signatures of unknown keys are ignored.

    Raises:
        IntegrityError: `BAD_NOTE` (see `parse_note`), `BAD_SIGNATURE`: no signature of this key,
            more than one, or one that fails.
    """
    note = parse_note(data)
    known = [
        item
        for item in note.signatures
        if (item.name, item.key_id) == (verifier.name, verifier.key_id)
    ]
    if len(known) != 1:
        raise IntegrityError(
            "BAD_SIGNATURE", f"note: {len(known)} signatures of `{verifier.name}` where 1 belongs"
        )
    verifier.verify(note.text.encode(), known[0].signature)
    return note.text


def _parse_signature(line: str) -> NoteSignature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    data = parse_base64(encoded)
    if dash != _DASH or not is_key_name(name) or data is None or len(data) <= _KEY_ID_BYTES:
        raise _bad_note("a signature line is not well formed")
    return NoteSignature(name, data[:_KEY_ID_BYTES], data[_KEY_ID_BYTES:])


def _bad_note(why: str) -> IntegrityError:
    return IntegrityError("BAD_NOTE", f"note: {why}")
