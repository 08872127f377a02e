"""NEODeS files as a stream of blocks: `S21.G00.30.001,'value'`, one rubric a line, strictly.

About half a microsecond a line: one split, one dictionary look-up, one compiled pattern.

What is wrong is gathered, and reading goes on as if it had been right, so that a fault is said
once: a rubric refused or missing is named in its block (`Block.spoiled`), a block out of place is
passed by (`Block.stray`), and nothing is said to be missing where a line could not be read.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
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
        self._steps: set[tuple[str, str]] = set()
        # The block being read; where the reader is among the blocks, the same unless it is stray.
        self._name, self._place, self._stray, self._start = "", "", "", 0
        self._values: dict[str, str] = {}
        self._spoiled: set[str] = set()
        self._unread = -1
        self._declarations = 0

    def blocks(self, source: Source) -> Iterator[Block]:  # noqa: C901 - each line's one loop
        known = self._known
        name, last, number = "", 0, 0
        values = self._values
        for text in read_chunks(source, LATIN, self._faults):
            for number, line in enumerate(_pieces(text), number + 1):  # noqa: B020 - goes on counting
                rubric, _, value = line.partition(",'")
                entry = known.get(rubric)
                if entry is None or not value:
                    entry = self._learn(number, line)
                    if entry is None:
                        continue
                block, rank, match = entry
                if (block != name or rank <= last) and not self._goes_on(number, block, rank):
                    if name:
                        yield self._closed()
                    if name == TOTAL:
                        self._add_after_end(number, block)
                        return
                    values = self._begin(number, block)
                    name = block
                last = rank
                if match is not None:
                    if match(value) is None:
                        self._refuse(number, line)
                    else:
                        values[rubric] = value
        if self._is_whole(number):
            self._check_counts(number)
            yield self._closed()

    def _goes_on(self, line: int, block: str, rank: int) -> bool:
        """Whether a rubric that comes again is of the same block, which is not complete yet."""
        if block != self._name or self._unread >= self._start - 1:
            return False
        for rubric in BLOCKS[block].rubrics:
            if rubric not in self._values and rubric not in self._spoiled:
                error = InputError(
                    "RUBRIC_ORDER",
                    f"comes again, or out of its order, before {rubric} of its block",
                    "write the rubrics of a block once, by number",
                )
                self._faults.add(line, f"{block}.{rank:03d}", error)
                return True
        return False

    def _begin(self, line: int, block: str) -> dict[str, str]:
        """A block begins; the values it will have."""
        if (self._place, block) in self._steps:
            self._place, self._stray = block, ""
        else:
            self._step(line, block)
        if block == DECLARATION:
            self._declarations += 1
        self._name, self._start, self._values = block, line, {}
        return self._values

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


def _pieces(text: str) -> list[str]:
    """The lines without the quote that ends each; one that has none begins with a line feed."""
    if text.count("\n") == text.count("'\n") and text.endswith("'"):
        return text[:-1].split("'\n")
    return [line[:-1] if line.endswith("'") else _NO_QUOTE + line for line in text.split("\n")]


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
