"""What a node gives a person, held to its signed heads, to its days, and to the person's own key.

Left out, added, altered or given twice: each fails. What no proof can show is in `Traces` as such.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256

from cloison.bodies import BodyId
from cloison.errors import IntegrityError
from cloison.exchange.entries import parse_entry
from cloison.exchange.statement import from_milliseconds
from cloison.exchange.traced import EVERYONE, entry_day, traced_keys
from cloison.identity import trace_key
from cloison.law.durations import end_of
from cloison.law.trace_rules import TraceRules
from cloison.ledger.checkpoint import Checkpoint, verify_checkpoint
from cloison.ledger.day_map import (
    ProvedRow,
    Row,
    RowsProof,
    hash_indexes,
    parse_row,
    verify_key,
)
from cloison.ledger.note import NoteVerifier, parse_note
from cloison.ledger.quorum import quorum_seconds
from cloison.ledger.tree import leaf_hash, verify_consistency, verify_inclusion
from cloison.ledger.trust_policy import TrustPolicy
from cloison.v1 import entry_pb2, persons_service_pb2

_NEXT = timedelta(days=1)
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Access:
    """One entry, proved to stand in the ledger.

    Attributes:
        data: Its bytes; empty where it is sealed.
        checkpoint: The head it is proved under, and `path` its inclusion hashes.
        about_all: It is about all whose data the body holds, and names nobody.
        context: It is not about the person, and explains one that is.
        sealed_until: Until when its content is not shown; None where it is.
        says: What the person said, or was answered; held to the hash in the entry.
    """

    index: int
    leaf: bytes
    data: bytes
    path: tuple[bytes, ...]
    checkpoint: bytes
    witnessed: bool
    about_all: bool = False
    context: bool = False
    sealed_until: datetime | None = None
    says: str = ""

    @property
    def entry(self) -> entry_pb2.Entry:
        """The entry; empty where it is sealed."""
        return parse_entry(self.data) if self.data else entry_pb2.Entry()


@dataclass(frozen=True, slots=True)
class Day:
    """A closed day: its entry, and the two proofs of its map."""

    day: date
    first: int
    end: int
    closed: Access
    person: RowsProof
    everyone: RowsProof
    count: int
    count_all: int


@dataclass(frozen=True, slots=True)
class Traces:
    """All that one body's ledger holds about the person, verified.

    Attributes:
        days: The closed days, each proved whole, without a gap.
        read_time: When this was read, by the body's clock.
        open_from: Of the entries from here on no day is closed: what is shown of them is proved to
            be there, not to be all.
        witnessed_size: Entries that enough witnesses saw; 0 where they saw none.
    """

    body: BodyId
    person_key: bytes
    head: Checkpoint
    witnessed_size: int
    read_time: datetime
    days: tuple[Day, ...]
    open_from: int
    accesses: tuple[Access, ...]

    @property
    def own(self) -> Iterator[Access]:
        """Those about the person."""
        return (one for one in self.accesses if not one.context)

    def key_of(self, day: date) -> bytes:
        """The person's trace key of a day, here."""
        return trace_key(self.person_key, self.body, day)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a person knows before they ask a node.

    Attributes:
        verifier: The body's ledger key.
        trust: Who witnesses, and how many are enough.
        rules: How long traces are kept, and what may be sealed.
        nonce: The one they signed in with.
    """

    body: BodyId
    verifier: NoteVerifier
    trust: TrustPolicy
    rules: TraceRules
    nonce: str


@dataclass(slots=True)
class _Reading:
    expected: Expected
    key: bytes = b""
    checkpoint: bytes = b""
    witnessed: bytes = b""
    head: Checkpoint | None = None
    seen: Checkpoint | None = None
    read: entry_pb2.Entry | None = None
    read_index: int = 0
    days: list[Day] = field(default_factory=list)
    accesses: list[Access] = field(default_factory=list)


def verify_traces(
    expected: Expected, parts: Iterable[persons_service_pb2.ListAccessesResponse]
) -> Traces:
    """All a node gave, whole and proved.

    Raises:
        IntegrityError: `BAD_HEAD`, `NOT_WITNESSED`, `BAD_PROOF`, `BAD_DAY_MAP`, `BAD_ENTRY`, …;
            `DAYS_MISSING`: a day that must be there is not; `LEFT_OUT`: an entry is not shown that
            its day counts; `NOT_ABOUT_YOU`: one is shown that is not the person's; `NOT_SHOWN`:
            one is hidden that no text lets be hidden now.
    """
    reading = _Reading(expected)
    for part in parts:
        kind = part.WhichOneof("part")
        if kind == "head" and reading.head is None:
            _read_head(reading, part.head)
        elif reading.head is None:
            raise IntegrityError("BAD_HEAD", "accesses: do not begin with one head")
        elif kind == "day" and not reading.accesses:
            _read_day(reading, part.day)
        elif kind == "access":
            _read_access(reading, part.access)
        else:
            raise IntegrityError("BAD_HEAD", "accesses: parts out of order")
    if reading.head is None or reading.read is None:
        raise IntegrityError("BAD_HEAD", "accesses: nothing came")
    return _concluded(reading, reading.head, reading.read)


def _read_head(reading: _Reading, head: persons_service_pb2.AccessHead) -> None:
    expected = reading.expected
    reading.key, reading.checkpoint, reading.witnessed = (
        head.person_key,
        head.checkpoint,
        head.witnessed,
    )
    if len(head.person_key) != _KEY_BYTES:
        raise IntegrityError("BAD_HEAD", "accesses: no key of the person")
    now = reading.head = verify_checkpoint(head.checkpoint, expected.verifier)
    if head.witnessed:
        reading.seen = seen = _witnessed(expected, head.witnessed)
        verify_consistency(seen.size, now.size, list(head.consistency), seen.root, now.root)
    receipt = head.read
    leaf = leaf_hash(receipt.entry)
    verify_inclusion(leaf, receipt.leaf_index, now.size, list(receipt.hashes), now.root)
    entry = reading.read = parse_entry(receipt.entry)
    reading.read_index = receipt.leaf_index
    own = trace_key(reading.key, expected.body, entry_day(receipt.entry))
    nonce_hash = sha256(expected.nonce.encode()).digest()
    if entry.person_read.nonce_hash != nonce_hash or own not in entry.person_read.trace_keys:
        raise IntegrityError("BAD_HEAD", "accesses: this reading was not entered as the person's")


def _witnessed(expected: Expected, note: bytes) -> Checkpoint:
    """The head that witnesses saw, who must be enough by the person's own policy."""
    head = verify_checkpoint(note, expected.verifier)
    seen = quorum_seconds(parse_note(note), expected.trust, expected.body)
    if expected.trust.asks and seen is None:
        raise IntegrityError("NOT_WITNESSED", f"body `{expected.body}`: too few saw its head")
    return head


def _prove(reading: _Reading, proof: persons_service_pb2.EntryProof) -> Access:
    """Raises `IntegrityError` unless the leaf stands where it is said to."""
    assert reading.head is not None  # noqa: S101 - the head came first
    seen = reading.seen
    in_seen = seen is not None and proof.leaf_index < seen.size
    head = seen if in_seen and seen is not None else reading.head
    leaf = leaf_hash(proof.entry) if proof.entry else proof.leaf_hash
    if proof.leaf_hash != leaf:
        raise IntegrityError("BAD_PROOF", f"entry {proof.leaf_index}: not of its leaf hash")
    verify_inclusion(leaf, proof.leaf_index, head.size, list(proof.hashes), head.root)
    return Access(
        index=proof.leaf_index,
        leaf=leaf,
        data=proof.entry,
        path=tuple(proof.hashes),
        checkpoint=reading.witnessed if in_seen else reading.checkpoint,
        witnessed=in_seen,
    )


def _read_day(reading: _Reading, proof: persons_service_pb2.DayProof) -> None:
    access = _prove(reading, proof.closed)
    entry = parse_entry(access.data)
    closed = entry.day_closed
    if entry.WhichOneof("kind") != "day_closed" or access.index < closed.end_index:
        raise IntegrityError("BAD_PROOF", f"entry {access.index}: closes no day before it")
    try:
        day = date.fromisoformat(closed.day)
    except ValueError as error:
        raise IntegrityError("BAD_ENTRY", f"entry {access.index}: closes no day") from error
    _check_follows(reading, day, closed)
    own = trace_key(reading.key, reading.expected.body, day)
    rows = [
        (one, parsed, verify_key(parsed, one, closed.map_rows, closed.map_root))
        for one, parsed in (
            (own, _rows(proof.person)),
            (EVERYONE, _rows(proof.everyone)),
        )
    ]
    counts = [0 if row is None else row.count for _, _, row in rows]
    reading.days.append(
        Day(day, closed.first_index, closed.end_index, access, rows[0][1], rows[1][1], *counts)
    )


def _check_follows(reading: _Reading, day: date, closed: entry_pb2.DayClosed) -> None:
    if closed.end_index < closed.first_index:
        raise IntegrityError("BAD_ENTRY", f"day {day}: ends before it begins")
    if reading.days:
        before = reading.days[-1]
        if day != before.day + _NEXT or closed.first_index != before.end:
            raise IntegrityError("DAYS_MISSING", f"days: {day} does not follow {before.day}")
        return
    # Of an older ledger the first days may be gone, once they need not be kept any more.
    assert reading.read is not None  # noqa: S101 - the head came first
    last_gone = datetime.combine(day - _NEXT, time(), UTC)
    gone_from = end_of(reading.expected.rules.retention.kept, last_gone)
    now = from_milliseconds(reading.read.entry_time_ms)
    if closed.first_index != 0 and gone_from > now:
        raise IntegrityError("DAYS_MISSING", f"days: those before {day} are still to be kept")


def _rows(proof: persons_service_pb2.RowsProof) -> RowsProof:
    return RowsProof(
        proof.first,
        tuple(ProvedRow(parse_row(one.row), tuple(one.hashes)) for one in proof.rows),
    )


def _read_access(reading: _Reading, given: persons_service_pb2.AccessEntry) -> None:
    access = _prove(reading, given.proof)
    if any(access.index == one.index for one in reading.accesses):
        raise IntegrityError("NOT_ABOUT_YOU", f"entry {access.index}: is given twice")
    about_all = False
    if access.data and not given.context:
        keys = traced_keys(parse_entry(access.data))
        own = trace_key(reading.key, reading.expected.body, entry_day(access.data))
        about_all = own not in keys
        if about_all and EVERYONE not in keys:
            raise IntegrityError("NOT_ABOUT_YOU", f"entry {access.index}: is not about the person")
    says = _said(access, given)
    reading.accesses.append(replace(access, about_all=about_all, context=given.context, says=says))


def _said(access: Access, given: persons_service_pb2.AccessEntry) -> str:
    """What was said, where the entry has its hash; nothing else is shown as such."""
    if not given.says_salt:
        return ""
    entry = parse_entry(access.data)
    part = getattr(entry, entry.WhichOneof("kind") or "")
    expected = getattr(part, "says_hash", b"")
    if sha256(given.says_salt + given.says.encode()).digest() != expected:
        raise IntegrityError("BAD_ENTRY", f"entry {access.index}: says something else")
    return given.says


def _concluded(reading: _Reading, head: Checkpoint, read: entry_pb2.Entry) -> Traces:
    now = from_milliseconds(read.entry_time_ms)
    days = reading.days
    if days and days[-1].day != now.date() - _NEXT:
        raise IntegrityError("DAYS_MISSING", f"days: none is closed after {days[-1].day}")
    accesses = [_unsealed(reading, one, now) for one in reading.accesses]
    own = sorted(one.index for one in accesses if not (one.context or one.about_all))
    everyone = sorted(
        one.index
        for one in accesses
        if not one.context and one.data and EVERYONE in traced_keys(one.entry)
    )
    for day in days:
        key = trace_key(reading.key, reading.expected.body, day.day)
        _check_row(day, _row_of(day.person, key), own)
        _check_row(day, _row_of(day.everyone, EVERYONE), everyone)
    open_from = days[-1].end if days else 0
    first = days[0].first if days else 0
    if reading.read_index not in own or any(index < first for index in own):
        raise IntegrityError("LEFT_OUT", "accesses: this very reading is not among them")
    seen, alone = reading.seen, not reading.expected.trust.asks
    return Traces(
        body=reading.expected.body,
        person_key=reading.key,
        head=head,
        witnessed_size=0 if seen is None or alone else seen.size,
        read_time=now,
        days=tuple(days),
        open_from=open_from,
        accesses=tuple(accesses),
    )


def _row_of(proof: RowsProof, key: bytes) -> Row | None:
    return next((one.row for one in proof.rows if one.row.key == key), None)


def _check_row(day: Day, row: Row | None, indexes: list[int]) -> None:
    shown = [index for index in indexes if day.first <= index < day.end]
    counted = 0 if row is None else row.count
    if len(shown) < counted:
        raise IntegrityError(
            "LEFT_OUT", f"day {day.day}: {len(shown)} entries shown where {counted} are counted"
        )
    if len(shown) > counted or (row is not None and hash_indexes(shown) != row.indexes_hash):
        raise IntegrityError("NOT_ABOUT_YOU", f"day {day.day}: other entries than are counted")


def _unsealed(reading: _Reading, access: Access, now: datetime) -> Access:
    """An entry that is hidden must be so under a text, for no longer than it lets it be."""
    if access.data:
        return access
    for other in reading.accesses:
        sealed = other.entry.entry_sealed
        if other.data and sealed.leaf_hash == access.leaf:
            until = from_milliseconds(sealed.until_ms)
            made = from_milliseconds(other.entry.entry_time_ms)
            longest = [
                end_of(one.at_most, made)
                for one in reading.expected.rules.sealed
                if one.text == sealed.text
            ]
            if now < until <= max(longest, default=now):
                return replace(access, sealed_until=until)
    raise IntegrityError("NOT_SHOWN", f"entry {access.index}: hidden, and no text lets it be")
