"""`cloison notices`: what persons asked about must be told, and saying that they were."""

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from cloison.bodies import BodyId
from cloison.cli.ask import pseudonym_of
from cloison.cli.console import out, table
from cloison.cli.policy import load_policy
from cloison.cli.root import find_root
from cloison.errors import InputError, shown
from cloison.exchange.statement import from_milliseconds
from cloison.french import french_date
from cloison.v1 import notices_service_pb2
from cloison.wire.gateway import BATCH
from cloison.wire.notices_client import NoticesClient

_Notice: TypeAlias = notices_service_pb2.ListNoticesResponse

app = typer.Typer(help="What persons must be told; say that they were.", no_args_is_help=True)

Activity = Annotated[str, typer.Argument(help="The activity that asked, as its record names it.")]
Keys = Annotated[Path, typer.Option(help="Folder of the keys.")]
Root = Annotated[Path | None, typer.Option(help="Folder of policy/ and nodes/.")]
Address = Annotated[str | None, typer.Option(help="host:port, if not the node.toml's.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def _group() -> None:
    """What persons must be told; say that they were."""


@app.command("list")
def list_(
    activity: Activity,
    *,
    given: Annotated[bool, typer.Option("--given", help="And those that were given.")] = False,
    keys: Keys = Path("var/keys"),
    root: Root = None,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """List the notices that the activity's permits oblige its body to give, oldest first.

    Example: cloison notices list caf-control
    """
    with closing(NoticesClient.connect(keys, activity, find_root(root), address)) as client:
        found = list(client.owed(given=given))
    if as_json:
        typer.echo(json.dumps([_record(one) for one in found], ensure_ascii=False, indent=2))
    elif not found:
        out().print("Aucun avis à donner.")
    else:
        shown_as = table("dossier", "avis", "dû depuis le", "donné le", "entrée du dossier")
        for one in found:
            shown_as.add_row(
                one.reference or "(détruit)",
                one.notice,
                _day(one.owed_since_ms),
                _day(one.given_time_ms) if one.given_time_ms else "à donner",
                one.case_leaf_hash.hex()[:12],
            )
        out().print(shown_as)


@app.command("given")
def given_(
    activity: Activity,
    *,
    file: Annotated[list[str], typer.Option(help="Whose persons were told; may be repeated.")],
    notice: Annotated[str, typer.Option(help="Which notice, as the list names it.")],
    agent: Annotated[str, typer.Option(help="Who told them; `batch` for a program.")] = BATCH,
    keys: Keys = Path("var/keys"),
    root: Root = None,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Enter that the persons of files were told; the person sees it, and so does an audit.

    Example: cloison notices given caf-control --file H1 --notice content-and-origin --agent dupont
    """
    base = find_root(root)
    with closing(NoticesClient.connect(keys, activity, base, address)) as client:
        cases = _cases(list(client.owed()), file, notice)
        who = agent if agent == BATCH else pseudonym_of(agent, keys, _body(base, activity))
        receipts = client.give(cases, notice, who)
    if as_json:
        typer.echo(
            json.dumps(
                [
                    {"leaf_index": one.leaf_index, "leaf_hash": one.leaf_hash.hex()}
                    for one in receipts
                ],
                indent=2,
            )
        )
    else:
        for name, one in zip(file, receipts, strict=False):
            typer.echo(f"{name} : avis `{notice}` inscrit, entrée {one.leaf_index}")


def _cases(owed: Sequence[_Notice], files: Sequence[str], notice: str) -> list[bytes]:
    """Every case of these files that owes this notice, in the files' order."""
    found: list[bytes] = []
    for name in dict.fromkeys(files):
        cases = [
            one.case_leaf_hash for one in owed if (one.reference, one.notice) == (name, notice)
        ]
        if not cases:
            raise InputError(
                "NOTHING_OWED",
                f"file `{shown(name[:64])}`: no notice `{shown(notice[:64])}` is owed to it",
                "see `cloison notices list`",
            )
        found += cases
    return found


def _body(root: Path, activity: str) -> BodyId:
    return BodyId(load_policy(root).activities[activity].body)


def _record(one: _Notice) -> dict[str, object]:
    return {
        "file": one.reference,
        "case": one.case_leaf_hash.hex(),
        "notice": one.notice,
        "owed_since": from_milliseconds(one.owed_since_ms).isoformat(),
        "given": from_milliseconds(one.given_time_ms).isoformat() if one.given_time_ms else None,
    }


def _day(milliseconds: int) -> str:
    return french_date(from_milliseconds(milliseconds).date())
