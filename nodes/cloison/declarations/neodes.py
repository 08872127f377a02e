"""NEODeS files as a stream of blocks: `S21.G00.30.001,'value'`, one rubric a line, strictly.

About a microsecond a line: one split, one dictionary look-up, one compiled pattern.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from cloison.declarations.grammar import (
    BLOCKS,
    DECLARATION,
    RUBRICS,
    TOTAL,
    TOTAL_DECLARATIONS,
    TOTAL_LINES,
    check_step,
)
from cloison.declarations.lines import LATIN, Source, read_chunks, refuse
from cloison.errors import InputError

_RUBRIC = re.compile(r"(S[0-9]{2}\.G[0-9]{2}\.[0-9]{2})\.([0-9]{3})", re.ASCII)
_QUOTES = 2
_HINT = "a line is S21.G00.30.001,'value'"

Match = Callable[[str], re.Match[str] | None]


class Block(NamedTuple):
    """One block of a file: its name, its first line, its listed rubrics."""

    name: str
    line: int
    values: dict[str, str]


def read_blocks(source: Source) -> Iterator[Block]:
    """Every block of a file, in order; the last is S90, and then the counts have been checked.

    Raises:
        InputError: with file, line and rubric. `BAD_LINE`, `BAD_ENCODING`, `UNKNOWN_BLOCK`,
            `MISSING_BLOCK`, `BLOCK_ORDER`, `BLOCK_TWICE`, `MISSING_RUBRIC`, `WRONG_COUNT`,
            `TRUNCATED`, or what the rubric's spelling says (`BAD_AMOUNT`, `BAD_DATE`, …).
        StorageError: `FILE_READ`.
    """
    reader = _Reader(source.name)
    declarations = 0
    block = Block("", 0, {})
    for block in reader.blocks(source):
        if block.name == DECLARATION:
            declarations += 1
        yield block
    for rubric, count, what in (
        (TOTAL_LINES, reader.lines, "lines"),
        (TOTAL_DECLARATIONS, declarations, "declarations"),
    ):
        if block.values[rubric] != str(count):
            error = InputError(
                "WRONG_COUNT", f"says another number of {what} than the {count} read"
            )
            raise refuse(source.name, block.line, rubric, error)


class _Reader:
    """The state of one file being read."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._known: dict[str, tuple[str, int, Match | None]] = {}
        self.lines = 0

    def blocks(self, source: Source) -> Iterator[Block]:
        known = self._known
        name, last, start = "", 0, 0
        values: dict[str, str] = {}
        number = 0
        for chunk in read_chunks(source, LATIN):
            for number, line in enumerate(chunk, number + 1):  # noqa: B020 - goes on counting
                rubric, _, quoted = line.partition(",")
                entry = known.get(rubric)
                block, rank, match = self._learn(number, rubric) if entry is None else entry
                if quoted[:1] != "'" or quoted[-1:] != "'" or len(quoted) <= _QUOTES:
                    raise self._error(number, rubric, InputError("BAD_LINE", "no value", _HINT))
                if block != name or rank <= last:
                    if name:
                        yield self._closed(Block(name, start, values))
                    self._step(number, name, block)
                    name, start, values = block, number, {}
                last = rank
                if match is not None:
                    value = quoted[1:-1]
                    if match(value) is None:
                        raise self._misspelled(number, rubric)
                    values[rubric] = value
        self.lines = number
        if name != TOTAL:
            error = InputError("TRUNCATED", f"the file ends without block {TOTAL}")
            raise refuse(self._name, max(number, 1), "", error)
        yield self._closed(Block(name, start, values))

    def _learn(self, line: int, rubric: str) -> tuple[str, int, Match | None]:
        form = _RUBRIC.fullmatch(rubric)
        if form is None:
            raise refuse(self._name, line, "", InputError("BAD_LINE", "no rubric", _HINT))
        if form[1] not in BLOCKS:
            raise self._error(line, rubric, InputError("UNKNOWN_BLOCK", "block is not known"))
        spelling = RUBRICS.get(rubric)
        match = None if spelling is None else spelling.pattern.fullmatch
        entry = self._known[rubric] = (form[1], int(form[2]), match)
        return entry

    def _step(self, line: int, last: str, block: str) -> None:
        try:
            check_step(last, block)
        except InputError as error:
            raise refuse(self._name, line, block, error) from error

    def _closed(self, block: Block) -> Block:
        for rubric in BLOCKS[block.name].rubrics:
            if rubric not in block.values:
                raise self._error(
                    block.line, rubric, InputError("MISSING_RUBRIC", "is missing in its block")
                )
        return block

    def _misspelled(self, line: int, rubric: str) -> InputError:
        spelling = RUBRICS[rubric]
        return self._error(line, rubric, InputError(spelling.reason, spelling.why, spelling.hint))

    def _error(self, line: int, rubric: str, error: InputError) -> InputError:
        place = rubric if _RUBRIC.fullmatch(rubric) else ""
        return refuse(self._name, line, place, error)
