"""How results look: one table style, one line for a decision."""

from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from cloison.french import BLANK, THIN
from cloison.law.question import Decision, Outcome

OUTCOME_STYLE = {
    Outcome.PERMIT: ("permit", "bold green"),
    Outcome.PERMIT_WITH_OBLIGATIONS: ("permit with obligations", "bold yellow"),
    Outcome.DENY: ("deny", "bold red"),
}
_HELD = {ord(BLANK): "\ue000", ord(THIN): "\ue001"}
_FREED = {ord(letter): chr(blank) for blank, letter in _HELD.items()}


class _Rows(Table):
    """Breaks no number where a line ends.

    Rich ends lines at every blank, a no-break one too: those are letters while it lays out.
    """

    def add_row(self, *cells: Any, **options: Any) -> None:
        super().add_row(*map(_held, cells), **options)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for part in super().__rich_console__(console, options):
            if isinstance(part, Segment):
                yield part._replace(text=part.text.translate(_FREED))
            else:
                yield part


def _held(shown: Any) -> Any:
    if isinstance(shown, str):
        return shown.translate(_HELD)
    if isinstance(shown, Text):
        text = shown.copy()
        text.plain = shown.plain.translate(_HELD)
        return text
    return shown


def out() -> Console:
    """The console of results: stdout, as it is now."""
    return Console(highlight=False)


def messages() -> Console:
    """The console of messages: stderr, as it is now."""
    return Console(stderr=True, highlight=False)


def table(*columns: str, right: tuple[str, ...] = (), title: str | None = None) -> Table:
    """An empty table in the one style; the columns named in `right` are set to the right."""
    made = _Rows(box=None, header_style="bold", title=title, title_justify="left", pad_edge=False)
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
