"""Verifier keys as commands are given them: C2SP text in a file."""

from pathlib import Path

from cloison.errors import InputError
from cloison.ledger.note import NoteVerifier

_MAX_VKEY_BYTES = 1024


def load_vkey(path: Path) -> NoteVerifier:
    """The verifier key in a file.

    Raises:
        InputError: `BAD_VKEY`: no such file, or not one well-formed key.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_VKEY_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("BAD_VKEY", f"verifier key `{path}`: cannot be read") from error
    return NoteVerifier.parse(text)
