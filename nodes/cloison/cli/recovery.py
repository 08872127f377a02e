"""`cloison recovery`: an undue payment of one named file."""

import json
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from cloison.bodies import parse_body
from cloison.cli.ask import activity_of, pseudonym_of
from cloison.cli.console import messages, out
from cloison.cli.control import one_file
from cloison.cli.euros import parse_euros
from cloison.cli.explain import show_document
from cloison.cli.root import find_root, read_policy
from cloison.law import PolicySet
from cloison.months import Month
from cloison.programs.named_file.record import looked_record
from cloison.programs.recovery.document import undue_document
from cloison.programs.recovery.run import recover
from cloison.wire.client import connect
from cloison.wire.node import system_clock

app = typer.Typer(help="Recover an undue payment.", no_args_is_help=True)

_RECOVERY = "overpayment-recovery"


@app.callback()
def _group() -> None:
    """Recover an undue payment."""


@app.command("run")
def run_command(
    *,
    file: Annotated[list[str], typer.Option(help="The household's file; one.")],
    benefit: Annotated[str, typer.Option(help="The benefit, as the body's files name it.")],
    month: Annotated[str, typer.Option(help="The month that was paid, YYYY-MM.")],
    agent: Annotated[str, typer.Option(help="Who recovers, as the body names its agents.")],
    right: Annotated[
        str, typer.Option(help="The right as decided again, in euros: the agent enters it.")
    ] = "",
    body: Annotated[str, typer.Option(help="The body that recovers.")] = "caf",
    keys: Annotated[Path, typer.Option(help="Folder of the keys.")] = Path("var/keys"),
    root: Annotated[Path | None, typer.Option(help="Folder of policy/ and nodes/.")] = None,
    address: Annotated[str | None, typer.Option(help="host:port, if not the node.toml's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what was paid beyond the right, and what may be asked to agree on instalments.

    The computed right is another activity's output, which recovery may not read: without --right
    the undue payment is not known, and nothing is deposited.

    Example: cloison recovery run --file HOUSEHOLD --benefit ppa --month 2026-05 --agent dupont
    --right 180,20
    """
    household, paid_month, cents = one_file(file), Month.parse(month), parse_euros(right)
    base = find_root(root or Path.cwd())
    policy = PolicySet.parse(read_policy(base))
    own = parse_body(body)
    record = activity_of(policy.activities, own, _RECOVERY)
    with (
        closing(connect(keys, record.id, base, system_clock, address)) as gateway,
        messages().status("asking"),
    ):
        pseudonym = pseudonym_of(agent, keys, own)
        undue = recover(gateway, policy, record, paid_month, household, benefit, pseudonym, cents)
    if as_json:
        content = {
            **looked_record(undue.looked, undue.receipt),
            "benefit": benefit,
            "paid_cents": undue.paid_cents,
            "right_cents": undue.right_cents,
            "undue_cents": undue.undue_cents,
        }
        typer.echo(json.dumps(content, ensure_ascii=False, indent=2))
    else:
        show_document(out(), undue_document(undue, policy))
