"""The notice as a page: whatever the data say is text; it stands alone, and reads in order."""

import re
from html.parser import HTMLParser

import pytest

from cloison.pages.document import Cell, Document, Grid, Line, Part
from cloison.pages.notice import notice_page

HOSTILE = "<script>alert('1')</script>\" onload=x [D1] {{ 7*7 }} &lt;"


def cell(text: str, address: str = "") -> Cell:
    return (Line(text, address),)


def document(text: str = "texte", address: str = "") -> Document:
    rows = ((cell("D1"), cell(text, address)), (cell(text), cell("[D1] × 2")))
    grid = Grid(text, ("Ligne", text), rows, right=(1,))
    parts = (Part(2, text, (text,), (grid,)), Part(3, "Mars", (), (grid,)), Part(2, "Fin"))
    return Document(text, (("Demandeur", text),), parts)


class Reader(HTMLParser):
    """Tags with their attributes, and the text, as a browser would find them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, *names: str) -> list[tuple[str, dict[str, str | None]]]:
        return [one for one in self.tags if one[0] in names]


def test_notice_page_hostile_text_stays_text() -> None:
    read = Reader(notice_page(document(HOSTILE)))

    assert read.named("script", "img", "iframe") == []
    assert all(not name.startswith("on") for _, attrs in read.tags for name in attrs)
    assert read.text.count("<script>alert('1')</script>") >= 5
    assert "{{ 7*7 }} &lt;" in read.text


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", "//elsewhere", "HTTPS", ""]
)
def test_notice_page_address_that_is_not_of_the_web_is_no_link(address: str) -> None:
    links = Reader(notice_page(document("texte", address))).named("a")

    assert {attrs["href"] for _, attrs in links} == {"#D1"}


def test_notice_page_web_address_is_a_link_with_its_text() -> None:
    page = notice_page(document("Décret", 'https://a.fr/?x="1"&y=2'))

    assert {attrs["href"] for _, attrs in Reader(page).named("a")} >= {'https://a.fr/?x="1"&y=2'}


def test_notice_page_is_french_and_needs_nothing_else() -> None:
    page = notice_page(document())
    read = Reader(page)

    assert read.named("html")[0][1] == {"lang": "fr"}
    assert read.named("script", "link", "img") == []
    assert "url(" not in page
    assert "@page" in page


def test_notice_page_headings_are_in_order() -> None:
    levels = [int(tag[1]) for tag, _ in Reader(notice_page(document())).named("h1", "h2", "h3")]

    assert levels == [1, 2, 3, 2]


def test_notice_page_every_header_has_its_scope_and_table_its_caption() -> None:
    read = Reader(notice_page(document()))

    scopes = [attrs.get("scope") for _, attrs in read.named("th")]
    assert set(scopes) == {"col", "row"}
    assert len(read.named("caption")) == len(read.named("table")) == 2


def test_notice_page_mark_leads_to_a_line_of_the_page() -> None:
    read = Reader(notice_page(document()))

    ids = {attrs["id"] for _, attrs in read.tags if "id" in attrs}
    targets = {attrs["href"] for _, attrs in read.named("a")}
    assert targets == {f"#{one}" for one in ids} == {"#D1"}


def luminance(colour: str) -> float:
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_notice_page_text_has_the_contrast_rgaa_asks_on_white() -> None:
    """RGAA 3.2: 4.5 to 1."""
    colours = set(re.findall(r"[{; ]color: (#[0-9a-f]{6})", notice_page(document())))

    assert colours
    assert all(1.05 / (luminance(colour) + 0.05) >= 4.5 for colour in colours)
