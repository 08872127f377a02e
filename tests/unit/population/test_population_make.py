"""Same seed, same bytes; bad input refused before anything is written."""

import hashlib
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from tests.unit.population.reading import Written, declarations

from cloison.cli.app import run
from cloison.errors import InputError, StorageError
from cloison.months import Month
from cloison.population.files import Folder
from cloison.population.make import make_population
from cloison.population.plan import Form, Plan
from cloison.population.portions import MOST_PORTIONS


def _hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def test_make_population_same_seed_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        make_population(150, 5, tmp_path / name, months=6)

    assert _hash(tmp_path / "one") == _hash(tmp_path / "other")


def test_make_population_of_many_portions_same_bytes_however_many_at_once(tmp_path: Path) -> None:
    for processes in (1, 2):
        out = tmp_path / str(processes)
        make_population(310, 5, out, months=6, largest_portion=100, processes=processes)

    assert _hash(tmp_path / "1") == _hash(tmp_path / "2")


def test_make_population_of_many_portions_nobody_and_no_payer_is_in_two(tmp_path: Path) -> None:
    manifest = make_population(310, 5, tmp_path / "out", months=6, largest_portion=100)
    written = Written(tmp_path / "out", manifest)
    nirs = [row["nir"] for row in written.rows("cnav/identities.csv")]
    notices = [row["notice"] for row in written.rows("dgfip/tax_notices-2025.csv")]
    numbers = [row["household"] for row in written.rows("caf/households.csv")]
    portions: dict[str, set[str]] = defaultdict(set)
    for path in written.declared("cnav"):
        for declaration in declarations(path):
            portions[declaration.siret].add(path.name.split("-")[2])

    assert manifest.persons == len(set(nirs)) == len(nirs) == 310
    assert len(set(notices)) == len(notices)
    assert len(set(numbers)) == len(numbers)
    assert {len(found) for found in portions.values()} == {1}


def test_make_population_leaves_no_parts_behind(tmp_path: Path) -> None:
    make_population(100, 1, tmp_path / "out", months=6)

    assert not list((tmp_path / "out").glob(".*"))


def test_plan_portions_hold_everybody_evenly() -> None:
    portions = Plan.of(45_001, 1, Month.of(2026, 5), 24).portions

    assert [portion.persons for portion in portions] == [15_001, 15_000, 15_000]
    assert [portion.first for portion in portions] == [0, 20_000, 40_000]


def test_plan_largest_population_has_no_more_portions_than_numbers_are_shared_by() -> None:
    assert len(Plan.of(1_000_000, 1, Month.of(2026, 5), 24).portions) == MOST_PORTIONS


def test_make_population_other_seed_other_bytes(tmp_path: Path) -> None:
    for seed in (5, 6):
        make_population(150, seed, tmp_path / str(seed), months=6)

    assert _hash(tmp_path / "5") != _hash(tmp_path / "6")


def test_make_population_hash_seed_of_the_process_changes_nothing(tmp_path: Path) -> None:
    for hash_seed in ("1", "2"):
        arguments = ["--persons", "120", "--seed", "5", "--months", "6", "--out", hash_seed]
        subprocess.run(
            [sys.executable, "-m", "cloison.cli", "population", "make", *arguments],
            cwd=tmp_path,
            env={"PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
        )

    assert _hash(tmp_path / "1") == _hash(tmp_path / "2")


def test_make_population_other_months_are_declared_when_asked(tmp_path: Path) -> None:
    manifest = make_population(100, 1, tmp_path / "out", last_month=Month.of(2024, 12), months=8)

    assert (manifest.first_month, manifest.last_month) == ("2024-05", "2024-12")
    assert "dgfip/tax_notices-2023.csv" in manifest.files
    assert "cnav/dsn-202405-01-01.dsn" in manifest.files
    assert not any("202501" in name for name in manifest.files)


def test_make_population_progress_ends_where_it_said(tmp_path: Path) -> None:
    told: dict[str, tuple[int, int]] = {}

    def progress(name: str, done: int, of: int) -> None:
        told[name] = (done, of)

    make_population(100, 1, tmp_path / "out", months=6, progress=progress)

    assert told == {"months": (6, 6), "tables": (23, 23)}


def test_make_population_folder_not_empty_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")

    with pytest.raises(InputError, match="not empty") as refused:
        make_population(100, 1, tmp_path)

    assert refused.value.reason == "OUT_NOT_EMPTY"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_make_population_out_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")

    with pytest.raises(InputError, match="not a folder") as refused:
        make_population(100, 1, tmp_path / "file")

    assert refused.value.reason == "OUT_NOT_A_FOLDER"


def test_make_population_bad_input_makes_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="out of range"):
        make_population(99, 1, tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_write_twice_is_refused_by_the_disk(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "out")
    folder.write("caf/one.csv", ["once"])

    with pytest.raises(StorageError, match="File exists") as refused:
        folder.write("caf/one.csv", ["twice"])

    assert refused.value.reason == "OUT_WRITE"
    assert (tmp_path / "out/caf/one.csv").read_text() == "once"


def test_command_tells_what_was_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--persons", "100", "--seed", "1", "--months", "6", "--out", str(tmp_path / "o")]

    assert run(["population", "make", *arguments]) == 0
    assert capsys.readouterr().out.startswith("100 persons in ")


@pytest.mark.parametrize(
    ("persons", "month", "reason"),
    [
        ("12", "2026-05", "BAD_PERSONS"),
        ("100", "2026-13", "BAD_MONTH"),
        ("100", "2020-05", "BAD_LAST_MONTH"),
    ],
)
def test_command_bad_input_exits_3_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], persons: str, month: str, reason: str
) -> None:
    out = str(tmp_path / "out")
    arguments = ["--persons", persons, "--seed", "1", "--out", out, "--last-month", month]

    assert run(["population", "make", *arguments]) == 3
    assert reason in capsys.readouterr().err


def test_make_population_as_columns_has_one_file_a_dataset_and_body(tmp_path: Path) -> None:
    manifest = make_population(150, 5, tmp_path / "out", months=6, form=Form.PARQUET)
    family = {"members", "households", "claims", "payments", "file_events", "identities"}
    datasets = {
        "caf": family,
        "msa": {*family, "monthly_resources"},
        "cnav": {"monthly_resources", "pensions", "identities"},
        "dgfip": {"tax_notices", "withholding", "identities"},
    }

    assert set(manifest.files) - {"population.json"} == {
        f"{body}/{name}.parquet" for body, names in datasets.items() for name in names
    }


def test_make_population_as_columns_same_bytes_however_many_at_once(tmp_path: Path) -> None:
    for processes in (1, 2):
        out = tmp_path / str(processes)
        make_population(
            310, 5, out, months=6, form=Form.PARQUET, largest_portion=100, processes=processes
        )

    assert _hash(tmp_path / "1") == _hash(tmp_path / "2")


def test_make_population_counts_the_same_people_in_either_form(tmp_path: Path) -> None:
    for form in Form:
        make_population(150, 5, tmp_path / form, months=6, form=form)
    texts = [(tmp_path / form / "population.json").read_text() for form in Form]

    assert texts[0] == texts[1]


def test_command_makes_columns_when_asked(tmp_path: Path) -> None:
    arguments = ["--persons", "100", "--seed", "1", "--months", "6", "--out", str(tmp_path / "o")]

    assert run(["population", "make", *arguments, "--format", "parquet"]) == 0
    assert (tmp_path / "o/cnav/monthly_resources.parquet").is_file()
