"""In which published tables a population was counted: read off a register, for each person to see.

No entry names the persons of a table, twelve million of them or one: it names their population and
period. Who is in it, the node that holds it knows; so a person's page says "counted in" from the
two together, and nobody else can.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from cloison.exchange.statement import from_milliseconds
from cloison.v1 import entry_pb2


@dataclass(frozen=True, slots=True)
class TableUse:
    """A population was counted, added to others' or alone, in a table that was published.

    Or the rows of persons went into a study under pseudonyms: then the table is another body's, and
    neither its population nor its document is known here.

    Attributes:
        period: Which month or year of their data: `2026-03` or `2026`.
        holders: Whose figures were added up; none where the node's own alone were counted.
        published_index: Of the register's `table_published` entry, or its `study_step`.
    """

    table: str
    population: str
    period: str
    holders: tuple[str, ...]
    activity: str
    published_time: datetime
    published_index: int
    document_hash: bytes


def table_uses(register: Iterable[tuple[int, entry_pb2.Entry]]) -> Iterator[TableUse]:
    """Each table published, in the register's order, and each study that persons were named to.

    What was reserved and never left is not one. A holder that only added columns to persons others
    named keeps no list of them, and has nothing to tell.

    Args:
        register: Place and entry, in order, from the first.
    """
    reserved: dict[int, entry_pb2.BudgetReserved] = {}
    for index, entry in register:
        kind = entry.WhichOneof("kind")
        if kind == "budget_reserved":
            reserved[index] = entry.budget_reserved
        elif kind == "study_step" and entry.study_step.step == "named":
            step = entry.study_step
            time = from_milliseconds(entry.entry_time_ms)
            yield TableUse(step.table, "", step.period, (), step.activity, time, index, b"")
        elif kind == "table_published" and entry.table_published.reserved_index in reserved:
            one = reserved[entry.table_published.reserved_index]
            yield TableUse(
                one.table,
                one.population,
                one.period,
                tuple(one.holders),
                one.activity,
                from_milliseconds(entry.entry_time_ms),
                index,
                entry.table_published.document_hash,
            )


def uses_of_person(
    uses: Iterable[TableUse], is_in: Callable[[str, str], bool]
) -> Iterator[TableUse]:
    """Those of tables whose population a person was in.

    Args:
        uses: As `table_uses`.
        is_in: Of a table and a period: whether rows about the person were there to be counted.
    """
    return (use for use in uses if is_in(use.table, use.period))
