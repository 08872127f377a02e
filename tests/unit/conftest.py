"""The federation in memory, made once and copied for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.federation import Federation, Template, make_template, opened_federation


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return make_template(tmp_path_factory.mktemp("federation"))


@pytest.fixture
def federation(template: Template, tmp_path: Path) -> Iterator[Federation]:
    """INVARIANT: whatever a test decided can be decided again, with the same result."""
    with opened_federation(template, tmp_path) as made:
        yield made
        made.check_decisions()
