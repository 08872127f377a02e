"""`cloison stats` as it is typed: what is shown without a node, and its exit codes."""

import json
from pathlib import Path

import pytest

from cloison.cli.app import run


def test_stats_list_names_tables_and_cells(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["stats", "list", "--json"]) == 0
    tables = json.loads(capsys.readouterr().out)["tables"]
    assert {(one["table"], one["holder"], one["cells"]) for one in tables} == {
        ("caf-amount-brackets", "caf", 192),
        ("caf-amounts", "caf", 360),
        ("caf-beneficiaries", "caf", 360),
        ("caf-household-types", "caf", 27),
        ("cnav-income", "cnav", 64),
        ("cnav-income-tree", "cnav", 272),
        ("cnav-pensions", "cnav", 3),
        ("amounts", "caf, msa", 360),
        ("beneficiaries", "caf, msa", 360),
        ("rsa-income", "dgfip", 7680),
    }


def test_stats_list_is_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["stats", "list"]) == 0
    assert "caf-beneficiaries" in capsys.readouterr().out


def test_stats_describe_says_what_one_person_may_weigh(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["stats", "describe", "caf-beneficiaries"]) == 0
    assert "one person counts once in at most 3 cells" in capsys.readouterr().out


def test_stats_describe_of_a_sum_says_the_bound_and_its_source(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["stats", "describe", "caf-amounts"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "adds payments.amount, at most 1200 € a person and cell (Exemple" in told


def test_stats_describe_json_has_the_declaration(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["stats", "describe", "caf-beneficiaries", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["measure"] == {"kind": "count", "most_cells": 3}
    assert [level["cells"] for level in told["cells"]] == [3, 54, 303]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["describe", "nothing"], "UNKNOWN_TABLE"),
        (["price", "caf-beneficiaries", "--period", "2026-03", "--epsilon", "0.5"], "BAD_FRACTION"),
        (["price", "caf-beneficiaries", "--period", "2026-03", "--epsilon", "nan"], "BAD_FRACTION"),
        (["price", "caf-beneficiaries", "--period", "2026-03", "--epsilon", "0"], "BAD_LOSS"),
        (["price", "caf-beneficiaries", "--period", "2026", "--epsilon", "1"], "BAD_PERIOD"),
        (["price", "caf-beneficiaries", "--period", "2031-03", "--epsilon", "1"], "NO_GRANT"),
        (["budget", "--holder", "Caf!"], "BAD_BODY"),
        (["clip", "none.json", "--epsilon", "0.75"], "BAD_FRACTION"),
        (["clip", "none.json", "--epsilon", "0"], "BAD_LOSS"),
    ],
)
def test_stats_bad_words_are_invalid_input(
    capsys: pytest.CaptureFixture[str], words: list[str], reason: str
) -> None:
    assert run(["stats", *words]) == 3
    assert f"[{reason}]" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"format": "cloison publication 1"}', "é"])
def test_stats_verify_file_that_is_no_publication_fails(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str
) -> None:
    file = tmp_path / "table.json"
    file.write_text(content, "utf-8")
    assert run(["stats", "verify", str(file)]) == 1
    assert "[BAD_PUBLICATION]" in capsys.readouterr().err


def test_stats_verify_file_that_is_not_there_fails(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["stats", "verify", str(tmp_path / "none.json")]) == 1
    assert "[FILE_UNREADABLE]" in capsys.readouterr().err
