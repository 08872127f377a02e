"""Many at once gives what one by one gives, of every dataset of every body of the house."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.declarations.conftest import NODES, Body
from tests.unit.store.many import Question, check_same

from cloison.months import Month
from cloison.population.make import make_population
from cloison.store import Catalogue, Dataset, Period, load_catalogue

FIRST, LAST = Month.of(2025, 1), Month.of(2026, 12)
BODIES = sorted(path.parent.name for path in NODES.glob("*/catalogue.toml"))


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("many") / "people"
    make_population(150, 11, out, months=12, processes=1)
    return out


def questions(catalogue: Catalogue) -> Iterator[Question]:
    for name, dataset in catalogue.datasets.items():
        fields = tuple(dataset.fields)
        for granularity in _granularities(dataset):
            yield Question(name, fields, granularity, FIRST, LAST)


def _granularities(dataset: Dataset) -> Iterator[str]:
    yield dataset.period.value
    if dataset.period is Period.MONTH and dataset.category is not None:
        yield "window-total"


@pytest.mark.parametrize("body", BODIES)
def test_fetch_many_of_a_population_gives_what_fetch_gives(
    body: str, people: Path, tmp_path: Path
) -> None:
    catalogue = load_catalogue(NODES / body / "catalogue.toml")
    loader, reader = (Body(tmp_path / "store.sqlite", catalogue) for _ in range(2))
    files = sorted((people / body).iterdir())
    rows = 0
    for part in (files[: len(files) // 2], files):
        loader.load(*part)
        sql = "SELECT subject FROM record UNION SELECT person FROM identity"
        persons = [row[0] for row in loader.store._database.connection.execute(sql)]
        for question in questions(catalogue):
            check_same(reader.store, question, [*persons, b"?" * 16])
        known = reader.store.identities(b"".join(persons))
        facts = [reader.store.identity(person) for person in persons]
        assert known.found.tolist() == [one is not None for one in facts]
        assert known.dead.tolist() == [one is not None and one.dead for one in facts]
        rows += len(persons)
    loader.store.close()
    reader.store.close()
    assert rows > 20
