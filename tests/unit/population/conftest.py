"""One population on disk and one in memory, made once."""

import pytest
from tests.unit.population.reading import Written

from cloison.population.make import Population, make_people, make_population


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """600 persons as files."""
    path = tmp_path_factory.mktemp("population") / "out"
    return Written(path, make_population(600, 20, path))


@pytest.fixture(scope="session")
def people() -> Population:
    """4,000 persons, not written."""
    return make_people(4_000, 7)[0]
