"""The notice as a PDF: whatever the data say is text; a screen reader finds its way in it."""

from datetime import UTC, datetime

import pytest
from tests.unit.pages.spoken import Spoken, read_aloud
from tests.unit.pages.test_pages_notice import HOSTILE, cell, document

from cloison.errors import InputError
from cloison.pages.document import Document, Grid, Part
from cloison.pages.notice_pdf import notice_pdf

NOW = datetime(2026, 6, 16, 10, 0, 0, 5, tzinfo=UTC)
INJECTIONS = (
    '#panic("here")',
    '#read("/etc/passwd")',
    '#include "x.typ"',
    "$ x $ *gras* _it_ <D1> @D1",
    '"); #import "@preview/x:0.1.0"',
    "\\u{41} \\ // /* */",
)


def spoken(text: str, address: str = "") -> Spoken:
    return read_aloud(notice_pdf(document(text, address), NOW))


@pytest.mark.parametrize("text", [HOSTILE, *INJECTIONS])
def test_notice_pdf_hostile_text_stays_text(text: str) -> None:
    found = spoken(text)

    assert found.text.count(text.replace(" ;", "\xa0;")) >= 5
    assert found.metadata["Title"] == text


def test_notice_pdf_of_the_same_notice_is_the_same_to_the_byte() -> None:
    assert notice_pdf(document(), NOW) == notice_pdf(document(), NOW)


def test_notice_pdf_bears_the_date_of_the_notice() -> None:
    assert spoken("texte").metadata["CreationDate"] == "D:20260616100000Z"


def test_notice_pdf_says_it_is_accessible_and_archival() -> None:
    content = notice_pdf(document(), NOW)

    for said in (b"<pdfuaid:part>1<", b"<pdfaid:part>2<", b"<pdfaid:conformance>A<", b"(fr-FR)"):
        assert said in content
    assert b"/MarkInfo<</Marked true" in content


def test_notice_pdf_is_read_in_order_with_its_headings() -> None:
    headings = [tag.kind for tag in spoken("texte").pages[0].parts[0].parts]  # type: ignore[union-attr]

    assert [kind for kind in headings if kind.startswith("H")] == ["H1", "H2", "H3", "H2"]


def test_notice_pdf_tables_have_a_caption_and_headers() -> None:
    page = spoken("texte").pages[0]

    assert len(list(page.find("Caption"))) == len(list(page.find("Table"))) == 2
    headers = [[one.text.strip() for one in head.find("TH")] for head in page.find("THead")]
    assert headers == [["Ligne", "texte"]] * 2


def test_notice_pdf_french_signs_are_said_as_written() -> None:
    text = (
        "œuvre Œ\xa0: 1\u202f443,20\xa0€ × 59,85\u202f% ÷ 2 − 3 ≥ «\xa0Noël\xa0»\xa0; l’Haÿ … – Ç"
    )

    assert text in spoken(text).text


@pytest.mark.parametrize("width", [15, 16, 17, 64, 200])
def test_notice_pdf_long_word_is_said_whole(width: int) -> None:
    word = "0123456789abcdef" * 13

    assert word[:width] in spoken(word[:width]).text


def test_notice_pdf_mark_of_no_line_is_text() -> None:
    page = spoken("[D9] [Q1] [D1]").pages[0]

    assert {one.text.strip() for one in page.find("Link")} == {"[D1]"}


def test_notice_pdf_only_addresses_of_the_web_are_links() -> None:
    links = [
        {one.text.strip() for one in spoken("loi", address).pages[0].find("Link")}
        for address in ("javascript:alert(1)", "file:///etc/passwd", 'https://a.fr/?x="1"&y=\')')
    ]

    assert links == [{"[D1]"}, {"[D1]"}, {"[D1]", "loi"}]


def test_notice_pdf_table_over_pages_says_its_headers_and_every_row() -> None:
    rows = tuple((cell(f"D{place}"), cell("valeur")) for place in range(200))
    long = Document("Notice", (), (Part(2, "Données", (), (Grid("t", ("Ligne", "V"), rows),)),))
    found = read_aloud(notice_pdf(long, NOW))

    assert len(found.pages) > 2
    assert [row[0][0] for row in found.rows() if row[0][0] != "Ligne"] == [
        f"D{place}" for place in range(200)
    ]


def test_notice_pdf_character_no_font_has_is_refused_and_not_quoted() -> None:
    with pytest.raises(InputError, match="not made as a PDF") as caught:
        notice_pdf(document("Mme \U0001f9ff SECRET"), NOW)

    assert caught.value.reason == "PDF_NOT_MADE"
    assert "SECRET" not in str(caught.value)
