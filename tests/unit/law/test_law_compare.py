"""Two laws side by side, and the register for other programs."""

import csv
import json
import re
import shutil
from contextlib import redirect_stdout
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cloison.cli.app import run
from cloison.cli.root import find_root

_ROOT = find_root(Path(__file__).parent)
_GOLDEN = ["law", "diff", "2024-01-28", "2024-03-01", "--root", str(_ROOT)]


def _changes(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    assert run(["law", "diff", *arguments, "--json"]) == 0
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)["changes"]
    return found


@pytest.fixture(scope="module")
def golden() -> tuple[str, list[dict[str, Any]]]:
    """The table and the JSON of the golden example."""
    printed = []
    for more in ([], ["--json"]):
        shown = StringIO()
        with redirect_stdout(shown):
            assert run([*_GOLDEN, *more]) == 0
        printed.append(shown.getvalue())
    return printed[0], json.loads(printed[1])["changes"]


def _cells(table: str) -> list[tuple[str, ...]]:
    """Each row's cells; what the table folds within its columns is put together again."""
    lines = table.splitlines()
    rule = next(line for line in lines if "───" in line)
    head = lines[lines.index(rule) - 1]
    starts = [match.start() for match in re.finditer(r"(?<=  )\S|^ \S", head)]
    edges = [*pairwise(starts), (starts[-1], len(rule))]
    rows, row = [], [""] * len(edges)
    for line in lines[lines.index(rule) + 1 :]:
        if line.strip() and "changement(s)" not in line:
            row = [
                f"{cell} {line[start:end].strip()}".strip()
                for cell, (start, end) in zip(row, edges, strict=True)
            ]
        elif any(row):
            rows.append(tuple(row))
            row = [""] * len(edges)
    return rows


def test_golden_table_holds_every_change_and_nothing_else(
    golden: tuple[str, list[dict[str, Any]]],
) -> None:
    """What a journalist could print, row by row, against what a program reads."""
    table, changes = golden
    assert table.startswith("Ce qui change entre le 2024-01-28 et le 2024-03-01\n")
    rows = _cells(table)

    assert len(rows) == len(changes) == 17
    for row, change in zip(rows, changes, strict=True):
        body, activity, _, data, _, before, after, articles = row
        assert (body, before, after) == (change["body"], "refusé : aucun texte", "permis")
        assert f"({change['activity']})" in activity
        assert data.replace(" ", "").startswith(f"{change['data']}:{change['fields'][0]}")
        assert articles.replace(" ", "") == "; ".join(change["articles"]).replace(" ", "")
    assert "17 changement(s) : 17 vers permis, 0 vers refusé" in table


def test_the_decree_of_2024_opened_incomes_to_targeting(
    golden: tuple[str, list[dict[str, Any]]],
) -> None:
    """One line with its fields; the sixteen others are rights and outreach by another decree."""
    [line] = [one for one in golden[1] if one["purpose"] == "control-targeting"]
    others = [one for one in golden[1] if one is not line]

    assert line["activity"] == "caf-dmde"
    assert line["data"] == "cnav/monthly_resources"
    assert line["fields"] == ["payer", "nature", "mns", "net_paid", "status"]
    assert line["what"] == ["un dossier à la fois", "en nombre"]
    assert (line["before"], line["after"]) == ("NO_TEXT", "permit")
    assert line["articles"][0].startswith("decret-2024-50, ")
    assert all(one["articles"][0].startswith("decret-2019-969, ") for one in others)


def test_the_end_of_the_experiment_closes_what_it_opened(
    capsys: pytest.CaptureFixture[str],
) -> None:
    [line] = _changes(capsys, "2025-01-31", "2025-02-01", "--root", str(_ROOT))

    assert (line["activity"], line["before"], line["after"]) == ("caf-dmde", "permit", "NO_TEXT")
    assert "decret-2024-50" in str(line["articles"])


def test_the_same_day_twice_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert _changes(capsys, "2026-06-01", "2026-06-01", "--root", str(_ROOT)) == []


def test_two_sets_on_one_day(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(_ROOT / "policy", tmp_path / "policy")
    path = tmp_path / "policy/texts/gdpr-15/rules.cedar"
    path.write_text(path.read_text().replace("context.persons == 1", "context.persons == 9"))
    changes = _changes(capsys, str(_ROOT), str(tmp_path / "policy"), "--law-date", "2026-06-01")

    assert changes
    assert {one["purpose"] for one in changes} == {"subject-access"}
    assert {one["after"] for one in changes} <= {"CONDITION_NOT_MET", "NO_TEXT"}


def test_an_activity_taken_from_the_register_changes_outcome(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(_ROOT / "policy", tmp_path / "policy")
    (tmp_path / "policy/activities/caf-prefill.toml").unlink()
    changes = _changes(capsys, str(_ROOT), str(tmp_path / "policy"), "--law-date", "2026-06-01")

    assert {one["activity"] for one in changes} == {"caf-prefill"}
    assert {one["after"] for one in changes} == {"UNKNOWN_ACTIVITY"}


@pytest.mark.parametrize("side", ["soon", "2024-13-01", "no/such/folder"])
def test_a_side_that_is_neither_day_nor_folder_exits_3(side: str) -> None:
    assert run(["law", "diff", side, "2024-03-01", "--root", str(_ROOT)]) == 3


def test_export_writes_the_register_twice(tmp_path: Path) -> None:
    assert run(["law", "export", "--out", str(tmp_path / "out"), "--root", str(_ROOT)]) == 0

    document = json.loads((tmp_path / "out/register.json").read_text())
    with (tmp_path / "out/register.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [one["id"] for one in document["activities"]]
    ppa = next(row for row in rows if row["id"] == "caf-ppa")
    assert "https://w3id.org/dpv#RightsFulfillment" in ppa["purposes_dpv"]
    assert "cnav/monthly_resources: payer, nature, mns" in ppa["reads"]
    assert document["@context"]["purposes"] == "https://w3id.org/dpv#hasPurpose"


def test_export_leaves_a_purpose_without_term_empty(tmp_path: Path) -> None:
    run(["law", "export", "--out", str(tmp_path), "--root", str(_ROOT)])

    document = json.loads((tmp_path / "register.json").read_text())
    purposes = [one for row in document["activities"] for one in row["purposes"]]
    terms = {one["id"]: one["dpv"] for one in purposes}
    assert terms["calculation"] == ""
    assert terms["eligibility"].startswith("https://w3id.org/dpv#")


def test_export_into_a_file_fails(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")

    assert run(["law", "export", "--out", str(tmp_path / "out"), "--root", str(_ROOT)]) == 1
