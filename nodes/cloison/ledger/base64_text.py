"""Base64 with one accepted spelling (RFC 4648 §4, padded, canonical)."""

from base64 import b64decode, b64encode
from binascii import Error


def print_base64(data: bytes) -> str:
    """Standard alphabet, padded."""
    return b64encode(data).decode("ascii")


def parse_base64(text: str) -> bytes | None:
    """The bytes `text` spells, or None where `print_base64` would have written otherwise."""
    try:
        data = b64decode(text.encode("ascii"), validate=True)
    except (Error, UnicodeEncodeError):
        return None
    return data if print_base64(data) == text else None
