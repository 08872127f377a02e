"""Parquet files written by hand, and all that a store holds, to compare."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tests.unit.declarations.conftest import Body
from tests.unit.declarations.written import ANNE, SIRET

from cloison.declarations.columnar import columns_of
from cloison.declarations.payments import DECLARED

RECORDS = """
SELECT dataset.name, hex(subject), period, version, until_load IS NULL, slot.name, payload,
    hex(named), lookup, CASE WHEN slot.id IS NULL THEN '' ELSE source END
FROM record JOIN dataset ON dataset.id = record.dataset LEFT JOIN slot ON slot.id = record.slot
"""
OTHERS = (
    "SELECT dataset, period FROM coverage",
    "SELECT hex(person), permanent, dead, objected, hex(traits) FROM identity",
    "SELECT hex(person) FROM vault",
    "SELECT name, revision, order_number, cancelled, declarant FROM slot",
    "SELECT dataset, declarant, period, fraction, until_load IS NULL FROM declared",
)


def content(body: Body) -> list[list[tuple[object, ...]]]:
    """All a store holds but for the loads themselves, the row numbers, and what is sealed anew."""
    with sqlite3.connect(body.path) as database:
        return [sorted(database.execute(sql), key=repr) for sql in (RECORDS, *OTHERS)]


def write(path: Path, dataset: str, columns: Sequence[str], *rows: Sequence[str | None]) -> Path:
    table = pa.table(
        {
            name: pa.array([row[place] for row in rows], pa.string())
            for place, name in enumerate(columns)
        },
        metadata={"cloison": f"{dataset} 1"},
    )
    pq.write_table(table, path, write_page_checksum=True)
    return path


def pay(nir: str = ANNE, mns: str = "1450.00", **head: str) -> tuple[str, ...]:
    """A row of `monthly_resources`."""
    of = {
        "message": "01", "type": "01", "fraction": "11", "order": "1", "month": "2026-02",
        "declarant": SIRET, "nir": nir, "paid": "2026-02-27", "corrects": "", **head,
    }  # fmt: skip
    if of["type"] == "05":
        return (*[of[name] for name in DECLARED[:6]], *[""] * 14)
    fields = (SIRET, "salary", "1800.00", "1500.00", mns, "1440.00", "10.00")
    return (*[of[name] for name in DECLARED], *fields, "", "", "", "")


def declared(body: Body, path: Path, *rows: Sequence[str | None]) -> Path:
    columns = columns_of(body.catalogue.dataset("monthly_resources"))
    return write(path, "monthly_resources", columns, *rows)
