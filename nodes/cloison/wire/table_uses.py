"""Which published tables a person was counted in at this node, as their own page shows it."""

from collections.abc import Iterator

from cloison.exchange.entries import parse_entry
from cloison.exchange.table_uses import TableUse, table_uses, uses_of_person
from cloison.store import Period
from cloison.v1 import entry_pb2
from cloison.wire.node import Node
from cloison.wire.statistics_desk import months_of

_READ = 256
_GRANULARITIES = {Period.MONTH: "month", Period.YEAR: "year", Period.CURRENT: "current"}


def uses_of(node: Node, row_key: bytes) -> list[TableUse]:
    """The tables whose period holds rows about the person here; whatever the rows said.

    What a table counts them as, or whether they fell outside its keys, is not told. A table no
    longer declared is taken to have counted them.

    Args:
        node: Of the holder.
        row_key: The person, as this node keys rows.
    """
    return list(
        uses_of_person(
            table_uses(_register(node)), lambda table, period: _is_in(node, table, period, row_key)
        )
    )


def _register(node: Node) -> Iterator[tuple[int, entry_pb2.Entry]]:
    for first in range(0, node.register.size, _READ):
        count = min(_READ, node.register.size - first)
        for place, data in enumerate(node.register.entries(first, count)):
            yield first + place, parse_entry(data)


def _is_in(node: Node, name: str, period: str, row_key: bytes) -> bool:
    table = node.policy.statistics.tables.get(name)
    if table is None:
        return True
    own = table.held_by(node.body)
    counted = own if table.link else {table.dataset: own[table.dataset]}
    first, last = months_of(table, period)
    for dataset, fields in counted.items():
        kept = _GRANULARITIES[node.store.catalogue.dataset(dataset).period]
        (found,) = node.store.fetch(dataset, [row_key], fields[:1], first, last, kept, node.clock())
        if any(one.records for one in found.periods):
            return True
    return False
