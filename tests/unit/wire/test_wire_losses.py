"""What a node asked and has no answer to stands in its own ledger, and only that."""

from collections.abc import Sequence
from typing import NoReturn

import pytest
from tests.federation import ANNE, CAF, CNAV, Federation, Program

from cloison.exchange.entries import parse_entry
from cloison.v1 import exchange_service_pb2, statement_pb2
from cloison.wire.losses import enter_lost
from cloison.wire.requester import Requester

Items = Sequence[statement_pb2.AskItem]


@pytest.fixture
def ppa(federation: Federation) -> Program:
    return federation.program("caf-ppa")


@pytest.fixture
def items(ppa: Program) -> Items:
    case = ppa.open_case()
    return ppa.items(ppa.question(case), ppa.question(None, ANNE.member()))


def lost(federation: Federation) -> list[tuple[str, int]]:
    found = [one.lost for one in federation.entries(CAF, "lost")]
    return [(one.reason, len(one.statement_hashes)) for one in found]


def test_answers_that_never_came_are_said_to_be_lost_once(
    federation: Federation, ppa: Program, items: Items
) -> None:
    link = federation.link(CAF, CNAV)
    link.after = lambda _: setattr(link, "down", True)
    ppa.put(*items)
    link.after = None
    ppa.put(*items)
    assert lost(federation) == [("PEER_UNAVAILABLE", 2)]


def test_answers_that_came_are_never_said_to_be_lost(
    federation: Federation, ppa: Program, items: Items
) -> None:
    ppa.put(*items)
    federation.link(CAF, CNAV).down = True
    ppa.put(*items)
    assert lost(federation) == []


def test_answer_whose_receipt_is_false_is_lost_with_its_reason(
    federation: Federation, ppa: Program, items: Items
) -> None:
    def spoil(response: exchange_service_pb2.ExchangeServiceAskResponse) -> None:
        response.answers[0].receipt.leaf_index += 1

    federation.link(CAF, CNAV).after = spoil
    ppa.put(*items)
    assert lost(federation) == [("BAD_RECEIPT", 1)]


def test_node_whose_clock_went_back_a_day_starts_all_the_same(
    federation: Federation, items: Items, ppa: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Requester, "_write_received", lambda *_: None)
    ppa.put(*items)
    monkeypatch.undo()
    federation.clock.advance(days=-1)
    federation.restart(CAF)
    assert lost(federation) == []


def test_what_was_on_its_way_at_a_stop_is_lost_at_the_next_start(
    federation: Federation, ppa: Program, items: Items, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):  # noqa: N818 - no error of the house: the process is gone
        pass

    def die(*_: object, **__: object) -> NoReturn:
        raise Killed

    monkeypatch.setattr(Requester, "_write_received", die)
    with pytest.raises(Killed):
        ppa.put(*items)
    monkeypatch.undo()
    federation.kill(CAF)
    federation.node(CAF)
    assert lost(federation) == [("STOPPED", 2)]
    federation.restart(CAF)
    assert lost(federation) == [("STOPPED", 2)]


def test_reason_that_is_no_word_of_ours_is_not_written_down(federation: Federation) -> None:
    node = federation.node(CAF)
    enter_lost(node, CNAV, {bytes(32): f"PERSON_{ANNE.nir}"}, parts=False)
    raw = node.traces.entry(node.traces.size - 1)
    assert parse_entry(raw).lost.reason == "OTHER"
    assert ANNE.nir.encode() not in raw
