"""Loads and settles copies of a store, each ended without a word at a later event: run by a test.

Usage: python -m tests.unit.store.crash_columns FOLDER. Events: files opened and removed, and what
is committed. Copies stand in FOLDER/1, FOLDER/2 and on; the last is the one that came to its end.
"""

import os
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from tests.unit.store.many import History, open_store

from cloison.store import column_writing
from cloison.store.database import Database

KILLED = 9
WATCHED = ("open", "os.remove", "os.mkdir")


def main(folder: Path, event: int) -> None:
    store = open_store(folder)
    history = History(store, b"crash")
    left = event

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os._exit(KILLED)

    def watch(name: str, arguments: tuple[Any, ...]) -> None:
        if name in WATCHED and str(folder) in str(arguments[0]):
            count()

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any, **named: Any) -> Any:
            count()
            return call(*arguments, **named)

        return counting

    column_writing.put_file = counted(column_writing.put_file)  # type: ignore[attr-defined]
    Database.checkpoint = counted(Database.checkpoint)  # type: ignore[method-assign]
    sys.addaudithook(watch)
    history.pay(1, 202602, "salary", 7, 7)
    count()
    history.declare("z", [(2, 202604, "pension", 5), (3, 202603, "salary", 6)])
    history.notice((0, 2), 2024, 9)
    history.identity(4, True, True, False)
    store.settle()
    count()


def end_at_each(folder: Path) -> None:
    """A process for each event, forked from this one, which holds no store: none imports anew."""
    event, code = 0, KILLED
    while code == KILLED:
        event += 1
        copy = folder / str(event)
        shutil.copytree(folder / "store.columns", copy / "store.columns")
        shutil.copy(folder / "store.sqlite", copy)
        child = os.fork()
        if child == 0:
            _end_at(copy, event)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.exit(code)


def _end_at(folder: Path, event: int) -> NoReturn:
    try:
        main(folder, event)
    except BaseException:  # noqa: BLE001 - told, and then the process ends
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    end_at_each(Path(sys.argv[1]))
