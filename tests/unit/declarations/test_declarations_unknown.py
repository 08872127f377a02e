"""Blocks that are not known: the file loads, their lines are kept as sent, sealed."""

from pathlib import Path

import pytest
from tests.unit.declarations.conftest import NOW, Body
from tests.unit.declarations.written import ANNE, SIRET, Declaration, Folder, dsn_lines, recount

from cloison.bodies import BodyId
from cloison.cli.app import run
from cloison.declarations import FileRejectedError
from cloison.identity import init_keys

MESSAGE = f"{SIRET}-202602-01-11-1"
SECRET = f"S21.G00.99.002,'{ANNE[:13]}'"


def with_unknown() -> list[str]:
    """In the envelope, before the establishment is known, within a payment, and at the end."""
    lines = dsn_lines(Declaration())
    for before, line in (
        ("S90", "S21.G00.98.001,'fin'"),
        ("S21.G00.51", SECRET),
        ("S21.G00.51", "S21.G00.99.001,'l'un, ''deux'''"),
        ("S21.G00.11", "S21.G00.07.001,'tôt'"),
        ("S20", "S10.G00.09.001,'enveloppe'"),
    ):
        at = next(at for at, each in enumerate(lines) if each.startswith(before))
        lines.insert(at, line)
    return recount(lines)


def test_load_message_with_unknown_blocks_loads_its_records(cnav: Body, folder: Folder) -> None:
    assert cnav.load(folder.lines(with_unknown())).records == 1
    (month,) = cnav.fetch("monthly_resources", ("gross", "mns"), "2026-02", "2026-02").periods
    assert month.records[0].values == (180_000, 140_000)


def test_load_unknown_blocks_are_kept_with_message_and_line(cnav: Body, folder: Folder) -> None:
    lines = with_unknown()
    cnav.load(folder.lines(lines))
    kept = list(cnav.store.kept_lines())
    assert [(one.message, one.line) for one in kept] == [
        ("", 5),
        (MESSAGE, 13),
        (MESSAGE, 26),
        (MESSAGE, 27),
        (MESSAGE, 37),
    ]
    assert [one.text for one in kept] == [lines[one.line - 1] for one in kept]
    assert {(one.file, one.loaded_time) for one in kept} == {("file-1.dsn", NOW)}


def test_kept_lines_of_a_file_are_its_own(cnav: Body, folder: Folder) -> None:
    cnav.load(folder.lines(with_unknown()), folder.dsn(Declaration(month="01012026")))
    assert len(list(cnav.store.kept_lines("file-1.dsn"))) == 5
    assert list(cnav.store.kept_lines("file-2.dsn")) == []


def test_load_unknown_blocks_leave_no_number_in_the_store_files(cnav: Body, folder: Folder) -> None:
    cnav.load(folder.lines(with_unknown()))
    data = b"".join(path.read_bytes() for path in cnav.path.parent.glob("*.sqlite*"))
    assert ANNE[:13].encode() not in data
    assert SECRET in {one.text for one in cnav.store.kept_lines()}


def test_load_rejected_file_keeps_none_of_its_unknown_lines(cnav: Body, folder: Folder) -> None:
    lines = with_unknown()
    with pytest.raises(FileRejectedError):
        cnav.load(folder.lines(lines[:-1]))
    assert list(cnav.store.kept_lines()) == []


def test_load_many_unknown_lines_are_all_kept(cnav: Body, folder: Folder) -> None:
    lines = dsn_lines(Declaration())
    many = [f"S21.G00.99.{number % 1000:03d},'{number}'" for number in range(45_000)]
    cnav.load(folder.lines(recount([*lines[:-2], *many, *lines[-2:]])))
    assert [one.text for one in cnav.store.kept_lines()] == many


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_kept_command_shows_no_value(
    form: tuple[str, ...], tmp_path: Path, folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = "\n".join(kept_of(tmp_path, folder, capsys, *form))
    assert SECRET.partition(",")[0] in shown
    assert not any(value in shown for value in (ANNE[:13], "enveloppe", "'"))


def test_kept_command_shows_file_line_message_and_rubric(
    tmp_path: Path, folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = kept_of(tmp_path, folder, capsys)
    assert shown[0] == "file-1.dsn:5: S10.G00.09.001"
    assert shown[4] == f"file-1.dsn:37 ({MESSAGE}): S21.G00.98.001"


def kept_of(
    tmp_path: Path, folder: Folder, capsys: pytest.CaptureFixture[str], *form: str
) -> list[str]:
    """The lines the command prints, of a file just loaded."""
    init_keys(tmp_path / "keys", [BodyId("cnav")], {}, NOW)
    options = ["--var", str(tmp_path / "var"), "--keys", str(tmp_path / "keys")]
    assert run(["load", "cnav", str(folder.lines(with_unknown())), *options]) == 0
    capsys.readouterr()
    assert run(["kept", "cnav", *options, *form]) == 0
    return capsys.readouterr().out.splitlines()
