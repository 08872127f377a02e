"""Requests that another implementation of tlog-witness publishes with the answers it gives."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloison.ledger.cosignature import Cosigner
from cloison.ledger.note import NoteVerifier, parse_note
from cloison.ledger.witness import SIZE, Witness

PUBLISHED = json.loads(
    (Path(__file__).parents[2] / "vectors/c2sp/witness_requests.json").read_text("utf-8")
)
COSIGNER = Cosigner("example.com/witness", Ed25519PrivateKey.from_private_bytes(bytes(32)))
NOW = 1_790_000_000


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    logs = {
        one["origin"]: NoteVerifier(one["origin"], bytes.fromhex(one["public_key"]))
        for one in PUBLISHED["logs"]
    }
    witness = Witness(tmp_path / "witness", COSIGNER, logs, lambda: NOW)
    yield witness
    witness.close()


def test_published_requests_are_answered_as_their_publisher_does(witness: Witness) -> None:
    assert len(PUBLISHED["requests"]) == 5
    for request in PUBLISHED["requests"]:
        reply = witness.add_checkpoint(request["body"].encode())
        assert reply.status == request["status"], request["name"]
        if reply.status == 200:
            note = request["body"].partition("\n\n")[2].encode()
            assert COSIGNER.verifier.seen(parse_note(note + reply.body)) == NOW
        if "size" in request:
            assert (reply.body, reply.content_type) == (b"%d\n" % request["size"], SIZE)


@pytest.mark.parametrize("request_", PUBLISHED["requests"], ids=lambda one: one["name"])
def test_published_request_with_any_byte_of_its_head_changed_is_not_cosigned(
    witness: Witness, request_: dict[str, str]
) -> None:
    whole = request_["body"].encode()
    start = whole.index(b"sigsum.org")
    for place in range(start, len(whole), 7):
        spoiled = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        assert witness.add_checkpoint(spoiled).status != 200
    assert all(witness.head(one["origin"]) is None for one in PUBLISHED["logs"])
