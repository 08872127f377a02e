"""Tables as they are declared in `policy/tables/`, and the public keys of their dimensions.

A file that parses is a table that can be computed as far as it can be known without data: what it
names in a holder's catalogue is checked where the table is used.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    StringConstraints,
    ValidationError,
    model_validator,
)

from cloison.errors import InputError
from cloison.statistics.loss import parse_fraction
from cloison.statistics.noise.shares import MOST_HOLDERS

MOST_CELLS = 20_000
MOST_LEVELS = 4
MOST_KEYS = 5_000
MOST_CLIP = 10_000_000
"""Whole euros: more than one person is ever paid in a cell, and sums of them stay below 2⁵³."""
Id = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")]
Tile = Annotated[StrictInt, Field(ge=0, le=40)]
Words = Annotated[str, StringConstraints(min_length=1, max_length=400)]
_PERIODS = {
    "month": re.compile(r"\d{4}-(?:0[1-9]|1[0-2])", re.ASCII),
    "year": re.compile(r"\d{4}", re.ASCII),
}


class Part(BaseModel):
    """Strict: an unknown key is an error, and nothing changes once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class KeySet(Part):
    """`keys/<id>.toml`: the keys of a dimension, known to everybody before any data are read.

    Attributes:
        keys: Key to title.
        parents: Key to its key in the set `coarser`; all of them, or none.
        edges: For brackets of an amount: whole euros at which each key but the first begins. A key
            holds what is from its edge to below the next; the first and the last are open.
        tiles: For places: column and row of each key in a map of equal tiles; of all, or none.
    """

    id: Id
    title: Words
    source: Words
    keys: Annotated[Mapping[Key, Words], Field(min_length=1, max_length=MOST_KEYS)]
    coarser: Id | None = None
    parents: Mapping[Key, Key] = {}
    edges: tuple[StrictInt, ...] = ()
    tiles: Mapping[Key, tuple[Tile, Tile]] = {}

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.tiles and self.tiles.keys() != self.keys.keys():
            raise ValueError("`tiles`: not one for each key")
        if len(set(self.tiles.values())) != len(self.tiles):
            raise ValueError("`tiles`: two keys in one place")
        if (self.coarser is None) == bool(self.parents):
            raise ValueError("`parents` goes with `coarser`")
        if self.parents and self.parents.keys() != self.keys.keys():
            raise ValueError("`parents`: not one for each key")
        if self.edges and len(self.edges) != len(self.keys) - 1:
            raise ValueError("`edges`: not one for each key but the first")
        if any(above <= below for below, above in pairwise(self.edges)):
            raise ValueError("`edges`: not in rising order")
        return self


class Period(StrEnum):
    """What a table is about; the budget is that of the calendar year either way."""

    MONTH = "month"
    YEAR = "year"


class Dimension(Part):
    """One axis: a field of the table's dataset, or of a dataset with one record a person.

    Where its key set has `edges`, the field is an amount in cents of the table's own dataset, and a
    person's is the sum over their rows in each cell of the other own dimensions.

    Attributes:
        dataset: Where the field is, if not in the table's own dataset; in force now.
        keys: A key set. A row whose value is not among them is left out.
    """

    id: Name
    title: Words
    field: Name
    dataset: Name | None = None
    keys: Id


class Measure(Part):
    """What is counted, or added.

    Attributes:
        most_cells: So many cells of a level one person may be counted in.
        field: Of a sum: an amount in cents of the table's own dataset.
        clip: Of a sum: so many whole euros one person may add to a cell; less than nothing counts
            as nothing.
        clip_source: Where the clip comes from: never the exact data.
        count_share: Of a sum: the fraction of the loss that goes to counting persons; the rest goes
            to the sum. The mean is their quotient.
    """

    kind: Literal["count", "sum"]
    most_cells: Annotated[StrictInt, Field(ge=1, le=1000)]
    field: Name | None = None
    clip: Annotated[StrictInt, Field(ge=1, le=MOST_CLIP)] | None = None
    clip_source: Words | None = None
    count_share: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        stated = {one is not None for one in (self.field, self.clip, self.clip_source)}
        if stated | {self.count_share is not None} != {self.kind == "sum"}:
            raise ValueError("`field`, `clip`, `clip_source`, `count_share`: of a sum, all of them")
        if self.count_share is not None:
            try:
                share = parse_fraction("count_share", self.count_share)
            except InputError as error:
                raise ValueError(error.message) from error
            if not 0 < share < 1:
                raise ValueError("`count_share`: not between 0 and 1")
        return self


class Also(Part):
    """Another holder of the same cells, for a population of its own."""

    holder: Id
    population: Id
    persons: Annotated[StrictInt, Field(ge=11)]
    persons_source: Words


class Source(Part):
    """Which body holds a dataset of a linked table."""

    dataset: Name
    holder: Id


class Link(Part):
    """How rows of several bodies become one table, under study pseudonyms.

    Attributes:
        names: The holder that keeps numbers: it lists the persons, whom others add columns to.
        keys: The body that makes pseudonyms, and holds nothing that is joined.
    """

    names: Id
    keys: Id
    sources: Annotated[tuple[Source, ...], Field(min_length=2, max_length=8)]


class Table(Part):
    """`tables/<id>.toml`.

    Attributes:
        persons: How many the population is said to count, roughly; public, never taken from data.
        levels: From the coarsest to the leaves: of each, the dimensions, or the key sets that
            dimensions are coarsened to. Each level's cells are sums of the next one's.
        split: How the loss is shared among levels: a fraction each, or `optimal`: such that the
            largest of the levels' errors, each over its aim, is least.
        aims: How large the error of each level may be beside the others'; all alike if absent.
        threshold: Cells whose published figure is less are withheld in print.
        link: Set: `holder` joins rows of others, and holds none of them itself.
        also: Other holders whose cells are added to this one's: only the sum, with noise, is told.
        colluders: Of several holders, so many may tell the reader of the sum what they hold.
    """

    id: Id
    title: Words
    title_en: Words
    holder: Id
    population: Id
    persons: Annotated[StrictInt, Field(ge=11)]
    persons_source: Words
    dataset: Name
    period: Period
    dimensions: Annotated[tuple[Dimension, ...], Field(min_length=1, max_length=4)]
    measure: Measure
    levels: Annotated[tuple[tuple[Name, ...], ...], Field(min_length=1, max_length=MOST_LEVELS)]
    split: Literal["optimal"] | tuple[str, ...] = "optimal"
    aims: tuple[Annotated[StrictInt, Field(ge=1, le=1000)], ...] | None = None
    threshold: Annotated[StrictInt, Field(ge=0, le=10_000)] = 11
    also: Annotated[tuple[Also, ...], Field(max_length=MOST_HOLDERS - 1)] = ()
    colluders: Annotated[StrictInt, Field(ge=0, lt=MOST_HOLDERS)] = 1
    link: Link | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [dimension.id for dimension in self.dimensions]
        if len(set(names)) != len(names):
            raise ValueError("a dimension is given twice")
        if self.levels[-1] != tuple(names):
            raise ValueError("`levels`: the last is not all dimensions, in order")
        if all(one.dataset not in {None, self.dataset} for one in self.dimensions):
            raise ValueError("`dimensions`: none is a field of the table's own dataset")
        if self.aims and (self.split != "optimal" or len(self.aims) != len(self.levels)):
            raise ValueError("`aims`: not one a level, or with a split that is declared")
        if self.split != "optimal":
            self._check_split(self.split)
        populations = [self.population, *(one.population for one in self.also)]
        if list(self.holders) != sorted(set(self.holders)) or len(set(populations)) != len(
            populations
        ):
            raise ValueError("`also`: holders in order, each once, each of a population of its own")
        if self.link is not None:
            self._check_link(self.link)
        return self

    def _check_split(self, split: tuple[str, ...]) -> None:
        try:
            shares = [parse_fraction("split", share) for share in split]
        except InputError as error:
            raise ValueError(error.message) from error
        if len(shares) != len(self.levels) or min(shares) <= 0 or sum(shares) != 1:
            raise ValueError("`split`: not one share a level, all more than 0, that add up to 1")

    def _check_link(self, link: Link) -> None:
        holders = [one.holder for one in link.sources]
        if [one.dataset for one in link.sources] != list(self.reads()) or self.also:
            raise ValueError("`link`: a source for each dataset, in order, and nothing `also`")
        if link.names not in holders or len(set(holders)) < 2:  # noqa: PLR2004 - else nothing joins
            raise ValueError("`link`: two holders or more, one of which names the persons")
        if self.holder == link.keys or {self.holder, link.keys} & set(holders):
            raise ValueError("`link`: who joins, who holds the key and who gives are not one")

    @property
    def kind(self) -> str:
        """`single`; `several`: sums of holders' cells; `linked`: rows of several bodies joined."""
        return "linked" if self.link else "several" if self.also else "single"

    def participants(self) -> tuple[str, ...]:
        """Of a linked table: who joins, who holds the key, who names, and the others, sorted."""
        if self.link is None:
            return ()
        others = {one.holder for one in self.link.sources} - {self.link.names}
        return (self.holder, self.link.keys, self.link.names, *sorted(others))

    def held_by(self, holder: str) -> dict[str, tuple[str, ...]]:
        """The fields of each dataset that this holder is asked for."""
        if self.link is None:
            return self.reads()
        own = {one.dataset for one in self.link.sources if one.holder == holder}
        return {name: fields for name, fields in self.reads().items() if name in own}

    @property
    def holders(self) -> tuple[str, ...]:
        """Every holder whose cells it is made of, sorted."""
        return (self.holder, *(one.holder for one in self.also))

    def at(self, holder: str) -> Self:
        """The table as one of its holders counts it. Raises `InputError` (`UNKNOWN_TABLE`)."""
        if holder == self.holder:
            return self.model_copy(update={"also": ()})
        for one in self.also:
            if one.holder == holder:
                return self.model_copy(update={**dict(one), "also": ()})
        raise InputError(
            "UNKNOWN_TABLE", f"table `{self.id}`: of `{', '.join(self.holders)}`, not `{holder}`"
        )

    def choose(self, asked: Sequence[str]) -> tuple[str, ...]:
        """The holders a question is about: all of them, or those asked, sorted.

        Raises:
            InputError: `BAD_HOLDERS`: of a table of one holder, or others than hold it.
        """
        if not asked and not self.also:
            return self.holders
        chosen = tuple(one for one in self.holders if one in asked)
        if not self.also or not chosen or list(asked) != list(chosen):
            known = ", ".join(self.holders)
            raise InputError(
                "BAD_HOLDERS",
                f"table `{self.id}`: not asked of its holders, sorted",
                f"it is of {known}; one holder's table is asked without naming it",
            )
        return chosen

    def shares(self) -> tuple[Fraction, ...] | None:
        """The declared split; None where it is the optimal one."""
        return None if self.split == "optimal" else tuple(map(Fraction, self.split))

    def check_period(self, text: str) -> str:
        """`2026-03` or `2026`, as the table's kind is. Raises `InputError` (`BAD_PERIOD`)."""
        if _PERIODS[self.period].fullmatch(text) is None:
            shape = "YYYY-MM" if self.period is Period.MONTH else "YYYY"
            raise InputError(
                "BAD_PERIOD",
                f"period `{text[:32]}`: `{self.id}` is by {self.period}",
                f"use {shape}",
            )
        return text

    def reads(self) -> dict[str, tuple[str, ...]]:
        """The fields of each dataset it is made of, sorted; its own dataset first."""
        fields: dict[str, set[str]] = {self.dataset: set()}
        for dimension in self.dimensions:
            fields.setdefault(dimension.dataset or self.dataset, set()).add(dimension.field)
        if self.measure.field is not None:
            fields[self.dataset].add(self.measure.field)
        return {dataset: tuple(sorted(names)) for dataset, names in fields.items()}


_Shape = TypeVar("_Shape", bound=Part)


def parse_file(path: str, content: bytes, shape: type[_Shape]) -> _Shape:
    """A file of `policy/` that statistics read.

    Raises:
        InputError: `BAD_POLICY_FILE`: not TOML, an unknown key, a value that may not be.
    """
    try:
        return shape.model_validate(tomllib.loads(content.decode("utf-8")))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise _refuse(path, f"not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _refuse(path, f"{place + ': ' if place else ''}{first['msg']}") from error


def _refuse(path: str, why: str) -> InputError:
    hint = "write it as the files beside it are; policy/README.md explains each word"
    return InputError("BAD_POLICY_FILE", f"policy file `{path}`: {why}", hint)


def refuse_file(path: str, why: str) -> InputError:
    """The error for one file of `policy/` that does not fit the others."""
    return _refuse(path, why)


def parse_named(files: Mapping[str, bytes], folder: str, shape: type[_Shape]) -> dict[str, _Shape]:
    """Every `folder/<id>.toml`, by id, which must be the file's name."""
    found = {}
    for path in sorted(files):
        head, _, name = path.partition("/")
        if head == folder and name.endswith(".toml"):
            found[name.removesuffix(".toml")] = parse_file(path, files[path], shape)
    for name, part in found.items():
        if getattr(part, "id") != name:  # noqa: B009 - the shapes of `policy/` all have one
            raise _refuse(f"{folder}/{name}.toml", "`id` is not the file's name")
    return found
