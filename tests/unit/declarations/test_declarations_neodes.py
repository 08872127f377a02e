"""NEODeS messages: every bad input by its name, refused with file and line, nothing kept."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.declarations.conftest import Body, said
from tests.unit.declarations.written import ANNE, Declaration, Folder, Pay, dsn_lines, recount

from cloison.declarations.faults import Faults
from cloison.declarations.lines import LINE_BYTES, Source
from cloison.declarations.neodes import read_blocks
from cloison.errors import StorageError

Break = Callable[[list[str]], list[str]]


def change(start: str, new: str) -> Break:
    """Puts another line in the place of the first that begins so."""

    def broken(lines: list[str]) -> list[str]:
        place = next(at for at, line in enumerate(lines) if line.startswith(start))
        return [*lines[:place], new, *lines[place + 1 :]]

    return broken


def drop(start: str) -> Break:
    """Leaves out every line that begins so, and counts right."""
    return lambda lines: recount([line for line in lines if not line.startswith(start)])


def insert(before: str, *new: str) -> Break:
    """Adds lines before the first that begins so, and counts right."""

    def broken(lines: list[str]) -> list[str]:
        place = next(at for at, line in enumerate(lines) if line.startswith(before))
        return recount([*lines[:place], *new, *lines[place:]])

    return broken


BAD: dict[str, tuple[Break, str, str]] = {
    "lines counted wrong": (
        change("S90.G00.90.001", "S90.G00.90.001,'31'"),
        "WRONG_COUNT",
        r"file-1\.dsn:33: S90\.G00\.90\.001: ",
    ),
    "declarations counted wrong": (
        change("S90.G00.90.002", "S90.G00.90.002,'2'"),
        "WRONG_COUNT",
        r"file-1\.dsn:33: S90\.G00\.90\.002: ",
    ),
    "count with a leading zero": (
        change("S90.G00.90.002", "S90.G00.90.002,'01'"),
        "BAD_NUMBER",
        r"file-1\.dsn:34: S90\.G00\.90\.002: ",
    ),
    "no envelope": (drop("S10.G00.00"), "MISSING_BLOCK", r":1: S10\.G00\.01: block S10\.G00\.00"),
    "no sender": (drop("S10.G00.01"), "MISSING_BLOCK", r":3: S10\.G00\.02: block S10\.G00\.01"),
    "no company": (drop("S21.G00.06"), "MISSING_BLOCK", r"S21\.G00\.11: block S21\.G00\.06"),
    "no establishment": (drop("S21.G00.11"), "MISSING_BLOCK", r"block S21\.G00\.11 is missing"),
    "no individual": (drop("S21.G00.30"), "MISSING_BLOCK", r"block S21\.G00\.30 is missing"),
    "no payment": (drop("S21.G00.50"), "MISSING_BLOCK", r"block S21\.G00\.50 is missing"),
    "no end": (drop("S90"), "TRUNCATED", r":32: .*without block S90"),
    "end cut short": (drop("S90.G00.90.002"), "MISSING_RUBRIC", r"S90\.G00\.90\.002"),
    "unknown block without a value": (
        insert("S21.G00.40", "S21.G00.99.001,''"),
        "BAD_LINE",
        r":17: S21\.G00\.99\.001: ",
    ),
    "unknown block after the end": (
        lambda lines: recount([*lines, "S21.G00.99.001,'1'"]),
        "BLOCK_ORDER",
        r":35: S21\.G00\.99: .*ends the message",
    ),
    "contract after payment": (
        insert("S90", "S21.G00.40.001,'01092020'", "S21.G00.40.009,'1'"),
        "BLOCK_ORDER",
        r"comes after S21\.G00\.50",
    ),
    "two companies": (
        insert("S21.G00.30", "S21.G00.06.001,'000000109'"),
        "BLOCK_TWICE",
        r":13: S21\.G00\.06: ",
    ),
    "payment without its day": (drop("S21.G00.50.001"), "MISSING_RUBRIC", r"S21\.G00\.50\.001"),
    "declaration without month": (drop("S20.G00.05.005"), "MISSING_RUBRIC", r"S20\.G00\.05\.005"),
    "a line after the end": (
        lambda lines: recount([*lines, "S21.G00.50.001,'28022026'"]),
        "BLOCK_ORDER",
        r":35: S21\.G00\.50: .*ends the message",
    ),
    "amount with a comma": (
        change("S21.G00.51.013", "S21.G00.51.013,'1800,00'"),
        "BAD_AMOUNT",
        r"file-1\.dsn:28: S21\.G00\.51\.013: not an amount",
    ),
    "amount with one decimal": (
        change("S21.G00.50.002", "S21.G00.50.002,'1450.0'"),
        "BAD_AMOUNT",
        r"S21\.G00\.50\.002",
    ),
    "amount with an underscore": (
        change("S21.G00.50.002", "S21.G00.50.002,'1_450.00'"),
        "BAD_AMOUNT",
        r"S21\.G00\.50\.002",
    ),
    "amount in other digits": (
        change("S21.G00.50.002", "S21.G00.50.002,'+1450.00'"),
        "BAD_AMOUNT",
        r"S21\.G00\.50\.002",
    ),
    "a day that is none": (
        change("S21.G00.50.001", "S21.G00.50.001,'30022026'"),
        "BAD_DATE",
        r"file-1\.dsn:20: S21\.G00\.50: no such day",
    ),
    "a month that is none": (
        change("S20.G00.05.005", "S20.G00.05.005,'01132026'"),
        "BAD_MONTH",
        r"S20\.G00\.05\.005",
    ),
    "not a NIR": (
        change("S21.G00.30.001", f"S21.G00.30.001,'{ANNE[:3]}13{ANNE[5:13]}'"),
        "BAD_NIR",
        r"file-1\.dsn:13: S21\.G00\.30: nir: not a NIR",
    ),
    "a NIR with its key": (
        change("S21.G00.30.001", f"S21.G00.30.001,'{ANNE}'"),
        "BAD_NIR",
        r"file-1\.dsn:13: S21\.G00\.30\.001: not a NIR without its key\n.*13 characters",
    ),
    "not a SIRET": (
        change("S21.G00.06.001", "S21.G00.06.001,'000000108'"),
        "BAD_SIRET",
        r"file-1\.dsn:12: S21\.G00\.11: ",
    ),
    "a NIR as a contract's number": (
        lambda lines: [line.replace("'00001'", f"'C-{ANNE}'") for line in lines],
        "NIR_IN_TEXT",
        r"S21\.G00\.50: contract: holds a person's number",
    ),
    "the person's number as a contract's, without its key": (
        lambda lines: [line.replace("'00001'", f"'C-{ANNE[:13]}'") for line in lines],
        "NIR_IN_TEXT",
        r"file-1\.dsn:20: S21\.G00\.50: a value holds the person's number",
    ),
    "a nature no dataset takes": (
        change("S20.G00.05.001", "S20.G00.05.001,'04'"),
        "UNKNOWN_NATURE",
        r":5: S20\.G00\.05: ",
    ),
    "a type that is none": (
        change("S20.G00.05.002", "S20.G00.05.002,'09'"),
        "UNKNOWN_TYPE",
        r":12: S21\.G00\.11: ",
    ),
    "no quotes": (
        change("S10.G00.02", "S10.G00.02.002,Paie"),
        "BAD_LINE",
        r":4: S10\.G00\.02\.002",
    ),
    "no value": (change("S10.G00.02", "S10.G00.02.002,''"), "BAD_LINE", r":4: S10\.G00\.02\.002"),
    "no comma": (change("S10.G00.02", "S10.G00.02.002"), "BAD_LINE", r":4: "),
    "an empty line": (insert("S10.G00.02", ""), "BAD_LINE", r":4: no rubric"),
    "a rubric misspelled": (
        change("S10.G00.02", "S10.G00.2.002,'Paie'"),
        "BAD_LINE",
        r":4: no rubric",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_load_bad_message_refused_with_line_and_nothing_kept(
    name: str, cnav: Body, folder: Folder
) -> None:
    make_bad, reason, where = BAD[name]
    path = folder.lines(make_bad(dsn_lines(Declaration())))
    fault = cnav.fault(path)
    assert fault.reason == reason
    assert re.search(where, said(path, fault))
    assert ANNE[:-2] not in said(path, fault)
    assert _tables_filled(cnav) == set()


def _tables_filled(body: Body) -> set[str]:
    run = body.store._database.connection.execute
    return {
        table
        for table in ("load", "slot", "record", "coverage", "identity", "vault")
        if run(f"SELECT 1 FROM {table}").fetchone()  # noqa: S608 - names written above
    }


ENCODINGS: dict[str, tuple[bytes, bytes, str]] = {
    "one name in UTF-8": (b"\xc9t\xe9", "Été".encode(), "BAD_ENCODING"),
    "Windows quotes": (b"O'Brien", b"O\x92Brien", "BAD_ENCODING"),
    "a tab": (b"O'Brien", b"O\tBrien", "BAD_ENCODING"),
    "a NUL": (b"O'Brien", b"O\0Brien", "BAD_ENCODING"),
    "Windows line ends": (b"\n", b"\r\n", "BAD_ENCODING"),
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_load_mixed_encodings_refused_at_their_line(name: str, cnav: Body, folder: Folder) -> None:
    old, new, reason = ENCODINGS[name]
    data = folder.dsn(Declaration()).read_bytes()
    first_line = data[: data.index(old)].count(b"\n") + 1
    fault = cnav.fault(folder.bytes(data.replace(old, new)))
    assert (fault.line, fault.reason) == (first_line, reason)


def test_load_message_cut_at_any_line_is_refused(cnav: Body, folder: Folder) -> None:
    lines = dsn_lines(Declaration())
    for count in range(1, len(lines)):
        assert cnav.faults(folder.lines(lines[:count]))
    assert _tables_filled(cnav) == set()


def test_load_message_cut_within_a_line_is_truncated(cnav: Body, folder: Folder) -> None:
    data = folder.dsn(Declaration()).read_bytes()
    fault = cnav.fault(folder.bytes(data[:-1]))
    assert (fault.line, fault.reason) == (34, "TRUNCATED")


def test_load_empty_file_is_no_known_format(cnav: Body, folder: Folder) -> None:
    assert cnav.fault(folder.bytes(b"")).reason == "UNKNOWN_FORMAT"


@pytest.mark.parametrize("length", [LINE_BYTES + 1, 2_000_000], ids=["by little", "by far"])
def test_load_line_too_long_is_refused(length: int, cnav: Body, folder: Folder) -> None:
    data = folder.dsn(Declaration()).read_bytes()
    fault = cnav.fault(folder.bytes(data.replace(b"O'Brien", b"a" * length)))
    assert (fault.line, fault.reason) == (14, "LINE_TOO_LONG")


def test_read_blocks_right_message_gives_blocks_with_their_lines(folder: Folder) -> None:
    path = folder.dsn(Declaration())
    blocks = [
        (block.name, block.line) for block in read_blocks(Source(path), Faults(path.name), print)
    ]
    assert blocks[3:] == [
        ("S20.G00.05", 5),
        ("S21.G00.06", 10),
        ("S21.G00.11", 12),
        ("S21.G00.30", 13),
        ("S21.G00.40", 17),
        ("S21.G00.50", 20),
        ("S21.G00.51", 24),
        ("S21.G00.58", 29),
        ("S21.G00.58", 31),
        ("S90.G00.90", 33),
    ]


def test_read_blocks_over_chunks_counts_lines_on(folder: Folder) -> None:
    pays = tuple(Pay(day=f"{day:02d}022026") for day in range(1, 29)) * 140
    path = folder.dsn(Declaration(pays))
    assert path.stat().st_size > 1 << 20
    last = list(read_blocks(Source(path), Faults(path.name), print))[-1]
    assert last.values["S90.G00.90.001"] == str(last.line + 1)


def test_load_file_that_is_not_there_is_a_storage_error(cnav: Body, tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        cnav.load(tmp_path / "none.dsn")
    assert caught.value.reason == "FILE_READ"
