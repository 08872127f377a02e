"""What is wrong with a file: every fault with its line and its remedy, none with a value."""

from dataclasses import dataclass

from cloison.errors import InputError

MOST_FAULTS = 1_000
"""How many faults of a file are shown; the rest are counted."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing to put right. They sort as they stand in the file.

    Attributes:
        line: Of the file, from 1.
        place: The block, rubric or column; empty where the line is meant as a whole.
        reason: `UPPER_SNAKE`, stable.
        what: What is wrong; never a value.
        remedy: What to do; empty where there is nothing better to say.
    """

    line: int
    place: str
    reason: str
    what: str
    remedy: str = ""


class FileRejectedError(InputError):
    """A file is refused whole, with the list of what is wrong in it.

    Attributes:
        file: Its name.
        faults: The first 1,000, by line.
        more: How many others there are.
    """

    def __init__(self, file: str, faults: tuple[Fault, ...], more: int) -> None:
        count = len(faults) + more
        lines = [text for fault in faults for text in _lines(file, fault)]
        if more:
            lines.append(f"and {more} more")
        super().__init__(
            "FILE_REJECTED",
            f"file `{file}`: {count} error{'s' if count > 1 else ''}, nothing of it is loaded",
            "\n  ".join(lines),
        )
        self.file = file
        self.faults = faults
        self.more = more


def _lines(file: str, fault: Fault) -> tuple[str, ...]:
    where = f"{file}:{fault.line}: {fault.place}: " if fault.place else f"{file}:{fault.line}: "
    what = f"{where}{fault.what} [{fault.reason}]"
    return (what, f"  {fault.remedy}") if fault.remedy else (what,)


class Faults:
    """Gathers what is wrong with one file, in memory that does not grow with it.

    Attributes:
        file: Its name.
        reasons: Those met so far.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.reasons: set[str] = set()
        self._kept: list[Fault] = []
        self._more = 0
        self._unreadable: set[int] = set()

    def add(self, line: int, place: str, error: InputError) -> None:
        """One more; none about a line that could not be read, which is said already."""
        self.reasons.add(error.reason)
        if line in self._unreadable:
            return
        self._kept.append(Fault(line, place, error.reason, error.message, error.hint))
        if len(self._kept) >= 2 * MOST_FAULTS:
            self._cut()

    def add_unreadable(self, line: int, error: InputError) -> None:
        """One more, about a line of which nothing else can be said."""
        self.add(line, "", error)
        self._unreadable.add(line)

    def forget_unreadable(self) -> None:
        """What comes next is about later lines."""
        self._unreadable.clear()

    def check(self) -> None:
        """Raises `FileRejectedError` (`FILE_REJECTED`) if anything is wrong."""
        if self._kept:
            self._cut()
            raise FileRejectedError(self.file, tuple(self._kept), self._more)

    def _cut(self) -> None:
        self._kept.sort()
        self._more += len(self._kept[MOST_FAULTS:])
        del self._kept[MOST_FAULTS:]
