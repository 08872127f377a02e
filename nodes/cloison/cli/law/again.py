"""`cloison law replay`: every decision of a ledger, made again."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cloison.cli.law.sets import sets_near
from cloison.cli.law.shown import FAILED, Json, Root, print_json
from cloison.errors import InputError
from cloison.exchange.replay import replay
from cloison.french import french_count
from cloison.ledger.reader import EntryReader

Policies = Annotated[
    list[Path] | None, typer.Option("--policy", help="Folder of an old policy set; repeatable.")
]


def replay_(
    directory: Annotated[
        Path, typer.Argument(metavar="LEDGER", help="A ledger directory, as var/caf/ledger/traces.")
    ],
    policy: Policies = None,
    root: Root = None,
    as_json: Json = False,
) -> None:
    """Makes every decision of a ledger again: same, or each difference and exit 1.

    Each is decided by the policy set its entry names, found by content: in the folders given, in
    the node's `policy-sets/`, in the root. A set that is nowhere ends the command with exit 3.

    Example: cloison law replay var/caf/ledger/traces
    """
    reader = EntryReader(directory)
    sets = sets_near(directory, root, policy or ())
    decided, differing = 0, []
    for one in replay(reader.entries(0, reader.size), sets, lambda at: _entry(reader, at)):
        decided += 1
        if one.differs:
            differing.append(one)
            if not as_json:
                print(f"entry {one.index} ({one.kind}): {one.differs}")
    if not decided:
        raise InputError("NO_DECISION", f"ledger `{directory}`: holds no decision")
    if as_json:
        print_json({"decisions": decided, "differences": list(map(asdict, differing))})
    else:
        same = decided - len(differing)
        share = f"{100 * same / decided:.2f}".rstrip("0").rstrip(".")
        print(
            f"{french_count(same)} of {french_count(decided)} decisions made again alike: {share} %"
        )
    if differing:
        raise typer.Exit(FAILED)


def _entry(reader: EntryReader, index: int) -> bytes:
    return next(data for _, data in reader.entries(index, 1))
