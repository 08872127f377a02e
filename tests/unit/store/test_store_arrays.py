"""Columns pass between numpy and Arrow as they are."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from cloison.store import to_arrow, to_numpy

COLUMNS = {
    "numbers": pa.array([3, -1, 2**40], pa.int64()),
    "small numbers": pa.array([1, 2, 5], pa.int8()),
    "truth values": pa.array([True, False, True, True, False, True, False, False, True]),
    "some null": pa.array([3, None, 5], pa.int32()),
    "truth values, some null": pa.array([True, None, False]),
    "none": pa.array([], pa.int32()),
    "no truth value": pa.array([], pa.bool_()),
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("start", [0, 1])
def test_to_numpy_gives_the_values_and_nothing_of_what_is_null(name: str, start: int) -> None:
    column = COLUMNS[name][start:]
    values = [one or 0 for one in column.to_pylist()]
    assert to_numpy(column).tolist() == values


@pytest.mark.parametrize("name", COLUMNS)
def test_to_arrow_gives_the_column_again(name: str) -> None:
    column = COLUMNS[name]
    unknown = np.array([one is None for one in column.to_pylist()], np.bool_)
    again = to_arrow(to_numpy(column), column.type, unknown)
    again.validate(full=True)
    assert again.equals(column)
    assert to_arrow(to_numpy(column)).null_count == 0


def test_neither_way_loads_pandas() -> None:
    code = (
        "import sys; import numpy as np; from cloison.store import to_arrow, to_numpy;"
        "to_numpy(to_arrow(np.arange(3))); to_numpy(to_arrow(np.ones(3, np.bool_)));"
        "sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
