"""NEODeS files as a stream of blocks: `S21.G00.30.001,'value'`, one rubric a line, strictly.

A block of rubrics that came before in this order is read at once (`shapes`); any other is read
line by line, and so is all that stands around a fault.

What is wrong is gathered, and reading goes on as if it had been right, so that a fault is said
once: a rubric refused or missing is named in its block (`Block.spoiled`), a block out of place is
passed by (`Block.stray`), and nothing is said to be missing where a line could not be read.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import NamedTuple

from cloison.declarations.faults import Faults
from cloison.declarations.grammar import (
    BLOCKS,
    DECLARATION,
    RUBRICS,
    TOTAL,
    TOTAL_DECLARATIONS,
    TOTAL_LINES,
    block_of,
    chain,
    check_step,
)
from cloison.declarations.lines import LATIN, Source, read_chunks
from cloison.declarations.shapes import MOST_LINES, RUBRIC_CHARACTERS, Shapes
from cloison.errors import InputError

_RUBRIC = re.compile(r"(S[0-9]{2}\.G[0-9]{2}\.[0-9]{2})\.([0-9]{3})", re.ASCII)
_HINT = "a line is S21.G00.30.001,'value'"
_NONE: frozenset[str] = frozenset()
_STRUCTURE = frozenset({"MISSING_BLOCK", "BLOCK_ORDER", "BLOCK_TWICE", "BAD_LINE"})

Match = Callable[[str], re.Match[str] | None]
_Rubric = tuple[str, int, Match | None]
"""A rubric's block, its number, and how its value is spelled."""


class Block(NamedTuple):
    """One block of a file: its name, its first line, its listed rubrics.

    Attributes:
        spoiled: Rubrics of it, and of blocks missing around it, of which a fault is said already.
        stray: Out of its place: it belongs to nothing around it.
    """

    name: str
    line: int
    values: dict[str, str]
    spoiled: frozenset[str] = _NONE
    stray: bool = False


# What `Block` does itself, in a third of the time.
_new_block: Callable[[tuple[object, ...]], Block] = partial(tuple.__new__, Block)

Keep = Callable[[int, str], None]
"""Takes the number and the text of a well-formed line of a block that is not known."""


def read_blocks(source: Source, faults: Faults, keep: Keep) -> Iterator[Block]:
    """Every known block of a file, in order; the last is S90, the counts then checked.

    Args:
        source: Read once.
        faults: Takes, with line and rubric: `BAD_LINE`, `BAD_ENCODING`, `MISSING_BLOCK`,
            `BLOCK_ORDER`, `BLOCK_TWICE`, `MISSING_RUBRIC`, `RUBRIC_ORDER`, `WRONG_COUNT`,
            `TRUNCATED`, or what the rubric's spelling says (`BAD_AMOUNT`, `BAD_DATE`, …).
        keep: Takes the lines of unknown blocks, which stand anywhere before S90; those within a
            block and right after it come before it does.

    Raises:
        StorageError: `FILE_READ`.
    """
    return _Reader(faults, keep).blocks(source)


class _Reader:
    """The state of one file being read."""

    def __init__(self, faults: Faults, keep: Keep) -> None:
        self._faults = faults
        self._keep = keep
        self._known: dict[str, _Rubric] = {}
        self._shapes = Shapes()
        self._steps: set[tuple[str, str]] = set()
        self._lines = 0
        # The block being read; where the reader is among the blocks, the same unless it is stray.
        self._name, self._place, self._stray, self._start = "", "", "", 0
        self._values: dict[str, str] = {}
        # Number of the last rubric of the block; its rubrics, where they were read line by line.
        self._last = 0
        self._met: tuple[str, ...] = ()
        self._spoiled: set[str] = set()
        self._unread = -1
        self._declarations = 0
        self._over = False

    def blocks(self, source: Source) -> Iterator[Block]:
        """As `read_blocks`."""
        for chunk in read_chunks(source, LATIN, self._faults):
            text = chunk + "\n"
            at, end = 0, len(text)
            while at < end:
                at, closed = self._take_known(text, at)
                yield from closed
                if at < end:
                    line = text.index("\n", at)
                    block = self._take_line(text[at:line])
                    at = line + 1
                    if block is not None:
                        yield block
                    if self._over:
                        return
        if self._is_whole(self._lines):
            self._check_counts(self._lines)
            yield self._closed()

    def _take_known(self, text: str, at: int) -> tuple[int, list[Block]]:
        """Takes blocks of known shapes in known order, with no fault around; those that end."""
        closed: list[Block] = []
        name, start, values, last = self._name, self._start, self._values, self._last
        if not self._may_end():
            return at, closed
        find, steps, lines = self._shapes.find, self._steps, self._lines
        while True:
            for shape in find(text[at : at + RUBRIC_CHARACTERS], ()):
                if (found := shape.match(text, at)) is not None:
                    break
            else:
                break
            block = shape.block
            if (name, block) not in steps or (block == name and shape.first > last):
                break
            closed.append(_new_block((name, start, values, _NONE, False)))
            name, start, last = block, lines + 1, shape.last
            values = dict(zip(shape.rubrics, found.groups(), strict=True))
            lines += shape.lines
            at = found.end()
            if block == DECLARATION:
                self._declarations += 1
        if closed:
            self._shapes.add(self._met)
            self._name = self._place = name
            self._start, self._values, self._last = start, values, last
            self._lines, self._met = lines, ()
        return at, closed

    def _may_end(self) -> bool:
        """Whether the block being read is in its place, and whole if it ends here."""
        if not self._name or self._stray or self._spoiled or self._unread >= self._start - 1:
            return False
        return self._lacks() is None

    def _take_line(self, line: str) -> Block | None:
        """Takes a line; the block it ends."""
        self._lines += 1
        number = self._lines
        piece = line[:-1] if line.endswith("'") else _NO_QUOTE + line
        rubric, _, value = piece.partition(",'")
        entry = self._known.get(rubric)
        if entry is None or not value:
            entry = self._learn(number, piece)
            if entry is None:
                return None
        block, rank, match = entry
        closed = None
        if (block != self._name or rank <= self._last) and not self._goes_on(number, block, rank):
            if self._name == TOTAL:
                closed = self._closed()
                self._add_after_end(number, block)
                self._over = True
                return closed
            closed = self._begin(number, block)
        self._last = rank
        if len(self._met) <= MOST_LINES:  # a block may go on as long as a file does
            self._met += (rubric,)
        if match is not None:
            if match(value) is None:
                self._refuse(number, piece)
            else:
                self._values[rubric] = value
        return closed

    def _lacks(self) -> str | None:
        """A rubric the block being read needs and does not have; None: it may end here."""
        for rubric in BLOCKS[self._name].rubrics:
            if rubric not in self._values and rubric not in self._spoiled:
                return rubric
        return None

    def _goes_on(self, line: int, block: str, rank: int) -> bool:
        """Whether a rubric that comes again is of the same block, which is not complete yet."""
        if block != self._name or self._unread >= self._start - 1:
            return False
        lacking = self._lacks()
        if lacking is None:
            return False
        error = InputError(
            "RUBRIC_ORDER",
            f"comes again, or out of its order, before {lacking} of its block",
            "write the rubrics of a block once, by number",
        )
        self._faults.add(line, f"{block}.{rank:03d}", error)
        return True

    def _begin(self, line: int, block: str) -> Block | None:
        """A block begins; the one that ends before it."""
        closed = self._closed() if self._name else None
        if (self._place, block) in self._steps:
            self._place, self._stray = block, ""
        else:
            self._step(line, block)
        if block == DECLARATION:
            self._declarations += 1
        self._name, self._start, self._values, self._met = block, line, {}, ()
        return closed

    def _learn(self, line: int, text: str) -> _Rubric | None:
        """A rubric met for the first time, or without a value; None for a line to be passed by."""
        rubric, value = _split(text)
        form = _RUBRIC.fullmatch(rubric)
        if form is None:
            self._unread = line
            self._faults.add(line, "", InputError("BAD_LINE", "no rubric", _HINT))
            return None
        if not value:
            return self._without_value(line, rubric, form)
        if form[1] not in BLOCKS:
            if self._name == TOTAL:
                self._add_after_end(line, form[1])
            else:
                self._keep(line, text + "'")
            return None
        spelling = RUBRICS.get(rubric)
        match = None if spelling is None else spelling.pattern.fullmatch
        entry = self._known[rubric] = (form[1], int(form[2]), match)
        return entry

    def _without_value(self, line: int, rubric: str, form: re.Match[str]) -> _Rubric | None:
        if form[1] in BLOCKS:
            return form[1], int(form[2]), _match_nothing
        self._faults.add(line, rubric, InputError("BAD_LINE", "no value", _HINT))
        return None

    def _step(self, line: int, block: str) -> None:
        """Goes to that block, or passes it by where it is out of its place."""
        place, stray = self._place, self._stray
        self._place, self._stray = block, ""
        try:
            check_step(place, block)
        except InputError as error:
            if stray and _fits(stray, block):
                return
            if self._unread != line - 1:
                self._faults.add(line, block, error)
            if error.reason == "MISSING_BLOCK":
                missing = set(chain(block)[:-1]) - set(chain(place) if place else ())
                self._spoiled.update(*map(_rubrics, missing))
            else:
                self._place, self._stray = place, block
        else:
            self._steps.add((place, block))

    def _closed(self) -> Block:
        name, start, values = self._name, self._start, self._values
        for rubric in BLOCKS[name].rubrics:
            if rubric not in values and not self._stray:
                self._add_missing(start, rubric)
        if self._stray or self._unread >= start - 1:
            self._spoiled |= _rubrics(name)
        if not self._spoiled:
            if not self._stray:
                self._shapes.add(self._met)
            return Block(name, start, values)
        spoiled = frozenset(self._spoiled)
        self._spoiled.clear()
        return Block(name, start, values, spoiled, bool(self._stray))

    def _add_missing(self, start: int, rubric: str) -> None:
        if self._unread < start - 1 and rubric not in self._spoiled:
            error = InputError("MISSING_RUBRIC", "is missing in its block")
            self._faults.add(start, rubric, error)
        self._spoiled.add(rubric)

    def _refuse(self, line: int, text: str) -> None:
        rubric, value = _split(text)
        error = InputError("BAD_LINE", "no value", _HINT)
        if value:
            spelling = RUBRICS[rubric]
            error = InputError(spelling.reason, spelling.why, spelling.hint)
        self._faults.add(line, rubric, error)
        self._spoiled.add(rubric)

    def _add_after_end(self, line: int, block: str) -> None:
        why = f"block comes after {TOTAL}, which ends the message"
        hint = "send one message a file; what follows was not read"
        self._faults.add(line, block, InputError("BLOCK_ORDER", why, hint))

    def _is_whole(self, lines: int) -> bool:
        if self._name != TOTAL and "TRUNCATED" not in self._faults.reasons:
            error = InputError("TRUNCATED", f"the file ends without block {TOTAL}")
            self._faults.add(max(lines, 1), "", error)
        return "TRUNCATED" not in self._faults.reasons

    def _check_counts(self, lines: int) -> None:
        counts = [(TOTAL_LINES, lines, "lines")]
        if not self._faults.reasons & _STRUCTURE:
            counts.append((TOTAL_DECLARATIONS, self._declarations, "declarations"))
        for rubric, count, what in counts:
            if self._values.get(rubric, str(count)) != str(count):
                why = f"says another number of {what} than the {count} read"
                self._faults.add(self._start, rubric, InputError("WRONG_COUNT", why))


_NO_QUOTE = "\n"


def _split(text: str) -> tuple[str, str]:
    """Rubric and value of a piece; no value where its quotes are not right."""
    rubric, _, quoted = text.removeprefix(_NO_QUOTE).partition(",")
    whole = quoted.startswith("'") and not text.startswith(_NO_QUOTE)
    return rubric, quoted[1:] if whole else ""


def _match_nothing(_: str) -> None:
    """A value that is not there is spelled in no way."""


def _fits(place: str, block: str) -> bool:
    try:
        check_step(place, block)
    except InputError:
        return False
    return True


@cache
def _rubrics(block: str) -> frozenset[str]:
    """Every rubric of a block that is read."""
    return frozenset(rubric for rubric in RUBRICS if block_of(rubric) == block)
