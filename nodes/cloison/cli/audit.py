"""`cloison audit`: what ledgers show when they are read together; offline, no node needed."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from cloison.audit import Checked, Finding, read_lines, reconcile
from cloison.bodies import BodyId
from cloison.cli.console import out, table
from cloison.cli.places import Place, read_nodes
from cloison.cli.root import find_root
from cloison.cli.vkeys import load_vkey
from cloison.errors import InputError
from cloison.french import french_count

app = typer.Typer(no_args_is_help=True, help="Hold ledgers against each other, offline.")

FAILED = 1
_UNDER_WAY = timedelta(minutes=1)

Keys = Annotated[Path, typer.Option(help="Folder of the keys.")]
Var = Annotated[Path, typer.Option(help="Folder of the nodes' state.")]
Only = Annotated[list[str] | None, typer.Option(help="A body; may be given more than once.")]
Root = Annotated[Path | None, typer.Option(help="Folder that holds policy/ and nodes/.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def audit() -> None:
    """Hold ledgers against each other, offline."""


@app.command("reconcile")
def reconcile_(
    *,
    keys: Keys = Path("var/keys"),
    var: Var = Path("var"),
    only: Only = None,
    until: Annotated[
        str,
        typer.Option(help="What came later may still lack its other half (default: 1 minute ago)."),
    ] = "",
    root: Root = None,
    as_json: Json = False,
) -> None:
    """Check that what was asked was decided, and what was decided received; exit 1 on a finding.

    Every entry of every ledger is read and held to its signed head first.

    Example: cloison audit reconcile
    """
    place = Place(find_root(root), keys, var)
    ledgers = {
        node.body: read_lines(
            node.body,
            node.folder / "ledger" / "traces",
            load_vkey(keys / f"public/ledgers/{node.body}.traces.vkey"),
        )
        for node in read_nodes(place, only or ())
    }
    _say(*reconcile(ledgers, _time(until)), ledgers, as_json=as_json)


def _say(
    findings: list[Finding],
    checked: Checked,
    ledgers: Mapping[BodyId, object],
    *,
    as_json: bool,
) -> None:
    if as_json:
        found = {
            "findings": [asdict(one) for one in findings],
            "checked": {**asdict(checked), "ledgers": list(ledgers)},
        }
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        if findings:
            shown = table("code", "severity", "activity", "finding", "first entry")
            for one in findings:
                first = one.evidence[0]
                place = f"{first.ledger} {first.index}"
                shown.add_row(one.code, one.severity, one.activity, one.sentence, place)
            out().print(shown)
        counts = (f"{french_count(count)} {name}" for name, count in asdict(checked).items())
        typer.echo(f"{', '.join(ledgers)}: {' · '.join(counts)}; {len(findings)} findings")
    if findings:
        raise typer.Exit(FAILED)


def _time(text: str) -> datetime:
    if not text:
        return datetime.now(UTC) - _UNDER_WAY
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            "BAD_TIME", f"time `{text}`: not a time", "use 2026-11-26T10:00Z"
        ) from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)
