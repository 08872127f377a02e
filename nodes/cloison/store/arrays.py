"""Columns between numpy and Arrow, their bytes as they are.

Arrow's own ways between the two load pandas the first time: 0.3 s and 40 MB in a process that has
no other use for it.
"""

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
    if values.dtype == np.bool_:
        data = np.packbits(values, bitorder="little")
    else:
        data = np.ascontiguousarray(values)
    stated = None if unknown is None else pa.py_buffer(np.packbits(~unknown, bitorder="little"))
    kind = pa.from_numpy_dtype(values.dtype) if kind is None else kind
    return pa.Array.from_buffers(kind, len(values), [stated, pa.py_buffer(data)])


def to_numpy(column: pa.Array) -> Numbers:
    """Numbers or truth values, zero or false where the column is null; not to be written to."""
    numbers = column.cast(pa.uint8()) if pa.types.is_boolean(column.type) else column
    kind = np.dtype(numbers.type.to_pandas_dtype())
    data = numbers.buffers()[1]
    start = numbers.offset * kind.itemsize
    values = np.frombuffer(b"" if data is None else data, kind, len(column), start if data else 0)
    if column.null_count:
        values = np.where(to_numpy(column.is_valid()), values, kind.type(0))
    return values.view(np.bool_) if numbers is not column else values
