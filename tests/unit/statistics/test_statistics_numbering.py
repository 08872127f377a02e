"""Persons as numbers: the same as by a dictionary of their keys, also where keys begin alike."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from cloison.statistics.encoding import Packing
from cloison.statistics.numbering import KEY_BYTES, Keys, changes, find, keys_at, number

# Few halves, the ends of their range among them: most keys begin like another, many are one.
HALVES = st.sampled_from(
    [bytes(8), bytes([0] * 7 + [1]), b"\1" + bytes(7), b"\x7f" * 8, b"\xff" * 8]
)
KEYS = st.lists(st.builds(bytes.__add__, HALVES, HALVES), max_size=40)


def column(keys: Sequence[bytes]) -> pa.Array:
    return pa.array(keys, pa.binary(KEY_BYTES))


def halves(keys: Sequence[bytes]) -> Keys:
    return keys_at(column(keys), np.arange(len(keys)))


@given(KEYS)
def test_changes_are_where_another_key_stands_than_before(keys: list[bytes]) -> None:
    expected = [True, *(one != before for before, one in pairwise(keys))][: len(keys)]
    assert changes(column(keys)).tolist() == expected


@given(KEYS)
def test_number_gives_each_key_its_place_among_the_sorted(keys: list[bytes]) -> None:
    persons, places = number(halves(keys))
    known = sorted(set(keys))
    assert places.tolist() == [known.index(key) for key in keys]
    assert len(persons) == len(known)


@given(KEYS, KEYS)
def test_find_gives_the_place_of_each_or_none(held: list[bytes], asked: list[bytes]) -> None:
    persons, wanted = sorted(set(held)), sorted(set(asked))
    expected = [persons.index(key) if key in persons else -1 for key in wanted]
    assert find(halves(persons), halves(wanted)).tolist() == expected


@given(st.integers(0, 5), st.integers(1, 10))
def test_bits_of_a_block_are_each_its_own_and_none_is_nothing(shift: int, width: int) -> None:
    if width << shift <= 62:
        words = Packing(shift, width).bits()
        assert not words[:, 0].any()
        assert words[:, 1:].reshape(-1).tolist() == [1 << at for at in range(width << shift)]
