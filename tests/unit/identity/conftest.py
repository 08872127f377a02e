"""One federation's keys, made once; tests that change files work on a copy."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cloison.bodies import BodyId
from cloison.identity import ActivityKeys, init_keys, load_activity_keys

BODIES = [BodyId("caf"), BodyId("cnav")]
ACTIVITIES = {
    "caf-ppa": BodyId("caf"),
    "caf-outreach": BodyId("caf"),
    "drees-statistics": BodyId("drees"),
}


@pytest.fixture(scope="session")
def made_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished folder of keys. Read only."""
    directory = tmp_path_factory.mktemp("federation") / "keys"
    init_keys(directory, BODIES, ACTIVITIES, datetime.now(UTC))
    return directory


@pytest.fixture
def keys_copy(made_keys: Path, tmp_path: Path) -> Path:
    """A folder of keys the test may spoil."""
    return Path(shutil.copytree(made_keys, tmp_path / "keys"))


@pytest.fixture(scope="session")
def ppa(made_keys: Path) -> ActivityKeys:
    return load_activity_keys(made_keys / "caf/activities/caf-ppa")


@pytest.fixture(scope="session")
def outreach(made_keys: Path) -> ActivityKeys:
    return load_activity_keys(made_keys / "caf/activities/caf-outreach")
