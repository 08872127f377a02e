"""`cloison entitlement explain`: how one person's benefit was computed, for that person."""

import json
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cloison.cli.ask import find_activity
from cloison.cli.console import messages, out, table
from cloison.cli.root import find_root, read_policy
from cloison.errors import InputError
from cloison.french import typeset
from cloison.identity.secrets import write_new
from cloison.law import PolicySet
from cloison.months import Month
from cloison.pages.document import Cell, Document, Grid
from cloison.pages.notice import notice_page
from cloison.pages.notice_pdf import notice_pdf
from cloison.programs.entitlement.inputs import Benefit
from cloison.programs.entitlement.needs import Needs
from cloison.programs.entitlement.run import Result, run
from cloison.programs.explanation.document import notice_document
from cloison.programs.explanation.notice import make_notice
from cloison.programs.explanation.record import notice_record
from cloison.wire.client import connect
from cloison.wire.gateway import Gateway
from cloison.wire.node import system_clock

_PRIVATE = 0o600


def explain_command(
    *,
    case: Annotated[str, typer.Option(help="The claim.")],
    benefit: Annotated[Benefit, typer.Option(help="The benefit.")],
    month: Annotated[str, typer.Option(help="The month of the right, YYYY-MM.")],
    body: Annotated[str, typer.Option(help="The body that computes.")] = "caf",
    keys: Annotated[Path, typer.Option(help="Folder of the keys.")] = Path("var/keys"),
    root: Annotated[Path | None, typer.Option(help="Folder of policy/ and nodes/.")] = None,
    address: Annotated[str | None, typer.Option(help="host:port, if not the node.toml's.")] = None,
    html: Annotated[
        Path | None, typer.Option(help="A new private file: the notice as a web page.")
    ] = None,
    pdf: Annotated[
        Path | None, typer.Option(help="A new private file: the notice to print or send.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compute one claim as `entitlement run` does, and explain it to the person, in French.

    The notice gives what CRPA R311-3-1-2 asks: the algorithm's part in the decision, the data and
    their sources, the legal values applied, and each operation with the person's own numbers.
    A case set aside is explained too, without an amount.

    Example: cloison entitlement explain --case REFERENCE --benefit ppa --month 2026-06
    """
    right = Month.parse(month)
    for path in (html, pdf):
        if path is not None and path.exists():
            raise InputError("OUT_EXISTS", f"file `{path}`: is already there", "name a new file")
    base = find_root(root or Path.cwd())
    policy = PolicySet.parse(read_policy(base))
    record = find_activity(policy.activities, f"{body}-{benefit.value}")
    with closing(connect(keys, record.id, base, system_clock, address)) as gateway:
        result = compute_one(gateway, Needs.of(record), right, case)
    notice = make_notice(policy, record, right, result, system_clock())
    document = notice_document(notice, policy)
    if html is not None:
        write_new(html, notice_page(document).encode(), _PRIVATE)
    if pdf is not None:
        write_new(pdf, notice_pdf(document, notice.made_time), _PRIVATE)
    written = [path for path in (html, pdf) if path is not None]
    if as_json:
        typer.echo(json.dumps(notice_record(notice), ensure_ascii=False, indent=2))
    elif not written:
        show_document(out(), document)
    for path in () if as_json else written:
        typer.echo(f"notice written to {path}")


def compute_one(gateway: Gateway, needs: Needs, month: Month, reference: str) -> Result:
    """The claim's result, by the path of every other run. Raises `InputError` (`UNKNOWN_CLAIM`)."""
    with messages().status("asking"):
        results = run(gateway, needs, month, [reference]).results
    if len(results) != 1:
        raise InputError(
            "UNKNOWN_CLAIM", f"claim `{reference}`: not one open claim of this activity"
        )
    return results[0]


def show_document(console: Console, document: Document) -> None:
    """The notice on the terminal."""
    console.print(_paragraph(document.title, "bold underline"))
    facts = table("", "")
    facts.show_header = False
    for name, value in document.facts:
        facts.add_row(_set(name), _set(value, "bold"))
    console.print(facts)
    for part in document.parts:
        console.print()
        console.print(_paragraph(part.title, "bold"))
        for paragraph in part.paragraphs:
            console.print(_paragraph(paragraph))
        for grid in part.grids:
            console.print()
            console.print(_grid(grid))


def _paragraph(text: str, style: str = "") -> Table:
    # A table of one cell: only tables keep a number whole where a line ends.
    made = table("")
    made.show_header = False
    made.add_row(_set(text, style))
    return made


def _grid(grid: Grid) -> Table:
    right = tuple(grid.columns[place] for place in grid.right)
    shown = table(*grid.columns, right=right, title=grid.caption)
    shown.show_lines = True
    for row in grid.rows:
        shown.add_row(*(_text(cell) for cell in row))
    return shown


def _text(cell: Cell) -> Text:
    return Text("\n").join(_set(line.text, "dim" if line.faint else "") for line in cell)


def _set(text: str, style: str = "") -> Text:
    return Text(typeset(text), style)
