"""One portion: its people, and every file and row that is about them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cloison.bodies import BodyId
from cloison.months import Month
from cloison.population.declared import RECEIVERS, Declarations, staff_of
from cloison.population.declared_rows import DECLARED_COLUMNS, declared_rows
from cloison.population.events import EVENT_COLUMNS, event_rows
from cloison.population.families import households as make_households
from cloison.population.figures import Figures, load_figures
from cloison.population.files import Folder, Table
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
from cloison.population.people import CAF, CNAV, DGFIP, MSA, Household, Person, Window
from cloison.population.plan import Form, Plan
from cloison.population.portions import Portion
from cloison.population.streams import stream
from cloison.population.summary import Tally, tally_of
from cloison.population.taxes import (
    NOTICE_COLUMNS,
    WITHHOLDING_COLUMNS,
    notice_rows,
    withholding_rows,
)

_TAXED_AGE = 15
MONTHLY = "monthly_resources"

Rows = Iterator[tuple[Table, Iterable[str]]]


@dataclass(frozen=True, slots=True)
class People:
    """The people of a portion, before they are written."""

    window: Window
    seed: int
    portion: Portion
    households: tuple[Household, ...]
    persons: tuple[Person, ...]
    declarations: Declarations


@dataclass(frozen=True, slots=True)
class Made:
    """What a portion wrote.

    Attributes:
        parts: Tables, each with the file that holds this portion's rows, and how many they are.
        files: As `Folder.files`: those that are this portion's alone.
    """

    parts: tuple[tuple[Table, Path, int], ...]
    files: dict[str, dict[str, int | str]]
    tally: Tally


def make_people(plan: Plan, portion: Portion) -> People:
    """The people of a portion, and what is declared about them."""
    figures, window = load_figures(), plan.window
    payers = make_payers(portion, stream(plan.seed, "payers", portion.index))
    households = tuple(make_households(portion, plan.seed, figures, payers, window))
    everyone = tuple(person for household in households for person in household.persons)
    declarations = Declarations(payers, staff_of(everyone), plan, portion, figures)
    return People(window, plan.seed, portion, households, everyone, declarations)


def write_portion(
    plan: Plan, portion: Portion, out: Path, parts: Path, advance: Callable[[], None]
) -> Made:
    """Write a portion's declarations, and its rows of every table.

    Args:
        plan: The population.
        portion: One of its portions.
        out: The population's folder.
        parts: A folder of this portion's own, for its rows.
        advance: Called after each month.

    Raises:
        StorageError: `OUT_WRITE`.
    """
    people = make_people(plan, portion)
    folder, rows = Folder(out), Folder(parts)
    made: list[tuple[Table, Path, int]] = []
    for month in people.window.first.to(people.window.last):
        if plan.form is Form.PARQUET:
            made += _write_rows(rows, _declared(people, month))
        else:
            people.declarations.write_month(folder, month)
        made += _write_rows(rows, _withholding(people, month))
        advance()
    made += _write_rows(rows, _tables(people, load_figures()))
    tally = tally_of(people.households, people.window)
    tally.counts["dsn_lines"].update(people.declarations.lines)
    return Made(tuple(made), folder.files, tally)


def _write_rows(folder: Folder, tables: Rows) -> Iterator[tuple[Table, Path, int]]:
    for table, rows in tables:
        count = 0

        def lines(rows: Iterable[str] = rows) -> Iterator[str]:
            nonlocal count
            for row in rows:
                count += 1
                yield row + "\n"

        folder.write(table.name, lines())
        yield table, folder.path / table.name, count


def _declared(people: People, month: Month) -> Rows:
    for body in RECEIVERS:
        name = f"{body}/{MONTHLY}-{month.number}.csv"
        table = Table(name, MONTHLY, DECLARED_COLUMNS)
        yield table, declared_rows(people.declarations, body, month)


def _withholding(people: People, month: Month) -> Rows:
    name = f"{DGFIP}/withholding-{month.number}.csv"
    table = Table(name, "withholding", WITHHOLDING_COLUMNS)
    yield table, withholding_rows(people.persons, month)


def _tables(people: People, figures: Figures) -> Rows:
    for year in people.window.notice_years:
        table = Table(f"{DGFIP}/tax_notices-{year}.csv", "tax_notices", NOTICE_COLUMNS)
        yield table, notice_rows(people.households, year, figures, people.portion.first)
    for body, known in _known(people).items():
        table = Table(f"{body}/identities.csv", "identities", IDENTITY_COLUMNS)
        yield table, identity_rows(known, caf=body == CAF)
    table = Table(f"{CNAV}/pensions.csv", "pensions", PENSION_COLUMNS)
    yield table, pension_rows(people.persons, people.window)
    for body in (CAF, MSA):
        yield from _household_files(people, body, figures)


def _known(people: People) -> dict[BodyId, Iterable[Person]]:
    today = people.window.today
    return {
        DGFIP: [p for p in people.persons if p.age_at(today.year) >= _TAXED_AGE],
        CNAV: people.persons,
        CAF: _in_files(people, CAF),
        MSA: _in_files(people, MSA, beside=[p for p in people.persons if _farms(p)]),
    }


def _farms(person: Person) -> bool:
    return Scheme.AGRICULTURAL in person.schemes()


def _in_files(people: People, body: BodyId, beside: Iterable[Person] = ()) -> Iterable[Person]:
    """Everyone who is or was in a file of the body, and those beside, once each, by index."""
    found = {person.index: person for person in beside}
    for household in _files(people, body):
        found.update({person.index: person for person in household.persons})
        if household.left is not None:
            found[household.left.other.index] = household.left.other
    return [found[index] for index in sorted(found)]


def _files(people: People, body: BodyId) -> list[Household]:
    """The files of a body, those that ended last."""
    ended = (household.ended_file() for household in people.households)
    return [
        *(household for household in people.households if household.body == body),
        *(household for household in ended if household is not None and household.body == body),
    ]


def _household_files(people: People, body: BodyId, figures: Figures) -> Rows:
    window = people.window
    mine = _files(people, body)
    tables: tuple[tuple[str, tuple[str, ...], Iterable[str]], ...] = (
        ("members", MEMBER_COLUMNS, member_rows(mine, window)),
        ("households", HOUSEHOLD_COLUMNS, household_rows(mine)),
        ("claims", CLAIM_COLUMNS, claim_rows(mine)),
        ("payments", PAYMENT_COLUMNS, payment_rows(mine, window, figures.payments)),
        ("file_events", EVENT_COLUMNS, event_rows(mine, window, figures.shares, people.seed)),
    )
    for dataset, columns, rows in tables:
        yield Table(f"{body}/{dataset}.csv", dataset, columns), rows
