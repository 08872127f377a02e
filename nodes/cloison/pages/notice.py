"""The notice as one HTML page that stands alone: no script, no other file, ready for print."""

from collections.abc import Iterator

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from cloison.french import typeset
from cloison.pages.document import Document, Picture
from cloison.pages.pieces import is_web, mark_pieces, row_id


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
    environment.filters |= {"marked": _marked, "row_id": row_id, "web": is_web, "drawn": _drawn}
    return environment.get_template("notice.html.j2").render(document=document)


def _typeset(value: object) -> object:
    """Text as French is set; what is markup already stays."""
    return typeset(value) if type(value) is str else value


def _marked(text: str) -> Markup:
    """Escaped text in which `[D3]` leads to its line."""
    return Markup("").join(_pieces(typeset(text)))


def _drawn(picture: Picture) -> Markup:
    """The drawing, with its words for who does not see it; its maker escaped what it shows."""
    said = Markup('<svg role="img" aria-label="{0}"').format(typeset(picture.said))
    return Markup(picture.svg.replace("<svg", said, 1))  # noqa: S704 - made by `pages.drawing`


def _pieces(text: str) -> Iterator[Markup]:
    link = Markup('<a href="#{0}">[{0}]</a>')
    return (
        link.format(piece) if is_mark else escape(piece) for piece, is_mark in mark_pieces(text)
    )
