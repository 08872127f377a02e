"""French amounts and dates; decisions for the eye."""

import io
import re
from datetime import date

import pytest
from rich.console import Console
from rich.text import Text

from cloison.cli.console import show_decision, table
from cloison.french import french_count, french_date, french_euros, french_month
from cloison.law.question import Decision, NearestPermit, Obligation, Outcome, RuleRef
from cloison.months import Month

RULE = RuleRef("decret-1", "rule", "art. 2", "permit", provisional=True)


@pytest.mark.parametrize(
    ("cents", "text"),
    [
        (0, "0,00 €"),
        (5, "0,05 €"),
        (-5, "-0,05 €"),
        (144320, "1 443,20 €"),
        (-123456789, "-1 234 567,89 €"),
    ],
)
def test_french_euros_of_cents_is_as_written_in_france(cents: int, text: str) -> None:
    assert french_euros(cents).replace("\u202f", " ").replace("\u00a0", " ") == text


def test_french_euros_never_breaks_over_a_line() -> None:
    assert " " not in french_euros(123456789)


def test_french_count_sets_thousands_apart() -> None:
    assert french_count(1877662) == "1\u202f877\u202f662"


@pytest.mark.parametrize(
    ("day", "text"),
    [(date(2024, 6, 1), "1er juin 2024"), (date(2025, 8, 31), "31 août 2025")],
)
def test_french_date_is_in_words(day: date, text: str) -> None:
    assert french_date(day) == text


def test_french_month_is_in_words() -> None:
    assert french_month(Month.of(2026, 12)) == "décembre 2026"


@pytest.mark.parametrize("width", range(14, 40))
def test_table_of_any_width_breaks_no_amount(width: int) -> None:
    rows = table("a", "b")
    rows.add_row(f"salaires et pensions : {french_euros(2958800)}", Text(french_euros(-78691)))
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(rows)
    assert isinstance(console.file, io.StringIO)
    written = console.file.getvalue()
    assert "29\u202f588,00\u00a0€" in written or width < 27
    assert "-786,91\u00a0€" in written or width < 27
    assert not re.search("[\ue000\ue001]", written)


def shown(decision: Decision) -> str:
    console = Console(file=io.StringIO(), width=200, color_system=None)
    show_decision(console, decision)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_show_decision_of_a_permit_names_rules_articles_and_duties() -> None:
    decision = Decision(
        Outcome.PERMIT_WITH_OBLIGATIONS,
        "PERMITTED",
        (RULE,),
        (Obligation("flag", "word", "rule"),),
        provisional=True,
    )
    said = shown(decision)
    assert said.startswith("permit with obligations · PERMITTED · provisional")
    assert "permit decret-1/rule: art. 2" in said
    assert "must flag word (rule)" in said


def test_show_decision_of_a_default_deny_names_what_the_nearest_permit_lacks() -> None:
    nearest = NearestPermit(RULE, ("the day is too late",))
    said = shown(Decision(Outcome.DENY, "NO_TEXT", nearest=(nearest,)))
    assert said.splitlines() == [
        "deny · NO_TEXT",
        "  nearest decret-1/rule lacks:",
        "    the day is too late",
    ]


def test_show_decision_never_reads_markup_in_a_rule() -> None:
    rule = RuleRef("[bold]x[/]", "y", "[link=z]art.[/]", "permit", provisional=False)
    assert "[bold]x[/]/y: [link=z]art.[/]" in shown(Decision(Outcome.PERMIT, "PERMITTED", (rule,)))


def test_table_sets_the_named_columns_to_the_right() -> None:
    assert [one.justify for one in table("a", "b", right=("b",)).columns] == ["left", "right"]
