"""Budgets as a picture: of each population, year and pocket, what is spent of what is granted."""

from collections.abc import Iterator
from fractions import Fraction
from xml.sax.saxutils import escape

from cloison.statistics.loss import shown
from cloison.v1 import statistics_service_pb2 as wire

_WIDTH, _LEFT, _BAR, _ROW = 760, 270, 270, 30


def pockets(one: wire.PopulationBudget) -> Iterator[tuple[str, Fraction, Fraction]]:
    """The pockets that hold something: sign, spent, granted."""
    for sign, spent, granted in (
        ("ε", one.spent_epsilon, one.granted_epsilon),
        ("ρ", one.spent_rho, one.granted_rho),
    ):
        if Fraction(granted):
            yield sign, Fraction(spent), Fraction(granted)


def draw_budget(told: wire.BudgetResponse) -> str:
    """An SVG file; what is spent is drawn no shorter than it is."""
    rows = [(one, *pocket) for one in told.budgets for pocket in pockets(one)]
    height = 40 + _ROW * len(rows)
    drawn = "".join(_row(place, *row) for place, row in enumerate(rows))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" role="img" font-family="Liberation Sans, Arial, '
        'sans-serif" font-size="13">\n'
        "<title>Budget de confidentialité : dépensé et accordé</title>\n"
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>\n'
        '<text x="8" y="22" font-weight="bold">Dépensé (bleu) de ce qui est accordé</text>\n'
        f"{drawn}</svg>\n"
    )


def _row(
    place: int, one: wire.PopulationBudget, sign: str, spent: Fraction, granted: Fraction
) -> str:
    top = 36 + _ROW * place
    filled = min(Fraction(_BAR), spent / granted * _BAR)
    name = escape(f"{one.population} {one.year} · {sign}")
    left = shown(granted - spent, up=False).replace(".", ",")
    said = f"{shown(spent)} sur {shown(granted)}; reste ".replace(".", ",") + left
    return (
        f'<text x="8" y="{top + 15}">{name}</text>'
        f'<rect x="{_LEFT}" y="{top + 3}" width="{_BAR}" height="16" fill="#e3e3fd"'
        ' stroke="#767676"/>'
        f'<rect x="{_LEFT}" y="{top + 3}" width="{float(filled):.2f}" height="16" fill="#000091"/>'
        f'<text x="{_LEFT + _BAR + 8}" y="{top + 15}" font-size="11">{said}</text>\n'
    )
