"""Parquet files: the same records as the tables and messages, and the same refusals."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.declarations.columns import content, declared, pay
from tests.unit.declarations.conftest import NODES, Body
from tests.unit.declarations.written import ANNE, BRUNO

from cloison.declarations.columnar import read_cells
from cloison.declarations.faults import Faults
from cloison.declarations.lines import Source
from cloison.errors import InputError
from cloison.population.make import make_population
from cloison.population.plan import Form
from cloison.store import Catalogue, load_catalogue

BODIES = ("caf", "cnav", "dgfip", "msa")
PENSION = ("nir", "scheme", "start_date", "monthly_gross")


def test_load_population_as_columns_gives_the_same_store_as_its_files(
    tmp_path: Path,
) -> None:
    for form in Form:
        out = tmp_path / form
        make_population(240, 7, out, months=14, form=form, largest_portion=100, processes=1)
    for name in BODIES:
        held = [loaded(tmp_path / form, name) for form in Form]
        assert held[0][0]
        assert held[0] == held[1]


def loaded(folder: Path, name: str) -> list[list[tuple[object, ...]]]:
    body = Body(folder / f"{name}.sqlite", load_catalogue(NODES / name / "catalogue.toml"))
    try:
        body.load(*sorted((folder / name).iterdir()))
        return content(body)
    finally:
        body.store.close()


def test_load_columns_twice_changes_nothing(cnav: Body, tmp_path: Path) -> None:
    path = declared(cnav, tmp_path / "p.parquet", pay(), pay(BRUNO))

    assert cnav.load(path).files[0].records == 2
    assert not cnav.load(path).files[0].loaded


def test_load_columns_a_replacement_ends_what_was_declared(cnav: Body, tmp_path: Path) -> None:
    rows = pay(), pay(type="03", order="2", mns="1400.00")
    report = cnav.load(declared(cnav, tmp_path / "p.parquet", *rows))
    data = cnav.fetch("monthly_resources", ("mns",), "2026-02", "2026-02")

    assert report.files[0].declarations == 2
    assert [one.values for one in data.periods[0].records] == [(140_000,)]


def test_load_columns_a_cancelled_month_is_under_correction(cnav: Body, tmp_path: Path) -> None:
    cnav.load(declared(cnav, tmp_path / "p.parquet", pay(), pay(type="05", order="2")))
    data = cnav.fetch("monthly_resources", ("mns",), "2026-02", "2026-02")

    assert data.periods[0].status.name == "UNDER_CORRECTION"


BAD_ROWS = {
    "nature": (pay(message="02"), "UNKNOWN_NATURE"),
    "type": (pay(type="07"), "UNKNOWN_TYPE"),
    "declarant": (pay(declarant="17912750000027"), "BAD_SIRET"),
    "month": (pay(month="2026-13"), "BAD_MONTH"),
    "day": (pay(paid="27022026"), "BAD_DATE"),
    "number": (pay(ANNE[:13]), "BAD_NIR"),
    "amount": (pay(mns="1450"), "BAD_AMOUNT"),
    "order": (pay(order="+1"), "BAD_NUMBER"),
    "fraction": (pay(fraction="1A"), "BAD_CODE"),
    "empty after another": ((*pay(BRUNO, month="2026-01")[:6], *[""] * 14), "EMPTY_ROW"),
    "negative net": (pay(mns="-1.00"), "TOO_LOW"),
    "month to come": (pay(month="2026-12"), "FUTURE_MONTH"),
    "payment of another period": (pay(paid="2026-04-01"), "OTHER_PERIOD"),
    "cancels nothing": (pay(type="05"), "NOTHING_TO_CANCEL"),
    "null": ((None, *pay()[1:]), "NULL_VALUE"),
    "number as contract": ((*pay()[:-4], ANNE[:13], "", "", ""), "NIR_IN_TEXT"),
    "person of a cancelled one": (
        (*pay(type="05", order="2")[:6], ANNE, *[""] * 13),
        "CANCEL_WITH_PERSONS",
    ),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_load_columns_bad_row_is_refused_whole_with_its_number(
    name: str, cnav: Body, tmp_path: Path
) -> None:
    row, reason = BAD_ROWS[name]
    good = (
        [pay(), pay(type="05", order="2")] if "cancelled" in name else [pay(BRUNO, month="2026-01")]
    )
    fault = cnav.fault(declared(cnav, tmp_path / "p.parquet", *good, row))
    assert (fault.reason, fault.line) == (reason, len(good) + 1)
    assert not content(cnav)[0]


BAD_FILES = {
    "no name": (None, PENSION, "BAD_HEADER"),
    "another version": ("pensions 2", PENSION, "BAD_HEADER"),
    "unknown dataset": ("wages 1", PENSION, "UNKNOWN_DATASET"),
    "column missing": ("pensions 1", PENSION[:-1], "WRONG_COLUMNS"),
    "column more": ("pensions 1", (*PENSION, "more"), "WRONG_COLUMNS"),
    "another order": ("pensions 1", PENSION[::-1], "WRONG_COLUMNS"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_load_columns_wrong_schema_is_refused(name: str, cnav: Body, tmp_path: Path) -> None:
    said, columns, reason = BAD_FILES[name]
    table = pa.table({column: pa.array([""]) for column in columns})
    pq.write_table(table.replace_schema_metadata({"cloison": said} if said else {}), tmp_path / "p")
    assert cnav.fault(tmp_path / "p").reason == reason


def test_load_columns_of_another_type_are_refused(cnav: Body, tmp_path: Path) -> None:
    columns: dict[str, pa.Array] = {name: pa.array([""]) for name in PENSION}
    table = pa.table(
        {**columns, "monthly_gross": pa.array([120_000])}, metadata={"cloison": "pensions 1"}
    )
    pq.write_table(table, tmp_path / "p")
    fault = cnav.fault(tmp_path / "p")
    assert fault.reason == "WRONG_COLUMNS"
    assert "each of type string" in fault.remedy


def plain(path: Path) -> bytes:
    """A file whose values stand as they are, each after its length."""
    table = pa.table(
        {name: pa.array(["marker-of-this-cell"] * 3) for name in PENSION},
        metadata={"cloison": "pensions 1"},
    )
    pq.write_table(table, path, compression="none", use_dictionary=False, write_statistics=False)
    return path.read_bytes()


@pytest.mark.parametrize("length", [-1, -(2**31), 2**31 - 1, 1_000])
def test_load_columns_lengths_that_cannot_be_are_refused(
    length: int, cnav: Body, tmp_path: Path
) -> None:
    data = plain(tmp_path / "p")
    right = len(b"marker-of-this-cell").to_bytes(4, "little") + b"marker"
    assert right in data
    wrong = length.to_bytes(4, "little", signed=True) + b"marker"
    (tmp_path / "p").write_bytes(data.replace(right, wrong, 1))
    assert cnav.fault(tmp_path / "p").reason == "BAD_PARQUET"


def test_load_columns_bytes_that_are_no_text_are_refused(cnav: Body, tmp_path: Path) -> None:
    data = plain(tmp_path / "p")
    (tmp_path / "p").write_bytes(data.replace(b"marker", b"\xff\xfeker", 1))
    assert cnav.fault(tmp_path / "p").reason == "BAD_PARQUET"


def cells(path: Path, catalogue: Catalogue) -> list[tuple[int, str, list[str]]]:
    faults = Faults(path.name)
    found = list(read_cells(Source(path), catalogue, faults))
    faults.check()
    return found


def test_load_columns_with_several_faults_says_each(cnav: Body, tmp_path: Path) -> None:
    rows = pay(mns="1450", paid="27022026"), pay(BRUNO[:-1]), (*pay()[:-1], None)
    faults = cnav.faults(declared(cnav, tmp_path / "p.parquet", *rows))
    assert [(fault.line, fault.place, fault.reason) for fault in faults] == [
        (1, "mns", "BAD_AMOUNT"),
        (1, "paid", "BAD_DATE"),
        (2, "nir", "BAD_NIR"),
        (3, "status", "NULL_VALUE"),
    ]


def test_read_cells_of_a_file_cut_or_changed_anywhere_refuses_or_reads_the_same(
    cnav: Body, tmp_path: Path
) -> None:
    """A changed bit of what is not read, such as a statistic, may go unseen; no cell may."""
    path = declared(cnav, tmp_path / "p.parquet", pay(), pay(BRUNO))
    data, right = path.read_bytes(), cells(path, cnav.catalogue)
    refused = 0
    for place in range(0, len(data), 23):
        for changed in (data[:place], data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]):
            path.write_bytes(changed)
            try:
                assert cells(path, cnav.catalogue) == right
            except InputError:
                refused += 1

    assert refused > len(data) // 23
