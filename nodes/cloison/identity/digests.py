"""Names for persons that say nothing to who lacks the salt or the key.

Each has a domain line of its own, so that no digest can stand in for another. Pure.
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from string import ascii_letters

from cloison.bodies import BodyId
from cloison.errors import InputError
from cloison.identity.identifiers import Nir
from cloison.identity.keyed_hash import keyed_digest

SALT_BYTES = 32
ROW_KEY_BYTES = 16

PERSON_DOMAIN = b"cloison/v1 person digest\n"
_REFERENCE = b"cloison/v1 case reference\n"
ROW_DOMAIN = b"cloison/v1 row key\n"
TRAITS_DOMAIN = b"cloison/v1 traits digest\n"
_TRACE = b"cloison/v1 trace key\n"
_AGENT = b"cloison/v1 agent pseudonym\n"
_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")

_DATE = re.compile(r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}")
_LIGATURES = {"Œ": "OE", "Æ": "AE"}
_CAPITALS = bytes(range(256)).upper()
_NOT_LETTERS = bytes(set(range(256)).difference(ascii_letters.encode()))
_NOT_LETTERS_OR_ENDS = _NOT_LETTERS.replace(b"\n", b"")


def person_digest(salt: bytes, nir: Nir) -> bytes:
    """The 32 bytes that stand for a person in statements and entries.

    Args:
        salt: 32 fresh random bytes, never used twice.
        nir: The person.

    Raises:
        InputError: `BAD_SALT`: not 32 bytes.
    """
    return hashlib.sha256(PERSON_DOMAIN + _salt(salt) + nir.encode("ascii")).digest()


def reference_digest(salt: bytes, reference: str) -> bytes:
    """The 32 bytes that stand for a claim's reference in a case; raises as `person_digest`."""
    return hashlib.sha256(_REFERENCE + _salt(salt) + reference.encode()).digest()


def row_key(key: bytes, nir: Nir) -> bytes:
    """The 16 bytes that name a person's rows in one node's store, and in no other's."""
    return keyed_digest(key, ROW_DOMAIN + nir.encode("ascii"))[:ROW_KEY_BYTES]


def traits_digest(key: bytes, nir: Nir, birth_name: str, birth_date: str) -> bytes:
    """32 bytes that agree when NIR, birth name (accents, case, hyphens apart) and birth date do.

    Args:
        key: The node's row key: no one else can try names against the digest.
        nir: The person.
        birth_name: As the source spells it.
        birth_date: `YYYY-MM-DD`.

    Raises:
        InputError: `BAD_NAME`: no letter in it. `BAD_DATE`: not a date in this spelling.
    """
    name = normal_name(birth_name)
    _check_date(birth_date)
    message = TRAITS_DOMAIN + f"{nir}\n{name}\n{birth_date}".encode()
    return keyed_digest(key, message)


def trace_key(person_key: bytes, node: BodyId, day: date) -> bytes:
    """The 32 bytes by which one person's traces of one day at one node are found.

    Args:
        person_key: The person's random key from the vault; erase it and every link is gone.
        node: Whose ledger holds the trace.
        day: The day the trace is found under.
    """
    return keyed_digest(person_key, trace_message(node, day))


def trace_message(node: BodyId, day: date) -> bytes:
    """What a person's key hashes for the traces of one day at one node."""
    return _TRACE + f"{node}\n{day.isoformat()}".encode()


def agent_pseudonym(key: bytes, agent: str) -> str:
    """32 letters `a` to `p` that stand for an agent; only the body that has `key` can tell whom.

    Letters alone: what stands in ledgers in an agent's place spells neither a NIR nor an income.
    """
    digest = keyed_digest(key, _AGENT + agent.encode())[:16]
    return digest.hex().translate(_LETTERS)


def normal_name(name: str) -> str:
    """A name's letters alone, without accents, in capitals: `d'Hœrt-Lémy` is `DHOERTLEMY`.

    Raises:
        InputError: `BAD_NAME`: no letter in it.
    """
    if name.isascii():
        normal = name.encode("ascii").translate(_CAPITALS, _NOT_LETTERS).decode("ascii")
    else:
        upper = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).upper())
        normal = "".join(map(_spelt, upper))
    if not normal:
        raise InputError("BAD_NAME", "name: holds no letter")
    return normal


def normal_names(names: Sequence[str]) -> list[bytes]:
    """As `normal_name`, of each, as bytes: those that are plain letters all at once.

    Raises:
        InputError: `BAD_NAME`: one holds no letter.
    """
    joined = "\n".join([name if name.isascii() else "X" for name in names]).encode("ascii")
    normal = joined.translate(_CAPITALS, _NOT_LETTERS_OR_ENDS).split(b"\n")
    if len(normal) != len(names) or not all(normal):  # one holds a line end, or no letter
        return [normal_name(name).encode() for name in names]
    for place, name in enumerate(names):
        if not name.isascii():
            normal[place] = normal_name(name).encode()
    return normal


@lru_cache(maxsize=1024)
def _spelt(character: str) -> str:
    """What a capital counts for; nothing where it is no letter."""
    if unicodedata.category(character) not in {"Lu", "Lo"}:
        return ""
    return _LIGATURES.get(character, character)


def _salt(salt: bytes) -> bytes:
    if len(salt) != SALT_BYTES:
        raise InputError("BAD_SALT", f"salt: {len(salt)} bytes", f"use {SALT_BYTES} random bytes")
    return salt


def _check_date(text: str) -> None:
    try:
        if _DATE.fullmatch(text) is not None and date.fromisoformat(text):
            return
    except ValueError:
        pass
    raise InputError("BAD_DATE", "birth date: not a date", "use YYYY-MM-DD")
