"""`cloison population`: synthetic people, the same for all bodies."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, TaskID

from cloison.errors import CloisonError, InputError
from cloison.months import Month
from cloison.population.make import DEFAULT_LAST_MONTH, DEFAULT_MONTHS, Manifest, make_population

_BAD_INPUT, _FAILED = 3, 1

app = typer.Typer(help="Synthetic people, the same across all bodies.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Synthetic people, the same across all bodies."""


@app.command()
def make(
    persons: Annotated[int, typer.Option(help="How many persons, 100 to 1,000,000.")],
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")],
    out: Annotated[Path, typer.Option(help="A new folder.")],
    last_month: Annotated[str, typer.Option(help="Last month declared, YYYY-MM.")] = str(
        DEFAULT_LAST_MONTH
    ),
    months: Annotated[int, typer.Option(help="How many months are declared.")] = DEFAULT_MONTHS,
) -> None:
    """Write the files each body would have received about the same people.

    Example: cloison population make --persons 5000 --seed 1 --out var/population
    """
    try:
        manifest = _make(persons, seed, out, Month.parse(last_month), months)
    except CloisonError as error:
        typer.echo(f"error: {error.reason}: {error}", err=True)
        raise typer.Exit(_BAD_INPUT if isinstance(error, InputError) else _FAILED) from error
    typer.echo(_told(manifest))


def _make(persons: int, seed: int, out: Path, last_month: Month, months: int) -> Manifest:
    tasks: dict[str, TaskID] = {}
    with Progress(console=Console(stderr=True), transient=True) as bar:

        def progress(name: str, done: int, of: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name)
            bar.update(tasks[name], completed=done, total=of)

        return make_population(
            persons, seed, out, last_month=last_month, months=months, progress=progress
        )


def _told(manifest: Manifest) -> str:
    claims = ", ".join(f"{count:,} {benefit}" for benefit, count in manifest.claims.items())
    size = sum(int(file["bytes"]) for file in manifest.files.values())
    return (
        f"{manifest.persons:,} persons in {manifest.households:,} households, "
        f"{manifest.first_month} to {manifest.last_month}, seed {manifest.seed}\n"
        f"{manifest.households_with_claim:,} households with an open claim ({claims})\n"
        f"{len(manifest.files):,} files, {size / 1_000_000:,.1f} MB"
    )
