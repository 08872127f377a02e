"""The file of a publication: the document and the two entries that say it was paid for."""

import base64
import binascii
import json

from google.protobuf.message import DecodeError

from cloison.errors import IntegrityError
from cloison.v1 import receipt_pb2

FORMAT = "cloison publication 1"
_MOST_BYTES = 64 * 1024 * 1024


def print_publication(
    document: bytes, reserved: receipt_pb2.Receipt, published: receipt_pb2.Receipt
) -> bytes:
    """The file's bytes."""
    content = {
        "format": FORMAT,
        "document": document.decode("utf-8"),
        "reserved": _text(reserved),
        "published": _text(published),
    }
    return json.dumps(content, ensure_ascii=False, indent=1).encode("utf-8") + b"\n"


def parse_publication(
    data: bytes,
) -> tuple[bytes, receipt_pb2.Receipt, receipt_pb2.Receipt]:
    """Document, reservation, publication; nothing is verified yet.

    Raises:
        IntegrityError: `BAD_PUBLICATION`.
    """
    try:
        if len(data) > _MOST_BYTES:
            raise _bad("too long")
        content = json.loads(data)
        if content["format"] != FORMAT or len(content) != 4:  # noqa: PLR2004 - its four keys
            raise _bad("of another format")
        document = content["document"].encode("utf-8")
        return document, _receipt(content["reserved"]), _receipt(content["published"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _bad("cannot be read") from error


def _text(receipt: receipt_pb2.Receipt) -> str:
    return base64.b64encode(receipt.SerializeToString(deterministic=True)).decode("ascii")


def _receipt(text: str) -> receipt_pb2.Receipt:
    try:
        return receipt_pb2.Receipt.FromString(base64.b64decode(text, validate=True))
    except (DecodeError, binascii.Error) as error:
        raise _bad("a receipt cannot be read") from error


def _bad(why: str) -> IntegrityError:
    return IntegrityError("BAD_PUBLICATION", f"publication: {why}")
