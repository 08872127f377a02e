"""What a table is counted from: files of columns, and the rows that stand beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class HeldPeriod:
    """What is held of one period: a file of columns, and the rows in force that it does not say.

    Attributes:
        file: None where there is none, or it no longer counts.
        changed: Persons whose rows in the file no longer count.
        rows: What counts beside the file, with its columns.
    """

    file: Path | None
    changed: tuple[bytes, ...] = ()
    rows: pa.Table | None = field(default=None, repr=False)


Held = Mapping[str, Sequence[HeldPeriod]]
"""By dataset."""
