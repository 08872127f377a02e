"""`cloison outreach`: tell households of a benefit they did not claim; hear who objects."""

import json
import re
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from cloison.cli.ask import find_activity
from cloison.cli.console import messages, out, table
from cloison.cli.results import WORDS
from cloison.cli.root import find_root, read_policy
from cloison.errors import InputError, StorageError
from cloison.french import french_count, french_month
from cloison.identity import Nir, parse_nir
from cloison.identity.secrets import write_new
from cloison.law import PolicySet
from cloison.months import Month
from cloison.pages.notice import notice_page
from cloison.programs.entitlement.inputs import SetAside
from cloison.programs.explanation.words import BENEFITS
from cloison.programs.outreach.estimate import estimate_needs
from cloison.programs.outreach.letter import Letter, letter_lines
from cloison.programs.outreach.run import Campaign, Outreach, Result
from cloison.wire.client import connect
from cloison.wire.gateway import Objected
from cloison.wire.node import system_clock

app = typer.Typer(help="Benefits nobody claimed: tell the person, once.", no_args_is_help=True)

_PRIVATE, _PRIVATE_FOLDER = 0o600, 0o700
_MOST_BYTES = 64
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)


@app.callback()
def _group() -> None:
    """Benefits nobody claimed: tell the person, once."""


@app.command("run")
def run_command(
    *,
    month: Annotated[str, typer.Option(help="The month of the right, YYYY-MM.")],
    limit: Annotated[int, typer.Option(min=0, help="At most so many households; 0: all.")] = 0,
    activity: Annotated[str, typer.Option(help="The activity.")] = "caf-outreach",
    letters: Annotated[
        Path | None, typer.Option(help="A new private folder: each letter, as a page and as text.")
    ] = None,
    keys: Annotated[Path, typer.Option(help="Folder of the keys.")] = Path("var/keys"),
    root: Annotated[Path | None, typer.Option(help="Folder of policy/ and nodes/.")] = None,
    address: Annotated[str | None, typer.Option(help="host:port, if not the node.toml's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Estimate a benefit for households that did not claim it, and write to those it may be for.

    Only what the estimate needs is asked. Where no right shows, or nothing can be said, what was
    obtained is destroyed at once. Nobody who objected, or was looked at for that month, is asked
    about. No amount is shown: a letter says that a right is possible, and how to claim it.

    Example: cloison outreach run --month 2026-06 --limit 100 --letters letters
    """
    right = Month.parse(month)
    if letters is not None:
        _make_folder(letters)
    base = find_root(root or Path.cwd())
    policy = PolicySet.parse(read_policy(base))
    needs = estimate_needs(find_activity(policy.activities, activity))
    with (
        closing(connect(keys, activity, base, system_clock, address)) as gateway,
        Progress(console=messages(), transient=True) as bar,
    ):
        task = bar.add_task("asking", total=None)
        campaign = Outreach(gateway, needs, policy, right, system_clock()).run(
            limit,
            lambda done, cases: bar.update(task, completed=done, total=cases),
            lambda letter: None if letters is None else _write(letters, letter),
        )
    if as_json:
        typer.echo(campaign_to_json(campaign))
    else:
        show_campaign(out(), f"{BENEFITS[needs.benefit]} · {french_month(right)}", campaign)
        if letters is not None and campaign.informed:
            typer.echo(f"letters written to {letters}")


@app.command("object")
def object_command(
    *,
    nir_file: Annotated[
        Path | None, typer.Option(help="A file that holds the person's NIR and nothing else.")
    ] = None,
    reference: Annotated[
        str | None, typer.Option(help="The reference of a letter: its household; its addressee.")
    ] = None,
    activity: Annotated[str, typer.Option(help="The activity.")] = "caf-outreach",
    keys: Annotated[Path, typer.Option(help="Folder of the keys.")] = Path("var/keys"),
    root: Annotated[Path | None, typer.Option(help="Folder of policy/ and nodes/.")] = None,
    address: Annotated[str | None, typer.Option(help="host:port, if not the node.toml's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Keep that a person objects to an activity, and destroy what it was given about them.

    From then on the activity's purposes are asked of nobody about them; benefits are computed as
    before. The node keeps a keyed hash and a date, for as long as the activity's record says.

    Example: cloison outreach object --reference HOUSEHOLD
    """
    if (nir_file is None) == (reference is None):
        raise InputError("NAME_SOMEBODY", "person: give `--nir-file` or `--reference`, one of them")
    base = find_root(root or Path.cwd())
    nir = None if nir_file is None else read_nir(nir_file)
    with closing(connect(keys, activity, base, system_clock, address)) as gateway:
        objected = gateway.object(nir, reference or "")
    if as_json:
        typer.echo(json.dumps(objection_record(objected), indent=2))
    else:
        show_objection(out(), objected)


def read_nir(path: Path) -> Nir:
    """The one NIR a file holds. It is never quoted.

    Raises:
        StorageError: `NO_NIR_FILE`. InputError: `BAD_NIR`.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError("NO_NIR_FILE", f"file `{path}`: cannot be read as a NIR") from error
    return parse_nir(text)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=_PRIVATE_FOLDER, parents=True)
    except FileExistsError as error:
        raise InputError(
            "OUT_EXISTS", f"folder `{folder}`: is already there", "name a new folder"
        ) from error
    except OSError as error:
        raise StorageError("OUT_FOLDER", f"folder `{folder}`: {error.strerror}") from error


def _write(folder: Path, letter: Letter) -> None:
    # A reference is the body's own word, and names a file only if it can name nothing else.
    name = letter.reference if _FILE_NAME.fullmatch(letter.reference) else None
    stem = folder / (name or f"letter-{letter.reference.encode().hex()[:64]}")
    text = "\n".join(letter_lines(letter.document)) + "\n"
    write_new(stem.with_suffix(".html"), notice_page(letter.document).encode(), _PRIVATE)
    write_new(stem.with_suffix(".txt"), text.encode(), _PRIVATE)


def show_campaign(console: Console, title: str, campaign: Campaign) -> None:
    """How many were written to, how many have no right, and why the others were set aside."""
    shown = table("", " ", right=(" ",), title=title)
    aside = sum(campaign.set_aside.values())
    for label, count in (
        ("households without a claim", len(campaign.results)),
        ("a right is possible: letter deposited", campaign.informed),
        ("no right: data destroyed", campaign.no_entitlement),
        ("set aside: data destroyed", aside),
        *((f"  {WORDS[SetAside(key)]}", n) for key, n in campaign.set_aside.items()),
        ("questions", campaign.asked),
        ("  permitted", campaign.permitted),
        ("  refused", campaign.refused),
    ):
        shown.add_row(label, french_count(count))
    console.print(shown)


def campaign_to_json(campaign: Campaign) -> str:
    """The counts, and each household's outcome with the leaf of its entry; no amount."""
    return json.dumps(
        {
            "summary": {
                "cases": len(campaign.results),
                "informed": campaign.informed,
                "no_entitlement": campaign.no_entitlement,
                "set_aside": dict(campaign.set_aside),
                "asked": campaign.asked,
                "permitted": campaign.permitted,
                "refused": campaign.refused,
            },
            "results": [result_record(one) for one in campaign.results],
        },
        ensure_ascii=False,
        indent=2,
    )


def result_record(result: Result) -> dict[str, object]:
    """One household's outcome, as JSON holds it."""
    return {
        "household": result.reference,
        "outcome": result.ending.value,
        "set_aside": result.set_aside and result.set_aside.value,
        "leaf": result.receipt.leaf_index,
    }


def objection_record(objected: Objected) -> dict[str, object]:
    """An objection as JSON holds it; it names nobody."""
    return {
        "purposes": list(objected.purposes),
        "kept_until": objected.kept_until.date().isoformat(),
        "leaf": objected.receipt.leaf_index,
        "releases_destroyed": objected.releases,
        "letters_destroyed": objected.outputs,
    }


def show_objection(console: Console, objected: Objected) -> None:
    """What was kept and what was destroyed."""
    where = f"entry {objected.receipt.leaf_index} in the ledger of {objected.receipt.holder}"
    console.print(f"objection kept · {where}")
    console.print(f"  asked no more for: {', '.join(objected.purposes)}")
    console.print(f"  releases destroyed: {objected.releases} · letters: {objected.outputs}")
    console.print(f"  a keyed hash and a date are kept until {objected.kept_until.date()}")
