"""A published table as rows: for CSV and Parquet, one row a cell of every level."""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

FIGURES = ("rounded", "unrounded", "low", "high", "measured")
"""Empty where a cell is withheld."""
MEAN_FIGURES = ("rounded", "low", "high")
_WHOLE = ("rounded", "measured")


def to_rows(content: Mapping[str, Any]) -> pa.Table:
    """Level, a column a dimension (empty where a level has none), and the figures.

    Of a sum also `sum_…`, whole euros, and `mean_…`, whole euros a person.
    """
    levels = content["levels"]
    axes = list(dict.fromkeys(axis["id"] for level in levels for axis in level["axes"]))
    columns: dict[str, pa.Array] = {
        "level": _texts(level["id"] for level in levels for _ in level["keys"])
    }
    for axis in axes:
        columns[axis] = _texts(key for level in levels for key in _keys_of(level, axis))
    for name in FIGURES:
        columns[name] = _numbers([level[name] for level in levels], name in _WHOLE)
    withheld = [one is None for level in levels for one in level["rounded"]]
    columns["withheld"] = pa.array(withheld, pa.bool_())
    if all("sum" in level for level in levels):
        for name in FIGURES:
            figures = [level["sum"][name] for level in levels]
            columns[f"sum_{name}"] = _numbers(figures, name in _WHOLE)
        for name in MEAN_FIGURES:
            columns[f"mean_{name}"] = _numbers([level["mean"][name] for level in levels], True)
    return pa.table(columns)


def _keys_of(level: Mapping[str, Any], axis: str) -> Iterable[str | None]:
    names = [one["id"] for one in level["axes"]]
    place = names.index(axis) if axis in names else None
    return [None if place is None else keys[place] for keys in level["keys"]]


def _texts(values: Iterable[str | None]) -> pa.Array:
    return pa.array(list(values), pa.string())


def _numbers(figures: Iterable[Iterable[float | None]], whole: bool) -> pa.Array:
    kind = pa.int64() if whole else pa.float64()
    return pa.array([value for level in figures for value in level], kind)


def to_csv(rows: pa.Table) -> bytes:
    """UTF-8, semicolons, points for decimals, a header."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";", lineterminator="\n")
    writer.writerow(rows.column_names)
    for row in rows.to_pylist():
        writer.writerow(["" if value is None else value for value in row.values()])
    return text.getvalue().encode("utf-8")


def to_parquet(rows: pa.Table, document: bytes) -> bytes:
    """With the whole document in the file's metadata, under `cloison`."""
    sink = io.BytesIO()
    pq.write_table(rows.replace_schema_metadata({"cloison": document}), sink, compression="zstd")
    return sink.getvalue()
