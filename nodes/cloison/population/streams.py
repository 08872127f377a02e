"""Randomness that depends on the seed and on what it is for, never on order or machine."""

import hashlib
from random import Random

_MASK = (1 << 64) - 1


def stream(seed: int, name: str, index: int = 0) -> Random:
    """An independent generator for one use; the same three arguments give the same draws.

    Not for secrets: people are synthetic, and anyone with the seed can make them again.
    """
    digest = hashlib.blake2b(f"{seed}/{name}/{index}".encode(), digest_size=8).digest()
    return Random(int.from_bytes(digest, "big"))  # noqa: S311 - synthetic people, not secrets


def chance(rng: Random, permille: int) -> bool:
    """Whether something that happens to `permille` of a thousand happens now."""
    return rng.randrange(1_000) < permille


def noise(seed: int, step: int) -> int:
    """A 64-bit number that looks random, the same for the same pair (splitmix64's mixer)."""
    mixed = (seed + step * 0x9E3779B97F4A7C15) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return mixed ^ (mixed >> 31)


def spread(index: int, size: int) -> int:
    """A permutation of 0 to size - 1: file numbers that do not show the order of making.

    Args:
        index: 0 to size - 1.
        size: Not a multiple of 7,919.
    """
    return (index * 7919 + 4_253) % size
