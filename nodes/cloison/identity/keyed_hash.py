"""HMAC-SHA-256 where one key hashes many short messages, or many keys one message.

`hmac.digest` sets OpenSSL up anew for each message (2.2 to 3.3 µs); two plain SHA-256 take 1.2, and
0.9 where what they begin with is hashed once.
Source: RFC 2104.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256

_BLOCK_BYTES = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


def digests_under(key: bytes, messages: Iterable[bytes], prefix: bytes = b"") -> list[bytes]:
    """32 bytes of each message, the prefix before it, under one key of at most 64."""
    block = _block(key)
    inner = digests_after(block.translate(_INNER) + prefix, messages)
    return list(digests_after(block.translate(_OUTER), inner))


def digests_after(start: bytes, messages: Iterable[bytes]) -> Iterator[bytes]:
    """SHA-256 of each message behind the same first bytes."""
    begun = sha256(start).copy
    for message in messages:
        hashed = begun()
        hashed.update(message)
        yield hashed.digest()


def keyed_digest(key: bytes, message: bytes) -> bytes:
    """32 bytes, under a key of at most 64 that hashes little else."""
    block = _block(key)
    inner = sha256(block.translate(_INNER) + message).digest()
    return sha256(block.translate(_OUTER) + inner).digest()


def keyed_digests(keys: Sequence[bytes], message: bytes) -> list[bytes]:
    """As `keyed_digest`, of one message under each key."""
    return [
        sha256(
            block.translate(_OUTER) + sha256(block.translate(_INNER) + message).digest()
        ).digest()
        for block in map(_block, keys)
    ]


def _block(key: bytes) -> bytes:
    if len(key) > _BLOCK_BYTES:
        raise ValueError(f"key: {len(key)} bytes, at most {_BLOCK_BYTES}")
    return key.ljust(_BLOCK_BYTES, b"\0")
