"""`cloison ledger show`'s questions, and `cloison ledger index`: entries found by what they say."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cloison.cli.times import parse_time
from cloison.errors import InputError
from cloison.exchange.entry_words import said_of
from cloison.exchange.statement import to_milliseconds
from cloison.french import french_count
from cloison.ledger.reader import EntryReader
from cloison.ledger.search import Hit, Query, SearchIndex

_KEY_BYTES = 32
Index = Annotated[
    Path | None, typer.Option("--index", help="Its file (default: LEDGER.search.sqlite beside it).")
]


def read_query(
    activity: str, purpose: str, outcome: str, ends: tuple[str, str], trace_key: str
) -> Query:
    """What is looked for, as typed. Raises `InputError` (`BAD_TIME`, `BAD_TRACE_KEY`)."""
    since, until = (to_milliseconds(parse_time(one)) if one else None for one in ends)
    try:
        key = bytes.fromhex(trace_key)
    except ValueError:
        key = b"?"
    if trace_key and len(key) != _KEY_BYTES:
        raise InputError("BAD_TRACE_KEY", "trace key: not 64 hexadecimal digits")
    return Query(activity, purpose, outcome, since, until, key)


def search(
    directory: Path, reader: EntryReader, query: Query, count: int, path: Path | None
) -> tuple[int, list[Hit]]:
    """How many entries there are, and the newest of them. Raises as `SearchIndex`."""
    index = SearchIndex(path or _beside(directory), reader, said_of)
    try:
        return index.find(query, count)
    finally:
        index.close()


def index_command(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A ledger directory.")],
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Hold every row of it to the ledger.")
    ] = False,
    index: Index = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make the index that `ledger show` looks in, or bring it up to date; exit 1 if it disagrees.

    Example: cloison ledger index var/caf/ledger/traces --check
    """
    path = index or _beside(directory)
    made = SearchIndex(path, EntryReader(directory), said_of)
    try:
        if check:
            made.check()
        size = made.size
    finally:
        made.close()
    if as_json:
        typer.echo(json.dumps({"index": str(path), "entries": size, "checked": check}))
    else:
        said = ", every row as the ledger leads to" if check else ""
        typer.echo(f"{path}: {french_count(size)} entries{said}")


def _beside(directory: Path) -> Path:
    return directory.with_name(f"{directory.resolve().name}.search.sqlite")
