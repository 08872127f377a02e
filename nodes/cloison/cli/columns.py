"""`cloison columns`: the files beside the records, held against their checksums and mended."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cloison.bodies import parse_body
from cloison.cli.console import messages
from cloison.cli.load import open_store


def columns(
    body: Annotated[str, typer.Argument(help="A folder of nodes/.")],
    *,
    var: Annotated[Path, typer.Option(help="Folder of the nodes' state.")] = Path("var"),
    keys: Annotated[Path, typer.Option(help="Folder of the keys.")] = Path("var/keys"),
    root: Annotated[Path | None, typer.Option(help="Folder that holds policy/ and nodes/.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check the columns beside the records, and write anew what is damaged or behind.

    A load does most of it; after a disk failed, a copy without its columns, or a load cut short,
    this does all of it. Records and answers are not changed.

    Example: cloison columns cnav
    """
    name = parse_body(body)
    store = open_store(name, var, keys, root)
    try:
        with messages().status(f"{name}: reading columns"):
            written = store.mend_columns()
        counted = store.count_columns()
    finally:
        store.close()
    if as_json:
        content = {"body": name, "files": counted, "written": written}
        typer.echo(json.dumps(content, ensure_ascii=False))
    else:
        typer.echo(f"{name}: {counted} files, {written} written anew")
