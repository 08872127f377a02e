"""`cloison targeting`: ask what control scoring asks, and show what is answered."""

import json
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from cloison.bodies import BodyId
from cloison.cli.ask import find_activity
from cloison.cli.console import messages, out, show_decision, table
from cloison.cli.root import find_root, read_policy
from cloison.errors import InputError
from cloison.french import french_count
from cloison.law import PolicySet
from cloison.law.question import Decision
from cloison.months import Month
from cloison.programs.persons_file import read_members, read_persons
from cloison.programs.targeting import (
    Attempt,
    File,
    Wish,
    ask_from_afar,
    ask_locally,
)
from cloison.programs.targeting_model import Model, load_model
from cloison.wire.client import connect
from cloison.wire.gateway import Gateway, Received
from cloison.wire.node import system_clock
from cloison.wire.status import DENIED, FAILURE, OK

app = typer.Typer(help="Control scoring, asked honestly.", no_args_is_help=True)


class Where(StrEnum):
    """Whom scoring asks."""

    AFAR = "afar"
    LOCAL = "local"
    BOTH = "both"


@app.callback()
def _group() -> None:
    """Control scoring, asked honestly."""


@app.command("run")
def run_command(
    *,
    where: Annotated[Where, typer.Option(help="The holder, the body's own node, or both.")] = (
        Where.BOTH
    ),
    first: Annotated[str, typer.Option(help="First month, YYYY-MM.")] = "",
    last: Annotated[str, typer.Option(help="Last month, YYYY-MM.")] = "",
    activity: Annotated[str, typer.Option(help="The scoring activity.")] = "caf-dmde",
    received_by: Annotated[
        str, typer.Option(help="Locally: the activity whose received data are wanted.")
    ] = "caf-ppa",
    persons: Annotated[
        Path | None, typer.Option(help="File of lines nir;birth_name;birth_date.")
    ] = None,
    population: Annotated[
        Path, typer.Option(help="Without --persons: folder of the people, for members.csv.")
    ] = Path("var/population"),
    keys: Annotated[Path, typer.Option(help="Folder of the keys.")] = Path("var/keys"),
    root: Annotated[Path | None, typer.Option(help="Folder of policy/ and nodes/.")] = None,
    address: Annotated[str | None, typer.Option(help="host:port, if not the node.toml's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask every file's income for control targeting: of the holder, and of the body's own node.

    Exit 2 if anything was refused, 1 if a question came to no decision, 0 if all was permitted.

    Example: cloison targeting run --where both
    """
    base = find_root(root or Path.cwd())
    policy = PolicySet.parse(read_policy(base))
    record = find_activity(policy.activities, activity)
    months = parse_months(first, last)
    wish = Wish(record, *months, load_model())
    files = (
        read_persons(persons) if persons else read_members(population / record.body / "members.csv")
    )
    received = received_of(policy, wish, received_by)
    with closing(connect(keys, activity, base, system_clock, address)) as gateway:
        attempts = attempt(gateway, wish, files, where, received)
    if as_json:
        typer.echo(to_json(attempts))
    else:
        show(out(), wish.model, attempts)
    raise typer.Exit(exit_code(attempts))


def parse_months(first: str, last: str) -> tuple[Month, Month]:
    """The months wanted; by default the one before last, which every payer has declared.

    Raises:
        InputError: `BAD_MONTH`: not a month, or the last before the first.
    """
    usual = Month.from_date(datetime.now(UTC).date()) - 2
    begin = Month.parse(first) if first else usual
    end = Month.parse(last) if last else max(begin, usual)
    if end < begin:
        raise InputError("BAD_MONTH", f"months `{begin}` to `{end}`: the last is before the first")
    return begin, end


def received_of(policy: PolicySet, wish: Wish, activity: str) -> Received:
    """Which received data are wanted: from the same holder, for what that activity asked them.

    Raises:
        InputError: `UNKNOWN_ACTIVITY`: it has no record.
    """
    record = find_activity(policy.activities, activity)
    holder = wish.question().holder
    reads = next((read for read in record.reads if read.holder == holder), None)
    purpose = reads.purpose if reads and reads.purpose else record.purposes[0]
    return Received(BodyId(holder), purpose, record.id)


def attempt(
    gateway: Gateway, wish: Wish, files: list[File], where: Where, received: Received
) -> list[Attempt]:
    """Every way of asking that `where` names, with progress on stderr."""
    ways = {Where.AFAR: 1, Where.LOCAL: 1, Where.BOTH: 2}[where]
    with Progress(console=messages(), transient=True) as bar:
        task = bar.add_task("asking", total=ways * len(files))

        def advance(done: int) -> None:
            bar.advance(task, done)

        attempts: list[Attempt] = []
        if where is not Where.LOCAL:
            attempts += ask_from_afar(gateway, wish, files, advance)
        if where is not Where.AFAR:
            attempts += ask_locally(gateway, wish, received, files, advance)
        return attempts


def to_json(attempts: list[Attempt]) -> str:
    """Counters of each side, and each attempt with its distinct refusals."""
    content = {
        "targeting": _counters([one for one in attempts if not one.local]),
        "targeting_local": _counters([one for one in attempts if one.local]),
        "attempts": [
            {name: value for name, value in asdict(one).items() if name != "question"}
            for one in attempts
        ],
    }
    return json.dumps(content, ensure_ascii=False, indent=2)


def _counters(attempts: list[Attempt]) -> dict[str, int]:
    return {
        name: sum(getattr(one, name) for one in attempts)
        for name in ("asked", "permitted", "refused")
    }


def show(console: Console, model: Model, attempts: list[Attempt]) -> None:
    """What scoring wants, how it was answered, and each distinct refusal with its texts."""
    wanted = table("variable", "named by", "needs", title="What control scoring asks")
    for variable in model.variable:
        wanted.add_row(variable.name, variable.source, variable.asked)
    console.print(wanted)
    console.print(f"coefficients: {model.coefficients} by us; applied only to what is permitted\n")
    counts = ("persons", "asked", "permitted", "refused", "no decision", "scored", "picked")
    shown = table("way", *counts, right=counts)
    for one in attempts:
        numbers = (one.persons, one.asked, one.permitted, one.refused, sum(one.failed.values()))
        cells = map(french_count, (*numbers, one.scored, one.picked))
        shown.add_row(one.way, *cells)
    console.print(shown)
    _show_reasons(console, attempts)


def _show_reasons(console: Console, attempts: list[Attempt]) -> None:
    """Each distinct decision once, with the ways of asking it answered."""
    ways: dict[Decision, list[str]] = {}
    for one in attempts:
        for refusal in one.refusals:
            said = f"{one.way} × {french_count(refusal.count)}"
            ways.setdefault(refusal.decision, []).append(said)
    for decision, said_to in ways.items():
        console.print("\n" + "\n".join(said_to))
        show_decision(console, decision)
    for one in attempts:
        for reason, count in one.failed.items():
            console.print(f"\n{one.way} × {french_count(count)}: no decision, {reason}")


def exit_code(attempts: list[Attempt]) -> int:
    """2 if anything was refused, 1 if a question came to no decision, else 0."""
    if any(one.refused for one in attempts):
        return DENIED
    return FAILURE if any(one.failed for one in attempts) else OK
