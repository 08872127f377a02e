"""Format version 1, as first written: later versions must still read these bytes.

Origin: this code, from the seeds 00 01 02 …; the files are never made again.
"""

import hashlib
from pathlib import Path

import pytest

from cloison.bodies import BodyId
from cloison.identity import (
    ActivityKeys,
    open_release,
    open_secret,
    parse_public,
    print_public,
    seal_release,
    sign_batch,
)

GOLDEN = Path(__file__).parent / "golden"
SECRET = hashlib.sha256(b"secret").digest()
STATEMENT = hashlib.sha256(b"statement").digest()


@pytest.fixture(scope="module")
def keys() -> ActivityKeys:
    return ActivityKeys.parse("caf-ppa", BodyId("caf"), bytes(range(32)), bytes(range(96)))


def golden_bytes(name: str) -> bytes:
    return bytes.fromhex((GOLDEN / name).read_text("ascii"))


def test_print_public_of_the_fixed_seeds_is_the_golden_file(keys: ActivityKeys) -> None:
    assert print_public(keys.public) == (GOLDEN / "caf-ppa.toml").read_bytes()


def test_parse_public_golden_file_is_the_fixed_seeds_public_keys(keys: ActivityKeys) -> None:
    assert parse_public("caf-ppa", (GOLDEN / "caf-ppa.toml").read_bytes()) == keys.public


def test_open_secret_golden_message_opens(keys: ActivityKeys) -> None:
    assert open_secret(keys, golden_bytes("wrapped-secret.hex")) == SECRET


def test_open_release_golden_release_opens_and_is_sealed_alike() -> None:
    sealed = golden_bytes("sealed-release.hex")
    assert open_release(SECRET, bytes(12), sealed, STATEMENT, b"part") == b"a release"
    assert seal_release(SECRET, bytes(12), b"a release", STATEMENT, b"part") == sealed


def test_sign_batch_of_the_fixed_seeds_is_the_golden_signature(keys: ActivityKeys) -> None:
    second = sign_batch(keys, [b"one", b"two", b"three"])[1]
    assert second.signature.hex() == (
        "1bce35e7f81a5125151e1e8f23ae95a6b5f7a9a85fa85d81894cc9d62e32b5da"
        "e77f709da80b2a726749678215da787015974b3fd561cf94b001015fa3599303"
    )
    assert [sibling.hex() for sibling in second.batch_path] == [
        "d0d7360ab79f58ab1e1e3fe64ad77e2ea0bc07e36b5f46ed2223edd9298df9e9",
        "671f146c5e471e8a1a83a3c214ce4ba907b8f3a5888d14cc8cd3ce75bb12ef94",
    ]
