"""How results look: French amounts and dates, one table style, one line for a decision."""

from datetime import date

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cloison.law.question import Decision, Outcome
from cloison.months import Month

THIN = "\u202f"
"""Narrow no-break space: between thousands, and before `%`."""
BLANK = "\u00a0"
"""No-break space: before a unit."""
OUTCOME_STYLE = {
    Outcome.PERMIT: ("permit", "bold green"),
    Outcome.PERMIT_WITH_OBLIGATIONS: ("permit with obligations", "bold yellow"),
    Outcome.DENY: ("deny", "bold red"),
}
# fmt: off
_MONTHS = (
    "janvier", "février", "mars", "avril", "mai", "juin",
    "juillet", "août", "septembre", "octobre", "novembre", "décembre",
)
# fmt: on


def out() -> Console:
    """The console of results: stdout, as it is now."""
    return Console(highlight=False)


def messages() -> Console:
    """The console of messages: stderr, as it is now."""
    return Console(stderr=True, highlight=False)


def french_count(number: int) -> str:
    """A whole number with its thousands apart.

    Example:
        >>> french_count(12345).replace(THIN, " ")
        '12 345'
    """
    return f"{number:,}".replace(",", THIN)


def french_euros(cents: int) -> str:
    """An amount in cents, as written in France.

    Example:
        >>> french_euros(144320).replace(THIN, " ").replace(BLANK, " ")
        '1 443,20 €'
        >>> french_euros(-5).replace(BLANK, " ")
        '-0,05 €'
    """
    sign, euros, rest = "-" if cents < 0 else "", abs(cents) // 100, abs(cents) % 100
    return f"{sign}{french_count(euros)},{rest:02d}{BLANK}€"


def french_month(month: Month) -> str:
    """A month in words.

    Example:
        >>> french_month(Month.of(2026, 2))
        'février 2026'
    """
    return f"{_MONTHS[month.month - 1]} {month.year}"


def french_date(day: date) -> str:
    """A day in words; the first of a month is the `1er`.

    Example:
        >>> french_date(date(2024, 6, 1)), french_date(date(2026, 11, 21))
        ('1er juin 2024', '21 novembre 2026')
    """
    return f"{'1er' if day.day == 1 else day.day} {_MONTHS[day.month - 1]} {day.year}"


def table(*columns: str, right: tuple[str, ...] = (), title: str | None = None) -> Table:
    """An empty table in the one style; the columns named in `right` are set to the right."""
    made = Table(box=None, header_style="bold", title=title, title_justify="left", pad_edge=False)
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return made


def outcome_text(outcome: Outcome) -> Text:
    """An outcome in its colour; the words say it too."""
    return Text(*OUTCOME_STYLE[outcome])


def show_decision(console: Console, decision: Decision) -> None:
    """The outcome, its reason, the rules with their articles, obligations and nearest permits."""
    line = outcome_text(decision.outcome) + Text(f" · {decision.reason}", style="not bold")
    if decision.provisional:
        line += Text(" · provisional: a text it rests on was not read whole", style="yellow")
    console.print(line)
    for rule in decision.rules:
        console.print(f"  {rule.effect} {rule.text}/{rule.rule}: {rule.article}", markup=False)
    for duty in decision.obligations:
        console.print(f"  must {duty.kind} {duty.value} ({duty.rule})", markup=False)
    for near in decision.nearest:
        console.print(f"  nearest {near.rule.text}/{near.rule.rule} lacks:", markup=False)
        for failed in near.failed:
            console.print(f"    {failed}", markup=False)
