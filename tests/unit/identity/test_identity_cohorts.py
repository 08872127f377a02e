"""Many persons at a time are named as each is alone."""

import hmac
from collections.abc import Callable
from hashlib import shake_256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.fr.nir import calc_check_digits

from cloison.errors import InputError
from cloison.identity import (
    cohort_salts,
    parse_nir,
    parse_nirs,
    person_digest,
    person_digests,
    row_key,
    row_keys,
    traits_digest,
    traits_digests,
)
from cloison.identity.digests import normal_name, normal_names
from cloison.identity.keyed_hash import digests_under, keyed_digest, keyed_digests

KEY = bytes(range(32))


def with_key(number: str) -> str:
    return number + calc_check_digits(number)


numbers = st.builds(
    lambda sex, year, month, place, rest: with_key(f"{sex}{year:02d}{month}{place}{rest:06d}"),
    st.sampled_from("123478"),
    st.integers(0, 99),
    st.sampled_from(["01", "12", "20", "30", "42", "50", "99"]),
    st.sampled_from(["01", "75", "99", "2A", "2B"]),
    st.integers(0, 999_999),
)
# One character of a right number changed, dropped or added: nearly always wrong.
broken = st.builds(
    lambda nir, at, character: nir[:at] + character + nir[at + 1 :],
    numbers,
    st.integers(0, 15),
    st.sampled_from(["", "0", "1", "5", "9", "A", "B", "a", " ", "é", "٣", "/", ":"]),
)


@given(st.lists(numbers, min_size=1, max_size=5))
def test_right_numbers_are_taken_together(texts: list[str]) -> None:
    assert list(parse_nirs(texts)) == [parse_nir(text) for text in texts]


def told(parse: Callable[[], object]) -> str:
    """What is said of a number; empty if it is taken."""
    try:
        parse()
    except InputError as error:
        return error.message
    return ""


@given(st.lists(numbers, max_size=3), st.one_of(broken, st.text(max_size=16)))
def test_one_wrong_number_is_told_as_it_is_alone(right: list[str], other: str) -> None:
    assert told(lambda: parse_nirs([*right, other])) == told(lambda: parse_nir(other))


@pytest.mark.parametrize(
    "number", ["2850075001002", "2851375001002", "2851900001002", "5850175001002"]
)
def test_impossible_months_places_and_sexes_are_refused(number: str) -> None:
    with pytest.raises(InputError):
        parse_nirs([with_key(number)])


def test_two_short_numbers_do_not_make_a_long_one() -> None:
    nir = with_key("2840375000001")
    with pytest.raises(InputError):
        parse_nirs([nir[:14], nir[14:] + nir])


@given(st.lists(numbers, min_size=1, max_size=5))
def test_digests_and_keys_are_those_of_each_alone(texts: list[str]) -> None:
    nirs = parse_nirs(texts)
    salts = cohort_salts(KEY, len(nirs))
    names = ["d'Hœrt-Lémy"] * len(nirs)
    dates = ["1955-08-01"] * len(nirs)
    assert person_digests(salts, nirs) == [
        person_digest(*one) for one in zip(salts, nirs, strict=True)
    ]
    assert row_keys(KEY, nirs) == [row_key(KEY, nir) for nir in nirs]
    assert traits_digests(KEY, nirs, names, dates) == [
        traits_digest(KEY, nir, names[0], dates[0]) for nir in nirs
    ]


def test_salts_are_cut_from_one_stream() -> None:
    stream = shake_256(b"cloison/v1 cohort salts\n" + KEY).digest(96)
    assert cohort_salts(KEY, 3) == [stream[:32], stream[32:64], stream[64:]]


def test_a_seed_or_salt_of_another_length_is_refused() -> None:
    with pytest.raises(InputError, match="salt seed: 31 bytes"):
        cohort_salts(KEY[:31], 2)
    with pytest.raises(InputError, match="not 32 bytes"):
        person_digests([KEY[:31]], [parse_nir(with_key("2840375000001"))])


@given(st.binary(max_size=64), st.binary(max_size=200))
def test_the_keyed_hash_is_hmac(key: bytes, message: bytes) -> None:
    known = hmac.digest(key, message, "sha256")
    assert keyed_digest(key, message) == known
    assert digests_under(key, [message, message]) == keyed_digests([key, key], message)
    assert keyed_digests([key], message) == [known]


def test_a_key_longer_than_a_block_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 64"):
        keyed_digest(bytes(65), b"")
    with pytest.raises(ValueError, match="at most 64"):
        digests_under(bytes(65), [b""])


NAMES = {
    "plain": ["Dupont", "MARTIN", "de la Tour"],
    "accents among them": ["Dupont", "Hœrt-Lémy", "O'Neill", "Åse"],
    "a line end in one": ["Dupont\nMartin", "Petit"],
    "another writing": ["Ли", "Dupont"],
}


@pytest.mark.parametrize("case", NAMES)
def test_normal_names_are_those_of_each(case: str) -> None:
    assert normal_names(NAMES[case]) == [normal_name(name).encode() for name in NAMES[case]]


@pytest.mark.parametrize("name", ["", "123", "\n"])
def test_normal_names_without_a_letter_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="no letter"):
        normal_names(["Dupont", name, "Martin"])
