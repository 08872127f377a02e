"""Blocks met before, each read whole by one pattern: the same few come thousands of times a file.

A shape is the rubrics of a block in their order, those that are not listed included. What its
pattern takes is what reading line by line takes without a fault, and nothing else.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from cloison.declarations.grammar import RUBRICS, block_of

RUBRIC_CHARACTERS = 14
_REMEMBERED = 512
MOST_LINES = 100
_MOST_SHAPES, _MOST_ALIKE = 256, 8
"""Lines of one shape; shapes of one file, and with one first rubric. To learn one costs a hundred
times the reading of its lines: a file whose blocks are all unlike is read line by line."""


Match = Callable[[str, int], re.Match[str] | None]


class Shape(NamedTuple):
    """Rubrics that make a block.

    Attributes:
        first: Number of its first rubric.
        last: Number of its last rubric.
        lines: How many lines it takes.
        rubrics: Those listed, in the order of the pattern's groups.
        match: Takes the lines of the block, each with its end, from a place in a text.
    """

    block: str
    first: int
    last: int
    lines: int
    rubrics: tuple[str, ...]
    match: Match


@lru_cache(_REMEMBERED)
def compile_shape(rubrics: tuple[str, ...]) -> Shape:
    """The shape of the rubrics of one block, at least one, their numbers rising."""
    lines = []
    for rubric in rubrics:
        spelling = RUBRICS.get(rubric)
        value = "[^\n]+" if spelling is None else f"({spelling.pattern.pattern})"
        lines.append(f"{re.escape(rubric)},'{value}'\n")
    return Shape(
        block_of(rubrics[0]),
        int(rubrics[0][-3:]),
        int(rubrics[-1][-3:]),
        len(rubrics),
        tuple(rubric for rubric in rubrics if rubric in RUBRICS),
        re.compile("".join(lines), re.ASCII).match,
    )


class Shapes:
    """Those met in one file.

    Attributes:
        count: How many.
    """

    def __init__(self) -> None:
        self._by_first: dict[str, list[Shape]] = {}
        self.count = 0
        # Those that begin with a rubric, the longest first.
        self.find = self._by_first.get

    def add(self, rubrics: tuple[str, ...]) -> None:
        """One more, of a block without a fault; none, out of order, or too many are passed by."""
        if not 0 < len(rubrics) <= MOST_LINES or self.count >= _MOST_SHAPES:
            return
        alike = self._by_first.setdefault(rubrics[0], [])
        if len(alike) < _MOST_ALIKE and list(rubrics) == sorted(set(rubrics)):
            shape = compile_shape(rubrics)
            if shape not in alike:
                self.count += 1
                alike.append(shape)
                alike.sort(key=lambda one: one.lines, reverse=True)
