"""Sealed answers: only for the activity, only for the statement, only whole."""

import hashlib

import pytest

from cloison.errors import InputError, IntegrityError
from cloison.identity import (
    ActivityKeys,
    open_release,
    open_secret,
    seal_release,
    seal_secret,
)
from cloison.identity.activity_keys import SUITE

SECRET = hashlib.sha256(b"secret").digest()
NONCE = bytes(12)
STATEMENT = hashlib.sha256(b"statement").digest()
PLAINTEXT = b"a release"


def test_open_secret_sealed_to_this_activity_gives_it_back(ppa: ActivityKeys) -> None:
    assert open_secret(ppa, seal_secret(ppa.public, SECRET)) == SECRET


def test_seal_secret_twice_differs_and_has_the_stated_size(ppa: ActivityKeys) -> None:
    once, twice = (seal_secret(ppa.public, SECRET) for _ in range(2))
    assert once != twice
    assert len(once) == len(twice) == 1168


def test_open_secret_sealed_to_another_activity_is_refused(
    ppa: ActivityKeys, outreach: ActivityKeys
) -> None:
    with pytest.raises(IntegrityError) as caught:
        open_secret(outreach, seal_secret(ppa.public, SECRET))
    assert caught.value.reason == "NOT_FOR_THIS_ACTIVITY"


@pytest.mark.parametrize("place", [0, 31, 32, 600, 1119, 1120, 1151, 1152, 1167])
def test_open_secret_flipped_bit_is_refused(ppa: ActivityKeys, place: int) -> None:
    wrapped = bytearray(seal_secret(ppa.public, SECRET))
    wrapped[place] ^= 1
    with pytest.raises(IntegrityError) as caught:
        open_secret(ppa, bytes(wrapped))
    assert caught.value.reason == "NOT_FOR_THIS_ACTIVITY"


@pytest.mark.parametrize("kept", [0, 1, 40, 1167])
def test_open_secret_cut_short_is_refused(ppa: ActivityKeys, kept: int) -> None:
    with pytest.raises(IntegrityError):
        open_secret(ppa, seal_secret(ppa.public, SECRET)[:kept])


def test_seal_secret_of_another_size_is_refused(ppa: ActivityKeys) -> None:
    with pytest.raises(InputError) as caught:
        seal_secret(ppa.public, SECRET[:16])
    assert caught.value.reason == "BAD_SECRET"


def test_open_secret_wrapped_by_hand_with_another_size_is_refused(ppa: ActivityKeys) -> None:
    info = b"cloison/v1 release\n" + ppa.public.sealing_key_id
    with pytest.raises(IntegrityError):
        open_secret(ppa, SUITE.encrypt(SECRET[:16], ppa.public.sealing, info=info))


def test_open_release_sealed_for_this_statement_gives_it_back() -> None:
    sealed = seal_release(SECRET, NONCE, PLAINTEXT, STATEMENT, b"part 3")
    assert open_release(SECRET, NONCE, sealed, STATEMENT, b"part 3") == PLAINTEXT


SEALED = seal_release(SECRET, NONCE, PLAINTEXT, STATEMENT)
WRONG = {
    "another secret": (bytes(32), NONCE, SEALED, STATEMENT, b""),
    "secret of no length": (b"", NONCE, SEALED, STATEMENT, b""),
    "another nonce": (SECRET, b"\1" * 12, SEALED, STATEMENT, b""),
    "short nonce": (SECRET, b"", SEALED, STATEMENT, b""),
    "another statement": (SECRET, NONCE, SEALED, bytes(32), b""),
    "another part": (SECRET, NONCE, SEALED, STATEMENT, b"\1"),
    "flipped": (SECRET, NONCE, bytes([SEALED[0] ^ 1]) + SEALED[1:], STATEMENT, b""),
    "cut": (SECRET, NONCE, SEALED[:-1], STATEMENT, b""),
    "empty": (SECRET, NONCE, b"", STATEMENT, b""),
}


@pytest.mark.parametrize("parts", WRONG.values(), ids=WRONG.keys())
def test_open_release_wrong_in_one_thing_is_refused(
    parts: tuple[bytes, bytes, bytes, bytes, bytes],
) -> None:
    with pytest.raises(IntegrityError) as caught:
        open_release(*parts)
    assert caught.value.reason == "BAD_SEAL"


BAD_LENGTHS = {
    "secret": (SECRET[:16], NONCE, STATEMENT),
    "nonce": (SECRET, NONCE + b"\0", STATEMENT),
    "statement hash": (SECRET, NONCE, b""),
}


@pytest.mark.parametrize("parts", BAD_LENGTHS.values(), ids=BAD_LENGTHS.keys())
def test_seal_release_part_of_another_length_is_refused(parts: tuple[bytes, bytes, bytes]) -> None:
    secret, nonce, statement_hash = parts
    with pytest.raises(InputError) as caught:
        seal_release(secret, nonce, PLAINTEXT, statement_hash)
    assert caught.value.reason == "BAD_SECRET"
