"""Laws that hold for any declaration, whatever is broken in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.declarations.conftest import NODES, Body
from tests.unit.declarations.written import BRUNO, Declaration, Folder, Pay, dsn_lines, recount

from cloison.declarations import FileRejectedError
from cloison.declarations.faults import Fault, Faults
from cloison.declarations.lines import Source
from cloison.declarations.neodes import Block, _Reader
from cloison.declarations.shapes import MOST_LINES, Shapes
from cloison.declarations.spelling import parse_cents
from cloison.errors import InputError, StorageError
from cloison.store import load_catalogue

CENTS = st.integers(-999_999_999, 999_999_999)
MESSAGE = "".join(f"{line}\n" for line in dsn_lines(Declaration())).encode("iso-8859-1")


def euros(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


@contextmanager
def fresh() -> Iterator[tuple[Body, Folder]]:
    with TemporaryDirectory() as name:
        path = Path(name)
        body = Body(path / "store.sqlite", load_catalogue(NODES / "cnav" / "catalogue.toml"))
        yield body, Folder(path)
        body.store.close()


@given(CENTS)
def test_parse_cents_reads_what_is_printed(cents: int) -> None:
    assert parse_cents(euros(cents)) == cents


@given(st.text(alphabet="0123456789.,-+_ e٣", max_size=12))
def test_parse_cents_accepts_one_spelling(text: str) -> None:
    try:
        cents = parse_cents(text)
    except InputError:
        return
    assert euros(cents) == text


@settings(max_examples=15, deadline=None)
@given(st.lists(CENTS, min_size=1, max_size=12))
def test_window_total_is_the_sum_of_what_was_declared(amounts: list[int]) -> None:
    declarations = [
        Declaration(
            (Pay(day=f"05{month:02d}2025", gross=euros(cents)),), month=f"01{month:02d}2025"
        )
        for month, cents in enumerate(amounts, 1)
    ]
    with fresh() as (body, folder):
        body.load(folder.dsn(*declarations))
        last = f"2025-{len(amounts):02d}"
        (total,) = body.fetch(
            "monthly_resources", ("gross",), "2025-01", last, "window-total"
        ).periods
    assert total.records[0].values == (sum(amounts),)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(MESSAGE) - 1), st.integers(0, 255))
def test_load_any_byte_changed_loads_or_is_refused_with_its_place(place: int, byte: int) -> None:
    data = MESSAGE[:place] + bytes([byte]) + MESSAGE[place + 1 :]
    with fresh() as (body, folder):
        try:
            report = body.load(folder.bytes(data))
        except FileRejectedError as error:
            assert 1 <= error.faults[0].line <= 34  # noqa: PT017 - loading is allowed too
            report = None
        held = body.store._database.connection.execute("SELECT count(*) FROM record").fetchone()
    assert held == (report.records if report else 0,)


def test_load_on_a_full_disk_keeps_nothing(cnav: Body, folder: Folder) -> None:
    run = cnav.store._database.connection.execute
    pages = run("PRAGMA page_count").fetchone()[0]
    run(f"PRAGMA max_page_count = {pages + 2}")
    pays = tuple(Pay(day=f"{day:02d}022026") for day in range(1, 29)) * 20
    with pytest.raises(StorageError) as caught:
        cnav.load(folder.dsn(Declaration(pays)))
    assert caught.value.reason == "STORE_WRITE"
    assert run("SELECT count(*) FROM load").fetchone() == (0,)


PERSONS = (Pay(), Pay(day="27022026"), Pay(BRUNO))
LINES = dsn_lines(
    Declaration(PERSONS),
    Declaration(PERSONS[:1], month="01032026", nic="90018"),
    Declaration((), month="01012026", nic="90018", kind="05", order=2),
)
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["drop", "twice", "move", "cut", "empty", "blank", "unknown"]),
        st.integers(0, len(LINES) - 1),
        st.integers(0, len(LINES) - 1),
    ),
    min_size=1,
    max_size=6,
)


def edit(lines: list[str], how: str, place: int, other: int) -> list[str]:
    place, other = place % len(lines), other % len(lines)
    line = lines[place]
    rest = [*lines[:place], *lines[place + 1 :]]
    match how:
        case "twice" | "unknown":
            new = line if how == "twice" else "S21.G00.77.001,'01'"
            return [*lines[:other], new, *lines[other:]]
        case "move":
            return [*rest[:other], line, *rest[other:]]
        case "cut":
            return [*lines[:place], line[: other % max(1, len(line))], *lines[place + 1 :]]
        case "empty":
            return [*lines[:place], line.partition(",")[0] + ",''", *lines[place + 1 :]]
        case "blank":
            return [*lines[:place], "", *lines[place + 1 :]]
    return rest or lines


class LineByLine(Shapes):
    def add(self, rubrics: tuple[str, ...]) -> None:
        """Learns none."""


def read(path: Path, shapes: Shapes) -> tuple[list[Block], list[tuple[int, str]], list[Fault]]:
    faults, kept = Faults(path.name), list[tuple[int, str]]()
    reader = _Reader(faults, lambda line, text: kept.append((line, text)))
    reader._shapes = shapes
    return list(reader.blocks(Source(path))), kept, sorted(faults._kept)


def lines_taken(path: Path) -> int:
    """How many lines of a file are taken one by one."""
    taken: list[str] = []

    class Counted(_Reader):
        def _take_line(self, line: str) -> Block | None:
            taken.append(line)
            return super()._take_line(line)

    assert list(Counted(Faults(""), lambda *_: None).blocks(Source(path)))
    return len(taken)


def test_read_blocks_takes_no_line_by_itself_once_its_shape_came(folder: Folder) -> None:
    few, many = (folder.dsn(Declaration((Pay(),) * count)) for count in (3, 300))
    assert lines_taken(few) == lines_taken(many)


def test_shapes_learnt_of_a_file_are_few_and_short_however_many_it_has() -> None:
    shapes = Shapes()
    for number in range(1, 900):
        shapes.add((f"S21.G00.50.{number:03d}",))
        shapes.add(("S21.G00.40.001", f"S21.G00.40.{number:03d}"))
        shapes.add(tuple(f"S21.G00.30.{one:03d}" for one in range(number)))
    few = len(shapes.find("S21.G00.40.001", ()))
    longest = max(one.lines for one in shapes.find("S21.G00.30.000", ()))
    assert (shapes.count, few, longest) == (256, 8, 8)
    shapes = Shapes()
    shapes.add(tuple(f"S21.G00.30.{one:03d}" for one in range(101)))
    assert shapes.count == 0


def test_read_blocks_remembers_no_more_of_a_block_that_goes_on_for_ever(folder: Folder) -> None:
    lines = [*LINES[:10], *["S21.G00.30.002,'Anne'"] * 20_000]
    reader = _Reader(Faults(""), lambda *_: None)
    list(reader.blocks(Source(folder.lines(lines))))
    assert len(reader._met) == MOST_LINES + 1


@settings(max_examples=200, deadline=None)
@given(EDITS, st.booleans())
def test_read_blocks_of_known_shapes_is_reading_line_by_line(
    edits: list[tuple[str, int, int]],
    counted: bool,
) -> None:
    lines = [*LINES[:-2], *LINES[10:]]
    for how, place, other in edits:
        lines = edit(lines, how, place, other)
    with TemporaryDirectory() as name:
        path = Folder(Path(name)).lines(recount(lines) if counted else lines)
        assert read(path, Shapes()) == read(path, LineByLine())


@settings(max_examples=200, deadline=None)
@given(EDITS)
def test_load_lines_dropped_moved_or_cut_are_loaded_or_rejected_by_line(
    edits: list[tuple[str, int, int]],
) -> None:
    lines = LINES
    for how, place, other in edits:
        lines = edit(lines, how, place, other)
    with fresh() as (body, folder):
        try:
            body.load(folder.dsn(Declaration(month="01012026", nic="90018")))
            records = 1 + body.load(folder.lines(recount([line or " " for line in lines]))).records
        except FileRejectedError as error:
            assert all(1 <= fault.line <= len(lines) for fault in error.faults)  # noqa: PT017
            assert len({*error.faults}) == len(error.faults)  # noqa: PT017
            records = 1
        held = body.store._database.connection.execute(
            "SELECT count(*) FROM record WHERE payload IS NOT NULL"
        ).fetchone()
    assert held == (records,)
