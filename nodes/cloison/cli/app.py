"""The command `cloison`: every sub-command by name, and the one place where errors end."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

from cloison.errors import CloisonError

INVALID = 3

COMMANDS = {
    "up": ("cloison.cli.up", "up", "Start the nodes of this machine."),
    "down": ("cloison.cli.up", "down", "Stop them."),
    "status": ("cloison.cli.up", "status", "Show which nodes answer, and their ledgers."),
    "ask": ("cloison.cli.ask", "ask", "Put one question and read the answer and its receipt."),
    "entitlement": ("cloison.cli.entitlement", "app", "Compute benefits from incomes asked."),
    "outreach": (
        "cloison.cli.outreach",
        "app",
        "Tell of benefits nobody claimed; hear objections.",
    ),
    "prefill": ("cloison.cli.prefill", "app", "Prepare a declaration; contest a line of it."),
    "contestations": (
        "cloison.cli.contestations",
        "contestations",
        "List contested lines; tell a declarant; maintain a line.",
    ),
    "notices": ("cloison.cli.notices", "app", "What persons must be told; say that they were."),
    "person": ("cloison.cli.person", "app", "See who accessed one's data; contest it."),
    "control": ("cloison.cli.control", "app", "Look into one named file."),
    "recovery": ("cloison.cli.recovery", "app", "Recover an undue payment."),
    "targeting": ("cloison.cli.targeting", "app", "Ask what control scoring asks; be refused."),
    "stats": ("cloison.cli.stats", "app", "Price, buy and verify statistical tables."),
    "law": ("cloison.cli.law", "app", "Check, show, test and question the policy set."),
    "ledger": ("cloison.cli.ledger", "app", "Show and verify ledgers, offline."),
    "audit": ("cloison.cli.audit", "app", "Hold ledgers against each other, offline."),
    "witness": (
        "cloison.cli.witness",
        "app",
        "Cosign the ledgers of others; see who saw which head.",
    ),
    "population": ("cloison.cli.population", "app", "Make synthetic people for all bodies."),
    "load": ("cloison.cli.load", "load", "Load the files a body receives."),
    "columns": ("cloison.cli.columns", "columns", "Check and mend the columns beside records."),
    "kept": ("cloison.cli.kept", "kept", "Show lines of declarations that nobody reads yet."),
    "keys": ("cloison.cli.keys", "app", "Make a federation's keys; show the public ones."),
    "node": ("cloison.cli.node", "app", "Create one node's state; run it."),
}
"""Name → (module, a Typer or a function of it, one line for the list)."""


class LazyGroup(TyperGroup):
    """Lists every command without importing any; imports the one that runs."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command named by `args[0]`, loaded, and the arguments left for it."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, found if name is None else load_command(name), rest


def load_command(name: str) -> Any:
    """The command of that name in `COMMANDS`, from its module."""
    module, attribute, _ = COMMANDS[name]
    target = getattr(import_module(module), attribute)
    if isinstance(target, typer.Typer):
        return get_group(target)
    single = typer.Typer(add_completion=False)
    single.command(name)(target)
    return get_command(single)


def build() -> typer.Typer:
    """The application as `--help` lists it."""
    app = typer.Typer(
        cls=LazyGroup,
        add_completion=False,
        no_args_is_help=True,
        help="Purpose limitation enforced where incomes are held.\n\nExample: cloison status",
    )
    for name, (_, _, summary) in COMMANDS.items():
        app.command(name, help=summary)(_listed)
    return app


def _listed() -> None:
    """Stands in the list; `LazyGroup` puts the real command in its place."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command and exits: 0 ok · 1 failure · 2 denied · 3 invalid input."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """As `main`, but gives the exit code back."""
    try:
        code = get_group(build())(
            args=None if arguments is None else list(arguments),
            prog_name="cloison",
            standalone_mode=False,
        )
    except CloisonError as error:
        return _show_error(error)
    except typer.Abort:
        typer.echo("stopped", err=True)
        return 1
    except typer.TyperException as error:
        _show_usage(error)
        return INVALID
    return code if isinstance(code, int) else 0


def _show_error(error: CloisonError) -> int:
    # Imported here: the table names gRPC statuses, and `--help` must not wait for gRPC.
    from cloison.wire.status import exit_code_of  # noqa: PLC0415 - see above

    typer.echo(f"{error}\n  [{error.reason}]", err=True)
    return exit_code_of(error)


def _show_usage(error: typer.TyperException) -> None:
    from typer.rich_utils import rich_format_error  # noqa: PLC0415 - rich, only where it is needed

    rich_format_error(error)  # type: ignore[arg-type]  # every usage error is a ClickException
