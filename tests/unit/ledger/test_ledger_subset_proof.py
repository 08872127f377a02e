"""Proofs of several leaves at once: they hold for what stands there, and for nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloison.errors import IntegrityError
from cloison.ledger.subset_proof import subset_from, verify_subset
from cloison.ledger.tree import MemoryNodes, edge_hashes, inclusion_from, leaf_hash, root_of


def leaves_of(size: int) -> list[bytes]:
    return [leaf_hash(number.to_bytes(4, "big")) for number in range(size)]


def proof_of(leaves: list[bytes], indexes: list[int]) -> list[bytes]:
    nodes = MemoryNodes(leaves)
    return subset_from(nodes, edge_hashes(nodes, len(leaves)), indexes, len(leaves))


subsets = st.integers(1, 70).flatmap(
    lambda size: st.tuples(st.just(size), st.sets(st.integers(0, size - 1), min_size=1).map(sorted))
)


@given(subsets)
def test_a_subset_proof_holds_for_its_leaves(drawn: tuple[int, list[int]]) -> None:
    size, indexes = drawn
    leaves = leaves_of(size)
    hashes = proof_of(leaves, indexes)
    verify_subset([leaves[i] for i in indexes], indexes, size, hashes, root_of(leaves))


@given(subsets, st.data())
def test_a_subset_proof_holds_for_nothing_else(
    drawn: tuple[int, list[int]], data: st.DataObject
) -> None:
    size, indexes = drawn
    leaves = leaves_of(size)
    hashes = proof_of(leaves, indexes)
    asked = [leaves[i] for i in indexes]
    place = data.draw(st.integers(0, len(indexes) - 1))
    other = [*asked[:place], leaf_hash(b"other"), *asked[place + 1 :]]
    cases = [
        (other, indexes, size, hashes),
        (asked, indexes, size, [*hashes, leaves[0]]),
        (asked, [*indexes[:-1], indexes[-1] + size], size, hashes),
    ]
    if hashes:
        cases.append((asked, indexes, size, hashes[:-1]))
        cases.append((asked, indexes, size, [hashes[0][:-1], *hashes[1:]]))
    if len(indexes) > 1:
        cases.append((asked[::-1], indexes[::-1], size, hashes))
        cases.append((asked[:-1], indexes, size, hashes))
    for one in cases:
        with pytest.raises(IntegrityError, match="subset proof"):
            verify_subset(*one, root_of(leaves))


@given(st.integers(1, 70).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1))))
def test_a_subset_of_one_has_the_hashes_of_an_inclusion_proof(drawn: tuple[int, int]) -> None:
    size, index = drawn
    leaves = leaves_of(size)
    nodes = MemoryNodes(leaves)
    single = inclusion_from(nodes, edge_hashes(nodes, size), index, size)
    assert sorted(proof_of(leaves, [index])) == sorted(single)


def test_neighbours_share_their_proof() -> None:
    leaves = leaves_of(4096)
    assert len(proof_of(leaves, list(range(1000, 1250)))) < 24


def test_no_leaf_at_all_is_no_proof() -> None:
    with pytest.raises(IntegrityError, match="out of order"):
        verify_subset([], [], 4, [], root_of(leaves_of(4)))
