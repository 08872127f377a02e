"""`cloison entitlement changes`: what sources corrected since, and what it makes of each right."""

import json
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from cloison.cli.answers import period_text, read_types
from cloison.cli.ask import find_activity
from cloison.cli.console import messages, out, table
from cloison.cli.results import WORDS, values_text
from cloison.cli.root import find_root, read_policy
from cloison.errors import PeerError
from cloison.french import french_count, french_euros, french_month
from cloison.law import PolicySet
from cloison.programs.entitlement.answers import Source
from cloison.programs.entitlement.changes import Difference, Review, Reviewed, review
from cloison.programs.entitlement.inputs import Benefit
from cloison.programs.entitlement.needs import Needs
from cloison.wire.client import connect
from cloison.wire.node import system_clock


def changes_command(
    *,
    benefit: Annotated[Benefit, typer.Option(help="The benefit.")],
    body: Annotated[str, typer.Option(help="The body that computes.")] = "caf",
    keys: Annotated[Path, typer.Option(help="Folder of the keys.")] = Path("var/keys"),
    root: Annotated[Path | None, typer.Option(help="Folder of policy/ and nodes/.")] = None,
    address: Annotated[str | None, typer.Option(help="host:port, if not the node.toml's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask the holders what they corrected, and compute each right concerned again.

    Each claim gets a review: asked again, computed, deposited, closed. Both amounts rest on the
    household as its file says today: they differ by the correction alone. A review set aside comes
    back with the next call. Fails, after showing the rest, where a holder could not be asked.

    Example: cloison entitlement changes --benefit ppa
    """
    base = find_root(root or Path.cwd())
    record = find_activity(PolicySet.parse(read_policy(base)).activities, f"{body}-{benefit.value}")
    with (
        closing(connect(keys, record.id, base, system_clock, address)) as gateway,
        messages().status("asking"),
    ):
        found = review(gateway, Needs.of(record))
    if as_json:
        typer.echo(json.dumps(reviewed_record(found), ensure_ascii=False, indent=2))
    else:
        show_reviewed(out(), base, benefit, found)
    for holder, error in found.unheard.items():
        raise PeerError(
            error.reason,
            f"holder `{holder}`: could not be asked for changes: {error.message}",
            "ask again; what it has to tell waits there",
        )


def reviewed_record(found: Reviewed) -> dict[str, object]:
    """Everything that was found, as JSON holds it. Amounts in integer cents."""
    return {
        "reviews": [_review_record(one) for one in found.reviews],
        "not_open": [one.reference for one in found.not_open],
        "unheard": {holder: error.reason for holder, error in found.unheard.items()},
    }


def _review_record(one: Review) -> dict[str, object]:
    return {
        "case": one.reference,
        "month": str(one.month),
        "earlier_cents": one.earlier_cents,
        "amount_cents": one.amount_cents,
        "difference_cents": one.difference_cents,
        "set_aside": one.set_aside and one.set_aside.value,
        "comparable": one.comparable,
        "deposit_leaf": one.receipt and one.receipt.leaf_index,
        "told": [
            {
                "holder": change.holder,
                "dataset": change.dataset,
                "periods": list(change.periods),
                "leaf_index": change.told_leaf,
                "answer_leaf_index": change.answer.leaf_index,
            }
            for change in one.changes
        ],
        "differences": [
            {"earlier": _records(pair.earlier), "now": _records(pair.now)}
            for pair in one.differences
        ],
    }


def _records(sources: tuple[Source, ...]) -> list[dict[str, object]]:
    return [{**source.record(), "values": dict(source.row.values)} for source in sources]


def show_reviewed(console: Console, root: Path, benefit: Benefit, found: Reviewed) -> None:
    """Each review, then what they come to."""
    for one in found.reviews:
        _show_review(console, root, one)
    for claim in found.not_open:
        line = f"\n{claim.reference} · {french_month(claim.month)}: no longer open, left as it is"
        console.print(line, markup=False)
    known = [one.difference_cents for one in found.reviews if one.difference_cents is not None]
    shown = table("", " ", right=(" ",), title=f"{benefit.value.upper()} · corrections")
    for label, text in (
        ("claims with a change", french_count(len(found.reviews) + len(found.not_open))),
        ("computed again", french_count(sum(one.receipt is not None for one in found.reviews))),
        ("  higher", french_count(sum(cents > 0 for cents in known))),
        ("  lower", french_count(sum(cents < 0 for cents in known))),
        ("  the same", french_count(sum(cents == 0 for cents in known))),
        ("  difference", _signed(sum(known))),
        ("set aside", french_count(sum(one.set_aside is not None for one in found.reviews))),
    ):
        shown.add_row(label, text)
    console.print(shown)


def _show_review(console: Console, root: Path, one: Review) -> None:
    head = f"\n{one.reference} · {french_month(one.month)}: {_amounts(one)}"
    console.print(Text(head, style="bold"), soft_wrap=True)
    for change in one.changes:
        months = ", ".join(map(period_text, change.periods))
        console.print(
            f"  {change.holder} told of {change.dataset} {months} in its entry {change.told_leaf}",
            markup=False,
        )
    if not one.comparable:
        console.print("  earlier values: not to be had for the same persons and questions")
    if not one.differences:
        return
    shown = table(
        "holder", "person", "month", "earlier", "version", "receipt", "now", "version", "receipt"
    )
    shown.show_lines = True
    for pair in one.differences:
        shown.add_row(*_row(root, pair))
    console.print(shown)


def _amounts(one: Review) -> str:
    earlier = "–" if one.earlier_cents is None else french_euros(one.earlier_cents)
    if one.amount_cents is None:
        why = WORDS[one.set_aside] if one.set_aside else ""
        return f"{earlier} earlier; set aside now, {why}"
    now = french_euros(one.amount_cents)
    if one.difference_cents is None:
        return f"{now} now; the earlier amount is not known"
    return f"{earlier} → {now}, difference {_signed(one.difference_cents)}"


def _signed(cents: int) -> str:
    return f"+{french_euros(cents)}" if cents > 0 else french_euros(cents)


def _row(root: Path, pair: Difference) -> tuple[str, ...]:
    first = (pair.earlier or pair.now)[0]
    head = (first.holder, first.role, period_text(first.row.period))
    return (*head, *_side(root, pair.earlier), *_side(root, pair.now))


def _side(root: Path, sources: tuple[Source, ...]) -> tuple[str, str, str]:
    """Values, versions and receipts of one side: a line a record."""
    if not sources:
        return "–", "–", "–"
    types = read_types(root, sources[0].holder, sources[0].dataset)
    texts = [values_text(one.row.values, types) or one.row.status for one in sources]
    values = [text.replace("\n", ", ") for text in texts]  # a line a record, as its version beside
    versions = [
        f"{one.row.source} v{one.row.version}" if one.row.version else "" for one in sources
    ]
    leaf = sources[0].receipt and sources[0].receipt.leaf_index
    return "\n".join(values), "\n".join(filter(None, versions)) or "–", str(leaf)
