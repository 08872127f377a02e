"""The numbered migrations: what a store is made of, one after the other."""

import re
from importlib import resources

import pytest


@pytest.mark.parametrize("package", ["cloison.store", "cloison.wire"])
def test_migrations_are_numbered_from_one_without_a_gap_or_a_number_twice(package: str) -> None:
    names = [file.name for file in (resources.files(package) / "migrations").iterdir()]
    numbers = sorted(
        int(name[:4]) for name in names if re.fullmatch(r"[0-9]{4}_[a-z_]+\.sql", name)
    )
    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers
