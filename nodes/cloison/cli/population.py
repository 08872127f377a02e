"""`cloison population`: synthetic people, the same for all bodies."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from cloison.cli.console import messages, out, table
from cloison.errors import StorageError
from cloison.french import french_count
from cloison.months import Month
from cloison.population.comparison import Comparison, compare, load_population
from cloison.population.make import DEFAULT_LAST_MONTH, DEFAULT_MONTHS, Manifest, make_population
from cloison.population.page import number, page
from cloison.population.plan import Form

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Synthetic people, the same across all bodies.\n\n"
    "Example: cloison population make --persons 5000 --seed 1 --out var/population",
)


@app.command()
def make(
    persons: Annotated[int, typer.Option(help="How many persons, 100 to 1000000.")],
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")],
    folder: Annotated[Path, typer.Option("--out", help="A folder that is new or empty.")],
    last_month: Annotated[str, typer.Option(help="Last month declared, YYYY-MM.")] = str(
        DEFAULT_LAST_MONTH
    ),
    months: Annotated[int, typer.Option(help="How many months are declared.")] = DEFAULT_MONTHS,
    form: Annotated[
        Form, typer.Option("--format", help="Files as received, or columns for large runs.")
    ] = Form.DECLARATIONS,
) -> None:
    """Write the files each body would have received about the same people.

    Example: cloison population make --persons 5000 --seed 1 --out var/population
    """
    last = Month.parse(last_month)
    tasks: dict[str, TaskID] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=messages(), transient=True) as bar:

        def progress(name: str, done: int, of: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name)
            bar.update(tasks[name], completed=done, total=of)

        manifest = make_population(
            persons, seed, folder, last_month=last, months=months, form=form, progress=progress
        )
    typer.echo(_told(manifest))


@app.command()
def describe(
    folder: Annotated[Path, typer.Argument(help="What `make` wrote.")],
    page_file: Annotated[Path | None, typer.Option("--out", help="A page, in HTML.")] = None,
) -> None:
    """Show generated beside published figures: a table, or a page with `--out`.

    Example: cloison population describe var/population --out var/population.html
    """
    comparison = compare(load_population(folder))
    if page_file is None:
        _show(comparison)
        return
    try:
        page_file.write_text(page(comparison), "utf-8")
    except OSError as error:
        raise StorageError("OUT_WRITE", f"file `{page_file}`: {error.strerror}") from error
    typer.echo(str(page_file))


def _show(comparison: Comparison) -> None:
    numbers = ("publié", "produit", "écart")
    shown = table("grandeur", *numbers, right=numbers)
    for row in (*comparison.published, *comparison.ours):
        cells = (number(value, euros=row.euros) for value in (row.published, row.generated))
        shown.add_row(row.title, *cells, number(row.difference, euros=row.euros, sign=True))
    out().print(shown)


def _told(manifest: Manifest) -> str:
    claims = ", ".join(f"{french_count(n)} {benefit}" for benefit, n in manifest.claims.items())
    megabytes = sum(int(file["bytes"]) for file in manifest.files.values()) // 1_000_000
    return (
        f"{french_count(manifest.persons)} persons in {french_count(manifest.households)} "
        f"households, {manifest.first_month} to {manifest.last_month}, seed {manifest.seed}\n"
        f"{french_count(manifest.households_with_claim)} households with an open claim: {claims}\n"
        f"{french_count(len(manifest.files))} files, {french_count(megabytes)} MB"
    )
