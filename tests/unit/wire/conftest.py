"""Programs of the federation in memory; a vault by itself, the requester's."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.federation import CAF, Federation, Program
from tests.unit.wire.vaults import KEY

from cloison.wire.vault import Vault


@pytest.fixture
def ppa(federation: Federation) -> Program:
    return federation.program("caf-ppa")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vault.sqlite"


@pytest.fixture
def vault(path: Path) -> Iterator[Vault]:
    opened = Vault(path, KEY, CAF)
    yield opened
    opened.close()
