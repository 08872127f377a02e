"""Columns between numpy and Arrow, their bytes as they are.

Arrow's own ways between the two load pandas the first time: 0.3 s and 40 MB in a process that has
no other use for it.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Numbers = npt.NDArray[np.generic]
Mask = npt.NDArray[np.bool_]


def to_arrow(
    values: Numbers, kind: pa.DataType | None = None, unknown: Mask | None = None
) -> pa.Array:
    """Numbers or truth values as an Arrow array, not copied where they need not be.

    Args:
        values: Of the kind's own width.
        kind: By default what the values are.
        unknown: Which are null; by default none.
    """
    stated = None if unknown is None else _bits(~unknown)
    data = _bits(values) if values.dtype == np.bool_ else pa.py_buffer(np.ascontiguousarray(values))
    kind = pa.from_numpy_dtype(values.dtype) if kind is None else kind
    return pa.Array.from_buffers(kind, len(values), [stated, data])


def _bits(truths: npt.NDArray[Any]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(truths, bitorder="little"))


def to_numpy(column: pa.Array) -> Numbers:
    """Numbers or truth values, zero or false where the column is null; not to be written to."""
    if pa.types.is_boolean(column.type):
        return to_truths(column)
    kind = np.dtype(column.type.to_pandas_dtype())
    data = column.buffers()[1]
    if data is None:
        return np.zeros(len(column), kind)
    values = np.frombuffer(data, kind, len(column), column.offset * kind.itemsize)
    if column.null_count:
        return np.where(to_truths(column.is_valid()), values, kind.type(0))
    return values


def to_truths(column: pa.Array) -> Mask:
    """As `to_numpy`, of truth values."""
    return to_numpy(column.cast(pa.uint8())).view(np.bool_)
