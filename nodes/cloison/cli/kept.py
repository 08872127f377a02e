"""`cloison kept`: the lines of declarations that no block of ours reads; never what they say."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cloison.bodies import parse_body
from cloison.cli.load import open_store
from cloison.store import KeptLine


def kept(
    body: Annotated[str, typer.Argument(help="A folder of nodes/.")],
    *,
    file: Annotated[str | None, typer.Option(help="Only of files of this name.")] = None,
    var: Annotated[Path, typer.Option(help="Folder of the nodes' state.")] = Path("var"),
    keys: Annotated[Path, typer.Option(help="Folder of the keys.")] = Path("var/keys"),
    root: Annotated[Path | None, typer.Option(help="Folder that holds policy/ and nodes/.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one line a line.")] = False,
) -> None:
    """Show where lines of blocks stand that were not known when they came, and their rubrics.

    What they say stays sealed: a value is read under a purpose and an entry, or not at all.

    Example: cloison kept cnav --file dsn-202602-01.dsn
    """
    store = open_store(parse_body(body), var, keys, root)
    try:
        for one in store.kept_lines(file):
            if as_json:
                typer.echo(json.dumps(_place(one), ensure_ascii=False))
            else:
                message = f" ({one.message})" if one.message else ""
                typer.echo(f"{one.file}:{one.line}{message}: {_rubric(one)}")
    finally:
        store.close()


def _place(one: KeptLine) -> dict[str, str | int]:
    return {
        "file": one.file,
        "sha256": one.sha256.hex(),
        "loaded_time": one.loaded_time.isoformat(),
        "message": one.message,
        "line": one.line,
        "rubric": _rubric(one),
    }


def _rubric(one: KeptLine) -> str:
    """Its name alone. INVARIANT: no value, which may be a NIR or an amount."""
    return one.text.partition(",")[0]
