"""Generated beside published figures: near enough, each with its source, on a page all can read."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.unit.population.reading import Written, people_of

from cloison.cli.app import run
from cloison.errors import InputError, StorageError
from cloison.population.comparison import (
    Comparison,
    Population,
    compare,
    load_population,
    load_published,
)
from cloison.population.page import page
from cloison.population.summary import tally_of

POINTS, FILE_POINTS, EUROS_PERMILLE, DEPARTMENT_POINTS = 150, 800, 80, 120


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    """20,000 persons: fewer differ from what they were drawn from by more than the margins."""
    people = people_of(20_000, 7)
    tally = tally_of(people.households, people.window)
    return compare(Population.model_validate_json(json.dumps(tally.record())))


class Reader(HTMLParser):
    """Counts the tags of a page, and the scopes of its headers."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.scopes: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "th":
            self.scopes.append(dict(attrs).get("scope"))


def test_compare_shares_are_near_the_published_ones(comparison: Comparison) -> None:
    for row in comparison.published:
        if not row.euros:
            assert row.difference is not None
            most = FILE_POINTS if "CAF" in row.title else POINTS
            assert abs(row.difference) <= most, row.title


def test_compare_wages_are_near_the_published_ones(comparison: Comparison) -> None:
    wages = [row for row in comparison.published if row.euros]

    assert len(wages) == 3
    for row in wages:
        assert row.difference is not None
        assert row.published is not None
        assert abs(row.difference) * 1_000 <= row.published * EUROS_PERMILLE, row.title


def test_compare_departments_are_all_there_and_near(comparison: Comparison) -> None:
    rows = comparison.departments

    assert len(rows) == 96
    assert all(abs(row.difference or 0) <= DEPARTMENT_POINTS for row in rows)


def test_compare_population_too_small_for_a_decile_says_nothing() -> None:
    small = Population(counts={}, deciles_euros={"full_time_net_2023": {"d5": None}})
    rows = [row for row in compare(small).published if row.euros]

    assert [row.generated for row in rows] == [None] * 3
    assert [row.difference for row in rows] == [None] * 3


def test_load_published_every_figure_has_its_source_and_address() -> None:
    published = load_published()

    assert all(one.source and one.address for one in (*published.shares, *published.euros))
    assert all(one.address.startswith("https://") for one in published.shares)


def test_page_has_tables_with_scoped_headers_and_no_script(comparison: Comparison) -> None:
    reader = Reader()
    reader.feed(page(comparison))

    assert reader.tags.count("table") == reader.tags.count("caption") == 3
    assert set(reader.scopes) == {"col", "row"}
    assert "script" not in reader.tags


def test_page_of_the_same_comparison_is_the_same(comparison: Comparison) -> None:
    assert page(comparison) == page(comparison)


def test_page_says_what_no_published_figure_was_found_for(comparison: Comparison) -> None:
    text = page(comparison)

    assert all(row.published is None for row in comparison.ours)
    assert "aucun chiffre publié n’a été trouvé" in text


def test_command_writes_the_page_of_what_was_made(
    written: Written, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "page.html"

    assert run(["population", "describe", str(written.path), "--out", str(out)]) == 0
    assert capsys.readouterr().out.split() == [str(out)]
    assert out.read_text("utf-8") == page(compare(load_population(written.path)))


def test_command_without_a_page_shows_the_table(
    written: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["population", "describe", str(written.path)]) == 0
    shown = capsys.readouterr().out
    assert "Couples mariés" in shown
    assert "Lignes de DSN fausses" in shown


def test_load_population_of_no_population_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file") as refused:
        load_population(tmp_path)

    assert refused.value.reason == "NO_POPULATION"


@pytest.mark.parametrize("text", ["", "{}", '{"counts": 1, "deciles_euros": {}}', "[]"])
def test_load_population_of_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "population.json").write_text(text)

    with pytest.raises(InputError, match="not counts of a population") as refused:
        load_population(tmp_path)

    assert refused.value.reason == "BAD_POPULATION"


def test_command_page_that_cannot_be_written_exits_with_the_reason(
    written: Written, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "none" / "page.html"

    assert run(["population", "describe", str(written.path), "--out", str(out)]) == 1
    assert "OUT_WRITE" in capsys.readouterr().err
