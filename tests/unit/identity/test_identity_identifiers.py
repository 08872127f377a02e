"""Identifiers: one accepted spelling, the key checked, nothing quoted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloison.errors import InputError
from cloison.identity import is_temporary, nir_of_number, parse_nir, parse_siret

NIRS = {
    "woman, 1955": "255081416802538",
    "born abroad": "295109912611193",
    "Corse-du-Sud": "253072A07300443",
    "Haute-Corse": "253072B07300470",
    "Corsica before 1976": "184207500500189",
    "month not known": "184207500500189",
    "temporary 3": "384057500500140",
    "temporary 4": "484057500500187",
    "temporary 7": "784057500500134",
    "temporary 8": "884057500500181",
}

NOT_NIRS = {
    "empty": "",
    "without its key": "2550814168025",
    "one digit more": "2550814168025380",
    "spaces": "2 55 08 14 168 025 38",
    "dots": "2.55.08.14.168.025.38",
    "space before": " 255081416802538",
    "line end after": "255081416802538\n",
    "underscore": "25508141680253_8",
    "sign": "+25508141680253",
    "small a": "253072a07300443",
    "2C": "253072C07300443",
    "1A": "253071A07300443",
    "wide digits": "\uff1255081416802538",
    "arabic digits": "٢٥٥٠٨١٤١٦٨٠٢٥٣٨",
    "wrong key": "255081416802539",
    "key of 2A on 2B": "253072B07300443",
    "key of 2B on 2A": "253072A07300470",
    "key 00": "255081416802500",
    "two digits swapped": "255084116802538",
    "series 5": "584057500500137",
    "month 13": "184137500500174",
    "month 43": "184437500500169",
    "département 00": "184050000500131",
    "words": "jean dupont     ",
}


@pytest.mark.parametrize("text", NIRS.values(), ids=NIRS.keys())
def test_parse_nir_real_form_is_accepted_unchanged(text: str) -> None:
    assert parse_nir(text) == text


@pytest.mark.parametrize("text", NOT_NIRS.values(), ids=NOT_NIRS.keys())
def test_parse_nir_not_a_nir_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_nir(text)
    assert caught.value.reason == "BAD_NIR"


@pytest.mark.parametrize("name", NIRS)
def test_is_temporary_tells_series_3_4_7_and_8(name: str) -> None:
    assert is_temporary(parse_nir(NIRS[name])) == name.startswith("temporary")


def reference_key(body: str) -> str:
    """The other textbook rule: letters become 0, then 1 or 2 million are taken off."""
    number = int(body.replace("A", "0").replace("B", "0"))
    number -= 1_000_000 if "A" in body else 2_000_000 if "B" in body else 0
    return f"{97 - number % 97:02d}"


@st.composite
def nirs(draw: st.DrawFn) -> str:
    month = st.sampled_from([*range(1, 13), *range(20, 43), *range(50, 100)])
    places = [*(f"{n:02d}" for n in range(1, 100)), "2A", "2B"]
    body = (
        draw(st.sampled_from("123478"))
        + f"{draw(st.integers(0, 99)):02d}{draw(month):02d}"
        + draw(st.sampled_from(places))
        + f"{draw(st.integers(0, 999_999)):06d}"
    )
    return body + reference_key(body)


@given(nirs())
def test_parse_nir_every_form_with_its_reference_key_is_accepted(text: str) -> None:
    assert parse_nir(text) == text


@pytest.mark.parametrize("text", NIRS.values(), ids=NIRS.keys())
def test_nir_of_number_without_its_key_is_the_nir(text: str) -> None:
    assert nir_of_number(text[:13]) == text


NOT_NUMBERS = {name: text[:13] for name, text in NOT_NIRS.items() if "key" not in name} | {
    "with its key": "255081416802538",
    "one digit less": "255081416802",
    "underscore": "25508141_8025",
    "two digits swapped": "2550841168O25",
    "one digit more": "25508141680255",
    "line end after": "2550814168025\n",
}


@pytest.mark.parametrize("text", NOT_NUMBERS.values(), ids=NOT_NUMBERS.keys())
def test_nir_of_number_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        nir_of_number(text)
    assert caught.value.reason == "BAD_NIR"


@given(nirs())
def test_nir_of_number_gives_back_every_nir(text: str) -> None:
    assert nir_of_number(text[:13]) == parse_nir(text)


@given(nirs(), st.integers(0, 14), st.sampled_from("0123456789"))
def test_parse_nir_one_digit_changed_is_refused(text: str, place: int, digit: str) -> None:
    changed = text[:place] + digit + text[place + 1 :]
    if changed == text or (place in {5, 6} and text[6] in "AB"):
        return
    with pytest.raises(InputError):
        parse_nir(changed)


@given(st.text(max_size=20) | st.from_regex(r"[0-9AB ]{13,16}", fullmatch=True))
def test_parse_nir_any_text_is_refused_without_quoting_it_or_kept(text: str) -> None:
    try:
        assert parse_nir(text) == text
    except InputError as error:
        shown = f"{error} {error.reason} {error.hint}"
        assert len(text) < 13 or text not in shown


SIRETS = {"usual": "73282932000074", "la poste": "35600000049837", "head office": "35600000000048"}
NOT_SIRETS = {
    "wrong key": "73282932000079",
    "wrong siren key": "73282931000075",
    "spaces": "732 829 320 00074",
    "siren": "732829320",
    "line end": "73282932000074\n",
    "wide": "\uff173282932000074",
    "empty": "",
}


@pytest.mark.parametrize("text", SIRETS.values(), ids=SIRETS.keys())
def test_parse_siret_real_form_is_accepted_unchanged(text: str) -> None:
    assert parse_siret(text) == text


@pytest.mark.parametrize("text", NOT_SIRETS.values(), ids=NOT_SIRETS.keys())
def test_parse_siret_not_a_siret_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_siret(text)
    assert caught.value.reason == "BAD_SIRET"
