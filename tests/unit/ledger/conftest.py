from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloison.ledger import Log, NoteSigner

ORIGIN = "caf.cloison.local/traces"


@pytest.fixture(scope="session")
def signer() -> NoteSigner:
    return NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


@pytest.fixture(scope="session")
def vectors() -> Path:
    return Path(__file__).parents[2] / "vectors" / "ledger"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "traces"


@pytest.fixture
def log(directory: Path, signer: NoteSigner) -> Iterator[Log]:
    with Log.create(directory, signer) as made:
        yield made
