"""Channels of a statistical program to the holders it asks, and the registers they are held to."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc

from cloison.bodies import BodyId
from cloison.errors import IntegrityError
from cloison.identity import ActivityKeys, load_activity_keys, load_certificate, load_tls
from cloison.ledger.note import NoteVerifier
from cloison.wire.server import channel_credentials, channel_options


@dataclass(frozen=True, slots=True)
class HolderChannels:
    """One channel a holder, in the order of the addresses; who connects closes them."""

    keys: ActivityKeys
    channels: Mapping[BodyId, grpc.Channel]
    registers: Mapping[BodyId, NoteVerifier]

    @classmethod
    def connect(
        cls, keys: Path, activity: str, addresses: Mapping[BodyId, str]
    ) -> "HolderChannels":
        """With the activity's keys, from the key folder.

        Raises:
            StorageError: keys are missing.
        """
        folder = next(keys.glob(f"*/activities/{activity}"), keys / "activities" / activity)
        own = load_activity_keys(folder)
        ca = load_certificate(keys / "public" / "ca.crt")
        credentials = channel_credentials(ca, load_tls(folder))
        registers = {holder: load_register(keys, holder) for holder in addresses}
        channels = {
            holder: grpc.secure_channel(address, credentials, options=channel_options(holder))
            for holder, address in addresses.items()
        }
        return cls(own, channels, registers)


def load_register(keys: Path, holder: BodyId) -> NoteVerifier:
    """The verifier key of a body's register, from the public keys.

    Raises:
        IntegrityError: `BAD_KEY`, … as `NoteVerifier.parse`.
    """
    path = keys / "public" / "ledgers" / f"{holder}.register.vkey"
    try:
        return NoteVerifier.parse(path.read_text("ascii").strip())
    except OSError as error:
        raise IntegrityError(
            "NO_KEY", f"register of `{holder}`: no public key `{path}`", "give --keys"
        ) from error
