"""Reads what a population wrote, by means of its own."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cloison.identity import nir_of_number
from cloison.population.make import DEFAULT_LAST_MONTH, Manifest
from cloison.population.plan import Plan
from cloison.population.writing import People, make_people

LINE = re.compile(r"(S[0-9]{2}\.G[0-9]{2}\.[0-9]{2}\.[0-9]{3}),'([^'\n]+)'")


def people_of(persons: int, seed: int, months: int = 24) -> People:
    """A population of one portion, not written."""
    plan = Plan.of(persons, seed, DEFAULT_LAST_MONTH, months)
    (portion,) = plan.portions
    return make_people(plan, portion)


@dataclass(frozen=True)
class Written:
    """A population's folder and manifest."""

    path: Path
    manifest: Manifest

    def declared(self, body: str, kind: str = "*") -> list[Path]:
        """The DSN and PASRAU files of a body, in the order of their names."""
        both = (self.path.glob(f"{body}/{kind}.{end}") for end in ("dsn", "pasrau"))
        return sorted(path for paths in both for path in paths)

    def rows(self, name: str) -> list[dict[str, str]]:
        """The rows of a table, by column name."""
        lines = (self.path / name).read_text("utf-8").splitlines()
        columns = lines[1].split(";")
        return [dict(zip(columns, line.split(";"), strict=True)) for line in lines[2:-1]]

    def identities(self, body: str) -> dict[str, dict[str, str]]:
        """Who a body knows, by NIR."""
        return {row["nir"]: row for row in self.rows(f"{body}/identities.csv")}


@dataclass(frozen=True)
class Declared:
    """One declaration of a file: its head, and each person's rubrics."""

    head: Mapping[str, str]
    persons: tuple[tuple[tuple[str, str], ...], ...]

    @property
    def siret(self) -> str:
        return self.head["S21.G00.06.001"] + self.head["S21.G00.11.001"]

    @property
    def month(self) -> str:
        return self.head["S20.G00.05.005"]

    @property
    def kind(self) -> str:
        return self.head["S20.G00.05.002"]

    @property
    def nirs(self) -> list[str]:
        """With their keys, which a DSN leaves out."""
        return [nir_of_number(dict(person)["S21.G00.30.001"]) for person in self.persons]


def rubrics(path: Path) -> list[tuple[str, str]]:
    """Every rubric of a file; a line of another form fails."""
    found = []
    for line in path.read_text("iso-8859-1").splitlines():
        match = LINE.fullmatch(line)
        assert match is not None, path.name
        found.append((match[1], match[2]))
    return found


def declarations(path: Path) -> Iterator[Declared]:
    """The declarations of a file."""
    head: dict[str, str] = {}
    persons: list[list[tuple[str, str]]] = []
    for rubric, value in rubrics(path):
        ended = rubric in {"S20.G00.05.001", "S90.G00.90.001"}
        if ended and head:
            yield Declared(dict(head), tuple(map(tuple, persons)))
        if ended:
            head, persons = {}, []
        if rubric == "S21.G00.30.001":
            persons.append([])
        if persons:
            persons[-1].append((rubric, value))
        elif rubric.startswith("S2"):
            head[rubric] = value
