"""An activity's keys: Ed25519 to sign its statements, X25519 with ML-KEM-768 to open its answers.

Private keys are two files of raw bytes: `signing.key` (32: the Ed25519 seed) and `sealing.key`
(96: the X25519 scalar, then the ML-KEM-768 seed; the hybrid has no serialisation of its own).
Public keys are one TOML file an activity, named after it.
"""

import hashlib
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from cloison.bodies import BodyId, parse_body
from cloison.errors import InputError, IntegrityError, PeerError, StorageError
from cloison.identity.certificates import peer_of_certificate_file
from cloison.identity.names import parse_activity
from cloison.identity.secrets import SECRET_BYTES, load_secret, write_secret

SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_SEALING_BYTES = 96


@dataclass(frozen=True, slots=True)
class ActivityPublicKeys:
    """What everyone may know of an activity's keys; every half is a usable key.

    Attributes:
        signing_key: 32 bytes, Ed25519.
        sealing_x25519: 32 bytes.
        sealing_mlkem768: 1,184 bytes.
        sealing_key_id: First 16 bytes of SHA-256(sealing_x25519 ‖ sealing_mlkem768).
    """

    activity: str
    body: BodyId
    signing_key: bytes = field(repr=False)
    sealing_x25519: bytes = field(repr=False)
    sealing_mlkem768: bytes = field(repr=False)
    sealing_key_id: bytes
    sealing: MLKEM768X25519PublicKey = field(repr=False, compare=False)

    @classmethod
    def parse(
        cls, activity: str, body: BodyId, signing_key: bytes, x25519: bytes, mlkem768: bytes
    ) -> Self:
        """The keys, each tried once.

        Raises:
            InputError: `BAD_PUBLIC_KEY`: a wrong length, or no point or key of its kind.
        """
        try:
            Ed25519PublicKey.from_public_bytes(signing_key)
            halves = (
                MLKEM768PublicKey.from_public_bytes(mlkem768),
                X25519PublicKey.from_public_bytes(x25519),
            )
            sealing = MLKEM768X25519PublicKey(*halves)
            SUITE.encrypt(b"", sealing)  # a low-order X25519 point shows itself only in use
        except ValueError as error:
            raise InputError("BAD_PUBLIC_KEY", f"keys of `{activity}`: not usable") from error
        key_id = hashlib.sha256(x25519 + mlkem768).digest()[:16]
        return cls(activity, body, signing_key, x25519, mlkem768, key_id, sealing)

    def verify(self, message: bytes, signature: bytes) -> None:
        """Returns if the activity's key signed exactly this message.

        Raises:
            PeerError: `BAD_SIGNATURE`: another key, another message, or not a signature.
        """
        try:
            Ed25519PublicKey.from_public_bytes(self.signing_key).verify(signature, message)
        except InvalidSignature as error:
            raise PeerError(
                "BAD_SIGNATURE", f"signature: not made by activity `{self.activity}` over this"
            ) from error


@dataclass(frozen=True, slots=True)
class ActivityKeys:
    """An activity's private keys; they stay in the process of its program."""

    public: ActivityPublicKeys
    signing: Ed25519PrivateKey = field(repr=False, compare=False)
    sealing: MLKEM768X25519PrivateKey = field(repr=False, compare=False)

    @classmethod
    def parse(cls, activity: str, body: BodyId, signing: bytes, sealing: bytes) -> Self:
        """From the bytes of `signing.key` (32) and `sealing.key` (96)."""
        signer = Ed25519PrivateKey.from_private_bytes(signing)
        x25519 = X25519PrivateKey.from_private_bytes(sealing[:SECRET_BYTES])
        mlkem = MLKEM768PrivateKey.from_seed_bytes(sealing[SECRET_BYTES:])
        public = ActivityPublicKeys.parse(
            activity,
            body,
            signer.public_key().public_bytes_raw(),
            x25519.public_key().public_bytes_raw(),
            mlkem.public_key().public_bytes_raw(),
        )
        return cls(public, signer, MLKEM768X25519PrivateKey(mlkem, x25519))

    @property
    def activity(self) -> str:
        """The activity's id."""
        return self.public.activity

    @property
    def body(self) -> BodyId:
        """The body whose activity it is."""
        return self.public.body

    def sign(self, message: bytes) -> bytes:
        """Ed25519, 64 bytes."""
        return self.signing.sign(message)


class _PublicFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    body: str
    signing_key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    sealing_x25519: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    sealing_mlkem768: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{2368}$")]
    sealing_key_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


def create_activity_keys(directory: Path, activity: str, body: BodyId) -> ActivityPublicKeys:
    """Draws new keys and writes both private files into `directory`, which exists."""
    signing = Ed25519PrivateKey.generate().private_bytes_raw()
    x25519 = X25519PrivateKey.generate().private_bytes_raw()
    sealing = x25519 + MLKEM768PrivateKey.generate().private_bytes_raw()
    keys = ActivityKeys.parse(activity, body, signing, sealing)
    write_secret(directory / "signing.key", signing)
    write_secret(directory / "sealing.key", sealing)
    return keys.public


def load_activity_keys(directory: Path) -> ActivityKeys:
    """The private keys in `DIR/<body>/activities/<activity>`; `tls.crt` there says whose they are.

    Raises:
        StorageError: `NO_SECRET`, `LOOSE_MODE`, `BAD_SECRET`, or `NO_CERTIFICATE`.
        PeerError: `BAD_CERTIFICATE`: `tls.crt` names no activity.
    """
    peer = peer_of_certificate_file(directory / "tls.crt")
    if not peer.activity:
        raise StorageError("NO_CERTIFICATE", f"`{directory / 'tls.crt'}`: not an activity's")
    signing = load_secret(directory / "signing.key")
    sealing = load_secret(directory / "sealing.key", _SEALING_BYTES)
    return ActivityKeys.parse(peer.activity, peer.body, signing, sealing)


def print_public(public: ActivityPublicKeys) -> bytes:
    """The activity's file in `public/activities/`."""
    rows = {
        "body": public.body,
        "signing_key": public.signing_key.hex(),
        "sealing_x25519": public.sealing_x25519.hex(),
        "sealing_mlkem768": public.sealing_mlkem768.hex(),
        "sealing_key_id": public.sealing_key_id.hex(),
    }
    return "".join(f'{name} = "{value}"\n' for name, value in rows.items()).encode("ascii")


def parse_public(activity: str, content: bytes) -> ActivityPublicKeys:
    """One accepted spelling: what `print_public` writes.

    Raises:
        InputError: `BAD_PUBLIC_KEY`: another spelling, an unusable key, a key id of other keys.
    """
    try:
        raw = _PublicFile.model_validate(tomllib.loads(content.decode("ascii")))
    except (ValidationError, ValueError) as error:
        raise InputError("BAD_PUBLIC_KEY", f"keys of `{activity}`: not well formed") from error
    public = ActivityPublicKeys.parse(
        parse_activity(activity),
        parse_body(raw.body),
        bytes.fromhex(raw.signing_key),
        bytes.fromhex(raw.sealing_x25519),
        bytes.fromhex(raw.sealing_mlkem768),
    )
    if print_public(public) != content:
        raise InputError("BAD_PUBLIC_KEY", f"keys of `{activity}`: not as `keys init` writes them")
    return public


def load_public_activities(directory: Path) -> dict[str, ActivityPublicKeys]:
    """The register of keys: every file of `DIR/public/activities`, by activity id.

    Raises:
        StorageError: `NO_KEYS`: no such folder, or none in it.
        InputError: `BAD_PUBLIC_KEY`, `BAD_ACTIVITY`, `BAD_BODY`.
        IntegrityError: `SHARED_KEY`: two activities with the same key are not apart.
    """
    try:
        files = {path.stem: path.read_bytes() for path in sorted(directory.glob("*.toml"))}
    except OSError as error:
        raise StorageError("NO_KEYS", f"keys `{directory}`: {error.strerror}") from error
    if not files:
        raise StorageError("NO_KEYS", f"keys `{directory}`: none", "run `cloison keys init DIR`")
    keys = {activity: parse_public(activity, content) for activity, content in files.items()}
    for part in ("signing_key", "sealing_x25519", "sealing_mlkem768"):
        if len({getattr(public, part) for public in keys.values()}) != len(keys):
            raise IntegrityError("SHARED_KEY", f"keys `{directory}`: two share a `{part}`")
    return keys
