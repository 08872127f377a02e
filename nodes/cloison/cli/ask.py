"""`cloison ask`: one question, put from the shell by an activity of one of the bodies.

A NIR is never an argument: persons come from a claim, opened as a case, or from a private file.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from cloison.bodies import BodyId, parse_body
from cloison.cli.answers import read_types, reply_to_json, show_reply
from cloison.cli.console import out
from cloison.cli.policy import load_policy
from cloison.cli.root import find_root
from cloison.errors import InputError
from cloison.identity import agent_pseudonym, load_private_file, load_secret, parse_nir
from cloison.law.question import Granularity
from cloison.law.records import Activity, Reads
from cloison.months import Month
from cloison.wire.client import connect
from cloison.wire.gateway import BATCH, AskFor, Gateway, Member, OpenedCase
from cloison.wire.node import system_clock
from cloison.wire.status import DENIED, OK


def ask(
    *,
    activity: Annotated[str, typer.Option(help="The activity that asks.")],
    holder: Annotated[str, typer.Option(help="The body that holds the data.")],
    dataset: Annotated[str, typer.Option(help="A dataset of that body.")],
    fields: Annotated[str, typer.Option(help="Field names, with commas between.")],
    months: Annotated[str, typer.Option(help="First and last month: YYYY-MM:YYYY-MM.")],
    claim: Annotated[str, typer.Option(help="A claim: its case is opened.")] = "",
    month: Annotated[str, typer.Option(help="With a claim: the month of the right.")] = "",
    role: Annotated[str, typer.Option(help="With a claim: whom of it.")] = "applicant",
    nir_file: Annotated[
        Path | None, typer.Option(help="Private file of lines NIR;BIRTH NAME;YYYY-MM-DD.")
    ] = None,
    granularity: Annotated[Granularity | None, typer.Option(help="If not the record's.")] = None,
    purpose: Annotated[str, typer.Option(help="If not the record's.")] = "",
    legal_basis: Annotated[str, typer.Option(help="If not the record's.")] = "",
    agent: Annotated[str, typer.Option(help="Who asks, as the body names its agents.")] = "",
    keys: Annotated[Path, typer.Option(help="Folder of the keys.")] = Path("var/keys"),
    root: Annotated[Path | None, typer.Option(help="Folder of policy/ and nodes/.")] = None,
    address: Annotated[str, typer.Option(help="host:port of the own node, if moved.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Put one question; show the outcome, its rules, the receipt, and the data if permitted.

    With --agent a keyed pseudonym of that name stands in the statement; else `batch`.
    Exit 2 on a deny.

    Example: cloison ask --activity caf-ppa --holder cnav --dataset monthly_resources
    --fields mns,nature --months 2026-02:2026-04 --claim REFERENCE --month 2026-06
    """
    base = find_root(root)
    record = find_activity(load_policy(base).activities, activity)
    first, last = parse_range(months)
    if bool(claim) == (nir_file is not None):
        raise InputError("BAD_PERSONS", "persons: give `--claim` or `--nir-file`, and only one")
    reads = reads_of(record, holder, dataset)
    gateway = connect(keys, activity, base, system_clock, address or None)
    case = open_claim(gateway, record, claim, month) if claim else None
    question = AskFor(
        holder=parse_body(holder),
        dataset=dataset,
        fields=tuple(sorted(fields.split(","))),
        first=first,
        last=last,
        persons=persons_of(case, role) if case else tuple(read_persons(nir_file)),
        case=case,
        granularity=granularity or (reads and reads.granularity) or Granularity.MONTH,
        purpose=purpose or (reads and reads.purpose) or record.purposes[0],
        legal_basis=legal_basis or (reads and reads.legal_basis) or record.legal_bases[0],
        agent=pseudonym_of(agent, keys, parse_body(record.body)) if agent else BATCH,
    )
    (reply,) = gateway.ask([question])
    if reply.failure is not None:
        raise reply.failure
    types = read_types(base, holder, dataset)
    if as_json:
        typer.echo(reply_to_json(reply))
    else:
        show_reply(out(), reply, [person.role for person in question.persons], types)
    raise typer.Exit(OK if reply.decision and reply.decision.permitted else DENIED)


def find_activity(activities: Mapping[str, Activity], name: str) -> Activity:
    """The record of an activity. Raises `InputError` (`UNKNOWN_ACTIVITY`)."""
    if name not in activities:
        known = ", ".join(sorted(activities))
        raise InputError("UNKNOWN_ACTIVITY", f"activity `{name}`: no record", f"known: {known}")
    return activities[name]


def activity_of(activities: Mapping[str, Activity], body: BodyId, purpose: str) -> Activity:
    """The one activity of a body whose only purpose this is.

    Raises:
        InputError: `UNKNOWN_ACTIVITY`: none, or more than one.
    """
    found = [one for one in activities.values() if (one.body, one.purposes) == (body, (purpose,))]
    if len(found) != 1:
        raise InputError(
            "UNKNOWN_ACTIVITY",
            f"body `{body}`: {len(found)} activities whose one purpose is `{purpose}`, not one",
        )
    return found[0]


def pseudonym_of(agent: str, keys: Path, body: BodyId) -> str:
    """What stands for an agent outside the body. Raises `StorageError` without the body's key."""
    return agent_pseudonym(load_secret(keys / body / "node" / "agent.key"), agent)


def parse_range(text: str) -> tuple[Month, Month]:
    """`2026-02:2026-04`, both included. Raises `InputError` (`BAD_MONTH`)."""
    first, _, last = text.partition(":")
    return Month.parse(first), Month.parse(last or first)


def open_claim(gateway: Gateway, record: Activity, claim: str, month: str) -> OpenedCase:
    """The claim's case, opened or already live.

    Raises:
        InputError: `NO_CASE_TYPE`: the activity opens no case. `UNKNOWN_CLAIM`. `BAD_MONTH`.
    """
    if not record.case_types:
        raise InputError("NO_CASE_TYPE", f"activity `{record.id}`: its record declares no case")
    cases = list(gateway.open_cases(record.case_types[0].type, Month.parse(month), [claim]))
    if len(cases) != 1:
        raise InputError("UNKNOWN_CLAIM", f"claim `{claim}`: not one open claim of this activity")
    return cases[0]


def persons_of(case: OpenedCase, role: str) -> tuple[Member, ...]:
    """The members of a case in that role. Raises `InputError` (`BAD_PERSONS`) if there is none."""
    members = tuple(member for member in case.members if member.role == role)
    if not members:
        raise InputError("BAD_PERSONS", f"persons: nobody in this case is `{role}`")
    return members


def read_persons(path: Path | None) -> Iterator[Member]:
    """The persons of a private file, a line each.

    Raises:
        InputError: `BAD_PERSONS`: file and line, never what stands there. `BAD_NIR`.
        StorageError: `LOOSE_MODE`, `NO_SECRET`: others may read it, or it cannot be read.
    """
    content = b"" if path is None else load_private_file(path)
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
        try:
            nir, name, born = line.split(";")
            yield Member("person", parse_nir(nir), name, date.fromisoformat(born))
        except ValueError as error:
            raise InputError(
                "BAD_PERSONS", f"file `{path}:{number}`: not NIR;BIRTH NAME;YYYY-MM-DD"
            ) from error


def reads_of(record: Activity, holder: str, dataset: str) -> Reads | None:
    """What the record says of asking that dataset; None where it does not name it."""
    named = (holder, dataset)
    return next((reads for reads in record.reads if (reads.holder, reads.dataset) == named), None)
