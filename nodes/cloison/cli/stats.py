"""`cloison stats`: tables with noise; what they cost, and that they were paid for."""

import json
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from cloison.bodies import BodyId, parse_body
from cloison.cli.ask import find_activity
from cloison.cli.console import messages, out, show_decision, table
from cloison.cli.places import read_addresses
from cloison.cli.policy import load_policy
from cloison.cli.root import find_root
from cloison.cli.stats_across import (
    across,
    joint_price,
    publish_together,
    read_question,
    show_shares,
)
from cloison.cli.stats_told import budget_to_json, price_to_json, show_budget, show_price
from cloison.errors import StorageError
from cloison.exchange.statement import TableQuestion
from cloison.law import PolicySet
from cloison.pages.budget import draw_budget
from cloison.pages.table import render_table
from cloison.statistics.clip import read_clips
from cloison.statistics.export import to_csv, to_parquet, to_rows
from cloison.statistics.loss import parse_epsilon
from cloison.wire.holder_channels import load_register
from cloison.wire.node import system_clock
from cloison.wire.publication_file import parse_publication, print_publication
from cloison.wire.settings import default_addresses
from cloison.wire.statistics_client import Publication, StatisticsClient
from cloison.wire.status import DENIED, OK

app = typer.Typer(help="Statistical tables, with noise and a budget.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="A declared table.")]
PeriodOption = Annotated[str, typer.Option("--period", help="2026-03, or 2026.")]
Epsilon = Annotated[str, typer.Option(help="Privacy loss, a fraction: 1/2.")]
Activity = Annotated[str, typer.Option(help="The activity that asks.")]
Keys = Annotated[Path, typer.Option(help="Folder of the keys.")]
Root = Annotated[Path | None, typer.Option(help="Folder of policy/ and nodes/.")]
Addresses = Annotated[Path | None, typer.Option(help='TOML file, BODY = "host:port".')]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Without = Annotated[
    list[str] | None,
    typer.Option(help="A holder to leave out of a table of several; its own cost."),
]
_KEYS = Path("var/keys")
_ACTIVITY = "drees-statistics"


@app.callback()
def _group() -> None:
    """Statistical tables, with noise and a budget."""


@app.command("list")
def list_command(*, root: Root = None, as_json: Json = False) -> None:
    """List the declared tables.

    Example: cloison stats list
    """
    declared = load_policy(find_root(root)).statistics
    rows = [
        {
            "table": one.id,
            "title": one.title,
            "holder": ", ".join(one.holders),
            "population": ", ".join(one.at(holder).population for holder in one.holders),
            "period": one.period.value,
            "cells": declared.cubes[one.id].cells,
        }
        for one in declared.tables.values()
    ]
    if as_json:
        return _print_json({"tables": rows})
    listed = table("table", "holder", "population", "by", "cells", "title", right=("cells",))
    listed.columns[0].no_wrap = True
    for row in rows:
        said = (row[key] for key in ("table", "holder", "population", "period", "cells", "title"))
        listed.add_row(*map(str, said))
    out().print(listed)
    return None


@app.command("describe")
def describe_command(name: Name, *, root: Root = None, as_json: Json = False) -> None:
    """Show what a table counts, its cells, and how much one person may weigh in it.

    Example: cloison stats describe caf-beneficiaries
    """
    declared = load_policy(find_root(root)).statistics
    one, cube = declared.table(name), declared.cubes.get(name)
    levels = [{"level": level.id, "cells": level.cells} for level in cube.levels] if cube else []
    if as_json:
        declaration = one.model_dump(mode="json", exclude_none=True)
        return _print_json({**declaration, "cells": levels})
    console = out()
    holders = ", ".join(one.holders)
    console.print(f"{one.title} · {holders} · par {one.period.value}", markup=False)
    for part in map(one.at, one.holders):
        text = f"  {part.holder}: population {part.population}, about {part.persons} persons"
        console.print(text, markup=False)
    for dimension in one.dimensions:
        source = f"{dimension.dataset or one.dataset}.{dimension.field}"
        console.print(f"  {dimension.id}: {source}, keys {dimension.keys}", markup=False)
    console.print(
        f"  one person counts once in at most {one.measure.most_cells} cells of a level;"
        f" cells under {one.threshold} are withheld",
        markup=False,
    )
    if one.measure.clip is not None:
        console.print(
            f"  adds {one.dataset}.{one.measure.field}, at most {one.measure.clip} € a person and"
            f" cell ({one.measure.clip_source})",
            markup=False,
        )
    shown_levels = table("level", "cells", right=("cells",))
    for level in levels:
        shown_levels.add_row(str(level["level"]), str(level["cells"]))
    console.print(shown_levels)
    return None


@app.command("price")
def price_command(
    name: Name,
    *,
    period: PeriodOption,
    epsilon: Epsilon,
    without: Without = None,
    activity: Activity = _ACTIVITY,
    keys: Keys = _KEYS,
    root: Root = None,
    addresses: Addresses = None,
    as_json: Json = False,
) -> None:
    """Show what a table would take of the budget and how far off it would be. Exit 2 if too dear.

    Example: cloison stats price caf-beneficiaries --period 2026-03 --epsilon 1/2
    """
    base = find_root(root)
    policy = load_policy(base)
    question = read_question(policy.statistics, name, period, epsilon, without or [])
    if question.whole.also:
        find_activity(policy.activities, activity)
        with across(question, keys, activity, partial(_address, base, moved=addresses)) as client:
            price = joint_price(client.price(question))
    else:
        with closing(_connect(policy, base, keys, activity, name, addresses)) as single:
            price = single.price(TableQuestion(name, period, epsilon))
    if as_json:
        _print_json(price_to_json(price))
    else:
        show_price(price)
        if question.whole.also:
            show_shares(question)
    raise typer.Exit(OK if price.affordable else DENIED)


@app.command("publish")
def publish_command(
    name: Name,
    *,
    period: PeriodOption,
    epsilon: Epsilon,
    to: Annotated[Path, typer.Option(help="Folder for the files, made if absent.")],
    without: Without = None,
    activity: Activity = _ACTIVITY,
    keys: Keys = _KEYS,
    root: Root = None,
    addresses: Addresses = None,
    as_json: Json = False,
) -> None:
    """Buy a table, or fetch it again for free; write it as JSON, CSV, Parquet and a page.

    Exit 2 if the law refuses, or the budget.

    Example: cloison stats publish caf-beneficiaries --period 2026-03 --epsilon 1/2 --to var/tables
    """
    base = find_root(root)
    policy = load_policy(base)
    question = read_question(policy.statistics, name, period, epsilon, without or [])
    record = find_activity(policy.activities, activity)
    with messages().status("asking"):
        if question.whole.kind != "single":
            address_of = partial(_address, base, moved=addresses)
            reply = publish_together(question, record, keys, address_of)
        else:
            with closing(_connect(policy, base, keys, activity, name, addresses)) as single:
                asked = TableQuestion(name, period, epsilon)
                reply = single.publish(question.table, asked, record, system_clock())
    if reply.publication is None:
        if reply.refusal is not None:
            show_decision(messages(), reply.refusal)
        if as_json:
            reason = reply.refusal.reason if reply.refusal else ""
            _print_json({"outcome": "deny", "reason": reason})
        raise typer.Exit(DENIED)
    written = _write(to, reply.publication)
    if as_json:
        paths = [str(path) for path in written]
        _print_json({"outcome": "published", "free": reply.kept, "files": paths})
    else:
        out().print("already published: the same figures, free" if reply.kept else "published")
        for path in written:
            typer.echo(str(path))


@app.command("budget")
def budget_command(
    *,
    holder: Annotated[str, typer.Option(help="The body that holds the population.")],
    picture: Annotated[Path | None, typer.Option(help="SVG file to draw it in.")] = None,
    activity: Activity = _ACTIVITY,
    keys: Keys = _KEYS,
    root: Root = None,
    addresses: Addresses = None,
    as_json: Json = False,
) -> None:
    """Show what is granted and spent of each population, and what one person is exposed to.

    Example: cloison stats budget --holder caf
    """
    base = find_root(root)
    body = parse_body(holder)
    address = _address(base, body, addresses)
    with closing(StatisticsClient.connect(keys, activity, body, address)) as client:
        told = client.budget()
    if picture is not None:
        _write_file(picture, draw_budget(told).encode("utf-8"))
    if as_json:
        return _print_json(budget_to_json(told))
    show_budget(told)
    return None


@app.command("verify")
def verify_command(
    file: Annotated[Path, typer.Argument(help="The JSON file of a publication.")],
    *,
    keys: Annotated[Path, typer.Option(help="Folder that holds public/.")] = _KEYS,
    as_json: Json = False,
) -> None:
    """Check, offline, that a published table is what the register says was paid for.

    Example: cloison stats verify var/tables/caf-beneficiaries-2026-03.json
    """
    checked = _load_publication(file, keys)
    content, privacy = checked.content, checked.content["privacy"]
    proofs = [(checked.reserved, checked.published), *checked.also]
    parts = [
        {
            "holder": part["holder"],
            "population": part["population"],
            "reserved_entry": reserved.leaf_index,
            "published_entry": published.leaf_index,
        }
        for part, (reserved, published) in zip(
            [content, *content.get("also", ())], proofs, strict=True
        )
    ]
    facts = {
        "table": content["table"],
        "period": content["period"],
        **parts[0],
        "also": parts[1:],
        "cost_epsilon": privacy["cost_epsilon"],
        "cost_rho": privacy["cost_rho"],
    }
    if as_json:
        return _print_json({"verified": True, **facts})
    for part in parts:
        typer.echo(
            f"verified: {facts['table']} {facts['period']}, register of {part['holder']},"
            f" entries {part['reserved_entry']} (reserved) and {part['published_entry']}"
            f" (published); cost ε {privacy['cost_epsilon']}, ρ {privacy['cost_rho']}"
        )
    return None


@app.command("clip")
def clip_command(
    file: Annotated[Path, typer.Argument(help="The JSON file of published brackets.")],
    *,
    epsilon: Annotated[str, typer.Option(help="What the sum will cost, a fraction: 3/4.")],
    keys: Annotated[Path, typer.Option(help="Folder that holds public/.")] = _KEYS,
    as_json: Json = False,
) -> None:
    """Read off published brackets where a sum is best clipped: no budget, no node.

    Example: cloison stats clip var/tables/caf-amount-brackets-2026-03.json --epsilon 3/4
    """
    loss = parse_epsilon(epsilon)
    content = _load_publication(file, keys).content
    groups = read_clips(content, loss)
    if as_json:
        return _print_json({"epsilon": epsilon, "clips": groups})
    told = table("group", "clip at", right=("clip at",))
    for group, clip in groups.items():
        told.add_row(group or "all", f"{clip} €")
    out().print(told)
    return None


def _load_publication(file: Path, keys: Path) -> Publication:
    """A publication of a file, verified."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise StorageError("FILE_UNREADABLE", f"file `{file}`: {error.strerror}") from error
    document, proofs = parse_publication(data)
    # Who holds the register is the document's word; that it is theirs, the register's key shows.
    return Publication.verified_at_all(document, proofs, partial(load_register, keys))


def _connect(
    policy: PolicySet,
    root: Path,
    keys: Path,
    activity: str,
    name: str,
    addresses: Path | None,
) -> StatisticsClient:
    find_activity(policy.activities, activity)
    holder = parse_body(policy.statistics.table(name).holder)
    return StatisticsClient.connect(keys, activity, holder, _address(root, holder, addresses))


def _address(root: Path, holder: BodyId, moved: Path | None) -> str:
    listed = {} if moved is None else read_addresses(moved)
    if holder in listed:
        host, port = listed[holder]
        return f"{host}:{port}"
    return default_addresses(root)[holder]


def _write(folder: Path, publication: Publication) -> list[Path]:
    content = publication.content
    rows = to_rows(content)
    proof = publication.reserved, publication.published
    whole = print_publication(publication.document, *proof, publication.also)
    page = render_table(content, *proof, publication.also)
    stem = f"{content['table']}-{content['period']}"
    files = {
        ".json": whole,
        ".csv": to_csv(rows),
        ".parquet": to_parquet(rows, publication.document),
        ".html": page.encode("utf-8"),
    }
    for suffix, data in files.items():
        _write_file(folder / f"{stem}{suffix}", data)
    return [folder / f"{stem}{suffix}" for suffix in files]


def _write_file(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise StorageError("FILE_WRITE", f"file `{path}`: {error.strerror}") from error


def _print_json(content: dict[str, Any]) -> None:
    typer.echo(json.dumps(content, ensure_ascii=False, indent=2))
