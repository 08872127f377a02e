"""The notice as one HTML page that stands alone: no script, no other file, ready for print."""

import re
from collections.abc import Iterator

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from cloison.french import typeset
from cloison.programs.explanation.document import Document

_MARK = re.compile(r"\[([DEP][0-9]+)\]", re.ASCII)
_LINE = re.compile(r"[DEPQ][0-9]+", re.ASCII)


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
    environment.filters |= {"marked": _marked, "row_id": _row_id, "web": _is_web}
    return environment.get_template("notice.html.j2").render(document=document)


def _typeset(value: object) -> object:
    """Text as French is set; what is markup already stays."""
    return typeset(value) if type(value) is str else value


def _marked(text: str) -> Markup:
    """Escaped text in which `[D3]` leads to its line."""
    return Markup("").join(_pieces(typeset(text)))


def _pieces(text: str) -> Iterator[Markup]:
    for place, piece in enumerate(_MARK.split(text)):
        link = Markup('<a href="#{0}">[{0}]</a>')
        yield link.format(piece) if place % 2 else escape(piece)


def _row_id(text: str) -> str:
    """The name of a row others lead to; empty for the others."""
    return text if _LINE.fullmatch(text) else ""


def _is_web(address: str) -> bool:
    return address.startswith(("https://", "http://"))
