"""The notice as one HTML page that stands alone: no script, no other file, ready for print."""

from collections.abc import Iterator

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from cloison.french import typeset
from cloison.pages.pieces import is_web, mark_pieces, row_id
from cloison.programs.explanation.document import Document


def notice_page(document: Document) -> str:
    """The page of a notice; whatever its data say, they are text in it."""
    environment = Environment(
        loader=PackageLoader("cloison.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_typeset,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"marked": _marked, "row_id": row_id, "web": is_web}
    return environment.get_template("notice.html.j2").render(document=document)


def _typeset(value: object) -> object:
    """Text as French is set; what is markup already stays."""
    return typeset(value) if type(value) is str else value


def _marked(text: str) -> Markup:
    """Escaped text in which `[D3]` leads to its line."""
    return Markup("").join(_pieces(typeset(text)))


def _pieces(text: str) -> Iterator[Markup]:
    link = Markup('<a href="#{0}">[{0}]</a>')
    return (
        link.format(piece) if is_mark else escape(piece) for piece, is_mark in mark_pieces(text)
    )
