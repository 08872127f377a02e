"""The population beside published totals: rows of figures, each with its source or without one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from cloison.errors import InputError, StorageError
from cloison.population.figures import load_figures, read_data

_PARTS = 10_000
_READ = {"F": "", "S": " (de seconde main)", "W": " (source faible)"}


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Source(_Strict):
    source: str
    address: str
    read: Literal["F", "S", "W"]

    @property
    def told(self) -> str:
        """The source, and how far to trust that it was read."""
        return self.source + _READ[self.read]


class _Counted(_Strict):
    title: str
    group: str
    names: tuple[str, ...]
    over: str


class _Share(_Counted, _Source):
    count: int
    of: int


class _Euros(_Source):
    title: str
    group: str
    decile: Literal["d1", "d5", "d9"]
    euros: int


class Published(_Strict):
    """What is published, and what no published figure was found for."""

    shares: tuple[_Share, ...]
    euros: tuple[_Euros, ...]
    ours: tuple[_Counted, ...]


class Population(_Strict):
    """`population.json` as it is written."""

    counts: Mapping[str, Mapping[str, int]]
    deciles_euros: Mapping[str, Mapping[str, int | None]]

    def share(self, group: str, names: tuple[str, ...], over: str) -> int:
        """So many of `group`, per 10,000 of all that are in `over`."""
        counted = self.counts.get(group, {})
        whole = sum(self.counts.get(over, {}).values())
        return sum(counted.get(name, 0) for name in names) * _PARTS // max(1, whole)


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Attributes:
        published: None where no published figure was found.
        generated: None where too few persons are there to say.
        euros: Whether the two are whole euros; else they are per 10,000.
    """

    title: str
    published: int | None
    generated: int | None
    source: str
    address: str = ""
    euros: bool = False

    @property
    def difference(self) -> int | None:
        """Generated less published."""
        if self.published is None or self.generated is None:
            return None
        return self.generated - self.published


@dataclass(frozen=True, slots=True)
class Comparison:
    """The tables of the page."""

    persons: int
    households: int
    published: tuple[Row, ...]
    departments: tuple[Row, ...]
    ours: tuple[Row, ...]


@cache
def load_published() -> Published:
    """The published figures that ship with the program; unknown or missing keys are refused."""
    return Published.model_validate(read_data("published.toml"))


def load_population(folder: Path) -> Population:
    """The counts of a population that was written whole.

    Raises:
        StorageError: `NO_POPULATION`: no `population.json` in the folder.
        InputError: `BAD_POPULATION`: it is not one of this version.
    """
    path = folder / "population.json"
    try:
        return Population.model_validate_json(path.read_bytes())
    except OSError as error:
        raise StorageError(
            "NO_POPULATION",
            f"file `{path}`: {error.strerror}",
            "name a folder that `cloison population make` wrote",
        ) from error
    except ValidationError as error:
        raise InputError("BAD_POPULATION", f"file `{path}`: not counts of a population") from error


def compare(population: Population) -> Comparison:
    """Every figure, in the order of the data files."""
    published = load_published()
    return Comparison(
        persons=sum(population.counts.get("persons_by_career", {}).values()),
        households=sum(population.counts.get("households_by_kind", {}).values()),
        published=(
            *(_share(one, population) for one in published.shares),
            *(_euros(one, population) for one in published.euros),
        ),
        departments=tuple(_departments(population)),
        ours=tuple(
            Row(one.title, None, population.share(one.group, one.names, one.over), "")
            for one in published.ours
        ),
    )


def _share(one: _Share, population: Population) -> Row:
    generated = population.share(one.group, one.names, one.over)
    return Row(one.title, one.count * _PARTS // one.of, generated, one.told, one.address)


def _euros(one: _Euros, population: Population) -> Row:
    generated = population.deciles_euros.get(one.group, {}).get(one.decile)
    return Row(one.title, one.euros, generated, one.told, one.address, euros=True)


def _departments(population: Population) -> Iterator[Row]:
    living = load_figures().departments
    whole = sum(living.values())
    for code, persons in sorted(living.items()):
        generated = population.share("persons_by_department", (code,), "persons_by_department")
        yield Row(code, persons * _PARTS // whole, generated, "")
