"""`cloison load`: the files a body receives, into its store."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cloison.bodies import BodyId, parse_body
from cloison.cli.console import messages, out, table
from cloison.cli.root import find_root
from cloison.declarations import FileRejectedError, FileReport, LoadReport, load_files
from cloison.errors import StorageError
from cloison.french import french_count
from cloison.identity import load_secret
from cloison.months import Month
from cloison.store import Store, load_catalogue

STORE_FILE = "store.sqlite"
_KEY_BYTES = 32


def load(
    body: Annotated[str, typer.Argument(help="A folder of nodes/.")],
    files: Annotated[list[Path], typer.Argument(help="NEODeS messages, tables, Parquet.")],
    *,
    var: Annotated[Path, typer.Option(help="Folder of the nodes' state.")] = Path("var"),
    keys: Annotated[Path, typer.Option(help="Folder of the keys.")] = Path("var/keys"),
    root: Annotated[Path | None, typer.Option(help="Folder that holds policy/ and nodes/.")] = None,
    month: Annotated[
        str | None, typer.Option(help="Refuse declarations of another month (YYYY-MM).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, errors included.")] = False,
) -> None:
    """Load files a body received: each whole or not at all; twice changes nothing.

    A file that is not right is rejected with everything wrong in it; those before it stay loaded.

    Example: cloison load cnav var/population/cnav/*
    """
    name = parse_body(body)
    expected = None if month is None else Month.parse(month)
    store = open_store(name, var, keys, root)
    reports: list[FileReport] = []
    try:
        with Progress(
            TextColumn(f"{name} {{task.fields[file]}}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=messages(),
            transient=True,
        ) as bar:
            task = bar.add_task("load", total=len(files), file="")

            def progress(report: FileReport) -> None:
                reports.append(report)
                bar.update(task, advance=1, file=report.name)

            now = datetime.now(UTC)
            report = load_files(store, store.catalogue, files, now, progress, expected)
    except FileRejectedError as error:
        if as_json:
            typer.echo(_as_json(name, reports, error))
        raise
    finally:
        store.close()
    if as_json:
        typer.echo(_as_json(name, reports))
    else:
        _show(name, report)


def _as_json(body: str, files: Sequence[FileReport], error: FileRejectedError | None = None) -> str:
    rejected = None
    if error is not None:
        faults = [asdict(fault) for fault in error.faults]
        rejected = {"name": error.file, "faults": faults, "more": error.more}
    content = {"body": body, "files": [asdict(file) for file in files], "rejected": rejected}
    return json.dumps(content, ensure_ascii=False, indent=2)


def open_store(body: BodyId, var: Path, keys: Path, root: Path | None) -> Store:
    """The store of a body, made if it is not there.

    Raises:
        StorageError: `STORE_OPEN`, `WRONG_STORE`.
        InputError: `BAD_CATALOGUE`, `NO_ROOT`.
    """
    catalogue = load_catalogue(find_root(root) / "nodes" / body / "catalogue.toml")
    secrets = keys / body / "node"
    row_key = load_secret(secrets / "row.key", _KEY_BYTES)
    vault_key = load_secret(secrets / "vault.key", _KEY_BYTES)
    return Store.open(_state(var / body) / STORE_FILE, catalogue, row_key, vault_key)


def _state(folder: Path) -> Path:
    """The folder of a body's state, made for its owner alone."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError("STORE_OPEN", f"folder `{folder}`: {error.strerror}") from error
    return folder


def _show(body: str, report: LoadReport) -> None:
    columns = ("files", "known before", "lines", "declarations", "records")
    shown = table("body", *columns, right=columns)
    loaded = [file for file in report.files if file.loaded]
    counts = (
        len(loaded),
        len(report.files) - len(loaded),
        report.lines,
        sum(file.declarations for file in loaded),
        report.records,
    )
    shown.add_row(body, *map(french_count, counts))
    out().print(shown)
