"""The tree against RFC 6962's own recursion, the shared vectors, and every flipped bit."""

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.ledger.trees import consistency_path, inclusion_path

from cloison.errors import IntegrityError
from cloison.ledger import tree

LEAVES = [tree.leaf_hash(f"entry {index}".encode()) for index in range(300)]
SIZES = st.integers(1, len(LEAVES))


def recursive_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    left, right = recursive_root(leaves[:split]), recursive_root(leaves[split:])
    return sha256(b"\x01" + left + right).digest()


def recursive_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*recursive_path(leaves[:split], index), recursive_root(leaves[split:])]
    return [*recursive_path(leaves[split:], index - split), recursive_root(leaves[:split])]


def recursive_consistency(leaves: Sequence[bytes], first: int, *, whole: bool) -> list[bytes]:
    if first == len(leaves):
        return [] if whole else [recursive_root(leaves)]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if first <= split:
        below = recursive_consistency(leaves[:split], first, whole=whole)
        return [*below, recursive_root(leaves[split:])]
    below = recursive_consistency(leaves[split:], first - split, whole=False)
    return [*below, recursive_root(leaves[:split])]


def flip(data: bytes, bit: int) -> bytes:
    place = bit % (8 * len(data))
    return bytes(b ^ (1 << place % 8 if i == place // 8 else 0) for i, b in enumerate(data))


def load(vectors: Path, name: str) -> list[Any]:
    found: list[Any] = json.loads((vectors / "rfc6962.json").read_text("utf-8"))[name]
    assert found
    return found


def shared_leaves(vectors: Path) -> list[bytes]:
    return [tree.leaf_hash(bytes.fromhex(item)) for item in load(vectors, "leaves")]


def test_root_of_shared_leaves_equals_shared_roots(vectors: Path) -> None:
    leaves = shared_leaves(vectors)
    roots = [tree.root_of(leaves[:size]).hex() for size in range(len(leaves) + 1)]
    assert roots == load(vectors, "roots")


def test_inclusion_path_of_shared_leaves_equals_shared_paths(vectors: Path) -> None:
    leaves = shared_leaves(vectors)
    for case in load(vectors, "inclusion"):
        index, size = case["index"], case["size"]
        path = inclusion_path(leaves[:size], index)
        assert [item.hex() for item in path] == case["path"]
        tree.verify_inclusion(leaves[index], index, size, path, tree.root_of(leaves[:size]))


def test_consistency_path_of_shared_leaves_equals_shared_paths(vectors: Path) -> None:
    leaves = shared_leaves(vectors)
    for case in load(vectors, "consistency"):
        first, second = case["first"], case["second"]
        path = consistency_path(leaves[:second], first)
        assert [item.hex() for item in path] == case["path"]
        roots = tree.root_of(leaves[:first]), tree.root_of(leaves[:second])
        tree.verify_consistency(first, second, path, *roots)


@given(SIZES)
def test_root_of_any_size_equals_recursion(size: int) -> None:
    assert tree.root_of(LEAVES[:size]) == recursive_root(LEAVES[:size])


@given(SIZES, st.data())
def test_inclusion_path_equals_recursion_and_verifies(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_path(LEAVES[:size], index)
    assert path == recursive_path(LEAVES[:size], index)
    tree.verify_inclusion(LEAVES[index], index, size, path, recursive_root(LEAVES[:size]))


@given(SIZES, st.data())
def test_consistency_path_equals_recursion_and_verifies(size: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, size))
    path = consistency_path(LEAVES[:size], first)
    assert path == recursive_consistency(LEAVES[:size], first, whole=True)
    roots = recursive_root(LEAVES[:first]), recursive_root(LEAVES[:size])
    tree.verify_consistency(first, size, path, *roots)


@given(st.integers(2, 300), st.integers(0), st.data())
def test_verify_inclusion_with_a_flipped_bit_fails(
    size: int, bit: int, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, size - 1))
    parts = [
        LEAVES[index],
        tree.root_of(LEAVES[:size]),
        *inclusion_path(LEAVES[:size], index),
    ]
    chosen = data.draw(st.integers(0, len(parts) - 1))
    parts[chosen] = flip(parts[chosen], bit)
    with pytest.raises(IntegrityError) as raised:
        tree.verify_inclusion(parts[0], index, size, parts[2:], parts[1])
    assert raised.value.reason == "BAD_PROOF"


@given(st.integers(3, 300), st.integers(0), st.data())
def test_verify_consistency_with_a_flipped_bit_fails(
    size: int, bit: int, data: st.DataObject
) -> None:
    first = data.draw(st.integers(1, size - 1))
    parts = [
        tree.root_of(LEAVES[:first]),
        tree.root_of(LEAVES[:size]),
        *consistency_path(LEAVES[:size], first),
    ]
    chosen = data.draw(st.integers(0, len(parts) - 1))
    parts[chosen] = flip(parts[chosen], bit)
    with pytest.raises(IntegrityError, match="consistency proof"):
        tree.verify_consistency(first, size, parts[2:], parts[0], parts[1])


@given(SIZES, st.data())
def test_verify_inclusion_at_another_index_fails(size: int, data: st.DataObject) -> None:
    index, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, 2 * size))
    path, root = inclusion_path(LEAVES[:size], index), tree.root_of(LEAVES[:size])
    if other != index:
        with pytest.raises(IntegrityError, match="inclusion proof"):
            tree.verify_inclusion(LEAVES[index], other, size, path, root)


WRONG_SHAPES = {
    "one hash too many": ([LEAVES[1], LEAVES[2]], 0, 2),
    "one hash too few": ([], 0, 2),
    "a short hash": ([b"\0" * 31], 0, 2),
    "index outside": ([LEAVES[1]], 2, 2),
    "negative index": ([LEAVES[1]], -1, 2),
    "empty tree": ([], 0, 0),
    "a size beyond every log": ([LEAVES[1]], 0, 2**63),
}


@pytest.mark.parametrize("name", WRONG_SHAPES)
def test_verify_inclusion_of_wrong_shape_fails(name: str) -> None:
    path, index, size = WRONG_SHAPES[name]
    with pytest.raises(IntegrityError, match="inclusion proof"):
        tree.verify_inclusion(LEAVES[0], index, size, path, tree.root_of(LEAVES[:2]))


WRONG_CONSISTENCY = {
    "sizes out of order": (3, 2, [], LEAVES[0], LEAVES[0]),
    "hashes where none belong": (2, 2, [LEAVES[0]], LEAVES[0], LEAVES[0]),
    "two roots at one size": (2, 2, [], LEAVES[0], LEAVES[1]),
    "a wrong empty root": (0, 2, [], LEAVES[0], LEAVES[1]),
    "no hashes": (1, 2, [], LEAVES[0], tree.root_of(LEAVES[:2])),
    "no hashes, odd": (3, 4, [], tree.root_of(LEAVES[:3]), tree.root_of(LEAVES[:4])),
    "too many hashes": (1, 2, [LEAVES[1], LEAVES[2]], LEAVES[0], tree.root_of(LEAVES[:2])),
}


@pytest.mark.parametrize("name", WRONG_CONSISTENCY)
def test_verify_consistency_of_wrong_shape_fails(name: str) -> None:
    with pytest.raises(IntegrityError, match="consistency proof"):
        tree.verify_consistency(*WRONG_CONSISTENCY[name])


def test_verify_consistency_from_the_empty_tree_passes() -> None:
    tree.verify_consistency(0, 3, [], tree.EMPTY_ROOT, tree.root_of(LEAVES[:3]))
    assert consistency_path(LEAVES[:3], 0) == []
