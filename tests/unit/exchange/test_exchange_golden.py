"""Entries of every kind as version 1 wrote them: a ledger is read for years after it was."""

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from tests.unit.exchange.test_exchange_values import NOW, made_entries

from cloison.exchange.entries import entry_of, parse_entry
from cloison.v1 import entry_pb2

VECTORS = Path(__file__).parents[2] / "vectors/entries/v1.json"
GOLDEN: dict[str, dict[str, Any]] = json.loads(VECTORS.read_text("utf-8"))

MAINTAINED = VECTORS.with_name("v1-maintained.json")


def test_golden_entry_of_a_maintained_line_is_read_and_written_to_the_byte() -> None:
    golden = json.loads(MAINTAINED.read_text("utf-8"))["contestation_answered"]
    entry = parse_entry(bytes.fromhex(golden["bytes"]))
    assert MessageToDict(entry, preserving_proto_field_name=True) == golden["says"]
    assert entry_of(entry.contestation_answered, NOW).hex() == golden["bytes"]


def test_golden_entries_are_of_every_kind() -> None:
    kinds = entry_pb2.Entry.DESCRIPTOR.oneofs_by_name["kind"].fields
    assert set(GOLDEN) == {kind.name for kind in kinds}


@pytest.mark.parametrize("kind", sorted(GOLDEN))
def test_golden_entry_is_read_as_it_was_written(kind: str) -> None:
    entry = parse_entry(bytes.fromhex(GOLDEN[kind]["bytes"]))
    assert entry.WhichOneof("kind") == kind
    assert MessageToDict(entry, preserving_proto_field_name=True) == GOLDEN[kind]["says"]


@pytest.mark.parametrize("kind", sorted(GOLDEN))
def test_golden_entry_is_still_written_to_the_byte(kind: str) -> None:
    assert made_entries()[kind].hex() == GOLDEN[kind]["bytes"]
