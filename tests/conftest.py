"""What holds of every test: which comes first, and that no clock of a shared machine decides."""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("untimed")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of real processes first, in one piece: one worker makes their federation, once.

    Whatever the order within either part. Idle workers steal from the end, so from the others.
    """
    items.sort(key=lambda item: "tests/system/" not in item.nodeid)
