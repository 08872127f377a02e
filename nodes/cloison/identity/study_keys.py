"""Keys of one study: drawn for it, used once, kept in memory alone.

Source of the pattern: décret 2016-1930, ch. I, art. 1 and 2: a number becomes a code that says
nothing, by an operation with a secret key that those who use the code do not hold.
"""

import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey, MLKEM768X25519PublicKey

from cloison.errors import IntegrityError, PeerError
from cloison.identity.activity_keys import SUITE
from cloison.identity.identifiers import Nir
from cloison.identity.keyed_hash import digests_under

PSEUDONYM_BYTES = 16
_X25519_BYTES, _KEY_BYTES = 32, 32
_SEAL = b"cloison/v1 study message\n"
_CODE = b"cloison/v1 study pseudonym\n"


class StudyKey:
    """A participant's key for one study; what opens what is sealed to it, and shows nothing."""

    __slots__ = ("_private", "_secret", "public")

    def __init__(self) -> None:
        x25519, mlkem = X25519PrivateKey.generate(), MLKEM768PrivateKey.generate()
        self._private = MLKEM768X25519PrivateKey(mlkem, x25519)
        self._secret = os.urandom(_KEY_BYTES)
        self.public = x25519.public_key().public_bytes_raw() + mlkem.public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return "StudyKey(…)"

    def open(self, sealed: bytes, study: bytes, step: str) -> bytes:
        """What was sealed to this key, in this study, as this step.

        Raises:
            IntegrityError: `BAD_SEAL`.
        """
        try:
            return SUITE.decrypt(sealed, self._private, info=_info(study, step))
        except (InvalidTag, ValueError) as error:
            raise IntegrityError("BAD_SEAL", "study: not sealed to this key, or altered") from error

    def pseudonyms(self, study: bytes, nirs: Sequence[Nir]) -> list[bytes]:
        """16 bytes each, that nobody without this key can tie to a number."""
        messages = (nir.encode("ascii") for nir in nirs)
        digests = digests_under(self._secret, messages, _CODE + study)
        return [digest[:PSEUDONYM_BYTES] for digest in digests]


def seal_to(public: bytes, plain: bytes, study: bytes, step: str) -> bytes:
    """For whoever drew this key alone, in this study, as this step.

    Raises:
        PeerError: `BAD_STUDY_KEY`: not a usable key.
    """
    try:
        halves = (
            MLKEM768PublicKey.from_public_bytes(public[_X25519_BYTES:]),
            X25519PublicKey.from_public_bytes(public[:_X25519_BYTES]),
        )
        return SUITE.encrypt(plain, MLKEM768X25519PublicKey(*halves), info=_info(study, step))
    except ValueError as error:
        raise PeerError("BAD_STUDY_KEY", "study: a participant's key is not usable") from error


def _info(study: bytes, step: str) -> bytes:
    return _SEAL + study + step.encode("ascii")
