"""A checked reply, shown: the decision, where it is written, and the data of a permit."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from google.protobuf.json_format import MessageToDict
from rich.console import Console

from cloison.cli.console import show_decision, table
from cloison.french import french_euros
from cloison.store import FieldType, load_catalogue
from cloison.v1 import release_pb2
from cloison.wire.gateway import Reply

_STATUS = {
    release_pb2.PERIOD_STATUS_DECLARED: "declared",
    release_pb2.PERIOD_STATUS_NOTHING_DECLARED: "nothing declared",
    release_pb2.PERIOD_STATUS_NOT_YET_DUE: "not yet due",
    release_pb2.PERIOD_STATUS_UNDER_CORRECTION: "under correction",
    release_pb2.PERIOD_STATUS_LATE: "late",
}


def read_types(root: Path, holder: str, dataset: str) -> dict[str, FieldType]:
    """The field types of a dataset, to print amounts as amounts; empty where it is not known."""
    path = root / "nodes" / holder / "catalogue.toml"
    if not path.is_file():
        return {}
    found = load_catalogue(path).datasets.get(dataset)
    return {} if found is None else {name: spec.type for name, spec in found.fields.items()}


def reply_to_json(reply: Reply) -> str:
    """The whole reply. Amounts in integer cents."""
    receipt = reply.receipt
    return json.dumps(
        {
            "statement": reply.statement_hash.hex(),
            "decision": None if reply.decision is None else asdict(reply.decision),
            "receipt": receipt
            and {
                "holder": receipt.holder,
                "leaf_index": receipt.leaf_index,
                "leaf_hash": receipt.leaf_hash.hex(),
                "size": receipt.size,
            },
            "release": None if reply.release is None else MessageToDict(reply.release),
        },
        ensure_ascii=False,
        indent=2,
    )


def show_reply(
    console: Console, reply: Reply, persons: Sequence[str], types: Mapping[str, FieldType]
) -> None:
    """Decision, receipt, and a table of the records if there is a release."""
    if reply.decision is not None:
        show_decision(console, reply.decision)
    if reply.receipt is not None:
        where = f"entry {reply.receipt.leaf_index} of {reply.receipt.size}"
        console.print(
            f"  receipt: {where} in the ledger of {reply.receipt.holder},"
            f" leaf {reply.receipt.leaf_hash.hex()}",
            soft_wrap=True,
        )
    if reply.release is not None:
        label = reply.release.label
        console.print(f"  label: received for {label.received_for} under {label.text}")
        shown = table("person", "period", "status", "source", *reply.release.fields)
        for row in rows(reply.release, persons, types):
            shown.add_row(*row)
        console.print(shown)


def rows(
    release: release_pb2.Release, persons: Sequence[str], types: Mapping[str, FieldType]
) -> Iterator[list[str]]:
    """A line for each record, and for each period without one."""
    for role, person in zip(persons, release.persons, strict=True):
        for period in person.periods:
            head = [role, period_text(period.period), _STATUS.get(period.status, "?")]
            if not period.records:
                yield [*head, "", *("" for _ in release.fields)]
            for record in period.records:
                named = zip(release.fields, record.values, strict=True)
                values = (value_text(value, types.get(name)) for name, value in named)
                yield [*head, f"{record.source} v{record.version}", *values]


def period_text(period: int) -> str:
    """`2026-02`, `2025`, or `now`.

    Example:
        >>> period_text(202602), period_text(2025), period_text(0)
        ('2026-02', '2025', 'now')
    """
    month = 100_000
    return f"{period // 100}-{period % 100:02d}" if period > month else str(period or "now")


def value_text(value: release_pb2.Value, kind: FieldType | None) -> str:
    """One value: amounts in euros, dates with hyphens, what is absent as a dash."""
    match value.WhichOneof("kind"):
        case "integer" if kind is FieldType.CENTS:
            return french_euros(value.integer)
        case "integer" if kind is FieldType.DATE:
            text = str(value.integer)
            return f"{text[:4]}-{text[4:6]}-{text[6:]}"
        case "integer":
            return str(value.integer)
        case "text":
            return value.text
        case "boolean":
            return "yes" if value.boolean else "no"
        case _:
            return "–"
