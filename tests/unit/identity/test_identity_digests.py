"""Digests: fixed vectors (made with `openssl dgst`), separation, and normal names."""

from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloison.bodies import BodyId
from cloison.errors import InputError
from cloison.identity import (
    agent_pseudonym,
    normal_name,
    parse_nir,
    person_digest,
    reference_digest,
    row_key,
    trace_key,
    traits_digest,
)

KEY = bytes(range(32))
NIR = parse_nir("255081416802538")
OTHER = parse_nir("295109912611193")
DAY = date(2026, 11, 21)

# origin: printf 'cloison/v1 row key\n255081416802538' | openssl dgst -sha256 -mac HMAC …
VECTORS: dict[str, tuple[Callable[[], bytes], str]] = {
    "person": (
        lambda: person_digest(KEY, NIR),
        "f6378fa9f1d201b5c29794e24632441b5720e0ea077354cdd4b29fcd4aaceef6",
    ),
    "reference": (
        lambda: reference_digest(KEY, "PPA-0001"),
        "bf0b0d8c0fbd52d0e279eb1ee32231f2be4709943169e0e08d418d7f85a978fd",
    ),
    "row": (lambda: row_key(KEY, NIR), "e339a3f5c43d558fd65a29b86ef9a101"),
    "traits": (
        lambda: traits_digest(KEY, NIR, "Lémy-Hœrt", "1955-08-01"),
        "9fc7c1d7995ae07963f40d5eb7ee6d53cf9a1b2080622b3b6d77d17b273f9e0b",
    ),
    "trace": (
        lambda: trace_key(KEY, BodyId("caf"), DAY),
        "0b0f02d7871d93d54ff404eaa0880e08a524f5fd7dcd27173636d1c382641d29",
    ),
    "agent": (
        lambda: agent_pseudonym(KEY, "agent-7").encode(),
        b"bhalnjpabgidicbchhejacembolipdnf".hex(),
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_digest_of_fixed_input_is_the_vector(name: str) -> None:
    make, expected = VECTORS[name]
    assert make().hex() == expected


@pytest.mark.parametrize("salt", [b"", KEY[:31], KEY + b"\0"], ids=["none", "short", "long"])
def test_person_digest_salt_of_wrong_length_is_refused(salt: bytes) -> None:
    with pytest.raises(InputError) as caught:
        person_digest(salt, NIR)
    assert caught.value.reason == "BAD_SALT"


def test_person_digest_another_person_or_salt_gives_another_digest() -> None:
    made = {person_digest(KEY, NIR), person_digest(KEY, OTHER), person_digest(KEY[::-1], NIR)}
    assert len(made) == 3


def test_trace_key_another_node_or_day_gives_another_key() -> None:
    caf, cnav = BodyId("caf"), BodyId("cnav")
    made = {trace_key(KEY, caf, DAY), trace_key(KEY, cnav, DAY), trace_key(KEY, caf, date.min)}
    assert len(made) == 3


@pytest.mark.parametrize(
    "name", ["LEMY HOERT", "lémy-hœrt", "Le\u0301my’Hœrt", "LÉMY HŒRT ", "\uff2c\uff45my hoert"]
)
def test_traits_digest_spelling_of_the_name_does_not_matter(name: str) -> None:
    expected = traits_digest(KEY, NIR, "Lémy-Hœrt", "1955-08-01")
    assert traits_digest(KEY, NIR, name, "1955-08-01") == expected


MISMATCHES = {
    "name": (NIR, "Lemi", "1955-08-01"),
    "date": (NIR, "Lemy", "1955-08-02"),
    "person": (OTHER, "Lemy", "1955-08-01"),
}


@pytest.mark.parametrize("traits", MISMATCHES.values(), ids=MISMATCHES.keys())
def test_traits_digest_another_trait_does_not_agree(traits: tuple[str, str, str]) -> None:
    nir, name, birth_date = traits
    expected = traits_digest(KEY, NIR, "Lemy", "1955-08-01")
    assert traits_digest(KEY, parse_nir(nir), name, birth_date) != expected


@pytest.mark.parametrize(
    "text", ["19550801", "1955-8-1", "1955-02-30", "01/08/1955", "", "1955-08-01\n"]
)
def test_traits_digest_date_in_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        traits_digest(KEY, NIR, "Lemy", text)
    assert caught.value.reason == "BAD_DATE"


@pytest.mark.parametrize("text", ["", " ", "-", "’", "12", "\u0301", "ʼ"])
def test_normal_name_without_a_letter_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        normal_name(text)
    assert caught.value.reason == "BAD_NAME"


@given(st.text(max_size=12))
def test_normal_name_is_stable(text: str) -> None:
    try:
        once = normal_name(text)
    except InputError:
        return
    assert normal_name(once) == once
