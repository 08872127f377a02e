"""A published table as rows: for CSV and Parquet, one row a cell of every level."""

import csv
import io
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

FIGURES = ("rounded", "unrounded", "low", "high", "measured")
"""Empty where a cell is withheld."""


def to_rows(content: Mapping[str, Any]) -> pa.Table:
    """Level, a column a dimension (empty where a level has none), and the figures."""
    axes = list(dict.fromkeys(axis["id"] for level in content["levels"] for axis in level["axes"]))
    columns: dict[str, list[Any]] = {name: [] for name in ("level", *axes, *FIGURES, "withheld")}
    for level in content["levels"]:
        names = [axis["id"] for axis in level["axes"]]
        for place, keys in enumerate(level["keys"]):
            said = dict(zip(names, keys, strict=True))
            columns["level"].append(level["id"])
            for axis in axes:
                columns[axis].append(said.get(axis))
            for name in FIGURES:
                columns[name].append(level[name][place])
            columns["withheld"].append(level["rounded"][place] is None)
    kinds = {"unrounded": pa.float64(), "low": pa.float64(), "high": pa.float64()}
    kinds |= {"rounded": pa.int64(), "measured": pa.int64(), "withheld": pa.bool_()}
    return pa.table(
        {name: pa.array(values, kinds.get(name, pa.string())) for name, values in columns.items()}
    )


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
