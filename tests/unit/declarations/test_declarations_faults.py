"""A rejected file comes back with everything wrong in it: each fault once, in order, bounded."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.declarations.conftest import Body
from tests.unit.declarations.written import ANNE, BRUNO, SIRET, Declaration, Folder, Pay, dsn_lines

from cloison.declarations import FileRejectedError
from cloison.declarations.faults import MOST_FAULTS, Faults
from cloison.declarations.lines import LATIN, Source, read_chunks
from cloison.errors import InputError

Found = list[tuple[int, str, str]]


def found(body: Body, path: Path) -> Found:
    return [(fault.line, fault.place, fault.reason) for fault in body.faults(path)]


def edited(edits: dict[int, str], *declarations: Declaration) -> list[str]:
    """Lines of a message, numbered from 1, some written anew."""
    lines = dsn_lines(*(declarations or (Declaration((Pay(), Pay(BRUNO))),)))
    return [edits.get(number, line) for number, line in enumerate(lines, 1)]


def test_load_message_with_several_faults_says_each_in_order(cnav: Body, folder: Folder) -> None:
    edits = {
        4: "S10.G00.02.002,Paie",
        20: "S21.G00.50.001,'30022026'",
        24: "S21.G00.51.001,'1 fevrier'",
        33: "S21.G00.30.001,'2850675'",
        48: "S21.G00.51.013,'12,00'",
        53: "S90.G00.90.001,'50'",
    }
    assert found(cnav, folder.lines(edited(edits))) == [
        (4, "S10.G00.02.002", "BAD_LINE"),
        (20, "S21.G00.50", "BAD_DATE"),
        (24, "S21.G00.51.001", "BAD_DATE"),
        (33, "S21.G00.30.001", "BAD_NIR"),
        (48, "S21.G00.51.013", "BAD_AMOUNT"),
        (53, "S90.G00.90.001", "WRONG_COUNT"),
    ]


ONE_CAUSE: dict[str, tuple[dict[int, str], Found]] = {
    "a company that is none, said of no payment": (
        {10: "S21.G00.06.001,'000000108'"},
        [(12, "S21.G00.11", "BAD_SIRET")],
    ),
    "a company misspelled": (
        {10: "S21.G00.06.001,'109'"},
        [(10, "S21.G00.06.001", "BAD_NUMBER")],
    ),
    "a number that is none, said of no payment": (
        {13: "S21.G00.30.001,'2851375000001'"},
        [(13, "S21.G00.30", "BAD_NIR")],
    ),
    "the first line of a block unreadable": ({13: "NIR : 2850675000001"}, [(13, "", "BAD_LINE")]),
    "a whole block unreadable": ({12: "S21.G00.11"}, [(12, "", "BAD_LINE")]),
    "an amount without its value": (
        {28: "S21.G00.51.013,''"},
        [(28, "S21.G00.51.013", "BAD_LINE")],
    ),
    "the day of a payment without its value": (
        {20: "S21.G00.50.001,''"},
        [(20, "S21.G00.50.001", "BAD_LINE")],
    ),
    "a nature no dataset takes, said once": (
        {5: "S20.G00.05.001,'04'"},
        [(5, "S20.G00.05", "UNKNOWN_NATURE")],
    ),
    "two rubrics the wrong way round": (
        {7: "S20.G00.05.004,'1'", 8: "S20.G00.05.003,'11'"},
        [(8, "S20.G00.05.003", "RUBRIC_ORDER")],
    ),
    "a nature misspelled": ({5: "S20.G00.05.001,'1'"}, [(5, "S20.G00.05.001", "BAD_CODE")]),
}


@pytest.mark.parametrize("name", ONE_CAUSE)
def test_load_one_cause_is_said_once(name: str, cnav: Body, folder: Folder) -> None:
    edits, expected = ONE_CAUSE[name]
    assert found(cnav, folder.lines(edited(edits))) == expected


def test_load_blocks_out_of_place_are_each_said_once(cnav: Body, folder: Folder) -> None:
    first, second = Declaration(), Declaration(month="01012026", nic="90018")
    lines = dsn_lines(first, second)
    # The second declaration lost its head: a second company in the first.
    lines = [line for at, line in enumerate(lines) if not 32 <= at < 37]
    lines[-2:] = [f"S90.G00.90.001,'{len(lines)}'", "S90.G00.90.002,'1'"]
    assert found(cnav, folder.lines(lines)) == [(33, "S21.G00.06", "BLOCK_TWICE")]


def test_load_establishment_missing_is_said_once(cnav: Body, folder: Folder) -> None:
    lines = dsn_lines(Declaration(), Declaration(nic="90018"))
    del lines[39]
    lines[-2] = f"S90.G00.90.001,'{len(lines)}'"
    assert found(cnav, folder.lines(lines)) == [(40, "S21.G00.30", "MISSING_BLOCK")]


def test_load_contract_after_its_payment_is_said_once(cnav: Body, folder: Folder) -> None:
    pay = Pay().lines()
    lines = dsn_lines()[:-2] + Declaration(()).lines() + pay[:4] + pay[7:] + pay[4:7]
    lines += [*Pay(BRUNO).lines()]
    lines += [f"S90.G00.90.001,'{len(lines) + 2}'", "S90.G00.90.002,'1'"]
    assert found(cnav, folder.lines(lines)) == [(30, "S21.G00.40", "BLOCK_ORDER")]


def test_load_cancel_that_names_many_is_said_once(cnav: Body, folder: Folder) -> None:
    cnav.load(folder.dsn(Declaration()))
    path = folder.dsn(Declaration((Pay(), Pay(BRUNO)), kind="05", order=2))
    assert [reason for _, _, reason in found(cnav, path)] == ["CANCEL_WITH_PERSONS"]


def test_load_table_with_several_faults_says_each_column(dgfip: Body, folder: Folder) -> None:
    good = f"{ANNE};2026-02;{SIRET};1.00"
    rows = [good, f"{ANNE};2026-13;1234;1,00", good, "too;few", f"{BRUNO[:-1]};2026-02;{SIRET};"]
    path = folder.table("withholding", "nir;month;payer;amount", *rows)
    assert found(dgfip, path) == [
        (4, "amount", "BAD_AMOUNT"),
        (4, "month", "BAD_MONTH"),
        (4, "payer", "BAD_SIRET"),
        (5, "", "DUPLICATE_LINE"),
        (6, "", "WRONG_COLUMNS"),
        (7, "amount", "MISSING_VALUE"),
        (7, "nir", "BAD_NIR"),
    ]


def test_load_more_faults_than_are_shown_counts_the_rest(cnav: Body, folder: Folder) -> None:
    pays = tuple(Pay(day=f"{day:02d}022026", gross="much") for day in range(1, 29)) * 80
    with pytest.raises(FileRejectedError, match=r"2240 errors.*(?s:.*)and 1240 more") as caught:
        cnav.load(folder.dsn(Declaration(pays)))
    assert (len(caught.value.faults), caught.value.more) == (MOST_FAULTS, 2240 - MOST_FAULTS)
    lines = [fault.line for fault in caught.value.faults]
    assert lines == sorted(lines)


def test_faults_added_out_of_order_keep_the_first_by_line() -> None:
    faults = Faults("file")
    for line in range(5 * MOST_FAULTS, 0, -1):
        faults.add(line, "", InputError("BAD_LINE", "wrong"))
    with pytest.raises(FileRejectedError) as caught:
        faults.check()
    lines = [fault.line for fault in caught.value.faults]
    assert (lines, caught.value.more) == (list(range(1, MOST_FAULTS + 1)), 4 * MOST_FAULTS)


class Endless(Source):
    """A right line, then one of so many megabytes, then another right one."""

    def __init__(self, megabytes: int) -> None:
        super().__init__(Path("endless.dsn"))
        self._megabytes = megabytes

    def chunks(self) -> Iterator[bytes]:
        yield b"S10.G00.00.001,'a'\nS10.G00.00.002,'"
        yield from (b"a" * (1 << 20) for _ in range(self._megabytes))
        yield b"'\nS10.G00.00.003,'c'\n"


def test_read_chunks_line_without_end_is_passed_by_in_bounded_memory() -> None:
    faults = Faults("endless.dsn")
    tracemalloc.start()
    lines = "\n".join(read_chunks(Endless(512), LATIN, faults)).split("\n")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert lines == ["S10.G00.00.001,'a'", "", "S10.G00.00.003,'c'"]
    with pytest.raises(FileRejectedError) as caught:
        faults.check()
    assert [(fault.line, fault.reason) for fault in caught.value.faults] == [(2, "LINE_TOO_LONG")]
    assert most < 8 << 20
