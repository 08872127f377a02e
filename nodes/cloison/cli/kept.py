"""`cloison kept`: the lines of loaded declarations that no block of ours reads."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cloison.bodies import parse_body
from cloison.cli.load import open_store


def kept(
    body: Annotated[str, typer.Argument(help="A folder of nodes/.")],
    *,
    file: Annotated[str | None, typer.Option(help="Only of files of this name.")] = None,
    var: Annotated[Path, typer.Option(help="Folder of the nodes' state.")] = Path("var"),
    keys: Annotated[Path, typer.Option(help="Folder of the keys.")] = Path("var/keys"),
    root: Annotated[Path | None, typer.Option(help="Folder that holds policy/ and nodes/.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one line a line.")] = False,
) -> None:
    """Show lines of blocks that were not known when they came, as they were sent.

    They may hold a NIR or an amount: they are shown to whoever may read the file itself.

    Example: cloison kept cnav --file dsn-202602-01.dsn
    """
    store = open_store(parse_body(body), var, keys, root)
    try:
        for one in store.kept_lines(file):
            if as_json:
                content = {**one._asdict(), "sha256": one.sha256.hex()}
                content["loaded_time"] = one.loaded_time.isoformat()
                typer.echo(json.dumps(content, ensure_ascii=False))
            else:
                message = f" ({one.message})" if one.message else ""
                typer.echo(f"{one.file}:{one.line}{message}: {one.text}")
    finally:
        store.close()
