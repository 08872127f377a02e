"""Levels that agree: least squares over noisy levels of which each is sums of the next.

Post-processing only: all that comes in has its noise. Shapes: a level is (cells,), from the
coarsest to the leaves; `parents[l]` gives, for each cell of level l + 1, its cell of level l.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


def estimate(
    noisy: Sequence[npt.ArrayLike], variances: Sequence[float], parents: Sequence[Places]
) -> list[Floats]:
    """The best linear unbiased figures of every level; each cell is the sum of its children.

    Args:
        noisy: Each level's figures; the last axis is its cells, others are repetitions.
        variances: Of the noise of a level's cells.
        parents: See above; every cell of a coarser level has a child.
    """
    figures = [np.asarray(level, np.float64) for level in noisy]
    best, spread = [figures[-1]], [np.full(figures[-1].shape[-1], variances[-1])]
    for level in range(len(figures) - 2, -1, -1):
        cells, parent = figures[level].shape[-1], parents[level]
        summed = np.bincount(parent, spread[0], cells)
        total = _sums(best[0], parent, cells)
        weight = summed / (summed + variances[level])
        best.insert(0, weight * figures[level] + (1 - weight) * total)
        spread.insert(0, variances[level] * summed / (variances[level] + summed))
    for level, parent in enumerate(parents):
        cells = best[level].shape[-1]
        gap = best[level] - _sums(best[level + 1], parent, cells)
        share = spread[level + 1] / np.bincount(parent, spread[level + 1], cells)[parent]
        best[level + 1] = best[level + 1] + gap[..., parent] * share
    return best


def estimate_variances(
    cells: Sequence[int], variances: Sequence[float], parents: Sequence[Places]
) -> list[Floats]:
    """The variance of each figure `estimate` gives; `cells` of each level."""
    spread: list[Floats] = [np.full(cells[-1], variances[-1])]
    for level in range(len(parents) - 1, -1, -1):
        summed = np.bincount(parents[level], spread[0], cells[level])
        spread.insert(0, variances[level] * summed / (variances[level] + summed))
    final = [spread[0]]
    for level, parent in enumerate(parents):
        below = spread[level + 1]
        summed = np.bincount(parent, below, cells[level])[parent]
        share = below / summed
        final.append(below - share**2 * (summed - final[level][parent]))
    return final


def _sums(figures: Floats, parent: Places, cells: int) -> Floats:
    """Sums of children by parent, over the last axis."""
    if figures.ndim == 1:
        return np.bincount(parent, figures, cells).astype(np.float64)
    order = np.argsort(parent, kind="stable")
    starts = np.searchsorted(parent[order], np.arange(cells))
    return np.add.reduceat(figures[..., order], starts, axis=-1)
