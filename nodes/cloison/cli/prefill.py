"""`cloison prefill`: the declaration prepared for a person, and a line of it contested."""

import json
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from cloison.bodies import parse_body
from cloison.cli.ask import activity_of
from cloison.cli.console import messages, out
from cloison.cli.euros import parse_euros
from cloison.cli.explain import show_document
from cloison.cli.root import find_root, read_policy
from cloison.errors import InputError
from cloison.exchange.contestation import check_says
from cloison.french import french_euros, french_month
from cloison.identity.secrets import write_new
from cloison.law import PolicySet
from cloison.law.records import Activity
from cloison.months import Month
from cloison.pages.notice import notice_page
from cloison.programs.explanation.words import code_text
from cloison.programs.prefill.document import declaration_document
from cloison.programs.prefill.record import declaration_record
from cloison.programs.prefill.run import contest, prepare
from cloison.wire.client import connect
from cloison.wire.node import system_clock

app = typer.Typer(help="Prepare a declaration; contest a line of it.", no_args_is_help=True)

_PREFILL = "prefill"
_PRIVATE = 0o600
_ONLY_AMOUNT = "Le montant est contesté."

Claim = Annotated[str, typer.Option(help="The claim whose declaration is due.")]
RightMonth = Annotated[str, typer.Option(help="The month of the right, YYYY-MM.")]
Body = Annotated[str, typer.Option(help="The body that asks for the declaration.")]
Keys = Annotated[Path, typer.Option(help="Folder of the keys.")]
Root = Annotated[Path | None, typer.Option(help="Folder of policy/ and nodes/.")]
Address = Annotated[str | None, typer.Option(help="host:port, if not the node.toml's.")]


@app.callback()
def _group() -> None:
    """Prepare a declaration; contest a line of it."""


@app.command("show")
def show_command(
    *,
    case: Claim,
    month: RightMonth,
    body: Body = "caf",
    keys: Keys = Path("var/keys"),
    root: Root = None,
    address: Address = None,
    html: Annotated[
        Path | None, typer.Option(help="A new private file: the declaration as a page.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask what payers declared of the household, and show each line with its source, in French.

    What is missing or not yet due is shown as such. The case stays open for a contestation.

    Example: cloison prefill show --case REFERENCE --month 2026-06
    """
    right = Month.parse(month)
    if html is not None and html.exists():
        raise InputError("OUT_EXISTS", f"file `{html}`: is already there", "name a new file")
    base = find_root(root or Path.cwd())
    record = _record(base, body)
    with (
        closing(connect(keys, record.id, base, system_clock, address)) as gateway,
        messages().status("asking"),
    ):
        made = prepare(gateway, record, right, case)
    document = declaration_document(made, record)
    if html is not None:
        write_new(html, notice_page(document).encode(), _PRIVATE)
    if as_json:
        typer.echo(json.dumps(declaration_record(made), ensure_ascii=False, indent=2))
    elif html is None:
        show_document(out(), document)
    else:
        typer.echo(f"declaration written to {html}")


@app.command("contest")
def contest_command(
    *,
    case: Claim,
    month: RightMonth,
    line: Annotated[str, typer.Option(help="The line's mark, as shown: 12-3fa9.")],
    says: Annotated[str, typer.Option(help="What the person says of it.")] = "",
    amount: Annotated[str, typer.Option(help="What they say is right, in euros.")] = "",
    body: Body = "caf",
    keys: Keys = Path("var/keys"),
    root: Root = None,
    address: Address = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Pass on that the person contests a line: to its holder, and from there to its declarant.

    Both ledgers say so, without the line and without a word of the person's. No amount changes.

    Example: cloison prefill contest --case REFERENCE --month 2026-06 --line 3-9c1e
    --says "Je n'ai pas travaillé là en mars."
    """
    right = Month.parse(month)
    if not (says or amount):
        raise InputError("NOTHING_SAID", "line: what is wrong with it?", "give --says or --amount")
    said, cents = check_says(says or _ONLY_AMOUNT), parse_euros(amount)
    base = find_root(root or Path.cwd())
    record = _record(base, body)
    with closing(connect(keys, record.id, base, system_clock, address)) as gateway:
        found, receipt = contest(gateway, record, right, case, line, said, cents)
    if as_json:
        content = {
            "line": found.mark,
            "holder": receipt.holder,
            "leaf_index": receipt.leaf_index,
            "leaf_hash": receipt.leaf_hash.hex(),
        }
        typer.echo(json.dumps(content, indent=2))
        return
    shown = "non déclaré" if found.amount_cents is None else french_euros(found.amount_cents)
    what = f"{french_month(found.month)}, {code_text('nature', found.nature)}, {shown}"
    out().print(
        f"Contestation transmise à {receipt.holder} : {what}."
        f"\nElle est inscrite à son registre, inscription {receipt.leaf_index}."
        "\nLa ligne reste telle qu'elle est jusqu'à ce que le payeur déclare à nouveau."
        "\nS'il la maintient, la personne en lira la raison avec ses traces.",
        markup=False,
    )


def _record(base: Path, body: str) -> Activity:
    policy = PolicySet.parse(read_policy(base))
    return activity_of(policy.activities, parse_body(body), _PREFILL)
