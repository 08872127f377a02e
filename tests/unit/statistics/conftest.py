"""The tables of the repository's own policy, and small ones made from them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from cloison.cli.root import read_policy
from cloison.statistics.cube import Cube, build_cube
from cloison.statistics.declared import Declared, parse_declared
from cloison.statistics.table import KeySet, Table, parse_named

ROOT = Path(__file__).resolve().parents[3]
TABLE = "caf-beneficiaries"
Shaped = Callable[..., tuple[Table, Cube]]


@pytest.fixture(scope="session")
def files() -> Mapping[str, bytes]:
    return read_policy(ROOT)


@pytest.fixture(scope="session")
def declared(files: Mapping[str, bytes]) -> Declared:
    return parse_declared(files)


@pytest.fixture(scope="session")
def shaped(files: Mapping[str, bytes], declared: Declared) -> Shaped:
    """The repository's table with something else in it."""
    keys = parse_named(files, "keys", KeySet)

    def shape(most_cells: int = 3, **changed: Any) -> tuple[Table, Cube]:
        content = declared.tables[TABLE].model_dump()
        content["measure"]["most_cells"] = most_cells
        content["aims"] = None
        table = Table.model_validate({**content, **changed})
        return table, build_cube(table, keys)

    return shape


@pytest.fixture(scope="session")
def by_place(shaped: Shaped, declared: Declared) -> tuple[Table, Cube]:
    """One cell a person: the whole, 18 régions, 101 départements."""
    place = declared.tables[TABLE].dimensions[0].model_dump() | {"dataset": None}
    return shaped(1, dimensions=[place], levels=[[], ["region"], ["department"]])
