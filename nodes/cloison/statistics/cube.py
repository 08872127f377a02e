"""The cells of a table: which there are is known from public keys, whatever the data hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from math import prod

import numpy as np

from cloison.statistics.hierarchy import Places
from cloison.statistics.table import (
    MOST_CELLS,
    Dimension,
    KeySet,
    Table,
    refuse_file,
)


@dataclass(frozen=True, slots=True)
class Axis:
    """A dimension of a level: its name there, and its keys in their order."""

    id: str
    title: str
    keys: tuple[str, ...]
    titles: tuple[str, ...]
    edges: tuple[int, ...] = ()
    tiles: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Level:
    """A level: its axes; none for the whole. Cells are in the order of `product(*keys)`."""

    id: str
    axes: tuple[Axis, ...]

    @property
    def cells(self) -> int:
        """How many."""
        return prod(len(axis.keys) for axis in self.axes)

    def keys(self) -> list[tuple[str, ...]]:
        """The keys of each cell, in order."""
        return list(product(*(axis.keys for axis in self.axes)))


@dataclass(frozen=True, slots=True)
class Cube:
    """The levels of a table from the coarsest to the leaves, and each cell's cell one level up.

    Attributes:
        parents: `parents[l]`, of shape (cells of level l + 1,): its cell of level l.
    """

    levels: tuple[Level, ...]
    parents: tuple[Places, ...]

    @property
    def leaves(self) -> Level:
        """The finest level: what the query gives."""
        return self.levels[-1]

    @property
    def cells(self) -> int:
        """Of all levels together."""
        return sum(level.cells for level in self.levels)


def build_cube(table: Table, keys: Mapping[str, KeySet]) -> Cube:
    """The cells of a table.

    Raises:
        InputError: `BAD_POLICY_FILE`: a key set that is not there, a level that is not made of its
            dimensions or not sums of the next, more than 20,000 cells.
    """
    path = f"tables/{table.id}.toml"
    axes = [_axes_of(path, dimension, keys) for dimension in table.dimensions]
    _check_brackets(path, table, [chain[0][0] for chain in axes])
    chosen = [_choose(path, names, axes) for names in table.levels]
    levels = tuple(
        Level(
            "-".join(names) or "all",
            tuple(axes[place][depth][0] for place, depth in enumerate(depths) if depth is not None),
        )
        for names, depths in zip(table.levels, chosen, strict=True)
    )
    cube = Cube(levels, tuple(_parents(path, axes, a, b) for a, b in pairwise(chosen)))
    if cube.cells > MOST_CELLS:
        raise refuse_file(path, f"{cube.cells} cells, at most {MOST_CELLS}")
    return cube


def _check_brackets(path: str, table: Table, finest: Sequence[Axis]) -> None:
    """Brackets are the last dimension, one at most, of the table's own dataset, and of no sum."""
    if table.measure.kind == "sum" and any(axis.edges for axis in finest):
        raise refuse_file(path, "brackets: of a count, not of a sum")
    for place, (axis, dimension) in enumerate(zip(finest, table.dimensions, strict=True)):
        own = dimension.dataset in {None, table.dataset}
        if axis.edges and (place != len(finest) - 1 or not own):
            raise refuse_file(path, "brackets: the last dimension, of the table's own dataset")


_Depths = list[int | None]
_Chain = list[tuple[Axis, Mapping[str, str]]]
"""A dimension at each coarseness, finest first, and what each of its keys becomes in the next."""


def _axes_of(path: str, dimension: Dimension, keys: Mapping[str, KeySet]) -> _Chain:
    chain: _Chain = []
    name: str | None = dimension.keys
    while name is not None:
        found = keys.get(name)
        if found is None or len(chain) > len(keys):
            raise refuse_file(path, f"key set `{name}`: unknown, or coarser than itself")
        title = found.title if chain else dimension.title
        axis = Axis(
            name.replace("-", "_") if chain else dimension.id,
            title,
            tuple(found.keys),
            tuple(found.keys.values()),
            found.edges,
            tuple(found.tiles[key] for key in found.keys) if found.tiles else (),
        )
        if chain and not set(chain[-1][1].values()) == set(axis.keys):
            raise refuse_file(path, f"key set `{name}`: its keys are not the parents named")
        if chain and not _nested(chain[-1], axis):
            raise refuse_file(path, f"key set `{name}`: its brackets are not whole finer ones")
        chain.append((axis, found.parents))
        name = found.coarser
    return chain


def _nested(finer: tuple[Axis, Mapping[str, str]], axis: Axis) -> bool:
    """Whether each coarser bracket is just the finer ones it is the parent of."""
    below, parents = finer
    if not below.edges and not axis.edges:
        return True
    if not below.edges or not axis.edges:
        return False
    order = [axis.keys.index(parents[key]) for key in below.keys]
    begins = [None, *below.edges]
    firsts = [begins[order.index(place)] for place in range(len(axis.keys))]
    return order == sorted(order) and firsts == [None, *axis.edges]


def _choose(path: str, names: Sequence[str], axes: Sequence[_Chain]) -> _Depths:
    """Of each dimension, how coarse it is at a level; None: summed over."""
    left = list(names)
    depths: _Depths = []
    for chain in axes:
        depth = next((d for d, (axis, _) in enumerate(chain) if left and axis.id == left[0]), None)
        if depth is not None:
            left.pop(0)
        depths.append(depth)
    if left:
        raise refuse_file(path, f"level: `{left[0]}` is no dimension, or not in their order")
    return depths


def _parents(path: str, axes: Sequence[_Chain], above: _Depths, below: _Depths) -> Places:
    """For each cell of the level below, its cell of the level above."""
    place, stride_above = np.zeros(1, np.int64), 1
    steps = list(zip(axes, above, below, strict=True))
    if above == below:
        raise refuse_file(path, "levels: the same twice")
    for chain, high, low in reversed(steps):
        if low is None:
            if high is not None:
                raise refuse_file(path, "levels: one is not sums of the next")
            continue
        if high is not None and high < low:
            raise refuse_file(path, "levels: one is finer than the next")
        codes = np.zeros(len(chain[low][0].keys), np.int64)
        if high is not None:
            order = {key: code for code, key in enumerate(chain[high][0].keys)}
            codes = np.array(
                [order[_coarsened(chain, key, low, high)] for key in chain[low][0].keys]
            )
        place = (codes[:, None] * stride_above + place[None, :]).ravel()
        stride_above *= 1 if high is None else len(chain[high][0].keys)
    return place.astype(np.int64)


def _coarsened(chain: _Chain, key: str, low: int, high: int) -> str:
    for depth in range(low, high):
        key = chain[depth][1][key]
    return key
