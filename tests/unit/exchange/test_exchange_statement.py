"""Reading a statement: one spelling, every limit, and laws over all statements."""

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloison.errors import CloisonError, InputError, PeerError
from cloison.exchange import limits
from cloison.exchange.statement import (
    check_persons,
    check_time,
    from_milliseconds,
    parse_statement,
    to_milliseconds,
)
from cloison.identity import parse_nir, person_digest
from cloison.law.question import Action
from cloison.v1 import statement_pb2

NOW = datetime(2026, 6, 16, tzinfo=UTC)
NIR = "255081416802538"
Statement = statement_pb2.Statement


def statement() -> Statement:
    return Statement(
        version=1,
        requester="caf",
        holder="cnav",
        activity="caf-ppa",
        purpose="calculation",
        legal_basis="decret-2025-1288",
        agent="batch",
        selection=statement_pb2.Selection(
            dataset="monthly_resources",
            fields=["mns", "nature"],
            first_month=202602,
            last_month=202604,
            granularity=statement_pb2.GRANULARITY_MONTH,
        ),
        person_digests=[bytes(32)],
        sealing_key_id=bytes(16),
        signed_time_ms=to_milliseconds(NOW),
        nonce=bytes(16),
    )


def printed(message: Statement) -> bytes:
    return message.SerializeToString(deterministic=True)


names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True).filter(
    lambda text: sum(map(str.isdigit, text)) < 13
)
bodies = st.from_regex(r"[a-z][a-z0-9-]{1,31}", fullmatch=True)
months = st.builds(
    lambda year, month: year * 100 + month, st.integers(2000, 2004), st.integers(1, 12)
)


@st.composite
def statements(draw: st.DrawFn) -> Statement:
    """Any statement the wire accepts."""
    first, last = sorted((draw(months), draw(months)))
    local = draw(st.booleans())
    requester = draw(bodies)
    cohort = not local and draw(st.booleans())
    made = Statement(
        version=1,
        requester=requester,
        holder=requester if local else draw(bodies),
        activity=draw(names),
        purpose=draw(names),
        legal_basis=draw(names),
        agent=draw(st.sampled_from(["batch", "abcdefghijklmnop" * 2])),
        selection=statement_pb2.Selection(
            dataset=draw(names),
            fields=sorted(draw(st.sets(names, min_size=1, max_size=5))),
            first_month=first,
            last_month=last,
            granularity=draw(st.integers(1, 4)),  # type: ignore[arg-type]
        ),
        case_leaf_hash=draw(st.sampled_from([b"", bytes(32)])),
        sealing_key_id=draw(st.binary(min_size=16, max_size=16)),
        signed_time_ms=draw(st.integers(0, 4 * 10**12)),
        nonce=draw(st.binary(min_size=16, max_size=16)),
    )
    if local:
        made.selection.received.from_holder = draw(bodies)
        made.selection.received.received_for = draw(names)
        made.selection.received.received_by = draw(names)
    if cohort:
        made.cohort.size, made.cohort.batch_persons = draw(st.integers(1, 10**6)), 500
    else:
        digests = st.sets(st.binary(min_size=32, max_size=32), min_size=1, max_size=8)
        made.person_digests.extend(sorted(draw(digests)))
    return made


@given(statements())
def test_parse_statement_reads_what_was_printed(message: Statement) -> None:
    raw = printed(message)
    read = parse_statement(raw)
    question = read.question
    assert read.raw == raw
    assert (question.purpose, question.activity) == (message.purpose, message.activity)
    assert list(question.fields) == list(message.selection.fields)
    assert list(read.person_digests) == list(message.person_digests)
    assert to_milliseconds(read.signed_time) == message.signed_time_ms
    assert (question.action is Action.READ_RECEIVED) == message.selection.HasField("received")
    assert (read.cohort is not None) == message.HasField("cohort")


@given(statements(), st.data())
def test_parse_statement_any_changed_byte_is_refused_or_is_another_statement(
    message: Statement, data: st.DataObject
) -> None:
    raw = bytearray(printed(message))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    try:
        read = parse_statement(bytes(raw))
    except InputError:
        return
    assert read.hash != parse_statement(printed(message)).hash


@given(st.binary(max_size=300))
def test_parse_statement_any_bytes_are_refused_with_a_reason_or_read(raw: bytes) -> None:
    with suppress(InputError):
        assert parse_statement(raw).raw == raw


def _set(path: str, value: object) -> Callable[[Statement], None]:
    def change(message: Statement) -> None:
        *parents, name = path.split(".")
        target: object = message
        for parent in parents:
            target = getattr(target, parent)
        setattr(target, name, value)

    return change


def _extend(name: str, values: list[object]) -> Callable[[Statement], None]:
    def change(message: Statement) -> None:
        getattr(message, name).extend(values)

    return change


def _fields(*fields: str) -> Callable[[Statement], None]:
    def change(message: Statement) -> None:
        message.selection.fields[:] = fields

    return change


def _cohort(**values: object) -> Callable[[Statement], None]:
    def change(message: Statement) -> None:
        del message.person_digests[:]
        message.cohort.size, message.cohort.batch_persons = 10, 10
        for name, value in values.items():
            setattr(message.cohort, name, value)

    return change


def _cohort_of_received(message: Statement) -> None:
    _cohort()(message)
    message.holder = message.requester
    message.selection.received.from_holder = "cnav"
    message.selection.received.received_for = "calculation"
    message.selection.received.received_by = "caf-ppa"


def _cohort_with_persons(message: Statement) -> None:
    message.cohort.size, message.cohort.batch_persons = 10, 10


def _received_elsewhere(message: Statement) -> None:
    message.selection.received.from_holder = "cnav"
    message.selection.received.received_for = "calculation"
    message.selection.received.received_by = "caf-ppa"


BAD = [
    ("version", _set("version", 2), "MALFORMED"),
    ("requester", _set("requester", "CAF"), "BAD_BODY"),
    ("holder", _set("holder", ""), "BAD_BODY"),
    ("activity", _set("activity", ""), "MALFORMED"),
    ("activity too long", _set("activity", "a" * 65), "MALFORMED"),
    ("purpose in capitals", _set("purpose", "Calculation"), "MALFORMED"),
    ("purpose with a NIR", _set("purpose", NIR), "MALFORMED"),
    ("basis with a newline", _set("legal_basis", "decret\n"), "MALFORMED"),
    ("dataset with an accent", _set("selection.dataset", "é"), "MALFORMED"),
    ("agent in clear", _set("agent", "dupont"), "MALFORMED"),
    ("agent of digits", _set("agent", "0f" * 16), "MALFORMED"),
    ("agent in capitals", _set("agent", "A" * 32), "MALFORMED"),
    ("no fields", _fields(), "MALFORMED"),
    ("fields unsorted", _fields("nature", "mns"), "MALFORMED"),
    ("fields twice", _fields("mns", "mns"), "MALFORMED"),
    ("field empty", _fields(""), "MALFORMED"),
    ("65 fields", _fields(*(f"f{place:02d}" for place in range(65))), "TOO_LARGE"),
    ("month 13", _set("selection.last_month", 202613), "BAD_MONTH"),
    ("month 0", _set("selection.first_month", 0), "BAD_MONTH"),
    ("months reversed", _set("selection.last_month", 202601), "MALFORMED"),
    ("61 months", _set("selection.first_month", 202104), "TOO_LARGE"),
    ("granularity unset", _set("selection.granularity", 0), "MALFORMED"),
    ("granularity unknown", _set("selection.granularity", 9), "MALFORMED"),
    ("received elsewhere", _received_elsewhere, "MALFORMED"),
    ("digest short", _extend("person_digests", [bytes(31)]), "MALFORMED"),
    ("digest twice", _extend("person_digests", [bytes(32)]), "MALFORMED"),
    (
        "9 persons",
        _extend("person_digests", [bytes([place]) * 32 for place in range(1, 9)]),
        "TOO_LARGE",
    ),
    ("case leaf short", _set("case_leaf_hash", bytes(31)), "MALFORMED"),
    ("key id missing", _set("sealing_key_id", b""), "MALFORMED"),
    ("nonce short", _set("nonce", bytes(15)), "MALFORMED"),
    ("time out of range", _set("signed_time_ms", 2**62), "MALFORMED"),
    ("cohort of none", _cohort(size=0), "MALFORMED"),
    ("cohort too large", _cohort(size=limits.COHORT_PERSONS + 1), "TOO_LARGE"),
    ("batch of none", _cohort(batch_persons=0), "MALFORMED"),
    ("batch too large", _cohort(batch_persons=501), "TOO_LARGE"),
    ("cohort case without month", _cohort(case_type="claim"), "MALFORMED"),
    ("cohort month without case", _cohort(case_month=202606), "MALFORMED"),
    ("cohort case month 13", _cohort(case_type="claim", case_month=202613), "BAD_MONTH"),
    ("cohort with persons", _cohort_with_persons, "MALFORMED"),
    ("cohort of received data", _cohort_of_received, "MALFORMED"),
]


@pytest.mark.parametrize(
    ("change", "reason"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_parse_statement_outside_its_limits_is_refused(
    change: Callable[[Statement], None], reason: str
) -> None:
    message = statement()
    change(message)
    with pytest.raises(InputError) as caught:
        parse_statement(printed(message))
    assert caught.value.reason == reason
    assert NIR not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        _set("selection.first_month", 202105),
        _fields(*(f"f{place:02d}" for place in range(64))),
        _extend("person_digests", [bytes([place]) * 32 for place in range(1, 8)]),
        _cohort(size=limits.COHORT_PERSONS, batch_persons=500),
        _cohort(case_type="claim", case_month=202606),
        _set("agent", "ap" * 16),
    ],
    ids=["60 months", "64 fields", "8 persons", "largest cohort", "cohort of a case", "agent"],
)
def test_parse_statement_at_its_limits_is_read(change: Callable[[Statement], None]) -> None:
    message = statement()
    change(message)
    assert parse_statement(printed(message)).raw == printed(message)


@pytest.mark.parametrize("milliseconds", [60_000, 0, -60_000])
def test_check_time_within_a_minute_holds(milliseconds: int) -> None:
    check_time(parse_statement(printed(statement())), NOW + timedelta(milliseconds=milliseconds))


@pytest.mark.parametrize(
    ("milliseconds", "reason"),
    [(60_001, "STATEMENT_TOO_OLD"), (-60_001, "STATEMENT_FROM_THE_FUTURE")],
)
def test_check_time_beyond_a_minute_is_refused(milliseconds: int, reason: str) -> None:
    read = parse_statement(printed(statement()))
    with pytest.raises(PeerError) as caught:
        check_time(read, NOW + timedelta(milliseconds=milliseconds))
    assert caught.value.reason == reason


@given(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)))  # noqa: DTZ001 - made aware below
def test_milliseconds_and_back_is_the_same_to_the_millisecond(time: datetime) -> None:
    aware = time.replace(tzinfo=UTC, microsecond=time.microsecond // 1000 * 1000)
    assert from_milliseconds(to_milliseconds(aware)) == aware


def reference(salt: bytes, nir: str = NIR) -> statement_pb2.PersonReference:
    return statement_pb2.PersonReference(nir=nir, salt=salt)


@given(st.binary(min_size=32, max_size=32), st.integers(0, 255))
def test_check_persons_any_changed_bit_of_a_digest_or_salt_is_refused(
    salt: bytes, bit: int
) -> None:
    def flipped(value: bytes) -> bytes:
        return (int.from_bytes(value, "big") ^ 1 << bit).to_bytes(32, "big")

    digest = person_digest(salt, parse_nir(NIR))
    check_persons([digest], [reference(salt)])
    for digests, persons in (
        ([flipped(digest)], [reference(salt)]),
        ([digest], [reference(flipped(salt))]),
    ):
        with pytest.raises(PeerError) as caught:
            check_persons(digests, persons)
        assert caught.value.reason == "DIGEST_MISMATCH"


def test_check_persons_bad_input_is_refused_with_its_reason() -> None:
    salt = os.urandom(32)
    digest = person_digest(salt, parse_nir(NIR))
    table: list[tuple[list[bytes], list[statement_pb2.PersonReference], str]] = [
        ([digest], [], "MALFORMED"),
        ([digest], [reference(salt[:31])], "MALFORMED"),
        ([digest], [reference(salt, "not a nir")], "BAD_NIR"),
        ([digest, digest], [reference(salt), reference(salt)], "SALT_REUSED"),
    ]
    for digests, persons, reason in table:
        with pytest.raises(CloisonError) as caught:
            check_persons(digests, persons)
        assert caught.value.reason == reason


def table_statement() -> Statement:
    """A statement about a table, which names nobody."""
    made = statement()
    del made.person_digests[:]
    made.selection.granularity = statement_pb2.GRANULARITY_TABLE
    made.table.table, made.table.period, made.table.epsilon = "cnav-income", "2026-03", "1/2"
    return made


def test_parse_statement_table_names_nobody_and_is_read_as_spelled() -> None:
    read = parse_statement(printed(table_statement()))
    assert read.table is not None
    assert (read.table.table, read.table.period, read.table.epsilon) == (
        "cnav-income",
        "2026-03",
        "1/2",
    )
    assert read.person_digests == ()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda one: one.person_digests.append(bytes(32)),
        lambda one: one.ClearField("table"),
        lambda one: one.cohort.MergeFrom(statement_pb2.Cohort(size=100, batch_persons=100)),
        lambda one: one.MergeFrom(Statement(case_leaf_hash=bytes(32))),
        lambda one: one.selection.MergeFrom(
            statement_pb2.Selection(granularity=statement_pb2.GRANULARITY_MONTH)
        ),
        lambda one: one.table.MergeFrom(statement_pb2.TableQuestion(table="Table!")),
        lambda one: one.table.MergeFrom(statement_pb2.TableQuestion(period="2550814168025")),
        lambda one: one.table.MergeFrom(statement_pb2.TableQuestion(epsilon="nan")),
        lambda one: one.table.MergeFrom(statement_pb2.TableQuestion(epsilon="0.5")),
        lambda one: one.table.MergeFrom(statement_pb2.TableQuestion(epsilon="-1")),
    ],
)
def test_parse_statement_bad_table_is_refused(spoil: Callable[[Statement], None]) -> None:
    made = table_statement()
    spoil(made)
    with pytest.raises(InputError) as refusal:
        parse_statement(printed(made))
    assert refusal.value.reason == "MALFORMED"
