"""`cloison law`: the policy set read, questioned, tested, proved and compared, offline."""

from collections.abc import Callable

import typer

from cloison.cli import law_sets
from cloison.cli.law.again import replay_
from cloison.cli.law.cover import coverage
from cloison.cli.law.differences import diff
from cloison.cli.law.drafts import what_if_
from cloison.cli.law.export import export
from cloison.cli.law.proofs import prove_
from cloison.cli.law.question import decide_
from cloison.cli.law.read import check, list_, run_test, show
from cloison.cli.law.why import explain

app = typer.Typer(
    no_args_is_help=True,
    help="Read, question, test, prove and compare the policy set.\n\n"
    "Example: cloison law show caf-ppa",
)
_COMMANDS: dict[str, Callable[..., None]] = {
    "check": check,
    "list": list_,
    "show": show,
    "decide": decide_,
    "explain": explain,
    "test": run_test,
    "coverage": coverage,
    "prove": prove_,
    "diff": diff,
    "what-if": what_if_,
    "replay": replay_,
    "export": export,
    "sign": law_sets.sign,
    "load": law_sets.load,
    "sets": law_sets.sets,
}
for _name, _command in _COMMANDS.items():
    app.command(_name)(_command)

__all__ = ["app"]
