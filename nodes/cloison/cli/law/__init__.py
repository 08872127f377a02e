"""`cloison law`: the policy set read, questioned, tested, proved and compared, offline."""

import typer

from cloison.cli.law.cover import coverage
from cloison.cli.law.proofs import prove_
from cloison.cli.law.question import decide_
from cloison.cli.law.read import check, list_, run_test, show

app = typer.Typer(
    no_args_is_help=True,
    help="Check, show, test and question the policy set.\n\nExample: cloison law show caf-ppa",
)
app.command()(check)
app.command("list")(list_)
app.command()(show)
app.command("decide")(decide_)
app.command("test")(run_test)
app.command()(coverage)
app.command("prove")(prove_)

__all__ = ["app"]
