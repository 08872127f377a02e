"""`cloison law what-if`: past refusals against a draft text."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from cloison.cli.law.shown import Json, Root, print_json, print_table
from cloison.cli.root import find_root, read_policy, read_policy_folder
from cloison.errors import InputError
from cloison.exchange.what_if import distinct_people, opened_rows, what_if
from cloison.law import PolicySet
from cloison.ledger.reader import EntryReader

_HEADS = (
    "activity",
    "purpose",
    "data",
    "refused",
    "would pass",
    "people",
    "asked of untraced",
    "in cohorts",
)


def what_if_(
    draft: Annotated[
        Path, typer.Argument(metavar="DRAFT", help="A text's folder: text.toml, rules.cedar, …")
    ],
    ledgers: Annotated[
        list[Path], typer.Argument(metavar="LEDGER…", help="Ledgers of holders and requesters.")
    ],
    since: Annotated[str, typer.Option(help="First day looked at, YYYY-MM-DD.")],
    root: Root = None,
    as_json: Json = False,
) -> None:
    """Counts the past refusals a draft would have let through, and the people they were about.

    The draft is taken as in force on each day looked at, and every activity as relying on it. Give
    the ledger of who asked to tell people apart; without it, questions are counted.

    Example: cloison law what-if drafts/decret-2027-1 var/cnav/ledger/traces var/caf/ledger/traces
    --since 2026-01-01
    """
    day = _day(since)
    files = read_policy(root or find_root(Path.cwd()))
    name = draft.resolve().name
    policy = PolicySet.parse({**files, **_draft(draft, name)})
    readers = [EntryReader(one) for one in ledgers]
    rows = what_if(policy, name, day, (one.entries(0, one.size) for one in readers))
    shown = list(opened_rows(rows))
    total = {
        "refused": sum(row.refused for row in rows),
        "would_pass": sum(row.passing for row in rows),
        "distinct_people": distinct_people(rows),
    }
    if as_json:
        print_json({**total, "rows": shown})
        return
    print_table(_HEADS, shown)
    print(
        f"{total['would_pass']} of {total['refused']} refusals since {day} would pass, about "
        f"{total['distinct_people']} different people that can be told apart"
    )


def _day(since: str) -> date:
    try:
        return date.fromisoformat(since)
    except ValueError as error:
        raise InputError("BAD_DATE", f"date `{since}`: not a date", "use YYYY-MM-DD") from error


def _draft(folder: Path, name: str) -> dict[str, bytes]:
    files = read_policy_folder(folder)
    if "text.toml" not in files:
        raise InputError(
            "NO_DRAFT", f"draft `{folder}`: no text.toml", "give the folder of one text"
        )
    return {f"texts/{name}/{path}": content for path, content in files.items()}
