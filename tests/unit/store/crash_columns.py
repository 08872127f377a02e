"""Loads and settles a store, and ends without a word at the event asked: run by a test.

Usage: python -m tests.unit.store.crash_columns FOLDER EVENT. Events: files opened and removed, and
what is committed.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.unit.store.many import History, open_store

from cloison.store import column_writing
from cloison.store.database import Database

WATCHED = ("open", "os.remove", "os.mkdir")


def main(folder: Path, event: int) -> None:
    store = open_store(folder)
    history = History(store, b"crash")
    left = event

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os._exit(9)

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


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
