"""All that `policy/` says of statistics, checked whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256

from cloison.errors import InputError
from cloison.statistics.budget import Ceiling, Exposure, Grant, Loss, check_grants
from cloison.statistics.cube import Cube, build_cube
from cloison.statistics.loss import parse_epsilon
from cloison.statistics.noise import MechanismKind, Sharing
from cloison.statistics.plan import Plan, make_plan
from cloison.statistics.table import KeySet, Table, parse_named

_DOMAIN = b"cloison/v1 table question\n"


@dataclass(frozen=True, slots=True)
class Question:
    """A table, of a period, at a loss: what is stored under its hash and never drawn again.

    Attributes:
        whole: The table as declared.
        table: As the holder counts it for whom the question was read; of that holder alone.
        definition: SHA-256 of the table's file and its key sets: another table, another question.
        holders: Whose cells are added; another set of them is another question.
        delta: The least that the holders' grants tell ρ at.
    """

    whole: Table
    table: Table
    cube: Cube
    grant: Grant
    period: str
    epsilon: Fraction
    definition: bytes
    holders: tuple[str, ...]
    delta: Fraction

    @property
    def hash(self) -> bytes:
        """The name of the question."""
        parts = ("+".join(self.holders), self.table.id, self.period, str(self.epsilon))
        return sha256(_DOMAIN + "\0".join(parts).encode() + b"\0" + self.definition).digest()

    def plan(self) -> Plan:
        """How it will be measured."""
        sharing = Sharing.among(len(self.holders), self.whole.colluders)
        return make_plan(self.table, self.cube, self.epsilon, self.delta, sharing)


def cost_of(plan: Plan) -> Loss:
    """What a plan takes from each pocket."""
    pure = plan.kind is MechanismKind.LAPLACE
    return Loss(epsilon=plan.cost) if pure else Loss(rho=plan.cost)


@dataclass(frozen=True, slots=True)
class Declared:
    """Tables with their cells, grants, and what each person may be exposed to."""

    tables: Mapping[str, Table]
    cubes: Mapping[str, Cube]
    grants: Mapping[str, Grant]
    exposures: tuple[Exposure, ...]
    definitions: Mapping[str, bytes]

    def table(self, name: str) -> Table:
        """A declared table. Raises `InputError` (`UNKNOWN_TABLE`)."""
        found = self.tables.get(name)
        if found is None:
            known = ", ".join(self.tables) or "none"
            raise InputError(
                "UNKNOWN_TABLE", f"table `{name[:64]}`: not declared", f"known: {known}"
            )
        return found

    def grant(self, population: str, year: int) -> Grant:
        """The budget of a population in a year. Raises `InputError` (`NO_GRANT`)."""
        found = self.grants.get(f"{population}-{year}")
        if found is None:
            raise InputError(
                "NO_GRANT",
                f"population `{population}` {year}: no budget is granted",
                "a grant is a file of policy/grants, with author and date",
            )
        return found

    def question(
        self, table: str, period: str, epsilon: str, holders: Sequence[str] = (), at: str = ""
    ) -> Question:
        """What is asked, as the holder `at` reads it; the first, where none is named.

        Raises:
            InputError: `UNKNOWN_TABLE`, `BAD_PERIOD`, `BAD_FRACTION`, `BAD_LOSS`, `NO_GRANT`,
                `BAD_HOLDERS`.
        """
        found = self.table(table)
        checked = found.check_period(period)
        chosen = found.choose(holders)
        views = {holder: found.at(holder) for holder in (*chosen, *((at,) if at else ()))}
        grants = {
            holder: self.grant(view.population, int(checked[:4])) for holder, view in views.items()
        }
        own = at or chosen[0]
        return Question(
            found,
            views[own],
            self.cubes[table],
            grants[own],
            checked,
            parse_epsilon(epsilon),
            self.definitions[table],
            chosen,
            min(one.chance for one in grants.values()),
        )


def parse_declared(files: Mapping[str, bytes]) -> Declared:
    """Everything in `tables/`, `grants/`, `ceilings/` and `keys/`; what fits together or nothing.

    Args:
        files: Path under `policy/` → content; others are passed over.

    Raises:
        InputError: `BAD_POLICY_FILE`.
    """
    keys = parse_named(files, "keys", KeySet)
    tables = parse_named(files, "tables", Table)
    grants = parse_named(files, "grants", Grant)
    exposures = check_grants(grants, parse_named(files, "ceilings", Ceiling))
    cubes = {name: build_cube(table, keys) for name, table in tables.items()}
    definitions = {name: _definition(files, table, keys) for name, table in tables.items()}
    return Declared(tables, cubes, grants, exposures, definitions)


def _definition(files: Mapping[str, bytes], table: Table, keys: Mapping[str, KeySet]) -> bytes:
    """SHA-256 over the files that a table is made of."""
    names = {f"tables/{table.id}.toml"}
    for dimension in table.dimensions:
        name: str | None = dimension.keys
        while name is not None:
            names.add(f"keys/{name}.toml")
            name = keys[name].coarser
    whole = sha256()
    for path in sorted(names):
        whole.update(path.encode() + b"\0" + sha256(files[path]).digest())
    return whole.digest()
