"""Every limit the wire's comments state, checked in this one place.

Source: protos/cloison/v1. A limit is part of the contract: changing one is a change of the schema.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import TypeVar

from cloison.errors import InputError, PeerError

STATEMENT_BYTES = 8 * 1024
ITEMS_PER_CALL = 64
BATCH_STATEMENTS = 64
PERSONS_PER_STATEMENT = 8
PERSONS_PER_CASE = 32
FIELDS = 64
MONTHS = 60
COHORT_PERSONS = 20_000_000
COHORT_BATCH_PERSONS = 500
COHORT_BATCH_LEAST = 11
COHORT_RUN_BATCHES = 4
COHORT_RUN_PERSONS = COHORT_RUN_BATCHES * COHORT_BATCH_PERSONS
COHORT_IN_FLIGHT = 8
COHORT_ANSWERS_KEPT = 2 * COHORT_IN_FLIGHT * COHORT_RUN_BATCHES
COHORT_PROOF_HASHES = COHORT_RUN_PERSONS * 2 * 40
COHORT_CUT = timedelta(hours=1)
DEPOSIT_BYTES = 64 * 1024
CONTESTATION_BYTES = 1024
CONTESTED_LINE_BYTES = 2 * 1024
CONTESTED_CENTS = 10_000_000_000
CONTESTATIONS_PER_ENTRY = 500
CONTESTATIONS_TOLD = 2_000
SAYS_BYTES = 1000
SOURCE_BYTES = 200
RECORD_VERSIONS = 1_000_000
PROOF_HASHES = 40
CHECKPOINT_BYTES = 4 * 1024
CASE_PROOF_BYTES = 16 * 1024
BATCH_PATH_HASHES = 6
SIGNATURE_BYTES = 64
ENTRY_BYTES = 65_535
ENTRIES_PER_CALL = 256
TILE_LEVELS = 5
TILE_WIDTH = 256
MESSAGE_BYTES = 4 * 1024 * 1024
COHORT_RUN_BYTES = MESSAGE_BYTES - 1024
HASH_BYTES = 32
ITEM_BYTES = 48 * 1024
BIRTH_NAME_BYTES = 200
BIRTH_DATE_BYTES = 10
NONCE_BYTES = 16
SALT_BYTES = 32
KEY_ID_BYTES = 16
TABLE_HOLDERS = 64
PERSON_READS = 30
PERSON_CONTESTS = 30
PERSON_WINDOW = timedelta(hours=1)
CLOCK_SKEW = timedelta(seconds=60)
REPEAT_WINDOW = timedelta(minutes=10)
STREAM_IDLE_SECONDS = 60.0

_T = TypeVar("_T")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_NIR_LONG = re.compile(r"(?:[^0-9]*[0-9]){13}", re.ASCII)
_REASON = re.compile(r"[A-Z][A-Z_]{1,63}", re.ASCII)
_TABLE_TEXT = re.compile(r"[0-9][0-9/-]{0,23}", re.ASCII)
_AGENT = re.compile(r"batch|[a-p]{32}", re.ASCII)


@lru_cache(maxsize=4096)
def check_name(what: str, text: str) -> str:
    """An id of the register or a catalogue. Raises `InputError` (`MALFORMED`).

    INVARIANT: names stand in ledgers, so none can spell a NIR; nor does the refusal quote one.
    """
    if _NAME.fullmatch(text) is None or _NIR_LONG.match(text) is not None:
        raise InputError(
            "MALFORMED",
            f"{what}: not a name",
            "use a-z, 0-9, `.`, `_`, `-`; 64 at most, 12 of them digits",
        )
    return text


def check_table_text(what: str, text: str) -> str:
    """A period or a loss as a table question spells it. Raises `InputError` (`MALFORMED`)."""
    if _TABLE_TEXT.fullmatch(text) is None or _NIR_LONG.match(text) is not None:
        raise InputError("MALFORMED", f"{what}: not as a table question spells it")
    return text


def check_field(text: str) -> str:
    """A field name of a catalogue. Raises `InputError` (`MALFORMED`)."""
    return check_name("field", text)


def check_agent(text: str) -> str:
    """`batch`, or a keyed pseudonym. Raises `InputError` (`MALFORMED`).

    INVARIANT: agents stand in ledgers; letters alone spell neither a NIR nor an income.
    """
    if _AGENT.fullmatch(text) is None:
        raise InputError("MALFORMED", "agent: not `batch` and not 32 letters a-p")
    return text


def check_traits(birth_name: str, birth_date: str) -> None:
    """Traits no longer than any. Raises `InputError` (`TOO_LARGE`).

    A letter may spell as eighteen once it is normalised: a long name would hold up everyone.
    """
    check_count("birth name bytes", len(birth_name.encode()), 0, BIRTH_NAME_BYTES)
    check_count("birth date bytes", len(birth_date.encode()), 0, BIRTH_DATE_BYTES)


def check_reason(text: str) -> str:
    """A reason another node gave. Raises `PeerError` (`BAD_ANSWER`).

    INVARIANT: reasons stand in ledgers; one of letters alone spells neither a NIR nor an income.
    """
    if _REASON.fullmatch(text) is None:
        raise PeerError("BAD_ANSWER", "reason: not UPPER_SNAKE letters, 64 at most")
    return text


def check_bytes(what: str, value: bytes, size: int, *, optional: bool = False) -> bytes:
    """A byte string of exactly `size`. Raises `InputError` (`MALFORMED`)."""
    if len(value) != size and not (optional and not value):
        raise InputError("MALFORMED", f"{what}: {len(value)} bytes, not {size}")
    return value


def check_count(what: str, count: int, low: int, high: int) -> int:
    """A count within its limits, both included. Raises `InputError` (`TOO_LARGE`, `MALFORMED`)."""
    if count > high:
        raise InputError("TOO_LARGE", f"{what}: {count}, at most {high}")
    if count < low:
        raise InputError("MALFORMED", f"{what}: {count}, at least {low}")
    return count


def slices(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    """The items in order, as many at a time as one call or entry takes."""
    return (items[start : start + size] for start in range(0, len(items), size))
