"""A contestation as it is signed, and the line it is about as it travels beside it.

Both have one accepted spelling. INVARIANT: what stands in a ledger of a contestation holds digests
and hashes alone; the line, and what the person says of it, are bound by a salted digest.
"""

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from google.protobuf.message import DecodeError, Message

from cloison.bodies import BodyId, parse_body
from cloison.errors import InputError, PeerError
from cloison.exchange import limits
from cloison.exchange.statement import from_milliseconds
from cloison.months import Month
from cloison.v1 import contestation_pb2

VERSION = 1
_SIGNED = b"cloison/v1 contestation\n"
_LINE = b"cloison/v1 contested line\n"


@dataclass(frozen=True, slots=True)
class Contestation:
    """A contestation as read; `hash` is the SHA-256 of the bytes as received."""

    hash: bytes
    requester: BodyId
    holder: BodyId
    activity: str
    statement_hash: bytes
    person_digest: bytes
    line_digest: bytes
    signed_time: datetime


@dataclass(frozen=True, slots=True)
class Line:
    """Which record of a person is contested, and what they say of it.

    Attributes:
        source: The source message that declared it; `version` is that of its records.
        amount_cents: What they say is right; None where they give no amount.
    """

    month: Month
    source: str
    version: int
    says: str
    amount_cents: int | None


def signed_message(contestation: bytes) -> bytes:
    """What the activity's key signs."""
    return _SIGNED + sha256(contestation).digest()


def line_digest(line: bytes) -> bytes:
    """What stands for a line, as sent, in a contestation."""
    return sha256(_LINE + line).digest()


def parse_contestation(raw: bytes) -> Contestation:
    """Strict, as a statement is read.

    Raises:
        InputError: `MALFORMED`, `TOO_LARGE`, `BAD_BODY`.
    """
    message = contestation_pb2.Contestation()
    _decode(message, "contestation", raw, limits.CONTESTATION_BYTES)
    if message.version != VERSION:
        raise InputError("MALFORMED", f"contestation: version {message.version}, not {VERSION}")
    limits.check_bytes("nonce", message.nonce, limits.NONCE_BYTES)
    return Contestation(
        hash=sha256(raw).digest(),
        requester=parse_body(message.requester),
        holder=parse_body(message.holder),
        activity=limits.check_name("activity", message.activity),
        statement_hash=_hash("statement hash", message.statement_hash),
        person_digest=_hash("person digest", message.person_digest),
        line_digest=_hash("line digest", message.line_digest),
        signed_time=from_milliseconds(message.signed_time_ms),
    )


def parse_line(raw: bytes, digest: bytes) -> Line:
    """The line a contestation was signed with.

    Raises:
        InputError: `MALFORMED`, `TOO_LARGE`, `BAD_MONTH`.
        PeerError: `DIGEST_MISMATCH`: another line than the one signed.
    """
    message = contestation_pb2.ContestedLine()
    _decode(message, "contested line", raw, limits.CONTESTED_LINE_BYTES)
    if line_digest(raw) != digest:
        raise PeerError("DIGEST_MISMATCH", "contested line: not the one that was signed")
    limits.check_bytes("salt", message.salt, limits.SALT_BYTES)
    limits.check_count("source bytes", len(message.source.encode()), 1, limits.SOURCE_BYTES)
    limits.check_count("record version", message.record_version, 1, limits.RECORD_VERSIONS)
    amount = message.amount_cents if message.HasField("amount_cents") else None
    return Line(
        month=Month.from_number(message.period),
        source=message.source,
        version=message.record_version,
        says=check_says(message.says),
        amount_cents=None if amount is None else check_amount(amount),
    )


def check_says(text: str) -> str:
    """What a person says of a line: 1 to 1,000 bytes of plain text.

    Raises:
        InputError: `TOO_LARGE`, `MALFORMED`; the text is not quoted.
    """
    limits.check_count("bytes of what is said", len(text.encode()), 1, limits.SAYS_BYTES)
    if any(unicodedata.category(letter)[0] == "C" for letter in text):
        raise InputError("MALFORMED", "what is said: holds a control character", "use plain text")
    return text


def check_amount(cents: int) -> int:
    """An amount a person gives, in cents. Raises `InputError` (`MALFORMED`); it is not quoted."""
    if not 0 <= cents <= limits.CONTESTED_CENTS:
        raise InputError("MALFORMED", "amount: not from 0 to 100,000,000 euros")
    return cents


def _decode(message: Message, what: str, raw: bytes, most: int) -> None:
    limits.check_count(f"{what} bytes", len(raw), 1, most)
    try:
        message.ParseFromString(raw)
    except DecodeError as error:
        raise InputError("MALFORMED", f"{what}: cannot be decoded") from error
    message.DiscardUnknownFields()
    if message.SerializeToString(deterministic=True) != raw:
        raise InputError("MALFORMED", f"{what}: unknown fields, or not the one accepted encoding")


def _hash(what: str, value: bytes) -> bytes:
    return limits.check_bytes(what, value, limits.HASH_BYTES)
