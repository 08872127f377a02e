"""Group commit: what waits shares one write; a failure reaches everyone who waits."""

import asyncio
from pathlib import Path

import pytest

from cloison.errors import CloisonError, InputError, StorageError
from cloison.ledger import Committed, GroupCommit, LedgerReader, Log, NoteSigner
from cloison.ledger.log import Appended


def count_appends(log: Log, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    groups: list[int] = []
    real = log.append_many

    def counted(entries: list[bytes]) -> Appended:
        groups.append(len(entries))
        return real(entries)

    monkeypatch.setattr(log, "append_many", counted)
    return groups


def commit_all(log: Log, groups: list[list[bytes]]) -> list[Committed | BaseException]:
    async def run() -> list[Committed | BaseException]:
        committer = GroupCommit(log)
        waiting = (committer.commit(group) for group in groups)
        return await asyncio.gather(*waiting, return_exceptions=True)

    return asyncio.run(run())


def test_commit_of_many_callers_shares_one_append(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = count_appends(log, monkeypatch)
    done = commit_all(log, [[b"a", b"b"], [b"c"], [b"d", b"e", b"f"]])
    assert groups == [6]
    assert [item.first_index for item in done if isinstance(item, Committed)] == [0, 2, 3]
    assert {item.size for item in done if isinstance(item, Committed)} == {6}
    assert log.entries(0, 6) == [b"a", b"b", b"c", b"d", b"e", b"f"]


def test_commit_of_more_than_a_group_is_split_between_callers(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = count_appends(log, monkeypatch)
    done = commit_all(log, [[b"x"] * 10_000, [b"y"] * 10_000, [b"z"]])
    assert groups == [10_000, 10_001]
    assert all(isinstance(item, Committed) for item in done)


def test_commit_failing_fails_every_waiter_and_all_that_come_after(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr("os.fdatasync", refuse)
    failed = commit_all(log, [[b"a"], [b"b"], [b"x"] * 16_384])
    assert [e.reason for e in failed if isinstance(e, StorageError)] == ["LEDGER_WRITE"] * 3
    monkeypatch.undo()
    later = commit_all(log, [[b"c"]])
    assert [e.reason for e in later if isinstance(e, StorageError)] == ["LEDGER_STOPPED"]


def test_commit_of_a_wrong_entry_fails_its_caller_alone(log: Log) -> None:
    done = commit_all(log, [[b"a"], [b"x" * 65_536], [b"b"]])
    assert isinstance(done[1], InputError)
    assert log.entries(0, log.size) == [b"a", b"b"]


def test_commit_of_a_cancelled_caller_leaves_the_others(log: Log) -> None:
    async def run() -> Committed:
        committer = GroupCommit(log)
        first = asyncio.create_task(committer.commit([b"a"]))
        second = asyncio.create_task(committer.commit([b"b"]))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(run()).first_index == 1


def test_error_that_is_not_ours_fails_the_waiters_too(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise MemoryError

    async def run() -> list[BaseException | Committed]:
        told: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        committer = GroupCommit(log)
        waiting = [committer.commit([b"a"]), committer.commit([b"b"])]
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert told
        return found

    monkeypatch.setattr(log, "append_many", refuse)
    assert [type(item) for item in asyncio.run(run())] == [MemoryError, MemoryError]


def test_commit_settles_tiles_when_nothing_waits(
    log: Log, directory: Path, signer: NoteSigner
) -> None:
    async def run() -> None:
        await GroupCommit(log).commit([b"x"] * 1_000)
        for _ in range(10):
            await asyncio.sleep(0)

    asyncio.run(run())
    assert (directory / "tile/entries/002").exists()
    assert LedgerReader(directory, signer.verifier).verify().checkpoint.size == 1_000


def test_settling_that_fails_stops_the_log_and_the_clock(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(5, "input/output error")

    async def run() -> None:
        committer = GroupCommit(log)
        await committer.commit([b"x"] * 1_000)
        monkeypatch.setattr("os.fsync", refuse)
        for _ in range(5):
            await asyncio.sleep(0)
        with pytest.raises(CloisonError) as raised:
            await committer.commit([b"y"])
        assert raised.value.reason == "LEDGER_STOPPED"

    asyncio.run(run())
    monkeypatch.undo()
    assert log.unsettled == 0
