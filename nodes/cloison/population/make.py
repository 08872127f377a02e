"""Makes a population: people once, then every file of every body from the same people."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cloison.bodies import BodyId
from cloison.errors import InputError
from cloison.months import Month
from cloison.population.declared import Declarations, staff_of
from cloison.population.events import EVENT_COLUMNS, event_rows
from cloison.population.families import households as make_households
from cloison.population.figures import Figures, load_figures
from cloison.population.files import Folder
from cloison.population.household_files import (
    CLAIM_COLUMNS,
    HOUSEHOLD_COLUMNS,
    IDENTITY_COLUMNS,
    MEMBER_COLUMNS,
    PAYMENT_COLUMNS,
    PENSION_COLUMNS,
    claim_rows,
    household_rows,
    identity_rows,
    member_rows,
    payment_rows,
    pension_rows,
)
from cloison.population.payers import Scheme, make_payers
from cloison.population.people import CAF, CNAV, DGFIP, MSA, Benefit, Household, Person, Window
from cloison.population.streams import stream
from cloison.population.summary import summary_of
from cloison.population.taxes import (
    NOTICE_COLUMNS,
    WITHHOLDING_COLUMNS,
    notice_rows,
    withholding_rows,
)

DEFAULT_LAST_MONTH = Month.of(2026, 5)
DEFAULT_MONTHS = 24
_FEWEST, _MOST = 100, 1_000_000
_FEWEST_MONTHS, _MOST_MONTHS = 6, 60
_EARLIEST_LAST_MONTH, _LATEST_LAST_MONTH = Month.of(2021, 12), Month.of(2099, 12)
_TAXED_AGE = 15
_LARGEST_SEED = 2**63 - 1

Progress = Callable[[str, int, int], None]
"""Told a step's name, how much of it is done, and how much there is."""


def _silent(_name: str, _done: int, _of: int) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Population:
    """People, before they are written."""

    window: Window
    seed: int
    households: tuple[Household, ...]
    persons: tuple[Person, ...]


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


def _check(persons: int, seed: int, last_month: Month, months: int) -> None:
    if not _FEWEST <= persons <= _MOST:
        raise InputError(
            "BAD_PERSONS", f"persons `{persons}`: out of range", f"ask for {_FEWEST} to {_MOST}"
        )
    if not 0 <= seed <= _LARGEST_SEED:
        raise InputError("BAD_SEED", f"seed `{seed}`: out of range", f"use 0 to {_LARGEST_SEED}")
    if not _FEWEST_MONTHS <= months <= _MOST_MONTHS:
        raise InputError(
            "BAD_MONTHS",
            f"months `{months}`: out of range",
            f"ask for {_FEWEST_MONTHS} to {_MOST_MONTHS}",
        )
    if not _EARLIEST_LAST_MONTH <= last_month <= _LATEST_LAST_MONTH:
        raise InputError(
            "BAD_LAST_MONTH",
            f"last month `{last_month}`: out of range",
            f"use {_EARLIEST_LAST_MONTH} to {_LATEST_LAST_MONTH}",
        )


def make_people(
    persons: int,
    seed: int,
    *,
    last_month: Month = DEFAULT_LAST_MONTH,
    months: int = DEFAULT_MONTHS,
) -> tuple[Population, Declarations]:
    """The people of a seed, and what is declared about them.

    Args:
        persons: 100 to 1,000,000; so many exactly.
        seed: 0 to 2**63 - 1.
        last_month: Last month declared, 2021-12 to 2099-12.
        months: How many months are declared, 6 to 60.

    Raises:
        InputError: `BAD_PERSONS`, `BAD_SEED`, `BAD_MONTHS`, `BAD_LAST_MONTH`.
    """
    _check(persons, seed, last_month, months)
    figures = load_figures()
    window = Window(last_month - (months - 1), last_month)
    payers = make_payers(persons, stream(seed, "payers"))
    households = tuple(make_households(persons, seed, figures, payers, window))
    everyone = tuple(person for household in households for person in household.persons)
    declarations = Declarations(payers, staff_of(everyone), window, figures, seed)
    return Population(window, seed, households, everyone), declarations


def make_population(
    persons: int,
    seed: int,
    out: Path,
    *,
    last_month: Month = DEFAULT_LAST_MONTH,
    months: int = DEFAULT_MONTHS,
    progress: Progress = _silent,
) -> Manifest:
    """Write the same people as the files of four bodies; same arguments, same bytes.

    Args:
        persons: 100 to 1,000,000; so many exactly.
        seed: 0 to 2**63 - 1.
        out: A folder that does not exist yet, or an empty one. `manifest.json` is written last.
        last_month: Last month declared, 2021-12 to 2099-12.
        months: How many months are declared, 6 to 60.
        progress: Told of each step.

    Raises:
        InputError: `BAD_PERSONS`, `BAD_SEED`, `BAD_MONTHS`, `BAD_LAST_MONTH`, `OUT_NOT_EMPTY`,
            `OUT_NOT_A_FOLDER`.
        StorageError: `OUT_WRITE`.
    """
    _check(persons, seed, last_month, months)
    folder = Folder(out)
    progress("people", 0, 1)
    population, declarations = make_people(persons, seed, last_month=last_month, months=months)
    figures, window = load_figures(), population.window
    progress("people", 1, 1)
    for done, month in enumerate(window.first.to(window.last)):
        progress("months", done, months)
        declarations.write_month(folder, month)
        _write_withholding(folder, population, month)
    progress("months", months, months)
    progress("files", 0, 1)
    _write_notices(folder, population, figures)
    _write_identities(folder, population)
    for body in (CAF, MSA):
        _write_household_files(folder, body, population, figures)
    progress("files", 1, 1)
    _write_json(folder, "population.json", summary_of(population.households, window))
    manifest = _manifest(population, folder)
    _write_json(folder, "manifest.json", asdict(manifest))
    return manifest


def _write_withholding(folder: Folder, population: Population, month: Month) -> None:
    rows = withholding_rows(population.persons, month)
    name = f"{DGFIP}/withholding-{month.number}.csv"
    folder.write_table(name, "withholding", WITHHOLDING_COLUMNS, rows)


def _write_notices(folder: Folder, population: Population, figures: Figures) -> None:
    for year in population.window.notice_years:
        rows = notice_rows(population.households, year, figures)
        name = f"{DGFIP}/tax_notices-{year}.csv"
        folder.write_table(name, "tax_notices", NOTICE_COLUMNS, rows)


def _write_identities(folder: Folder, population: Population) -> None:
    window = population.window
    known: dict[BodyId, Sequence[Person]] = {
        DGFIP: [p for p in population.persons if p.age_at(window.today.year) >= _TAXED_AGE],
        CNAV: population.persons,
        CAF: [p for h in population.households if h.body == CAF for p in h.persons],
        MSA: [
            p
            for h in population.households
            for p in h.persons
            if h.body == MSA or Scheme.AGRICULTURAL in p.schemes()
        ],
    }
    for body, persons in known.items():
        rows = identity_rows(persons, caf=body == CAF)
        folder.write_table(f"{body}/identities.csv", "identities", IDENTITY_COLUMNS, rows)
    rows = pension_rows(population.persons, window)
    folder.write_table(f"{CNAV}/pensions.csv", "pensions", PENSION_COLUMNS, rows)


def _write_household_files(
    folder: Folder, body: BodyId, population: Population, figures: Figures
) -> None:
    window, seed = population.window, population.seed
    mine = [household for household in population.households if household.body == body]
    tables: tuple[tuple[str, tuple[str, ...], Iterable[str]], ...] = (
        ("members", MEMBER_COLUMNS, member_rows(mine, window)),
        ("households", HOUSEHOLD_COLUMNS, household_rows(mine)),
        ("claims", CLAIM_COLUMNS, claim_rows(mine)),
        ("payments", PAYMENT_COLUMNS, payment_rows(mine, window, figures.payments)),
        ("file_events", EVENT_COLUMNS, event_rows(mine, window, figures.shares, seed)),
    )
    for dataset, columns, rows in tables:
        folder.write_table(f"{body}/{dataset}.csv", dataset, columns, rows)


def _manifest(population: Population, folder: Folder) -> Manifest:
    households = population.households
    open_claims = [claim for h in households for claim in h.claims if claim.live]
    return Manifest(
        seed=population.seed,
        first_month=str(population.window.first),
        last_month=str(population.window.last),
        persons=len(population.persons),
        households=len(households),
        households_with_file=sum(h.body is not None for h in households),
        households_with_claim=sum(any(c.live for c in h.claims) for h in households),
        claims={
            str(benefit): sum(claim.benefit is benefit for claim in open_claims)
            for benefit in Benefit
        },
        files=dict(sorted(folder.files.items())),
    )


def _write_json(folder: Folder, name: str, content: object) -> None:
    folder.write(name, [json.dumps(content, ensure_ascii=False, indent=2, sort_keys=True), "\n"])
