"""Cosignatures: a witness says when it saw a head, and that nothing before it was changed.

Source: c2sp.org/tlog-cosignature, the Ed25519 kind (type 04).
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cloison.errors import InputError, IntegrityError
from cloison.ledger.note import (
    COSIGNATURE,
    Note,
    NoteSignature,
    is_key_name,
    key_id,
    parse_vkey,
    print_vkey,
)

_TIME_BYTES = 8
_MOST_SECONDS = (1 << 63) - 1


class CosignatureVerifier:
    """A witness's public key.

    Args:
        name: The witness's: not empty, no spaces, no `+`.
        public_key: Ed25519, 32 bytes; of no log and of no other witness.
    """

    def __init__(self, name: str, public_key: bytes) -> None:
        if not is_key_name(name):
            raise InputError("BAD_VKEY", f"key name `{name}`: empty, or holds a space or `+`")
        self.name = name
        self.public_key = public_key
        self.key_id = key_id(name, public_key, COSIGNATURE)
        self._key = Ed25519PublicKey.from_public_bytes(public_key)

    @classmethod
    def parse(cls, vkey: str) -> "CosignatureVerifier":
        """From `name+hex(key id)+base64(04 ‖ public key)`. Raises `InputError` (`BAD_VKEY`)."""
        return cls(*parse_vkey(vkey, COSIGNATURE))

    @property
    def vkey(self) -> str:
        """The text `parse` reads, without newline."""
        return print_vkey(self.name, self.public_key, COSIGNATURE)

    def made(self, line: NoteSignature) -> bool:
        """Whether a signature line claims to be this witness's."""
        return (line.name, line.key_id) == (self.name, self.key_id)

    def verify(self, text: str, line: NoteSignature) -> int:
        """When the witness saw this head: seconds since 1970.

        Raises:
            IntegrityError: `BAD_SIGNATURE`: not its cosignature of this text.
        """
        seconds = int.from_bytes(line.signature[:_TIME_BYTES], "big")
        if not self.made(line) or seconds > _MOST_SECONDS:
            raise self._refused()
        try:
            self._key.verify(line.signature[_TIME_BYTES:], _message(text, seconds))
        except InvalidSignature as error:
            raise self._refused() from error
        return seconds

    def _refused(self) -> IntegrityError:
        return IntegrityError(
            "BAD_SIGNATURE", f"note: the cosignature of `{self.name}` does not verify"
        )

    def seen(self, note: Note) -> int | None:
        """When the witness saw a note's head; None where it did not cosign it.

        Raises:
            IntegrityError: `BAD_SIGNATURE`: a line claims to be its, and is not; or two do.
        """
        lines = [line for line in note.signatures if self.made(line)]
        if len(lines) > 1:
            raise IntegrityError("BAD_SIGNATURE", f"note: `{self.name}` stands there twice")
        return self.verify(note.text, lines[0]) if lines else None


class Cosigner:
    """A witness's private key.

    Args:
        name: The witness's name.
        private_key: Ed25519.
    """

    def __init__(self, name: str, private_key: Ed25519PrivateKey) -> None:
        self._key = private_key
        self.verifier = CosignatureVerifier(name, private_key.public_key().public_bytes_raw())

    def cosign(self, text: str, seconds: int) -> NoteSignature:
        """The line that says this head was seen `seconds` after 1970."""
        signature = self._key.sign(_message(text, seconds))
        stamped = seconds.to_bytes(_TIME_BYTES, "big") + signature
        return NoteSignature(self.verifier.name, self.verifier.key_id, stamped)


def _message(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()
