"""`cloison law diff`: which questions change outcome between two days, or two policy sets."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from cloison.cli.law.asking import parse_day
from cloison.cli.law.shown import Json, Root, load, print_json
from cloison.cli.root import read_policy_folder
from cloison.errors import InputError
from cloison.law import PolicySet
from cloison.law.compare import Law, Line, compare

_NOON = time(12, tzinfo=UTC)
_WIDE = 140
_REFUSED = {
    "NO_TEXT": "refusé : aucun texte",
    "FORBIDDEN": "refusé : un texte l'interdit",
    "CONDITION_NOT_MET": "refusé : une condition manque",
    "TEXT_NOT_IN_FORCE": "refusé : texte pas en vigueur",
}
Side = Annotated[str, typer.Argument(help="A day, YYYY-MM-DD, or a folder of policy files.")]


def diff(
    first: Side,
    second: Side,
    law_date: Annotated[
        str, typer.Option("--law-date", help="Day for both, where sets are compared.")
    ] = "",
    root: Root = None,
    as_json: Json = False,
) -> None:
    """Shows which questions change outcome, by body, purpose and data; in French, to print.

    Every question of the registers is put to both: each activity before each dataset of its
    record, of one file or of many persons, under each case it may open or none.

    Example: cloison law diff 2024-01-28 2024-03-01
    """
    sides = [_side(one, law_date, root) for one in (first, second)]
    lines = compare(*sides)
    if as_json:
        print_json({"before": first, "after": second, "changes": list(map(asdict, lines))})
        return
    print(f"Ce qui change entre {_named(first)} et {_named(second)}")
    _print(sides[0].policy, sides[1].policy, lines)
    opened = sum(line.after == "permit" for line in lines)
    print(f"{len(lines)} changement(s) : {opened} vers permis, {len(lines) - opened} vers refusé")


def _side(name: str, law_date: str, root: Path | None) -> Law:
    folder = Path(name)
    if folder.is_dir():
        inner = folder / "policy"
        files = read_policy_folder(inner if inner.is_dir() else folder)
        return Law(PolicySet.parse(files), parse_day(law_date))
    try:
        day = date.fromisoformat(name)
    except ValueError as error:
        why = f"`{name}`: neither a day nor a folder"
        raise InputError("BAD_SIDE", why, "use YYYY-MM-DD, or a folder of policy files") from error
    return Law(load(root), datetime.combine(day, _NOON))


def _named(side: str) -> str:
    return side if Path(side).is_dir() else f"le {side}"


def _print(before: PolicySet, after: PolicySet, lines: Sequence[Line]) -> None:
    heads = (
        "organisme",
        "traitement",
        "finalité",
        "données",
        "comment",
        "avant",
        "après",
        "en vertu de",
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=True)
    for head in heads:
        table.add_column(head, overflow="fold")
    for line in lines:
        record = after.activities.get(line.activity) or before.activities[line.activity]
        purpose = after.purposes.get(line.purpose) or before.purposes[line.purpose]
        table.add_row(
            line.body,
            f"{record.title} ({line.activity})",
            purpose.fr,
            f"{line.data} : {', '.join(line.fields)}",
            " ou ".join(line.what),
            _said(line.before),
            _said(line.after),
            "; ".join(line.articles),
        )
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = _WIDE
    console.print(table)


def _said(outcome: str) -> str:
    return "permis" if outcome == "permit" else _REFUSED.get(outcome, f"refusé : {outcome}")
