"""What a program signs for its own node alone: deposits, destructions, objections."""

from hashlib import sha256
from typing import TypeVar

from google.protobuf.message import DecodeError

from cloison.errors import InputError, PeerError
from cloison.exchange import limits
from cloison.exchange.statement import from_milliseconds
from cloison.v1 import store_service_pb2
from cloison.wire.node import Node

VERSION = 1
DEPOSIT = b"cloison/v1 deposit\n"
DESTRUCTION = b"cloison/v1 destruction\n"
OBJECTION = b"cloison/v1 objection\n"


_Kind = TypeVar(
    "_Kind", store_service_pb2.Deposit, store_service_pb2.Destruction, store_service_pb2.Objection
)


def read_demand(
    node: Node, activity: str, domain: bytes, into: _Kind, data: bytes, signature: bytes
) -> _Kind:
    """The demand these bytes are, in their one encoding, signed by the activity that speaks.

    `domain` is the line signed before the hash, one a kind of demand; `into` an empty message of
    that kind, filled and given back.

    Raises:
        InputError: `TOO_LARGE`, `MALFORMED`.
        PeerError: `NOT_YOURS`, `UNKNOWN_ACTIVITY_KEY`, `BAD_SIGNATURE`.
    """
    what = into.DESCRIPTOR.name.lower()
    limits.check_count(f"{what} bytes", len(data), 1, limits.DEPOSIT_BYTES)
    try:
        into.ParseFromString(data)
    except DecodeError as error:
        raise InputError("MALFORMED", f"{what}: cannot be decoded") from error
    into.DiscardUnknownFields()
    if into.SerializeToString(deterministic=True) != data:
        raise InputError("MALFORMED", f"{what}: not the one accepted encoding")
    if into.version != VERSION or into.activity != activity:
        raise PeerError("NOT_YOURS", f"{what}: of another version or activity than the program's")
    keys = node.activities.get(activity)
    if keys is None:
        raise PeerError("UNKNOWN_ACTIVITY_KEY", f"activity `{activity}`: no key is registered")
    keys.verify(domain + sha256(data).digest(), signature)
    return into


def check_fresh(node: Node, what: str, signed_time_ms: int) -> None:
    """Raises `PeerError` (`STATEMENT_TOO_OLD`) unless it was signed within 60 s of this clock."""
    if abs(node.clock() - from_milliseconds(signed_time_ms)) > limits.CLOCK_SKEW:
        raise PeerError("STATEMENT_TOO_OLD", f"{what}: not signed within 60 s of this clock")
