"""How results look: one table style, one line for a decision."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cloison.law.question import Decision, Outcome

OUTCOME_STYLE = {
    Outcome.PERMIT: ("permit", "bold green"),
    Outcome.PERMIT_WITH_OBLIGATIONS: ("permit with obligations", "bold yellow"),
    Outcome.DENY: ("deny", "bold red"),
}


def out() -> Console:
    """The console of results: stdout, as it is now."""
    return Console(highlight=False)


def messages() -> Console:
    """The console of messages: stderr, as it is now."""
    return Console(stderr=True, highlight=False)


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
