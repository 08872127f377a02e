"""The comparison as a page: French, plain HTML, readable without style or JavaScript."""

from collections.abc import Iterator, Sequence
from html import escape

from cloison.population.comparison import Comparison, Row

_THIN, _BLANK = "\u202f", "\u00a0"
_HEAD = """<!DOCTYPE html>
<html lang="fr">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Population synthétique : chiffres produits et chiffres publiés</title>
<style>
body { font-family: sans-serif; line-height: 1.5; max-width: 75rem; margin: auto; padding: 1rem; }
table { border-collapse: collapse; margin-block: 1.5rem; }
caption { text-align: start; font-weight: bold; padding-block: .5rem; }
th, td { border: 1px solid #595959; padding: .3rem .6rem; text-align: start; }
td.number { text-align: end; white-space: nowrap; }
</style>
</head>
<body>
<main>
<h1>Population synthétique : chiffres produits et chiffres publiés</h1>
"""
_TAIL = "</main>\n</body>\n</html>\n"
_COLUMNS = ("Grandeur", "Publié", "Produit", "Écart", "Source")
_DEPARTMENT_COLUMNS = ("Département", "Publié", "Produit", "Écart")
_OUR_COLUMNS = ("Grandeur", "Produit")


def number(value: int | None, *, euros: bool, sign: bool = False) -> str:
    """Whole euros, or a share per 10,000 as a percentage; `–` where there is none.

    Example:
        >>> number(1512, euros=True).replace(_THIN, " ").replace(_BLANK, " ")
        '1 512 €'
        >>> number(-95, euros=False, sign=True).replace(_BLANK, " ")
        '-0,95 points'
    """
    if value is None:
        return "–"
    plus = "+" if sign and value > 0 else ""
    if euros:
        return f"{plus}{value:,}".replace(",", _THIN) + f"{_BLANK}€"
    text = f"{'-' if value < 0 else plus}{abs(value) // 100},{abs(value) % 100:02d}{_BLANK}"
    return text + ("points" if sign else "%")


def page(comparison: Comparison) -> str:
    """The whole page; the same comparison, the same text."""
    return "".join((_HEAD, *_body(comparison), _TAIL))


def _body(comparison: Comparison) -> Iterator[str]:
    persons, households = (
        f"{count:,}".replace(",", _THIN) for count in (comparison.persons, comparison.households)
    )
    yield (
        f"<p>{persons} personnes dans {households} ménages, toutes inventées : aucun numéro ne peut"
        " appartenir à quelqu’un. Les écarts sont « produit moins publié ».</p>\n"
    )
    rows = ((_cells(row), row) for row in comparison.published)
    sourced = [(*cells, _source(row)) for cells, row in rows]
    yield from _table("Chiffres publiés et chiffres produits", _COLUMNS, sourced)
    yield (
        "<p>Population des départements de France métropolitaine : copie dans un dépôt public, sans"
        " son année ; le tableau de l’Insee n’a pas été lu. L’outre-mer n’est pas produit.</p>\n"
    )
    cells = [_cells(row) for row in comparison.departments]
    yield from _table("Part des habitants par département", _DEPARTMENT_COLUMNS, cells)
    yield "<p>Pour ce qui suit, aucun chiffre publié n’a été trouvé : ces parts sont à nous.</p>\n"
    ours = [(escape(row.title), number(row.generated, euros=row.euros)) for row in comparison.ours]
    yield from _table("Chiffres sans équivalent publié", _OUR_COLUMNS, ours)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        escape(row.title),
        number(row.published, euros=row.euros),
        number(row.generated, euros=row.euros),
        number(row.difference, euros=row.euros, sign=True),
    )


def _source(row: Row) -> str:
    return f'<a href="{escape(row.address)}">{escape(row.source)}</a>'


def _table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Cells are HTML; the first of a row is its header, those in the middle are numbers."""
    yield f"<table>\n<caption>{caption}</caption>\n<thead>\n<tr>"
    yield from (f'<th scope="col">{name}</th>' for name in columns)
    yield "</tr>\n</thead>\n<tbody>\n"
    for head, *cells in rows:
        yield f'<tr><th scope="row">{head}</th>'
        for cell in cells:
            yield (
                f"<td>{cell}</td>" if cell.startswith("<a ") else f'<td class="number">{cell}</td>'
            )
        yield "</tr>\n"
    yield "</tbody>\n</table>\n"
