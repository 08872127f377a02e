"""`cloison entitlement`: compute a benefit from incomes asked across the bodies."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from cloison.cli.answers import period_text, read_types
from cloison.cli.ask import find_activity
from cloison.cli.console import messages, out, table
from cloison.cli.explain import explain_command
from cloison.cli.root import find_root, read_policy
from cloison.errors import InputError
from cloison.french import french_count, french_euros, french_month
from cloison.identity.secrets import write_new
from cloison.law import PolicySet
from cloison.months import Month
from cloison.programs.entitlement.answers import Source, Value
from cloison.programs.entitlement.inputs import Benefit, SetAside
from cloison.programs.entitlement.needs import Needs
from cloison.programs.entitlement.run import Outcome, Result, run
from cloison.store import FieldType
from cloison.wire.client import connect
from cloison.wire.gateway import Gateway
from cloison.wire.node import system_clock

app = typer.Typer(help="Benefits from incomes asked across the bodies.", no_args_is_help=True)

app.command("explain")(explain_command)

_PRIVATE = 0o600
_WORDS = {
    SetAside.NO_PERMANENT_NIR: "a person has no permanent NIR",
    SetAside.PERSON_NOT_ANSWERABLE: "a holder answers for no such person",
    SetAside.MONTH_NOT_YET_DUE: "a month is not yet due",
    SetAside.SOURCE_LATE: "a payer is late with a month",
    SetAside.UNDER_CORRECTION: "a month is under correction",
    SetAside.REFUSED: "the law refused a question",
    SetAside.FAILED: "a question came to no decision",
    SetAside.OWN_FILE_INCOMPLETE: "the body's own file is incomplete",
    SetAside.AMOUNT_MISSING: "a payment was declared without its amount",
    SetAside.UNKNOWN_CODE: "a code the calculator does not know",
    SetAside.DEPENDS_ON_MONTH_NOT_ASKED: "the rule would read a month that may not be asked",
    SetAside.ENGINE_REFUSED: "the engine refuses an input",
}


@app.callback()
def _group() -> None:
    """Benefits from incomes asked across the bodies."""


@app.command("run")
def run_command(
    *,
    benefit: Annotated[Benefit, typer.Option(help="The benefit.")],
    month: Annotated[str, typer.Option(help="The month of the right, YYYY-MM.")],
    case: Annotated[list[str] | None, typer.Option(help="A claim; may be repeated.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every open claim.")] = False,
    body: Annotated[str, typer.Option(help="The body that computes.")] = "caf",
    keys: Annotated[Path, typer.Option(help="Folder of the keys.")] = Path("var/keys"),
    root: Annotated[Path | None, typer.Option(help="Folder of policy/ and nodes/.")] = None,
    address: Annotated[str | None, typer.Option(help="host:port, if not the node.toml's.")] = None,
    save: Annotated[
        Path | None, typer.Option("--out", help="A new private file: one result a line, as JSON.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compute and deposit a benefit for the claims named, or for every open one.

    Cases that cannot be computed are set aside with their reason; that is no failure.

    Example: cloison entitlement run --benefit ppa --month 2026-06 --all
    """
    right = Month.parse(month)
    if bool(case) == every:
        raise InputError("BAD_CASES", "cases: give `--case` or `--all`, and only one")
    if save is not None and save.exists():
        raise InputError("OUT_EXISTS", f"file `{save}`: is already there", "name a new file")
    base = find_root(root or Path.cwd())
    policy = PolicySet.parse(read_policy(base))
    record = find_activity(policy.activities, f"{body}-{benefit.value}")
    with closing(connect(keys, record.id, base, system_clock, address)) as gateway:
        outcome = compute(gateway, Needs.of(record), right, case or ())
    if save is not None:
        lines = (json.dumps(result_record(one), ensure_ascii=False) for one in outcome.results)
        write_new(save, "".join(f"{line}\n" for line in lines).encode(), _PRIVATE)
    if as_json:
        typer.echo(outcome_to_json(outcome))
        return
    show_summary(out(), benefit, right, outcome)
    if case:
        for result in outcome.results:
            show_result(out(), base, result)


def compute(gateway: Gateway, needs: Needs, month: Month, references: Sequence[str]) -> Outcome:
    """Runs with progress on stderr."""
    with Progress(console=messages(), transient=True) as bar:
        task = bar.add_task("asking", total=None)

        def advance(done: int, cases: int) -> None:
            bar.update(task, completed=done, total=cases)

        return run(gateway, needs, month, references, advance)


def outcome_to_json(outcome: Outcome) -> str:
    """The summary, and each result. Amounts in integer cents."""
    results = [result_record(one) for one in outcome.results]
    content = {"summary": asdict(outcome.summary), "results": results}
    return json.dumps(content, ensure_ascii=False, indent=2)


def result_record(result: Result) -> dict[str, object]:
    """One result with every input, as JSON holds it."""
    return {
        "case": result.reference,
        "amount_cents": result.amount_cents,
        "set_aside": result.set_aside and result.set_aside.value,
        "deposit_leaf": result.receipt and result.receipt.leaf_index,
        "inputs": [
            {**source.record(), "values": dict(source.row.values)} for source in result.sources
        ],
    }


def show_summary(console: Console, benefit: Benefit, month: Month, outcome: Outcome) -> None:
    """How many were computed, what they come to, and why the others were set aside."""
    summary = outcome.summary
    name = f"{benefit.value.upper()} · {french_month(month)}"
    shown = table("", " ", right=(" ",), title=name)
    rights = [one.amount_cents for one in outcome.results if one.amount_cents]
    for label, text in (
        ("cases", french_count(summary.cases)),
        ("computed", french_count(summary.computed)),
        ("  with a right", french_count(len(rights))),
        ("  median right", french_euros(round(median(rights))) if rights else "–"),
        ("  total", french_euros(sum(rights))),
        ("set aside", french_count(sum(summary.set_aside.values()))),
        *((f"  {_WORDS[SetAside(key)]}", french_count(n)) for key, n in summary.set_aside.items()),
        ("questions", french_count(summary.asked)),
        ("  permitted", french_count(summary.permitted)),
        ("  refused", french_count(summary.refused)),
    ):
        shown.add_row(label, text)
    console.print(shown)


def show_result(console: Console, root: Path, result: Result) -> None:
    """One case: its amount or why there is none, and every input with its receipt."""
    if result.amount_cents is None:
        why = _WORDS[result.set_aside] if result.set_aside else ""
        console.print(f"\n{result.reference}: set aside, {why}", markup=False)
        return
    console.print(
        f"\n{result.reference}: {french_euros(result.amount_cents)}", style="bold", markup=False
    )
    shown = table("holder", "data", "person", "month", "status", "values", "version", "receipt")
    for source in result.sources:
        shown.add_row(*source_row(source, read_types(root, source.holder, source.dataset)))
    console.print(shown)


def source_row(source: Source, types: dict[str, FieldType]) -> Sequence[str]:
    """An input as the table shows it; `receipt` is the leaf of the holder's entry."""
    row = source.row
    values = "\n".join(
        f"{name} {_value(value, types.get(name))}"
        for name, value in row.values.items()
        if value not in {None, ""}
    )
    version = f"{row.source} v{row.version}" if row.version else "–"
    leaf = "–" if source.receipt is None else str(source.receipt.leaf_index)
    return (
        source.holder,
        source.dataset,
        source.role,
        period_text(row.period),
        row.status,
        values,
        version,
        leaf,
    )


def _value(value: Value, kind: FieldType | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and kind is FieldType.CENTS:
        return french_euros(value)
    if kind is FieldType.DATE:
        text = str(value)
        return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    return str(value)
