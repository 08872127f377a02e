"""Nonces of sign-ins: each serves once, and none is kept before it served.

A node gives a nonce to whoever asks, so what it kept of each anybody could fill. A nonce therefore
says itself until when it is good, under a key of this process alone: a restart ends all of them.
Those that served are kept until then: each took a token that the issuer signed.
"""

import hmac
import os
import struct
from datetime import datetime, timedelta

from cloison.errors import PeerError
from cloison.exchange.statement import to_milliseconds

_LIFE = timedelta(minutes=5)
_KEY_BYTES, _RANDOM_BYTES, _TAG_BYTES = 32, 8, 16
_UNTIL = struct.Struct(">Q")
_BYTES = _RANDOM_BYTES + _UNTIL.size + _TAG_BYTES
_DOMAIN = b"cloison/v1 sign-in nonce\n"


class Nonces:
    """The nonces of one node's process."""

    def __init__(self) -> None:
        self._key = os.urandom(_KEY_BYTES)
        self._used: dict[str, int] = {}

    def new(self, now: datetime) -> str:
        """A nonce that is good for five minutes; 64 hexadecimal digits."""
        said = os.urandom(_RANDOM_BYTES) + _UNTIL.pack(to_milliseconds(now + _LIFE))
        return (said + self._tag(said)).hex()

    def check(self, nonce: str, now: datetime) -> None:
        """It is one of these, and may still serve.

        Raises:
            PeerError: `BAD_TOKEN`; it does not say why.
        """
        if nonce in self._used or self._until(nonce) < to_milliseconds(now):
            raise PeerError("BAD_TOKEN", "nonce: unknown, used or too old", "sign in again")

    def use(self, nonce: str, now: datetime) -> None:
        """It serves no more. Only one that `check` let pass, with a token for it."""
        over = to_milliseconds(now)
        while self._used and next(iter(self._used.values())) < over:
            del self._used[next(iter(self._used))]
        self._used[nonce] = self._until(nonce)

    def _until(self, nonce: str) -> int:
        """In milliseconds since 1970; -1 of what is none, or spelled another way."""
        try:
            data = bytes.fromhex(nonce)
        except ValueError:
            return -1
        said, tag = data[:-_TAG_BYTES], data[-_TAG_BYTES:]
        whole = len(data) == _BYTES and data.hex() == nonce
        if not whole or not hmac.compare_digest(self._tag(said), tag):
            return -1
        return int(_UNTIL.unpack(said[_RANDOM_BYTES:])[0])

    def _tag(self, said: bytes) -> bytes:
        return hmac.digest(self._key, _DOMAIN + said, "sha256")[:_TAG_BYTES]
