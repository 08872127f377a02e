"""What `cloison stats` does for tables of several holders."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import typer

from cloison.bodies import BodyId, parse_body
from cloison.errors import InputError
from cloison.law.records import Activity
from cloison.statistics.declared import Declared, Question
from cloison.v1 import statistics_service_pb2 as wire
from cloison.wire.across_client import AcrossClient
from cloison.wire.node import system_clock
from cloison.wire.statistics_client import TableReply
from cloison.wire.study_client import StudyClient

NOT_SHARED = "a table of one holder is asked of that one"


def read_question(
    declared: Declared, name: str, period: str, epsilon: str, without: list[str]
) -> Question:
    """What is asked, of all holders of the table but `without`.

    Raises:
        InputError: as `Declared.question`; `BAD_HOLDERS`: none is left, or one holds nothing of it.
    """
    table = declared.table(name)
    left_out = [parse_body(body) for body in without]
    unknown = next((body for body in left_out if body not in table.holders), None)
    if unknown is not None or (left_out and not table.also):
        raise InputError(
            "BAD_HOLDERS", f"table `{name}`: cannot leave out `{left_out[0]}`", NOT_SHARED
        )
    holders = tuple(one for one in table.holders if one not in left_out) if table.also else ()
    if table.also and not holders:
        raise InputError("BAD_HOLDERS", f"table `{name}`: no holder is left", "leave out fewer")
    return declared.question(name, period, epsilon, holders)


def publish_together(
    question: Question,
    record: Activity,
    keys: Path,
    address_of: Callable[[BodyId], str],
) -> TableReply:
    """A table of several holders' sums, or of several bodies' rows."""
    bodies = [parse_body(one) for one in question.whole.participants() or question.holders]
    client: AcrossClient | StudyClient
    if question.whole.link is None:
        client = AcrossClient.connect(keys, record.id, {one: address_of(one) for one in bodies})
    else:
        client = StudyClient.connect(keys, record.id, {one: address_of(one) for one in bodies})
    with closing(client):
        return client.publish(question, record, system_clock())


@contextmanager
def across(
    question: Question, keys: Path, activity: str, address_of: Callable[[BodyId], str]
) -> Iterator[AcrossClient]:
    """A client of every holder of the question."""
    bodies = [parse_body(holder) for holder in question.holders]
    client = AcrossClient.connect(keys, activity, {body: address_of(body) for body in bodies})
    try:
        yield client
    finally:
        client.close()


def joint_price(prices: Mapping[BodyId, wire.PriceResponse]) -> wire.PriceResponse:
    """What all holders said, as one: affordable where it is at each, the budget the tightest."""
    dearest = next((one for one in prices.values() if not one.affordable), None)
    chosen = dearest or next(iter(prices.values()))
    joint = wire.PriceResponse()
    joint.CopyFrom(chosen)
    joint.kept = all(one.kept for one in prices.values())
    return joint


def show_shares(question: Question) -> None:
    """Among whom the noise is shared, and what that costs."""
    sharing = question.plan().sharing
    named = ", ".join(question.holders)
    typer.echo(
        f"of {named}: each pays this of its own population; the sum carries {sharing.weight} times"
        f" the noise of one mechanism (own noise each: {sharing.holders}), so that"
        f" {sharing.colluders} of them may tell what it holds"
    )
