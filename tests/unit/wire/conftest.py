"""Programs of the federation in memory."""

import pytest
from tests.federation import Federation, Program


@pytest.fixture
def ppa(federation: Federation) -> Program:
    return federation.program("caf-ppa")
