"""Pairwise masks modulo 2⁶⁴: each vector alone is uniformly random, and their sum is the sum.

Every two holders agree on a secret by X25519, each with a key drawn for one reservation and thrown
away after; HKDF binds it to the session, ChaCha20 stretches it. The first of the two by name adds
the stream, the other subtracts it.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cloison.errors import InputError, IntegrityError, PeerError

FIGURE_BYTES = 8
Words = npt.NDArray[np.uint64]
_SESSION = b"cloison/v1 masked sum\n"
_STREAM = b"cloison/v1 mask\n"
_SECRET_BYTES = 32
_COUNTER = bytes(16)


def session_of(question_hash: bytes, reservations: Sequence[bytes]) -> bytes:
    """The name of one masked sum: its question, and the holders' reservations, in their order.

    A reservation answers once, and is one leaf of one register: no two sums have the same name.
    """
    return sha256(_SESSION + question_hash + b"".join(reservations)).digest()


class MaskKey:
    """A holder's key for one reservation; nothing of it is ever written down."""

    __slots__ = ("_key", "public")

    def __init__(self) -> None:
        self._key = X25519PrivateKey.generate()
        self.public = self._key.public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return "MaskKey(…)"

    def mask(
        self, own: str, peers: Mapping[str, bytes], session: bytes, figures: Sequence[int]
    ) -> bytes:
        """The figures under the masks shared with each of `peers`, 8 bytes each, little end first.

        Args:
            own: This holder's name.
            peers: The public mask key of every other holder, by name.
            session: As `session_of`.
            figures: Within 64 bits, signed.

        Raises:
            PeerError: `BAD_MASK_KEY`: not a key with which a secret can be agreed on.
        """
        words = np.array(figures, np.int64).view(np.uint64).copy()
        for name in sorted(peers):
            stream = self._stream(own, name, peers[name], session, len(words))
            words = words + stream if own < name else words - stream
        return words.astype("<u8").tobytes()

    def _stream(self, own: str, peer: str, public: bytes, session: bytes, count: int) -> Words:
        try:
            secret = self._key.exchange(X25519PublicKey.from_public_bytes(public))
        except ValueError as error:
            raise PeerError("BAD_MASK_KEY", f"holder `{peer}`: not a mask key") from error
        names = "\0".join(sorted((own, peer))).encode()
        key = HKDF(hashes.SHA256(), _SECRET_BYTES, salt=session, info=_STREAM + names).derive(
            secret
        )
        stream = Cipher(algorithms.ChaCha20(key, _COUNTER), mode=None).encryptor()
        return np.frombuffer(stream.update(bytes(count * FIGURE_BYTES)), "<u8").astype(np.uint64)


def add_masked(vectors: Sequence[bytes], count: int) -> list[int]:
    """The sum of every holder's figures, as signed integers; the masks are gone.

    Raises:
        InputError: `MALFORMED`: a vector not of `count` figures.
        IntegrityError: `MASK_OVERFLOW`: no sum of what holders may send; a mask was left over.
    """
    total = np.zeros(count, np.uint64)
    for vector in vectors:
        if len(vector) != count * FIGURE_BYTES:
            raise InputError("MALFORMED", "masked figures: not one for each cell")
        total += np.frombuffer(vector, "<u8").astype(np.uint64)
    figures: list[int] = total.view(np.int64).tolist()
    if any(not -(1 << 62) <= value <= 1 << 62 for value in figures):
        raise IntegrityError(
            "MASK_OVERFLOW", "masked sum: the masks do not cancel", "ask again, of all holders anew"
        )
    return figures
