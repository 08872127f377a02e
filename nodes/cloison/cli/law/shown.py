"""What the commands on the law share: the root they read, and how they print."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cloison.cli.root import find_root, read_policy
from cloison.law import Decision, PolicySet

DENIED = 2
FAILED = 1

Root = Annotated[
    Path | None, typer.Option("--root", help="Folder that holds policy/ (default: nearest above).")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def load(root: Path | None) -> PolicySet:
    """The policy set of a root; the nearest one where none is given."""
    return PolicySet.parse(read_policy(root or find_root(Path.cwd())))


def print_json(value: object) -> None:
    """JSON on stdout, accents kept."""
    print(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def print_table(heads: tuple[str, ...], rows: Sequence[Mapping[str, object]]) -> None:
    """Rows under heads; each row's values in the order of the heads."""
    table = Table(*heads, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(cell, row.values()))
    Console(highlight=False, markup=False).print(table)


def cell(value: object) -> str:
    """A value in a table."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def print_record(record: Mapping[str, Any], indent: str = "") -> None:
    """A record as `key: value` lines, lists and tables indented below their key."""
    for key, value in record.items():
        if isinstance(value, Mapping):
            print(f"{indent}{key}:")
            print_record(value, f"{indent}  ")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for item in value:
                print(f"{indent}{key}:")
                print_record(item, f"{indent}  ")
        elif value not in (None, "", []):
            print(f"{indent}{key}: {cell(value)}")


def record_of(decision: Decision) -> dict[str, object]:
    """A decision as JSON has it: rules as `text/rule`, obligations as `kind=value`."""
    return {
        "outcome": decision.outcome.value,
        "reason": decision.reason,
        "rules": [f"{rule.text}/{rule.rule}" for rule in decision.rules],
        "articles": [f"{rule.text}, {rule.article}" for rule in decision.rules],
        "obligations": list(
            dict.fromkeys(f"{duty.kind}={duty.value}" for duty in decision.obligations)
        ),
        "provisional": decision.provisional,
        "nearest": [
            {
                "rule": f"{near.rule.text}/{near.rule.rule}",
                "article": near.rule.article,
                "lacks": list(near.failed),
            }
            for near in decision.nearest
        ],
    }


def print_decision(decision: Decision, now: datetime) -> None:
    """The outcome, and the rules, obligations or nearest permits that made it."""
    print(f"{decision.outcome.value}  {decision.reason}  (law of {now.date().isoformat()})")
    for rule in decision.rules:
        mark = " [provisional]" if rule.provisional else ""
        print(f"  {rule.effect} {rule.text}/{rule.rule}: {rule.article}{mark}")
    for obligation in decision.obligations:
        print(f"  obligation {obligation.kind} {obligation.value} ({obligation.rule})")
    for nearest in decision.nearest:
        print(f"  nearest {nearest.rule.text}/{nearest.rule.rule}: {nearest.rule.article}")
        for failed in nearest.failed:
            print(f"    lacks: {failed}")
