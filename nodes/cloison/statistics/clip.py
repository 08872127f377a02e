"""Where to clip a sum, read off brackets that are published already: so it costs nothing.

Clipping at C loses the euros above it, and noise grows with C. The squared error of a sum is about
`2 (C/ε)² + (euros cut off)²`; it is least where `(persons above C) × (euros cut off) = 2 C / ε²`.
The top bracket is open: its persons are taken to have what begins it, so that C is never more.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from cloison.errors import InputError
from cloison.statistics.deciles import isotonic_counts
from cloison.statistics.hierarchy import Floats


def best_clip(counts: Floats, edges: Sequence[int], most_cells: int, epsilon: Fraction) -> int:
    """The edge of a bracket at which a sum's error is least, in whole euros.

    Args:
        counts: By bracket, with their noise, as published.
        edges: Whole euros at which each bracket but the first begins.
        most_cells: So many cells one person adds to.
        epsilon: What the sum will cost.

    Raises:
        InputError: `BAD_LOSS`: nothing to spend.
    """
    if epsilon <= 0 or most_cells < 1:
        raise InputError("BAD_LOSS", "clip: needs a loss and a number of cells of more than zero")
    held = isotonic_counts(counts)
    begins = [0, *edges]
    ends = [*edges, edges[-1]]
    middle = [(low + high) / 2 for low, high in zip(begins, ends, strict=True)]

    def error(clip: int) -> float:
        cut = sum(
            float(count) * max(0.0, amount - clip)
            for count, amount in zip(held, middle, strict=True)
        )
        noise = 2 * float(most_cells * clip / epsilon) ** 2
        return noise + cut**2

    return min((edge for edge in edges if edge > 0), key=error)


def read_clips(content: Mapping[str, Any], epsilon: Fraction) -> dict[str, int]:
    """The best clip of each group of a published table of brackets; withheld ones are empty.

    Raises:
        InputError: `NO_BRACKETS`: the table has none.
    """
    leaves = content["levels"][-1]
    edges = leaves["axes"][-1].get("edges") if leaves["axes"] else None
    if not edges:
        raise InputError("NO_BRACKETS", "table: has no brackets to read a clip off")
    counts: dict[str, list[float]] = {}
    for keys, count in zip(leaves["keys"], leaves["unrounded"], strict=True):
        counts.setdefault(" × ".join(keys[:-1]), []).append(count or 0.0)
    most = content["privacy"]["most_cells"]
    return {
        name: best_clip(np.array(found), edges, most, epsilon) for name, found in counts.items()
    }
