"""One signature over a batch of statements: the RFC 6962 root of their bytes, signed once.

A statement travels with the signature, its place and the hashes from its leaf to the root, so each
can be checked without the others. One statement is a batch of one. (The tree is small and signed as
a whole, so it is built here: the store imports this room and must not reach the ledger's.)
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from cloison.errors import InputError, PeerError
from cloison.identity.activity_keys import ActivityKeys, ActivityPublicKeys

MOST_STATEMENTS = 64
_DOMAIN = b"cloison/v1 statement batch\n"
_HASH_BYTES = 32
_SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class SignedParts:
    """What goes beside a statement's bytes in a `SignedStatement`."""

    signature: bytes
    batch_index: int
    batch_size: int
    batch_path: tuple[bytes, ...]


def sign_batch(keys: ActivityKeys, statements: Sequence[bytes]) -> list[SignedParts]:
    """Signs 1 to 64 statements at once; the parts are in their order.

    Raises:
        InputError: `BAD_BATCH`: none, or more than 64.
    """
    size = len(statements)
    if not 1 <= size <= MOST_STATEMENTS:
        raise InputError("BAD_BATCH", f"batch: {size} statements", f"use 1 to {MOST_STATEMENTS}")
    levels = _levels([_leaf(statement) for statement in statements])
    signature = keys.sign(_DOMAIN + levels[-1][0])
    return [SignedParts(signature, i, size, _path(levels, i)) for i in range(size)]


def verify_signed(
    public: ActivityPublicKeys,
    statement: bytes,
    signature: bytes,
    batch_index: int,
    batch_size: int,
    path: Sequence[bytes],
) -> None:
    """Returns if the activity's key signed a batch with this statement at this place.

    Raises:
        PeerError: `BAD_SIGNATURE`: another key, an altered statement, a wrong place or path.
    """
    if not 0 <= batch_index < batch_size <= MOST_STATEMENTS:
        raise _bad(public, "its place is outside the batch")
    if len(signature) != _SIGNATURE_BYTES or any(len(sibling) != _HASH_BYTES for sibling in path):
        raise _bad(public, "a part has a wrong length")
    root = _climb(_leaf(statement), batch_index, batch_size, path)
    if root is None:
        raise _bad(public, "the path does not fit its place")
    _verify_root(public, root, signature)


@lru_cache(maxsize=4096)
def _verify_root(public: ActivityPublicKeys, root: bytes, signature: bytes) -> None:
    # Only successes are kept: the statements of one batch cost one verification.
    public.verify(_DOMAIN + root, signature)


def _leaf(statement: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + statement).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _levels(leaves: list[bytes]) -> list[list[bytes]]:
    levels = [leaves]
    while len(below := levels[-1]) > 1:
        pairs = [_node(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)]
        levels.append(pairs + below[2 * len(pairs) :])  # an odd last node rises as it is
    return levels


def _path(levels: list[list[bytes]], index: int) -> tuple[bytes, ...]:
    siblings = ((level, (index >> height) ^ 1) for height, level in enumerate(levels))
    return tuple(level[sibling] for level, sibling in siblings if sibling < len(level))


def _climb(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root a path leads to, by RFC 9162 §2.1.3.2; None if its length is not the place's."""
    node, last, hashes = leaf, size - 1, iter(path)
    while last:
        if index % 2 or index < last:
            sibling = next(hashes, None)
            if sibling is None:
                return None
            node = _node(sibling, node) if index % 2 else _node(node, sibling)
        index, last = index // 2, last // 2
    return node if next(hashes, None) is None else None


def _bad(public: ActivityPublicKeys, why: str) -> PeerError:
    return PeerError("BAD_SIGNATURE", f"signature of activity `{public.activity}`: {why}")
