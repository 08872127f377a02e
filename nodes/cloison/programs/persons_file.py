"""Whom scoring would ask about: every file, from a list or from the body's own members file."""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

from cloison.errors import InputError, StorageError
from cloison.identity import Nir, parse_nir
from cloison.wire.gateway import Member

_ADULTS = ("applicant", "partner")
_LIST = ("nir", "birth_name", "birth_date")
_MEMBERS = ("household", "nir", "role", "birth_name", "birth_date", "until")


def read_persons(path: Path) -> list[tuple[Member, ...]]:
    """A list of persons (`nir;birth_name;birth_date`), each a file of one.

    Raises:
        InputError: `BAD_PERSONS_FILE`, with its line. StorageError: `NO_PERSONS_FILE`.
    """
    return [(_member(path, line, row, "applicant"),) for line, row in _rows(path, _LIST)]


def read_members(path: Path) -> list[tuple[Member, ...]]:
    """The adults of each household of a body's members file, those who left it apart.

    Raises:
        InputError: `BAD_PERSONS_FILE`, with its line. StorageError: `NO_PERSONS_FILE`.
    """
    files: dict[str, dict[Nir, Member]] = defaultdict(dict)
    for line, row in _rows(path, _MEMBERS):
        if row["role"] in _ADULTS and not row["until"]:
            member = _member(path, line, row, row["role"])
            files[row["household"]][member.nir] = member
    return [tuple(members.values()) for members in files.values()]


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Data rows with their line numbers; `#` lines are the envelope."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError("NO_PERSONS_FILE", f"file `{path}`: cannot be read") from error
    data = [(number, line) for number, line in enumerate(lines, 1) if not line.startswith("#")]
    names = data[0][1].split(";") if data else []
    missing = [column for column in columns if column not in names]
    if missing:
        raise _bad(path, data[0][0] if data else 1, f"no column `{missing[0]}`")
    for number, line in data[1:]:
        values = next(csv.reader([line], delimiter=";"))
        if len(values) != len(names):
            raise _bad(path, number, f"{len(values)} columns, not {len(names)}")
        yield number, dict(zip(names, values, strict=True))


def _member(path: Path, line: int, row: Mapping[str, str], role: str) -> Member:
    try:
        nir, birth = parse_nir(row["nir"]), date.fromisoformat(row["birth_date"])
    except (InputError, ValueError) as error:
        raise _bad(path, line, "not a NIR or not a date") from error
    return Member(role, nir, row["birth_name"], birth)


def _bad(path: Path, line: int, why: str) -> InputError:
    return InputError("BAD_PERSONS_FILE", f"file `{path}:{line}`: {why}")
