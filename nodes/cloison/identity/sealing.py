"""Answers only the activity that asked can open.

One fresh secret a call and activity is wrapped once by HPKE; each answer is then AES-256-GCM under
it, bound to its statement. (HPKE costs 170 µs a message, AES-GCM 2.)
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cloison.errors import InputError, IntegrityError
from cloison.identity.activity_keys import SUITE, ActivityKeys, ActivityPublicKeys

RELEASE_SECRET_BYTES = 32
NONCE_BYTES = 12
HASH_BYTES = 32
_DOMAIN = b"cloison/v1 release\n"


def seal_secret(public: ActivityPublicKeys, secret: bytes) -> bytes:
    """A call's secret, wrapped so that only the activity's program can unwrap it.

    Args:
        public: Keys of the activity that asked.
        secret: 32 fresh random bytes, for this call alone.

    Returns:
        One HPKE message, 1,168 bytes, its `info` binding the activity's key id.

    Raises:
        InputError: `BAD_SECRET`: not 32 bytes.

    Source:
        RFC 9180, base mode; X25519 with ML-KEM-768, HKDF-SHA256, AES-256-GCM.
    """
    _check_length("secret", secret, RELEASE_SECRET_BYTES)
    return SUITE.encrypt(secret, public.sealing, info=_DOMAIN + public.sealing_key_id)


def open_secret(keys: ActivityKeys, wrapped: bytes) -> bytes:
    """The secret of a call.

    Raises:
        IntegrityError: `NOT_FOR_THIS_ACTIVITY`: wrapped for other keys, or altered.
    """
    try:
        secret = SUITE.decrypt(wrapped, keys.sealing, info=_DOMAIN + keys.public.sealing_key_id)
    except (InvalidTag, ValueError) as error:
        raise _not_ours(keys) from error
    if len(secret) != RELEASE_SECRET_BYTES:
        raise _not_ours(keys)
    return secret


def seal_release(
    secret: bytes, nonce: bytes, plaintext: bytes, statement_hash: bytes, part: bytes = b""
) -> bytes:
    """A release under its call's secret, bound to its statement.

    Args:
        secret: The call's secret.
        nonce: 12 fresh bytes, never used twice under `secret`.
        plaintext: A serialised `Release`.
        statement_hash: SHA-256 of the statement's bytes.
        part: For a cohort, the batch's index and last flag; empty otherwise.

    Raises:
        InputError: `BAD_SECRET`: a secret, nonce or hash of another length.
    """
    _check_length("secret", secret, RELEASE_SECRET_BYTES)
    _check_length("nonce", nonce, NONCE_BYTES)
    _check_length("statement hash", statement_hash, HASH_BYTES)
    return AESGCM(secret).encrypt(nonce, plaintext, _DOMAIN + statement_hash + part)


def open_release(
    secret: bytes, nonce: bytes, ciphertext: bytes, statement_hash: bytes, part: bytes = b""
) -> bytes:
    """The release, if it was sealed under this secret for this statement and part.

    Raises:
        IntegrityError: `BAD_SEAL`: altered, or sealed for another statement or part.
    """
    try:
        return AESGCM(secret).decrypt(nonce, ciphertext, _DOMAIN + statement_hash + part)
    except (InvalidTag, ValueError) as error:
        raise IntegrityError(
            "BAD_SEAL", "sealed release: altered, or not for this statement"
        ) from error


def _check_length(what: str, value: bytes, size_bytes: int) -> None:
    if len(value) != size_bytes:
        raise InputError("BAD_SECRET", f"{what}: {len(value)} bytes, not {size_bytes}")


def _not_ours(keys: ActivityKeys) -> IntegrityError:
    return IntegrityError(
        "NOT_FOR_THIS_ACTIVITY", f"sealed secret: not for activity `{keys.activity}`, or altered"
    )
