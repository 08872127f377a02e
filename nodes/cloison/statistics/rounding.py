"""The published rounding: integers of zero or more that still add up, from the coarsest down.

Each coarsest cell is its estimate, zero if that is less, to the nearest integer. The children of a
cell are the nearest point to their estimates with no negative figure and the cell's sum; then each
is cut to an integer, and the units left go to the largest remainders (the first, where equal).

It is biased where cells are small: the unrounded figures are published beside it.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cloison.statistics.hierarchy import Floats, Places

Integers = npt.NDArray[np.int64]


def round_levels(levels: Sequence[Floats], parents: Sequence[Places]) -> list[Integers]:
    """Integers of zero or more for every level; each cell is the sum of its children."""
    rounded: list[Integers] = [np.floor(np.maximum(levels[0], 0) + 0.5).astype(np.int64)]
    for level, parent in enumerate(parents):
        children = np.zeros(len(parent), np.int64)
        order = np.argsort(parent, kind="stable")
        ends = np.cumsum(np.bincount(parent, minlength=len(rounded[level])))
        for cell, places in enumerate(np.split(order, ends[:-1])):
            total = int(rounded[level][cell])
            children[places] = _share_out(levels[level + 1][places], total)
        rounded.append(children)
    return rounded


def _share_out(wanted: Floats, total: int) -> Integers:
    """Integers of zero or more that add up to `total`, as near as can be."""
    nearest = _onto_simplex(wanted, total)
    # A sum of doubles a hair below an integer is that integer.
    whole = np.floor(nearest + 1e-9).astype(np.int64)
    largest = np.argsort(-(nearest - whole), kind="stable")
    whole[largest[: total - int(whole.sum())]] += 1
    return whole


def _onto_simplex(wanted: Floats, total: int) -> Floats:
    """The nearest point with no negative coordinate and this sum (Held, Wolfe, Crowder 1974)."""
    descending = np.sort(wanted)[::-1]
    excess = (np.cumsum(descending) - total) / np.arange(1, len(wanted) + 1)
    kept = np.flatnonzero(descending - excess > 0)
    cut = excess[kept[-1]] if len(kept) else excess[0]
    above: Floats = np.maximum(wanted - cut, 0.0)
    return above
