"""`cloison law export`: the register of activities, for other programs."""

import csv
import json
from io import StringIO
from pathlib import Path
from typing import Annotated

import typer

from cloison.cli.law.shown import Json, Root, load, print_json
from cloison.errors import InputError, StorageError
from cloison.law.register import CONTEXT, flat, register_of


def export(
    out: Annotated[Path, typer.Option(help="Folder to write register.csv and register.json to.")],
    root: Root = None,
    as_json: Json = False,
) -> None:
    """Writes the register of activities as CSV and as JSON, with DPV terms.

    Example: cloison law export --out register
    """
    policy = load(root)
    rows = register_of(policy)
    if not rows:
        raise InputError("NO_ACTIVITY", "the register holds no activity")
    document = {"@context": CONTEXT, "policy_set": policy.hash.hex(), "activities": rows}
    texts = {
        "register.json": json.dumps(document, ensure_ascii=False, indent=2) + "\n",
        "register.csv": _csv([flat(row) for row in rows]),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (out / name).write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise StorageError("EXPORT_WRITE", f"folder `{out}`: {error.strerror}") from error
    written = [str(out / name) for name in texts]
    if as_json:
        print_json({"activities": len(rows), "written": written})
    else:
        print(f"{len(rows)} activities written to {' and '.join(written)}")


def _csv(rows: list[dict[str, str]]) -> str:
    text = StringIO()
    writer = csv.DictWriter(text, fieldnames=list(dict.fromkeys(n for row in rows for n in row)))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
