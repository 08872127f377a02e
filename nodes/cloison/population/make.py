"""Makes a population: portion by portion, then every table of every body joined from them."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from cloison.months import Month
from cloison.population.columns import write_parquet
from cloison.population.files import Folder, Table, check_new
from cloison.population.people import Benefit
from cloison.population.plan import Form, Plan
from cloison.population.portions import LARGEST_PORTION, Portion
from cloison.population.summary import Tally
from cloison.population.writing import Made, write_portion

DEFAULT_LAST_MONTH = Month.of(2026, 5)
DEFAULT_MONTHS = 24
_PARTS = ".parts"

Progress = Callable[[str, int, int], None]
"""Told a step's name, how much of it is done, and how much there is."""


def _silent(_name: str, _done: int, _of: int) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was written; no NIR in it.

    Attributes:
        claims: Open claims by benefit.
        files: By path below the folder: size in bytes and SHA-256.
    """

    seed: int
    first_month: str
    last_month: str
    persons: int
    households: int
    households_with_file: int
    households_with_claim: int
    claims: dict[str, int]
    files: dict[str, dict[str, int | str]]


def make_population(
    persons: int,
    seed: int,
    out: Path,
    *,
    last_month: Month = DEFAULT_LAST_MONTH,
    months: int = DEFAULT_MONTHS,
    progress: Progress = _silent,
    form: Form = Form.DECLARATIONS,
    largest_portion: int = LARGEST_PORTION,
    processes: int | None = None,
) -> Manifest:
    """Write the same people as the files of four bodies; same arguments, same bytes.

    Args:
        persons: 100 to 1,000,000; so many exactly.
        seed: 0 to 2**63 - 1.
        out: A folder that does not exist yet, or an empty one. `manifest.json` is written last.
        last_month: Last month declared, 2021-12 to 2099-12.
        months: How many months are declared, 6 to 60.
        progress: Told of each step.
        form: Files as bodies receive them, or one Parquet file a dataset and body.
        largest_portion: Most persons made together; memory grows with it, people depend on it.
        processes: How many portions are made at once; as many as processors where not given.
            Bytes do not depend on it.

    Raises:
        InputError: `BAD_PERSONS`, `BAD_SEED`, `BAD_MONTHS`, `BAD_LAST_MONTH`, `OUT_NOT_EMPTY`,
            `OUT_NOT_A_FOLDER`.
        StorageError: `OUT_WRITE`.
    """
    plan = replace(Plan.of(persons, seed, last_month, months, largest_portion), form=form)
    check_new(out)
    folder = Folder(out)
    try:
        made = tuple(_portions(plan, out, progress, processes or os.cpu_count() or 1))
        join = _join_columns if form is Form.PARQUET else _join
        join(folder, made, progress)
    finally:
        shutil.rmtree(out / _PARTS, ignore_errors=True)
    tally = Tally.sum(one.tally for one in made)
    _write_json(folder, "population.json", tally.record())
    manifest = _manifest(plan, tally, folder)
    _write_json(folder, "manifest.json", asdict(manifest))
    return manifest


def _portions(plan: Plan, out: Path, progress: Progress, processes: int) -> Iterator[Made]:
    """Every portion, in their order; progress counts the months of all of them."""
    months = plan.window.last - plan.window.first + 1
    portions, done, of = plan.portions, 0, months * len(plan.portions)

    def advance(by: int = 1) -> None:
        nonlocal done
        done += by
        progress("months", done, of)

    advance(0)
    if processes == 1 or len(portions) == 1:
        for portion in portions:
            yield _write(plan, out, portion, advance)
        return
    with ProcessPoolExecutor(min(processes, len(portions)), get_context("spawn")) as pool:
        for made in pool.map(partial(_write, plan, out), portions):
            advance(months)
            yield made


def _write(
    plan: Plan, out: Path, portion: Portion, advance: Callable[[], None] = lambda: None
) -> Made:
    return write_portion(plan, portion, out, out / _PARTS / str(portion.index), advance)


def _join(folder: Folder, made: Sequence[Made], progress: Progress) -> None:
    """The tables from the rows of all portions; every portion has rows for the same tables."""
    tables: dict[Table, list[tuple[Path, int]]] = {}
    for one in made:
        folder.files.update(one.files)
        for table, part, count in one.parts:
            tables.setdefault(table, []).append((part, count))
    for done, (table, parts) in enumerate(tables.items()):
        progress("tables", done, len(tables))
        folder.join_table(table, [part for part, _ in parts], sum(count for _, count in parts))
    progress("tables", len(tables), len(tables))


def _join_columns(folder: Folder, made: Sequence[Made], progress: Progress) -> None:
    """The same rows, the months of a dataset in one file."""
    tables: dict[str, tuple[Table, list[Path]]] = {}
    for one in made:
        for table, part, count in one.parts:
            _, parts = tables.setdefault(table.parquet_name, (table, []))
            parts += [part] * (count > 0)
    for done, (name, (table, parts)) in enumerate(tables.items()):
        progress("tables", done, len(tables))
        write_parquet(folder.path / name, table.dataset, table.columns, parts)
        folder.adopt(name)
    progress("tables", len(tables), len(tables))


def _manifest(plan: Plan, tally: Tally, folder: Folder) -> Manifest:
    claims = tally.counts["open_claims"]
    return Manifest(
        seed=plan.seed,
        first_month=str(plan.window.first),
        last_month=str(plan.window.last),
        persons=tally.total("persons_by_career"),
        households=tally.total("households_by_kind"),
        households_with_file=tally.total("households_by_file") - tally.of("households_by_file", ""),
        households_with_claim=tally.of("households_by_claim", "open"),
        claims={str(benefit): claims[benefit] for benefit in Benefit},
        files=dict(sorted(folder.files.items())),
    )


def _write_json(folder: Folder, name: str, content: object) -> None:
    folder.write(name, [json.dumps(content, ensure_ascii=False, indent=2, sort_keys=True), "\n"])
