"""Step 2: read a statement. One accepted spelling; what is read is what was signed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256

from google.protobuf.message import DecodeError

from cloison.bodies import BodyId, parse_body
from cloison.errors import InputError, PeerError
from cloison.exchange import limits
from cloison.identity import Nir, parse_nir, person_digest
from cloison.law.question import Action, Granularity, Question
from cloison.months import Month
from cloison.v1 import statement_pb2

VERSION = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GRANULARITIES = {
    statement_pb2.GRANULARITY_MONTH: Granularity.MONTH,
    statement_pb2.GRANULARITY_WINDOW_TOTAL: Granularity.WINDOW_TOTAL,
    statement_pb2.GRANULARITY_YEAR: Granularity.YEAR,
    statement_pb2.GRANULARITY_CURRENT: Granularity.CURRENT,
    statement_pb2.GRANULARITY_TABLE: Granularity.TABLE,
}
GRANULARITY_NUMBERS = {value: number for number, value in _GRANULARITIES.items()}


@dataclass(frozen=True, slots=True)
class Cohort:
    """Many persons under one statement; the case each of them is promised to stand in."""

    size: int
    batch_persons: int
    case_type: str
    case_month: Month | None


@dataclass(frozen=True, slots=True)
class TableQuestion:
    """A declared table, of a period, at a loss; as spelled."""

    table: str
    period: str
    epsilon: str
    holders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as read. `raw` is what was received; `hash` is its SHA-256."""

    raw: bytes
    hash: bytes
    requester: BodyId
    holder: BodyId
    agent: str
    question: Question
    person_digests: tuple[bytes, ...]
    case_leaf_hash: bytes
    sealing_key_id: bytes
    signed_time: datetime
    nonce: bytes
    cohort: Cohort | None
    table: TableQuestion | None = None


def from_milliseconds(milliseconds: int) -> datetime:
    """A UTC time from the wire's Unix milliseconds. Raises `InputError` (`MALFORMED`)."""
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError as error:
        raise InputError("MALFORMED", "time: out of range") from error


def to_milliseconds(time: datetime) -> int:
    """Unix milliseconds, as the wire has them."""
    since = time - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def parse_statement(raw: bytes) -> Statement:
    """Strict: limits first, no unknown field, bytes that encode back to themselves.

    Raises:
        InputError: `MALFORMED`, `TOO_LARGE`, `BAD_MONTH`, `BAD_BODY`.
    """
    limits.check_count("statement bytes", len(raw), 1, limits.STATEMENT_BYTES)
    message = statement_pb2.Statement()
    try:
        message.ParseFromString(raw)
    except DecodeError as error:
        raise InputError("MALFORMED", "statement: cannot be decoded") from error
    message.DiscardUnknownFields()
    if message.SerializeToString(deterministic=True) != raw:
        raise InputError("MALFORMED", "statement: unknown fields, or not the one accepted encoding")
    if message.version != VERSION:
        raise InputError("MALFORMED", f"statement: version {message.version}, not {VERSION}")
    return _read(message, raw)


def _read(message: statement_pb2.Statement, raw: bytes) -> Statement:
    requester, holder = parse_body(message.requester), parse_body(message.holder)
    cohort = _read_cohort(message) if message.HasField("cohort") else None
    table = _read_table(message)
    if cohort and message.selection.HasField("received"):
        # What was received is handed back sealed, a person at a time; a cohort would read the
        # node's own dataset of that name under a permit for another body's.
        raise InputError("MALFORMED", "statement: received data are not asked by cohort")
    return Statement(
        raw=raw,
        hash=sha256(raw).digest(),
        requester=requester,
        holder=holder,
        agent=limits.check_agent(message.agent),
        question=_read_question(
            message.selection.SerializeToString(deterministic=True),
            requester,
            holder,
            message.activity,
            message.purpose,
            message.legal_basis,
        ),
        person_digests=_read_digests(message, named=cohort is None and table is None),
        case_leaf_hash=limits.check_bytes(
            "case leaf hash", message.case_leaf_hash, limits.HASH_BYTES, optional=True
        ),
        sealing_key_id=limits.check_bytes(
            "sealing key id", message.sealing_key_id, limits.KEY_ID_BYTES
        ),
        signed_time=from_milliseconds(message.signed_time_ms),
        nonce=limits.check_bytes("nonce", message.nonce, limits.NONCE_BYTES),
        cohort=cohort,
        table=table,
    )


def _read_digests(message: statement_pb2.Statement, *, named: bool) -> tuple[bytes, ...]:
    people = len(message.person_digests)
    limits.check_count("persons", people, 1 if named else 0, limits.PERSONS_PER_STATEMENT)
    if people and not named:
        raise InputError("MALFORMED", "statement: a cohort or a table names no person of its own")
    if len(set(message.person_digests)) != people:
        raise InputError("MALFORMED", "statement: the same person digest twice")
    return tuple(
        limits.check_bytes("person digest", digest, limits.HASH_BYTES)
        for digest in message.person_digests
    )


def _read_table(message: statement_pb2.Statement) -> TableQuestion | None:
    asked = message.selection.granularity == statement_pb2.GRANULARITY_TABLE
    if asked != message.HasField("table"):
        raise InputError("MALFORMED", "statement: `table` and its granularity go together")
    if not asked:
        return None
    if message.selection.HasField("received"):
        raise InputError("MALFORMED", "statement: no table is made of received data")
    if message.HasField("cohort") or message.case_leaf_hash:
        raise InputError("MALFORMED", "statement: a table has no cohort and no case")
    return read_table_question(message.table)


def read_table_question(table: statement_pb2.TableQuestion) -> TableQuestion:
    """A table question as spelled. Raises `InputError` (`MALFORMED`, `TOO_LARGE`, `BAD_BODY`)."""
    limits.check_count("holders", len(table.holders), 0, limits.TABLE_HOLDERS)
    return TableQuestion(
        limits.check_name("table", table.table),
        limits.check_table_text("period", table.period),
        limits.check_table_text("epsilon", table.epsilon),
        tuple(parse_body(holder) for holder in table.holders),
    )


def _read_cohort(message: statement_pb2.Statement) -> Cohort:
    cohort = message.cohort
    limits.check_count("cohort", cohort.size, 1, limits.COHORT_PERSONS)
    # None so small that the batches sent before a stream is broken off tell of fewer persons than
    # the law lets a cohort count.
    least = min(cohort.size, limits.COHORT_BATCH_LEAST)
    limits.check_count("batch", cohort.batch_persons, least, limits.COHORT_BATCH_PERSONS)
    if bool(cohort.case_type) != bool(cohort.case_month):
        raise InputError("MALFORMED", "cohort: a case type and a case month go together")
    if not cohort.case_type:
        return Cohort(cohort.size, cohort.batch_persons, "", None)
    case_type = limits.check_name("case type", cohort.case_type)
    month = Month.from_number(cohort.case_month)
    return Cohort(cohort.size, cohort.batch_persons, case_type, month)


@lru_cache(maxsize=4096)
def _read_question(
    selected: bytes,
    requester: BodyId,
    holder: BodyId,
    activity: str,
    purpose: str,
    legal_basis: str,
) -> Question:
    # Few shapes make many questions; only what was read without fault is kept.
    selection = statement_pb2.Selection.FromString(selected)
    fields = tuple(limits.check_field(field) for field in selection.fields)
    limits.check_count("fields", len(fields), 1, limits.FIELDS)
    if list(fields) != sorted(set(fields)):
        raise InputError("MALFORMED", "fields: not sorted and distinct")
    first, last = Month.from_number(selection.first_month), Month.from_number(selection.last_month)
    limits.check_count("months", last - first + 1, 1, limits.MONTHS)
    granularity = _GRANULARITIES.get(selection.granularity)
    if granularity is None:
        raise InputError("MALFORMED", "granularity: unspecified or unknown")
    received = selection.received
    local = selection.HasField("received")
    if local and holder != requester:
        raise InputError("MALFORMED", "received data: only the body that received them is asked")
    return Question(
        action=Action.READ_RECEIVED if local else Action.ASK,
        requester=requester,
        holder=parse_body(received.from_holder) if local else holder,
        activity=limits.check_name("activity", activity),
        purpose=limits.check_name("purpose", purpose),
        legal_basis=limits.check_name("legal basis", legal_basis),
        dataset=limits.check_name("dataset", selection.dataset),
        fields=fields,
        first_month=first,
        last_month=last,
        granularity=granularity,
        received_for=limits.check_name("purpose", received.received_for) if local else "",
        received_by=limits.check_name("activity", received.received_by) if local else "",
    )


def check_time(statement: Statement, now: datetime) -> None:
    """Step 3: the statement was signed within ± 60 s of the holder's clock.

    Raises:
        PeerError: `STATEMENT_TOO_OLD`, `STATEMENT_FROM_THE_FUTURE`.
    """
    check_signed_time("statement", statement.signed_time, now)


def check_signed_time(what: str, signed_time: datetime, now: datetime) -> None:
    """Something was signed within ± 60 s of the holder's clock; raises as `check_time`."""
    age = now - signed_time
    if age > limits.CLOCK_SKEW:
        raise PeerError(
            "STATEMENT_TOO_OLD",
            f"{what}: signed {age.total_seconds():.0f} s ago, at most 60",
            "sign it anew",
        )
    if -age > limits.CLOCK_SKEW:
        raise PeerError(
            "STATEMENT_FROM_THE_FUTURE",
            f"{what}: signed {-age.total_seconds():.0f} s ahead of this clock, at most 60",
            "set the clock",
        )


def check_signed(signed: statement_pb2.SignedStatement) -> None:
    """What stands beside a statement has the form of a signature; whose it is, the holder checks.

    Raises:
        InputError: `MALFORMED`, `TOO_LARGE`.
    """
    limits.check_bytes("signature", signed.signature, limits.SIGNATURE_BYTES)
    limits.check_count("statements of a batch", signed.batch_size, 1, limits.BATCH_STATEMENTS)
    limits.check_count("batch index", signed.batch_index, 0, signed.batch_size - 1)
    limits.check_count("batch path", len(signed.batch_path), 0, limits.BATCH_PATH_HASHES)
    for sibling in signed.batch_path:
        limits.check_bytes("batch path", sibling, limits.HASH_BYTES)


def check_persons(
    digests: Sequence[bytes], persons: Sequence[statement_pb2.PersonReference]
) -> tuple[Nir, ...]:
    """Step 2: each NIR with its salt gives the digest the statement was signed with.

    Returns:
        The NIRs, in order.

    Raises:
        InputError: `BAD_NIR`, `MALFORMED`, `TOO_LARGE`.
        PeerError: `DIGEST_MISMATCH`; `SALT_REUSED`: two persons of the statement share a salt.
    """
    if len(digests) != len(persons):
        raise InputError("MALFORMED", "persons: not as many as the statement's digests")
    if len({person.salt for person in persons}) != len(persons):
        raise PeerError("SALT_REUSED", "persons: two share a salt", "draw 32 fresh bytes for each")
    nirs = tuple(parse_nir(person.nir) for person in persons)
    for person in persons:
        limits.check_traits(person.birth_name, person.birth_date)
    for digest, person, nir in zip(digests, persons, nirs, strict=True):
        salt = limits.check_bytes("salt", person.salt, limits.SALT_BYTES)
        if person_digest(salt, nir) != digest:
            raise PeerError(
                "DIGEST_MISMATCH", "person: the digest in the statement is of another NIR or salt"
            )
    return nirs
