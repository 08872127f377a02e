"""Masks: they cancel exactly modulo 2⁶⁴, and without all of them there is only noise."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloison.errors import InputError, IntegrityError, PeerError
from cloison.statistics.masks import MaskKey, add_masked, session_of

SESSION = session_of(b"\x01" * 32, [b"\x02" * 32, b"\x03" * 32])
NAMES = ("caf", "cnav", "dgfip", "msa")
FIGURES = st.lists(st.integers(-(1 << 56), 1 << 56), min_size=3, max_size=3)


def masked(figures: dict[str, list[int]], session: bytes = SESSION) -> list[bytes]:
    keys = {name: MaskKey() for name in figures}
    return [
        keys[name].mask(
            name, {peer: keys[peer].public for peer in figures if peer != name}, session, own
        )
        for name, own in figures.items()
    ]


@settings(max_examples=40)
@given(st.lists(FIGURES, min_size=1, max_size=4))
def test_masks_cancel_for_any_figures_and_any_number_of_holders(rows: list[list[int]]) -> None:
    figures = dict(zip(NAMES, rows, strict=False))
    assert add_masked(masked(figures), 3) == [sum(column) for column in zip(*rows, strict=True)]


def test_add_masked_negative_totals_come_back_negative_across_the_modulus() -> None:
    assert add_masked(masked({"caf": [-5, 3], "msa": [2, -4]}), 2) == [-3, -1]


def test_masked_vectors_of_fewer_than_all_say_nothing() -> None:
    """Each proper subset of the vectors, of all-zero figures, is spread over all 64 bits."""
    vectors = masked({name: [0] * 4096 for name in NAMES})
    for some in (part for size in (1, 2, 3) for part in combinations(vectors, size)):
        total = sum(np.frombuffer(one, "<u8") for one in some)
        bits = np.unpackbits(np.asarray(total, np.uint64).view(np.uint8))
        assert abs(int(bits.sum()) - bits.size // 2) < 4.9 * np.sqrt(bits.size) / 2


def test_add_masked_with_one_of_another_session_is_refused() -> None:
    keys = {"caf": MaskKey(), "msa": MaskKey()}
    first = keys["caf"].mask("caf", {"msa": keys["msa"].public}, SESSION, [1] * 64)
    other = session_of(b"\x01" * 32, [b"\x02" * 32, b"\x04" * 32])
    second = keys["msa"].mask("msa", {"caf": keys["caf"].public}, other, [1] * 64)
    with pytest.raises(IntegrityError) as refusal:
        add_masked([first, second], 64)
    assert refusal.value.reason == "MASK_OVERFLOW"


def test_add_masked_vector_of_another_length_is_refused() -> None:
    with pytest.raises(InputError, match="not one for each cell"):
        add_masked(masked({"caf": [1, 2]}), 3)


@pytest.mark.parametrize("key", [bytes(32), b"", b"\x01" * 31, b"\x01" + bytes(31)])
def test_mask_with_a_key_that_agrees_on_nothing_is_refused(key: bytes) -> None:
    with pytest.raises(PeerError) as refusal:
        MaskKey().mask("caf", {"msa": key}, SESSION, [1])
    assert refusal.value.reason == "BAD_MASK_KEY"


def test_mask_key_shows_nothing() -> None:
    assert repr(MaskKey()) == "MaskKey(…)"
