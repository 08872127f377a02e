"""`cloison contestations`: what persons contest of a body's lines; whom to tell; how it ends."""

import json
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from cloison.bodies import parse_body
from cloison.cli.ask import activity_of, pseudonym_of
from cloison.cli.console import out, table
from cloison.cli.policy import load_policy
from cloison.cli.root import find_root
from cloison.errors import InputError
from cloison.exchange.statement import from_milliseconds
from cloison.french import french_date, french_month
from cloison.identity import parse_siret
from cloison.identity.secrets import write_new
from cloison.months import Month
from cloison.v1 import contestations_service_pb2
from cloison.wire.declarants import DeclarantsClient

_RECTIFICATION = "rectification"
_PRIVATE = 0o600
_ID_LEAST, _ID_MOST = 12, 64
_Contested: TypeAlias = contestations_service_pb2.ListContestationsResponse
_Told: TypeAlias = contestations_service_pb2.ToldContestation


def contestations(
    body: Annotated[str, typer.Argument(help="The body that holds the lines.")],
    *,
    payer: Annotated[str, typer.Option(help="Only lines this SIRET declared.")] = "",
    save: Annotated[
        Path | None,
        typer.Option("--out", help="A new private file for that payer, naming the persons."),
    ] = None,
    maintain: Annotated[
        str, typer.Option(help="A contestation whose line stays as it is: end it.")
    ] = "",
    says: Annotated[
        str, typer.Option(help="With --maintain: why, for the person; in French.")
    ] = "",
    agent: Annotated[str, typer.Option(help="With --out, --maintain: who does it.")] = "",
    keys: Annotated[Path, typer.Option(help="Folder of the keys.")] = Path("var/keys"),
    root: Annotated[Path | None, typer.Option(help="Folder of policy/ and nodes/.")] = None,
    address: Annotated[str | None, typer.Option(help="host:port, if not the node.toml's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List what is contested, by line and payer, naming nobody; closed ones with their answer.

    With --out the open ones of one payer are written for it, with names and what each person
    says. A payer that agrees declares anew, and that ends it. Where it does not, --maintain ends
    it: the person reads why with their traces. Both are entered in the body's ledger, with the
    agent's pseudonym.

    Example: cloison contestations cnav --payer 73282932000074 --out payer.json --agent dupont
    """
    name = parse_body(body)
    declarant = parse_siret(payer) if payer else ""
    _check(save, payer, maintain, says, agent)
    base = find_root(root)
    record = activity_of(load_policy(base).activities, name, _RECTIFICATION)
    with closing(DeclarantsClient.connect(keys, record.id, base, address)) as client:
        if save is not None:
            told = client.tell(declarant, pseudonym_of(agent, keys, name))
            content = _for_declarant(declarant, told.contestations)
            write_new(save, content.encode(), _PRIVATE)
            rest = f"; {told.untold} more to come: run it again" if told.untold else ""
            typer.echo(f"{len(told.contestations)} written to {save}{rest}")
        elif maintain:
            one = _named(maintain, client.list(declarant))
            ended = client.maintain(one.contestation_hash, says, pseudonym_of(agent, keys, name))
            _show_maintained(one, name, ended.leaf_index, as_json=as_json)
        elif as_json:
            typer.echo(json.dumps([_record(one) for one in client.list(declarant)], indent=2))
        else:
            _show(list(client.list(declarant)))


def _check(save: Path | None, payer: str, maintain: str, says: str, agent: str) -> None:
    if save is not None and (maintain or not (payer and agent)):
        raise InputError(
            "BAD_OPTIONS", "file: is for one payer, by a named agent", "give --payer and --agent"
        )
    if save is not None and save.exists():
        raise InputError("OUT_EXISTS", f"file `{save}`: is already there", "name a new file")
    if bool(maintain) != bool(says) or (maintain and not agent):
        raise InputError(
            "BAD_OPTIONS",
            "line: is maintained for a reason, by a named agent",
            "give --maintain, --says and --agent",
        )
    if maintain and not _ID_LEAST <= len(maintain) <= _ID_MOST:
        raise InputError(
            "BAD_OPTIONS",
            f"contestation: {len(maintain)} letters, at least {_ID_LEAST} of its {_ID_MOST}",
            "see `cloison contestations BODY`",
        )


def _named(text: str, found: Iterable[_Contested]) -> _Contested:
    """The one contestation whose number begins so: a decision is never taken for another."""
    named = [one for one in found if one.contestation_hash.hex().startswith(text)]
    if len(named) != 1:
        raise InputError(
            "NOT_CONTESTED",
            f"contestation: {len(named)} begin so",
            "see `cloison contestations BODY --json` for the whole number",
        )
    return named[0]


def _show_maintained(one: _Contested, body: str, leaf_index: int, *, as_json: bool) -> None:
    if as_json:
        found = {"id": one.contestation_hash.hex(), "body": body, "leaf_index": leaf_index}
        typer.echo(json.dumps(found, indent=2))
        return
    month = french_month(Month.from_number(one.period))
    typer.echo(
        f"Ligne de {month} maintenue : inscription {leaf_index} du registre de {body}."
        "\nLa personne en lit la raison avec ses traces, et peut contester encore."
    )


def _for_declarant(declarant: str, told: Sequence[_Told]) -> str:
    """What the payer is told: whom, which line, what they say. Not who asked, nor for what."""
    content = {
        "version": 1,
        "payer": declarant,
        "contestations": [
            {
                "id": one.contestation_hash.hex(),
                "nir": one.nir,
                "birth_name": one.birth_name,
                "birth_date": one.birth_date,
                "month": str(Month.from_number(one.period)),
                "message": one.source,
                "version": one.record_version,
                "says": one.says,
                "amount_cents": one.amount_cents if one.HasField("amount_cents") else None,
            }
            for one in told
        ],
    }
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def _record(one: _Contested) -> dict[str, object]:
    answer = one.answer if one.HasField("answer") else None
    return {
        "id": one.contestation_hash.hex(),
        "entered": _time(one).isoformat(),
        "dataset": one.dataset,
        "payer": one.declarant,
        "month": str(Month.from_number(one.period)),
        "message": one.source,
        "version": one.record_version,
        "told": one.told,
        "maintained": answer is not None and not answer.record_version,
        "answer": answer and {"version": answer.record_version, "changed": answer.changed},
    }


def _time(one: _Contested) -> datetime:
    return from_milliseconds(one.entered_time_ms)


def _show(found: Sequence[_Contested]) -> None:
    if not found:
        out().print("Aucune contestation.")
        return
    shown = table("reçue le", "payeur", "mois", "message", "version", "état", "contestation")
    for one in found:
        shown.add_row(
            french_date(_time(one).date()),
            one.declarant,
            french_month(Month.from_number(one.period)),
            one.source,
            str(one.record_version),
            _state(one),
            one.contestation_hash.hex()[:12],
        )
    out().print(shown)


def _state(one: _Contested) -> str:
    if not one.HasField("answer"):
        return "dite au payeur" if one.told else "à transmettre"
    if not one.answer.record_version:
        return "maintenue"
    said = "corrigée" if one.answer.changed else "déclarée à nouveau, sans changement"
    return f"{said} (version {one.answer.record_version})"
