"""Crashes and failing disks: no acknowledged entry is lost, nothing unwritten is acknowledged."""

import os
import random
import resource
import shutil
import signal
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cloison.errors import CloisonError, IntegrityError, StorageError
from cloison.ledger import Checkpoint, LedgerReader, Log, NoteSigner, sign_checkpoint
from cloison.ledger.commit_record import CommitRecord, parse_records
from cloison.ledger.recovery import recover


def entry(index: int) -> bytes:
    return f"entry {index} ".encode() * (1 + index % 7)


def append(log: Log, count: int) -> int:
    return log.append_many([entry(index) for index in range(log.size, log.size + count)]).size


def check_whole(directory: Path, signer: NoteSigner, at_least: int) -> None:
    """Opens, holds every acknowledged entry, and verifies with the public key alone."""
    with Log.open(directory, signer) as log:
        assert log.size >= at_least
        assert log.entries(0, log.size) == [entry(index) for index in range(log.size)]
    LedgerReader(directory, signer.verifier).verify()


def last_segment(directory: Path) -> Path:
    return max((directory / "entries").iterdir())


def write_commits(directory: Path, signer: NoteSigner) -> tuple[int, int]:
    """Three commits; where the last record begins and ends."""
    with Log.create(directory, signer) as log:
        append(log, 300)
        append(log, 2)
        start = len(last_segment(directory).read_bytes().rstrip(b"\0"))
        append(log, 2)
        end = len(last_segment(directory).read_bytes().rstrip(b"\0"))
    shutil.copy(directory / "checkpoint", directory.with_name("checkpoint"))
    return start, end


def before_last_commit(directory: Path, signer: NoteSigner) -> None:
    """The `checkpoint` file as it was before the last commit was acknowledged."""
    with Log.open(directory, signer) as log:
        note = sign_checkpoint(Checkpoint(log.origin, 302, log.root(302)), signer)
    (directory / "checkpoint").write_bytes(note)


FILLERS = {"nothing": b"", "zeros": b"\0" * 5_000, "garbage": b"\xa5" * 5_000}


@pytest.mark.parametrize("followed_by", FILLERS)
def test_recover_with_the_last_commit_torn_anywhere_keeps_the_others(
    directory: Path, signer: NoteSigner, followed_by: str
) -> None:
    filler = FILLERS[followed_by]
    start, end = write_commits(directory, signer)
    before_last_commit(directory, signer)
    segment = last_segment(directory)
    whole = segment.read_bytes()
    for cut in range(start, end):
        segment.write_bytes(whole[:cut] + filler)
        assert recover(directory, signer.verifier).tree.size == 302
    segment.write_bytes(whole[:end] + filler)
    assert recover(directory, signer.verifier).tree.size == 304


def test_recover_with_the_last_commit_in_scattered_sectors_keeps_the_others(
    directory: Path, signer: NoteSigner
) -> None:
    start, end = write_commits(directory, signer)
    before_last_commit(directory, signer)
    segment = last_segment(directory)
    whole = segment.read_bytes()
    for place in range(start, end):
        lost = bytes(1) if whole[place] else b"\x01"
        segment.write_bytes(whole[:place] + lost + whole[place + 1 :])
        assert recover(directory, signer.verifier).tree.size == 302


def test_open_after_a_torn_commit_cuts_it_off_and_goes_on(
    directory: Path, signer: NoteSigner
) -> None:
    start, end = write_commits(directory, signer)
    before_last_commit(directory, signer)
    segment = last_segment(directory)
    segment.write_bytes(segment.read_bytes()[: (start + end) // 2])
    with Log.open(directory, signer) as log:
        assert append(log, 1) == 303
    check_whole(directory, signer, 303)


def test_open_with_an_acknowledged_commit_missing_is_refused(
    directory: Path, signer: NoteSigner
) -> None:
    start, _ = write_commits(directory, signer)
    segment = last_segment(directory)
    segment.write_bytes(segment.read_bytes()[:start])
    before = segment.read_bytes()
    with pytest.raises(IntegrityError) as raised:
        Log.open(directory, signer)
    assert raised.value.reason == "LEDGER_BEHIND"
    assert segment.read_bytes() == before


def test_open_with_an_older_commit_damaged_is_refused(directory: Path, signer: NoteSigner) -> None:
    start, _ = write_commits(directory, signer)
    segment = last_segment(directory)
    data = bytearray(segment.read_bytes())
    data[start - 40] ^= 1
    segment.write_bytes(data)
    with pytest.raises(IntegrityError) as raised:
        Log.open(directory, signer)
    assert raised.value.reason == "LEDGER_DAMAGED"


def test_open_with_bytes_behind_an_append_file_that_is_not_the_last_is_refused(
    directory: Path, signer: NoteSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloison.ledger.journal.SEGMENT_BYTES", 1_000)
    with Log.create(directory, signer) as log:
        append(log, 100)
        append(log, 100)
    first = min((directory / "entries").iterdir())
    first.write_bytes(first.read_bytes() + b"x")
    with pytest.raises(IntegrityError, match="bytes after the last record"):
        Log.open(directory, signer)


def test_open_with_a_commit_left_out_is_refused(directory: Path, signer: NoteSigner) -> None:
    write_commits(directory, signer)
    segment = last_segment(directory)
    records = parse_records(segment.read_bytes())[0]
    segment.write_bytes(b"".join(r.encode() for r in records if r.first_index != 300))
    with pytest.raises(IntegrityError, match="entry 300 is missing"):
        Log.open(directory, signer)


def test_open_behind_an_unsigned_record_in_torn_bytes_is_not_refused(
    directory: Path, signer: NoteSigner
) -> None:
    _, end = write_commits(directory, signer)
    segment = last_segment(directory)
    forged = CommitRecord(400, [b"x"], b"no note").encode()
    segment.write_bytes(segment.read_bytes()[:end] + b"torn" + forged)
    check_whole(directory, signer, 304)


def test_open_with_a_tile_cut_short_is_refused(
    directory: Path, signer: NoteSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloison.ledger.journal.SEGMENT_BYTES", 1_000)
    with Log.create(directory, signer) as log:
        for _ in range(20):
            append(log, 64)
    tile = directory / "tile/0/000"
    tile.write_bytes(tile.read_bytes()[:-32])
    with pytest.raises(IntegrityError) as raised:
        Log.open(directory, signer)
    assert raised.value.reason == "BAD_TILE"


def test_open_with_a_checkpoint_of_another_tree_is_refused(
    directory: Path, signer: NoteSigner
) -> None:
    write_commits(directory, signer)
    note = sign_checkpoint(Checkpoint(signer.name, 300, bytes(32)), signer)
    (directory / "checkpoint").write_bytes(note)
    with pytest.raises(IntegrityError) as raised:
        Log.open(directory, signer)
    assert raised.value.reason == "LEDGER_FORKED"


def test_open_with_no_commit_left_is_refused(directory: Path, signer: NoteSigner) -> None:
    write_commits(directory, signer)
    last_segment(directory).write_bytes(b"")
    with pytest.raises(IntegrityError) as raised:
        Log.open(directory, signer)
    assert raised.value.reason == "LEDGER_DAMAGED"


def test_open_with_a_tile_changed_beneath_the_edge_is_refused(
    directory: Path, signer: NoteSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloison.ledger.journal.SEGMENT_BYTES", 1_000)
    with Log.create(directory, signer) as log:
        for _ in range(20):
            append(log, 64)
    tile = directory / "tile/0/001"
    data = bytearray(tile.read_bytes())
    data[100] ^= 1
    tile.write_bytes(data)
    with pytest.raises(IntegrityError) as raised:
        Log.open(directory, signer)
    assert raised.value.reason == "LEDGER_DAMAGED"


def test_open_with_an_append_file_missing_is_refused(
    directory: Path, signer: NoteSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloison.ledger.journal.SEGMENT_BYTES", 1_000)
    with Log.create(directory, signer) as log:
        for _ in range(5):
            append(log, 40)
    names = sorted((directory / "entries").iterdir())
    for missing, says in ((names[0], "entries before"), (names[2], "does not begin with")):
        held = missing.read_bytes()
        missing.unlink()
        with pytest.raises(IntegrityError, match=says):
            Log.open(directory, signer)
        missing.write_bytes(held)


FAULTS = ("pwrite", "fdatasync", "fsync", "open", "replace", "unlink", "mkdir")


@contextmanager
def failing(name: str, at: int, code: int) -> Iterator[list[int]]:
    """The `at`-th call of `os.<name>`, and each one after it, fails; counts the calls."""
    real: Callable[..., Any] = getattr(os, name)
    calls = [0]

    def call(*arguments: Any, **options: Any) -> Any:
        calls[0] += 1
        if calls[0] > at:
            raise OSError(code, os.strerror(code))
        return real(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, name, call)
        yield calls


def run_until_it_fails(directory: Path, signer: NoteSigner) -> int:
    """Appends through several tiles and append files; the size last acknowledged."""
    acknowledged = 0
    try:
        log = Log.create(directory, signer)
        for _ in range(3):
            acknowledged = append(log, 150)
            log.settle()
        log.close()
    except StorageError as error:
        assert error.reason == "LEDGER_WRITE"  # noqa: PT017 - any call may be the one that fails
        if acknowledged:
            refuses_everything(log)
            log.close()
    return acknowledged


def refuses_everything(log: Log) -> None:
    for call in (log.checkpoint, log.settle, lambda: log.append_many([b"x"]), lambda: log.size):
        with pytest.raises(StorageError) as raised:
            call()
        assert raised.value.reason == "LEDGER_STOPPED"


@pytest.mark.parametrize("name", FAULTS)
def test_each_failing_system_call_in_turn_loses_nothing_acknowledged(
    tmp_path: Path, signer: NoteSigner, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("cloison.ledger.journal.SEGMENT_BYTES", 4_000)
    at, failed = 0, True
    while failed:
        directory = tmp_path / f"{name}-{at}"
        with failing(name, at, 28 if at % 2 else 5) as counted:
            acknowledged = run_until_it_fails(directory, signer)
        failed = counted[0] > at
        if acknowledged:
            check_whole(directory, signer, acknowledged)
        shutil.rmtree(directory, ignore_errors=True)
        at += 1
    assert at > 1


def test_append_after_a_failed_sync_is_refused_until_reopened(
    directory: Path, signer: NoteSigner
) -> None:
    log = Log.create(directory, signer)
    append(log, 5)
    with failing("fdatasync", 0, 5), pytest.raises(StorageError) as raised:
        append(log, 5)
    assert raised.value.reason == "LEDGER_WRITE"
    refuses_everything(log)
    log.close()
    check_whole(directory, signer, 5)


def test_short_writes_are_completed(
    directory: Path, signer: NoteSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: real(fd, data[:1_000], at))
    with Log.create(directory, signer) as log:
        append(log, 300)
    check_whole(directory, signer, 300)


def test_append_beyond_the_file_size_limit_is_refused(directory: Path, signer: NoteSigner) -> None:
    log = Log.create(directory, signer)
    append(log, 10)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, limits[1]))
    try:
        with pytest.raises(StorageError) as raised:
            log.append_many([bytes(60_000)] * 10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    log.close()
    assert raised.value.reason == "LEDGER_WRITE"
    check_whole(directory, signer, 10)


def write_until_killed(directory: Path, signer: NoteSigner, acknowledge: int, seed: int) -> None:
    random_groups = random.Random(seed)  # noqa: S311 - sizes of test groups
    log = Log.open(directory, signer)
    while True:
        size = append(log, random_groups.randint(1, 120))
        os.write(acknowledge, struct.pack(">Q", size))
        log.settle()


def kill_a_writer(directory: Path, signer: NoteSigner, after_seconds: float, seed: int) -> int:
    """Runs a real writer process, kills it with SIGKILL; the last size it acknowledged.

    An even `seed` lets it acknowledge once before the clock starts, an odd one may hit it opening.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            write_until_killed(directory, signer, writing, seed)
        finally:
            os._exit(1)
    os.close(writing)
    told = os.read(reading, 8) if seed % 2 == 0 else b""
    time.sleep(after_seconds)
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    with os.fdopen(reading, "rb") as pipe:
        told += pipe.read()
    assert os.WTERMSIG(status) == signal.SIGKILL
    whole = len(told) // 8 * 8
    return struct.unpack(">Q", told[whole - 8 : whole])[0] if whole else 0


@pytest.mark.parametrize("kills", [50, pytest.param(1_000, marks=pytest.mark.soak)])
def test_a_writer_killed_many_times_keeps_every_acknowledged_entry(
    directory: Path, signer: NoteSigner, monkeypatch: pytest.MonkeyPatch, kills: int
) -> None:
    monkeypatch.setattr("cloison.ledger.journal.SEGMENT_BYTES", 30_000)
    Log.create(directory, signer).close()
    delays = random.Random(7)  # noqa: S311 - when to kill
    acknowledged, progressed = 0, 0
    for kill in range(kills):
        last = kill_a_writer(directory, signer, delays.uniform(0.001, 0.03), kill)
        progressed += last > acknowledged
        acknowledged = max(acknowledged, last)
        with Log.open(directory, signer) as log:
            assert log.size >= acknowledged
            acknowledged = log.size
    assert progressed >= kills // 2
    check_whole(directory, signer, acknowledged)


def test_every_error_of_opening_is_ours(directory: Path, signer: NoteSigner) -> None:
    write_commits(directory, signer)
    for name in ("checkpoint", "entries"):
        held = directory.with_name("held")
        (directory / name).rename(held)
        with pytest.raises(CloisonError):
            Log.open(directory, signer)
        held.rename(directory / name)
    check_whole(directory, signer, 304)
