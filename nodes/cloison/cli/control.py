"""`cloison control`: one named file, looked into by an empowered agent."""

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from cloison.bodies import parse_body
from cloison.cli.ask import activity_of, pseudonym_of
from cloison.cli.console import messages, out
from cloison.cli.explain import show_document
from cloison.cli.root import find_root, read_policy
from cloison.errors import InputError
from cloison.exchange import limits
from cloison.law import PolicySet
from cloison.months import Month
from cloison.programs.asking import output_of
from cloison.programs.named_file.document import looked_document
from cloison.programs.named_file.look import deposit, look_into
from cloison.programs.named_file.record import finding_record, looked_record
from cloison.wire.client import connect
from cloison.wire.node import system_clock

app = typer.Typer(help="Look into one named file.", no_args_is_help=True)

_CONTROL = "individual-control"


@app.callback()
def _group() -> None:
    """Look into one named file."""


@app.command("ask")
def ask_command(
    *,
    file: Annotated[list[str], typer.Option(help="The household's file; one.")],
    agent: Annotated[str, typer.Option(help="Who looks, as the body names its agents.")],
    month: Annotated[str, typer.Option(help="From which months are counted, YYYY-MM.")],
    conclude: Annotated[bool, typer.Option("--conclude", help="And close the case.")] = False,
    body: Annotated[str, typer.Option(help="The body that controls.")] = "caf",
    keys: Annotated[Path, typer.Option(help="Folder of the keys.")] = Path("var/keys"),
    root: Annotated[Path | None, typer.Option(help="Folder of policy/ and nodes/.")] = None,
    address: Annotated[str | None, typer.Option(help="host:port, if not the node.toml's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask all the record reads of one file; show who refused and why, and what must be told.

    The agent must stand in the node's `agents.toml`. Every question is an entry of both ledgers,
    which the person can see.

    Example: cloison control ask --file HOUSEHOLD --agent dupont --month 2026-06
    """
    household, right = one_file(file), Month.parse(month)
    base = find_root(root or Path.cwd())
    policy = PolicySet.parse(read_policy(base))
    own = parse_body(body)
    record = activity_of(policy.activities, own, _CONTROL)
    with (
        closing(connect(keys, record.id, base, system_clock, address)) as gateway,
        messages().status("asking"),
    ):
        looked = look_into(gateway, record, right, household, pseudonym_of(agent, keys, own))
        receipt = None
        if looked.answered:
            receipt = deposit(gateway, looked, output_of(record), finding_record(looked))
        if conclude:
            gateway.close_cases([looked.case], "concluded")
    if as_json:
        typer.echo(json.dumps(looked_record(looked, receipt), ensure_ascii=False, indent=2))
    else:
        show_document(out(), looked_document(looked, policy, receipt))


def one_file(files: Sequence[str]) -> str:
    """The one file that is named. Raises `InputError` (`ONE_FILE`): a list is none."""
    named = [name for text in files for name in text.replace(",", " ").split()]
    if len(named) != 1:
        raise InputError(
            "ONE_FILE",
            f"file: {len(named)} are named; one is looked into at a time",
            "each would be a case and its questions, entered one by one; a list is no named file",
        )
    limits.check_count("file number bytes", len(named[0].encode()), 1, limits.SOURCE_BYTES)
    return named[0]
