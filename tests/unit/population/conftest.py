"""One population on disk and one in memory, made once."""

import pytest
from tests.unit.population.reading import Written, people_of

from cloison.population.make import make_population
from cloison.population.writing import People


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """600 persons as files."""
    path = tmp_path_factory.mktemp("population") / "out"
    return Written(path, make_population(600, 20, path))


@pytest.fixture(scope="session")
def people() -> People:
    """4,000 persons, not written."""
    return people_of(4_000, 7)
