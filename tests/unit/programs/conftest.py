"""What the programs' tests share: the real records of `policy/`, and a world to ask."""

from pathlib import Path

import pytest
from tests.unit.programs.fake_gateway import FakeGateway

from cloison.cli.root import find_root, read_policy
from cloison.law import PolicySet


@pytest.fixture(scope="session")
def policy() -> PolicySet:
    """The policy set of this checkout."""
    return PolicySet.parse(read_policy(find_root(Path(__file__).parent)))


@pytest.fixture
def policy_files() -> dict[str, bytes]:
    """Its files, to be spoiled."""
    return read_policy(find_root(Path(__file__).parent))


@pytest.fixture
def gateway() -> FakeGateway:
    """A gateway to an empty world."""
    return FakeGateway()
