"""Secrets: exact size, private mode, never overwritten."""

import os
from pathlib import Path

import pytest

from cloison.errors import StorageError
from cloison.identity import load_private_file, load_secret, write_secret

SECRET = bytes(range(32))


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "row.key"
    write_secret(path, SECRET)
    return path


def reason_of_loading(path: Path) -> str:
    with pytest.raises(StorageError) as caught:
        load_secret(path)
    return caught.value.reason


def test_write_secret_then_load_gives_it_back(secret_file: Path) -> None:
    assert load_secret(secret_file) == SECRET


def test_write_secret_open_umask_is_private_all_the_same(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_secret(tmp_path / "row.key", SECRET)
    finally:
        os.umask(before)
    assert (tmp_path / "row.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o666, 0o777])
def test_load_secret_loose_mode_is_refused(secret_file: Path, mode: int) -> None:
    secret_file.chmod(mode)
    assert reason_of_loading(secret_file) == "LOOSE_MODE"


def test_load_secret_read_only_for_its_owner_is_accepted(secret_file: Path) -> None:
    secret_file.chmod(0o400)
    assert load_secret(secret_file) == SECRET


def test_load_secret_link_to_a_loose_file_is_refused(secret_file: Path, tmp_path: Path) -> None:
    secret_file.chmod(0o644)
    link = tmp_path / "link.key"
    link.symlink_to(secret_file)
    assert reason_of_loading(link) == "LOOSE_MODE"


@pytest.mark.parametrize("content", [b"", SECRET[:31], SECRET + b"\n", SECRET.hex().encode()])
def test_load_secret_of_another_size_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.key"
    write_secret(path, content)
    assert reason_of_loading(path) == "BAD_SECRET"


def test_load_secret_missing_is_refused(tmp_path: Path) -> None:
    assert reason_of_loading(tmp_path / "none.key") == "NO_SECRET"


def test_load_secret_folder_is_refused(tmp_path: Path) -> None:
    assert reason_of_loading(tmp_path) == "NO_SECRET"


def test_load_secret_device_is_refused() -> None:
    assert reason_of_loading(Path("/dev/null")) == "BAD_SECRET"


def test_load_private_file_oversized_is_refused(tmp_path: Path) -> None:
    write_secret(tmp_path / "big.key", bytes(20_000))
    with pytest.raises(StorageError) as caught:
        load_private_file(tmp_path / "big.key")
    assert caught.value.reason == "BAD_SECRET"


def test_write_secret_existing_file_is_kept(secret_file: Path) -> None:
    with pytest.raises(StorageError) as caught:
        write_secret(secret_file, bytes(32))
    assert (caught.value.reason, secret_file.read_bytes()) == ("SECRET_EXISTS", SECRET)


def test_write_secret_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        write_secret(tmp_path / "none/row.key", SECRET)
    assert caught.value.reason == "SECRET_WRITE"
