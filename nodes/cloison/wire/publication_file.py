"""The file of a publication: the document and the two entries that say it was paid for."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import DecodeError

from cloison.errors import IntegrityError
from cloison.v1 import receipt_pb2

FORMAT = "cloison publication 1"
_KEYS = {"format", "document", "reserved", "published"}
_MOST_BYTES = 64 * 1024 * 1024


def print_publication(
    document: bytes,
    reserved: receipt_pb2.Receipt,
    published: receipt_pb2.Receipt,
    also: Sequence[tuple[receipt_pb2.Receipt, receipt_pb2.Receipt]] = (),
) -> bytes:
    """The file's bytes; `also` are the other holders' entries, where there are any."""
    content: dict[str, Any] = {
        "format": FORMAT,
        "document": document.decode("utf-8"),
        "reserved": _text(reserved),
        "published": _text(published),
    }
    if also:
        others = [{"reserved": _text(one), "published": _text(other)} for one, other in also]
        content["also"] = others
    return json.dumps(content, ensure_ascii=False, indent=1).encode("utf-8") + b"\n"


def parse_publication(
    data: bytes,
) -> tuple[bytes, list[tuple[receipt_pb2.Receipt, receipt_pb2.Receipt]]]:
    """Document, and each holder's reservation and publication; nothing is verified yet.

    Raises:
        IntegrityError: `BAD_PUBLICATION`.
    """
    try:
        if len(data) > _MOST_BYTES:
            raise _bad("too long")
        content = json.loads(data)
        if content["format"] != FORMAT or content.keys() - {"also"} != _KEYS:
            raise _bad("of another format")
        document = content["document"].encode("utf-8")
        proofs = [content, *content.get("also", ())]
        return document, [(_receipt(one["reserved"]), _receipt(one["published"])) for one in proofs]
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
