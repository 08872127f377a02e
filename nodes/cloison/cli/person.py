"""`cloison person`: what was done with one's data, at every body; contest it, and be answered."""

import asyncio
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cloison.bodies import BodyId, parse_body
from cloison.cli import person_desk
from cloison.cli.console import messages, out
from cloison.cli.places import (
    ISSUER_PORT,
    Place,
    read_person_doors,
    read_published,
    read_quorum,
)
from cloison.cli.root import find_root, read_policy
from cloison.cli.vkeys import load_vkey
from cloison.errors import CloisonError, InputError
from cloison.french import french_count, french_date
from cloison.identity import load_certificate, parse_nir
from cloison.identity.secrets import load_private_file
from cloison.law import PolicySet
from cloison.ledger.trust_policy import TrustPolicy
from cloison.programs.person.proofs import write_proofs
from cloison.programs.person.run import Asked, Read, SignIn, contest, read_all
from cloison.programs.person.sentences import Line, Sentences
from cloison.programs.person.verify import Traces
from cloison.store import load_nodes
from cloison.wire.person_client import Identity, PersonClient, sign_in
from cloison.wire.trust import load_trust_policy

app = typer.Typer(no_args_is_help=True, help="See who accessed one's data; contest it.")
app.command("issuer")(person_desk.issuer)
app.command("contested")(person_desk.contested)
app.command("answer")(person_desk.answer)
app.command("erase")(person_desk.erase)

FAILED = 1
_STYLES = {"permitted": "green", "refused": "red"}

Keys = Annotated[Path, typer.Option(help="Folder of the keys: its `public` alone is read.")]
Root = Annotated[Path | None, typer.Option(help="Folder of policy/ and nodes/.")]
Addresses = Annotated[
    Path | None, typer.Option(help='TOML file, table `person`: BODY = "host:port".')
]
IssuerAt = Annotated[str, typer.Option("--issuer", help="host:port of the OIDC issuer.")]
IdentityFile = Annotated[
    Path | None,
    typer.Option(help='A private JSON file, {"nir", "birth_date"}; by default they are asked for.'),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_ISSUER_AT = f"127.0.0.1:{ISSUER_PORT}"


@app.callback()
def _group() -> None:
    """See who accessed one's data; contest it."""


@app.command("accesses")
def accesses(
    *,
    identity: IdentityFile = None,
    only: Annotated[list[str] | None, typer.Option(help="A body; may be given again.")] = None,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="A new private folder: a proof file of each entry.")
    ] = None,
    keys: Keys = Path("var/keys"),
    root: Root = None,
    addresses: Addresses = None,
    issuer: IssuerAt = _ISSUER_AT,
    as_json: Json = False,
) -> None:
    """Sign in, ask every node what was done with one's data, verify all of it, and show it.

    Exit 1 where a node's answer does not hold, or two ledgers differ. The reading is entered too.

    Example: cloison person accesses --out mes-traces
    """
    if out_folder is not None and out_folder.exists() and any(out_folder.iterdir()):
        raise InputError("OUT_EXISTS", f"folder `{out_folder}`: not empty", "name a new one")
    who = _identity(identity)
    place = Place(find_root(root), keys, Path("var"), addresses)
    policy = PolicySet.parse(read_policy(place.root))
    if policy.traces is None:
        raise InputError("NO_TRACE_RULES", "policy: no `traces.toml`: nobody may read traces")
    with messages().status("asking"):
        read = read_all(
            _asked(place, only), _trust(place), policy.traces, _signing(issuer, keys, who)
        )
    names = {body: node.name for body, node in load_nodes(place.root / "nodes").items()}
    lines = Sentences(policy, names).lines(read.traces)
    files = 0 if out_folder is None else write_proofs(out_folder, read.traces)
    if as_json:
        typer.echo(json.dumps(_content(read, lines), ensure_ascii=False, indent=2))
    else:
        _show(read, lines, names)
        if out_folder is not None:
            typer.echo(f"{french_count(files)} fichiers de preuve : {out_folder}", err=True)
    if read.failed or read.differences:
        raise typer.Exit(FAILED)


@app.command("contest")
def contest_(
    body: Annotated[str, typer.Argument(help="The body whose ledger has the entry.")],
    index: Annotated[int, typer.Argument(min=0, help="The entry, as `accesses` shows it.")],
    *,
    says: Annotated[str, typer.Option(help="What one says of it; in no ledger.")],
    identity: IdentityFile = None,
    keys: Keys = Path("var/keys"),
    root: Root = None,
    addresses: Addresses = None,
    issuer: IssuerAt = _ISSUER_AT,
    as_json: Json = False,
) -> None:
    """Contest an access: entered in that body's ledger, to be answered in time.

    Example: cloison person contest cnav 12 --says "Je n'ai rien demandé ce mois-là."
    """
    who, at = _identity(identity), parse_body(body)
    place = Place(find_root(root), keys, Path("var"), addresses)
    policy = PolicySet.parse(read_policy(place.root))
    if policy.traces is None:
        raise InputError("NO_TRACE_RULES", "policy: no `traces.toml`: nobody may read traces")
    (node,) = _asked(place, [at])
    signing = _signing(issuer, keys, who)
    read = read_all([node], _trust(place), policy.traces, signing)
    if at in read.failed:
        raise read.failed[at]
    leaf = next((one.leaf for one in read.traces[at].own if one.index == index), None)
    if leaf is None:
        raise InputError(
            "NOT_YOURS", f"entry {index} of `{at}`: not about you", "see `cloison person accesses`"
        )
    checked = contest(node, signing, index, leaf, says)
    contested = checked.entry.access_contested
    until = datetime.fromtimestamp(contested.answer_by_ms / 1000, UTC).date()
    if as_json:
        found = {"body": at, "leaf_index": checked.leaf_index, "answer_by": until.isoformat()}
        typer.echo(json.dumps(found, indent=2))
        return
    typer.echo(
        f"Contestation inscrite au registre de {at}, inscription {checked.leaf_index}."
        f"\nRéponse due au plus tard le {french_date(until)} ({contested.article})."
    )


def _identity(path: Path | None) -> Identity:
    """Asked for where no file is named: what is on a command line, others read."""
    if path is None:
        nir = typer.prompt("Numéro de sécurité sociale", hide_input=True, err=True)
        born = typer.prompt("Date de naissance (AAAA-MM-JJ)", hide_input=True, err=True)
        return Identity(parse_nir(str(nir).replace(" ", "")), str(born))
    try:
        content = json.loads(load_private_file(path))
        return Identity(parse_nir(str(content["nir"])), str(content["birth_date"]))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            "BAD_IDENTITY", f"file `{path}`: not an identity", 'write {"nir": …, "birth_date": …}'
        ) from error


def _asked(place: Place, only: Iterable[str] | None) -> list[Asked]:
    doors = read_person_doors(place)
    if not doors:
        raise InputError(
            "NO_DOOR",
            "nodes: none answers persons here",
            "name `person_port` in node.toml, or a table `[person]` in the file of addresses",
        )
    wanted = [parse_body(one) for one in only or doors]
    for body in wanted:
        if body not in doors:
            raise InputError("UNKNOWN_BODY", f"body `{body}`: answers no person", ", ".join(doors))
    ca = load_certificate(place.keys / "public/ca.crt")
    return [
        Asked(
            body,
            partial(PersonClient, body, doors[body], ca),
            load_vkey(place.keys / f"public/ledgers/{body}.traces.vkey"),
        )
        for body in wanted
    ]


def _trust(place: Place) -> TrustPolicy:
    return load_trust_policy(place.keys, read_published(place), read_quorum(place))


def _signing(issuer: str, keys: Path, who: Identity) -> SignIn:
    return lambda audience, nonce: asyncio.run(
        sign_in(issuer, keys / "public/ca.crt", who, audience, nonce)
    )


def _content(read: Read, lines: list[Line]) -> dict[str, object]:
    return {
        "accesses": [
            {
                "time": None if line.time is None else line.time.isoformat(),
                "kind": line.kind,
                "sentence": line.sentence,
                "activity": line.activity,
                "purpose": line.purpose,
                "article": line.article,
                "categories": line.categories,
                "outcome": line.outcome,
                "says": line.says,
                "places": [{"body": body, "leaf_index": index} for body, index in line.places],
                "day_closed": line.proved,
            }
            for line in lines
        ],
        "ledgers": [_ledger(one) for one in read.traces.values()],
        "failed": [
            {"body": body, "reason": error.reason, "message": error.message}
            for body, error in read.failed.items()
        ],
        "differences": list(read.differences),
    }


def _ledger(traces: Traces) -> dict[str, object]:
    return {
        "body": traces.body,
        "entries": traces.head.size,
        "witnessed_entries": traces.witnessed_size,
        "first_day_proved": traces.days[0].day.isoformat() if traces.days else None,
        "last_day_proved": traces.days[-1].day.isoformat() if traces.days else None,
        "days_without_any": sum(day.count == 0 for day in traces.days),
        "open_from": traces.open_from,
    }


def _show(read: Read, lines: list[Line], names: dict[BodyId, str]) -> None:
    console = out()
    for line in lines:
        when = "—" if line.time is None else f"{line.time:%d/%m/%Y %H:%M} UTC"
        places = ", ".join(f"{body} {index}" for body, index in line.places)
        mark = "" if line.proved else " · jour non clos"
        console.print(Text(f"{when}  [{places}]{mark}", style="bold"))
        console.print(Text(f"  {_plain(line.sentence)}", style=_STYLES.get(line.outcome, "")))
        if line.says:
            console.print(Text(f"  « {_plain(line.says)} »", style="italic"))
    console.print()
    for traces in read.traces.values():
        console.print(Text(_proved(traces, names.get(traces.body, traces.body))))
    for body, error in read.failed.items():
        console.print(Text(f"{body} : {_plain(_failed(error))}", style="red"))
    for one in read.differences:
        console.print(Text(one, style="red"))
    console.print(Text(_LIMITS))


def _proved(traces: Traces, name: str) -> str:
    if traces.days:
        first, last = french_date(traces.days[0].day), french_date(traces.days[-1].day)
        empty = french_count(sum(day.count == 0 for day in traces.days))
        days = (
            f"tout est montré, preuve à l'appui, du {first} au {last} ({empty} jours sans aucune"
            " inscription sur vous) ; la suite ne sera prouvée complète qu'une fois le jour clos"
        )
    else:
        days = (
            "aucun jour n'est clos encore : ce qui est montré est prouvé, que ce soit tout ne l'est"
            " pas"
        )
    seen = (
        f"les témoins ont vu {french_count(traces.witnessed_size)} inscriptions"
        if traces.witnessed_size
        else "les témoins n'ont encore rien vu"
    )
    return f"{name} : {days} ; {seen}."


def _failed(error: CloisonError) -> str:
    if error.reason == "TOO_OFTEN":  # said to the person, in French, with when to come back
        return f"{error.message} ; {error.hint}"
    return f"pas de réponse qui tienne ({error.message})"


def _plain(text: str) -> str:
    """What a node wrote can neither style the terminal nor command it."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


_LIMITS = (
    "Une demande refusée n'a lu aucune donnée ; elle vous est montrée si elle vous nommait. Celle"
    " qui portait sur une population, refusée, ne nomme personne. Ce que deux organismes"
    " cacheraient ensemble, hors des registres, ne peut être vu ici."
)
