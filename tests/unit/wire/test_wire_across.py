"""A table of two holders: only the sum is ever told, paid at both; and every way round that."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.federation import ANNE, BRUNO, CAF, CNAV, DENIS, ELSA, MSA, Aborted, Federation
from tests.unit.wire.across import ACTIVITY, DREES, Analysts, load

from cloison.errors import CloisonError, IntegrityError
from cloison.exchange.entries import parse_entry
from cloison.identity import load_activity_keys
from cloison.statistics import cells
from cloison.statistics.noise.shares import NoiseShare
from cloison.v1 import across_service_pb2 as wire
from cloison.v1.statistics_service_pb2 import PublishRequest
from cloison.wire.across_client import AcrossClient
from cloison.wire.publication_file import parse_publication, print_publication
from cloison.wire.statistics_client import Publication

CELLS = 360


@pytest.fixture
def analysts(federation: Federation) -> Analysts:
    load(federation, CAF, {"ppa": (ANNE, DENIS, ELSA), "rsa": (ANNE,)})
    load(federation, MSA, {"ppa": (BRUNO,), "rsa": (BRUNO, DENIS)})
    return Analysts(federation)


def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No noise at all: what is exact shows, for a test of sums alone."""
    monkeypatch.setattr(NoiseShare, "draw", lambda _, exact: list(exact))


def vector(masked: bytes) -> np.ndarray:
    return np.frombuffer(masked, "<u8").astype(np.uint64).view(np.int64)


def test_publish_is_decided_reserved_and_entered_at_each_and_verifies_offline(
    analysts: Analysts,
) -> None:
    reply = analysts.publish()
    assert reply.publication is not None
    content = reply.publication.content
    assert (content["holder"], content["also"]) == (
        "caf",
        [{"holder": "msa", "population": "msa-beneficiaries"}],
    )
    assert content["privacy"]["shares"] == {
        "holders": 2,
        "colluders": 1,
        "outsiders_epsilon": "1",
        "partner_epsilon": "1",
    }
    assert analysts.spent == ["1", "1"]
    for part in analysts.parts.values():
        kinds = ("budget_reserved", "table_shared", "table_published")
        assert [len(part.entries(kind)) for kind in kinds] == [1, 1, 1]
        assert len(analysts.federation.entries(part.body, "decided")) == 2


def test_publication_file_proves_both_holders_and_none_without_the_other(
    analysts: Analysts,
) -> None:
    found = analysts.publish().publication
    assert found is not None
    data = print_publication(found.document, found.reserved, found.published, found.also)
    document, proofs = parse_publication(data)
    again = Publication.verified_at_all(document, proofs, analysts.registers.__getitem__)
    assert again == found
    for wrong in (proofs[:1], proofs[::-1], [proofs[0], proofs[0]]):
        with pytest.raises(CloisonError) as refusal:
            Publication.verified_at_all(document, wrong, analysts.registers.__getitem__)
        assert refusal.value.reason in {"BAD_DOCUMENT", "BAD_RECEIPT"}
    altered = document.replace(b'"msa-beneficiaries"', b'"caf-beneficiaries"')
    with pytest.raises(IntegrityError):
        Publication.verified_at_all(altered, proofs, analysts.registers.__getitem__)


def test_publish_collector_sees_random_vectors_whose_sum_is_the_total(
    analysts: Analysts, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent(monkeypatch)
    reply = analysts.publish()
    assert reply.publication is not None
    vectors = [vector(one.seen["share"][0].masked) for one in analysts.parts.values()]
    assert all(np.abs(one.astype(float)).min() > 2**40 for one in vectors)
    total = np.sum([one.view(np.uint64) for one in vectors], axis=0).view(np.int64)
    # Benefits of the nation: four persons of ppa, three of rsa, none of al.
    assert total[:3].tolist() == [4, 3, 0]
    assert len(total) == CELLS


def test_publish_sum_of_holders_is_of_persons_and_clipped_euros_with_their_mean(
    analysts: Analysts, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent(monkeypatch)
    both = Analysts(analysts.federation, "amounts")
    reply = both.publish()
    assert reply.publication is not None
    content = reply.publication.content
    # Four persons of ppa, three of rsa, none of al; 100 € each, at whichever of the two.
    (top, *_) = content["levels"]
    assert (top["total"], top["sum"]["total"]) == (7, 700)
    assert content["privacy"]["mechanism"] == "discrete-gaussian"
    assert content["privacy"]["shares"]["partner_rho"] == content["privacy"]["cost_rho"]
    vectors = [vector(one.seen["share"][0].masked).view(np.uint64) for one in both.parts.values()]
    total = np.sum(vectors, axis=0).view(np.int64)
    assert len(total) == 2 * CELLS
    assert (total[:3].tolist(), total[CELLS : CELLS + 3].tolist()) == ([4, 3, 0], [400, 300, 0])


def test_publish_document_is_the_same_at_each_and_free_again_after_a_restart(
    analysts: Analysts,
) -> None:
    first = analysts.publish()
    for part in analysts.parts.values():
        part.restart()
    second = analysts.publish()
    assert first.publication is not None
    assert second.publication is not None
    assert first.publication.document == second.publication.document
    assert (first.kept, second.kept) == (False, True)
    assert analysts.spent == ["1", "1"]


def test_publish_reserves_at_each_before_anything_is_counted_there(
    analysts: Analysts, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    count = cells.count_cells

    def counting(*arguments: Any) -> Any:
        seen.append([len(one.entries("budget_reserved")) for one in analysts.parts.values()])
        return count(*arguments)

    monkeypatch.setattr(cells, "count_cells", counting)
    analysts.publish()
    assert seen == [[1, 1], [1, 1]]


def test_publish_holder_down_from_the_start_costs_nobody_anything(analysts: Analysts) -> None:
    analysts.parts[MSA].down = "price"
    assert analysts.refused() == "HOLDER_MISSING"
    assert analysts.spent == ["0", "0"]


@pytest.mark.parametrize(
    ("step", "spent", "entered"),
    [("reserve", ["1", "0"], ["table_abandoned"]), ("share", ["1", "1"], ["table_shared"])],
)
def test_publish_holder_down_in_the_middle_is_aborted_entered_and_paid_anew_without_it(
    analysts: Analysts, step: str, spent: list[str], entered: list[str]
) -> None:
    analysts.parts[MSA].down = step
    assert analysts.refused() == "HOLDER_MISSING"
    caf = analysts.parts[CAF]
    assert analysts.spent == spent
    kinds = ("table_abandoned", "table_shared")
    assert [kind for kind in kinds if caf.entries(kind)] == entered
    for one in caf.entries("table_abandoned"):
        assert (one.table_abandoned.why, one.table_abandoned.missing) == ("holder-missing", "msa")
    alone = analysts.publish(holders=(CAF,))
    assert alone.publication is not None
    assert alone.publication.content["also"] == []
    assert "shares" not in alone.publication.content["privacy"]
    assert analysts.spent == ["2", spent[1]]


def test_publish_holder_down_before_it_could_finish_catches_up_for_free(
    analysts: Analysts,
) -> None:
    analysts.parts[MSA].down = "finish"
    assert analysts.refused() == "HOLDER_MISSING"
    analysts.parts[MSA].restart()
    reply = analysts.publish()
    assert reply.publication is not None
    assert reply.kept
    assert analysts.spent == ["1", "1"]
    assert len(analysts.parts[MSA].entries("table_published")) == 1


def test_differencing_by_subsets_is_paid_by_whoever_is_in_both(analysts: Analysts) -> None:
    """With and without MSA: two questions, each with noise and budget of its own."""
    analysts.publish()
    analysts.publish(holders=(CAF,))
    assert analysts.spent == ["2", "1"]
    both, one = analysts.question(), analysts.question(holders=(CAF,))
    assert both.hash != one.hash


def test_share_asked_twice_or_with_others_is_refused_and_the_reservation_used_up(
    analysts: Analysts,
) -> None:
    requests: list[wire.ShareRequest] = []
    caf = analysts.parts[CAF]
    caf.before["share"] = lambda request: requests.append(
        wire.ShareRequest.FromString(request.SerializeToString())
    )
    analysts.publish()
    with pytest.raises(CloisonError) as refusal:
        caf.share(requests[0])
    assert refusal.value.reason == "NO_RESERVATION"
    assert len(caf.entries("table_shared")) == 1


def test_share_after_a_restart_is_refused_and_the_loss_entered(analysts: Analysts) -> None:
    caf = analysts.parts[CAF]
    analysts.parts[MSA].before["reserve"] = lambda _: caf.restart()
    assert analysts.refused() == "NO_RESERVATION"
    (given_up,) = caf.entries("table_abandoned")
    assert given_up.table_abandoned.why == "restart"
    assert caf.entries("table_shared") == []
    assert analysts.spent == ["1", "1"]


def test_share_that_nobody_comes_back_for_is_entered_as_given_up(analysts: Analysts) -> None:
    caf, msa = analysts.parts.values()
    msa.down = "reserve"
    caf.down = "abandon"
    assert analysts.refused() == "HOLDER_MISSING"
    caf.up()
    msa.up()
    analysts.federation.clock.advance(minutes=11)
    analysts.publish()
    (given_up,) = caf.entries("table_abandoned")
    assert given_up.table_abandoned.why == "too-late"
    assert analysts.spent == ["2", "1"]


def _replaced_key(request: wire.ShareRequest) -> None:
    """The collector's own key in place of MSA's."""
    entry = parse_entry(request.reserved[1].entry)
    entry.budget_reserved.mask_key = b"\x09" + bytes(31)
    request.reserved[1].entry = entry.SerializeToString(deterministic=True)


def _own_twice(request: wire.ShareRequest) -> None:
    request.reserved[1].CopyFrom(request.reserved[0])


def _one_missing(request: wire.ShareRequest) -> None:
    del request.reserved[1]


def _another_loss(request: wire.ShareRequest) -> None:
    request.question.epsilon = "2"


def _fewer_holders(request: wire.ShareRequest) -> None:
    del request.question.holders[1]
    del request.reserved[1]


def _of_nobody(request: wire.ShareRequest) -> None:
    request.question.holders[1] = "cnav"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_replaced_key, "BAD_RECEIPT"),
        (_own_twice, "BAD_RECEIPT"),
        (_one_missing, "MALFORMED"),
        (_another_loss, "BAD_RESERVATION"),
        (_fewer_holders, "BAD_RESERVATION"),
        (_of_nobody, "BAD_HOLDERS"),
    ],
)
def test_share_collector_that_changes_the_reservations_gets_nothing(
    analysts: Analysts, spoil: Any, reason: str
) -> None:
    caf = analysts.parts[CAF]
    caf.before["share"] = spoil
    assert analysts.refused() == reason
    assert caf.entries("table_shared") == []
    assert "share" not in caf.seen


def test_share_old_reservation_of_a_partner_is_refused(analysts: Analysts) -> None:
    caf, msa = analysts.parts.values()
    msa.down = "share"
    assert analysts.refused() == "HOLDER_MISSING"
    old = msa.seen["reserve"][0].reserved
    msa.up()
    analysts.federation.clock.advance(minutes=20)
    caf.before["share"] = lambda request: request.reserved[1].CopyFrom(old)
    assert analysts.refused() == "SESSION_STALE"
    assert len(caf.entries("table_shared")) == 1


def test_finish_vector_that_is_not_the_one_entered_is_refused(analysts: Analysts) -> None:
    msa = analysts.parts[MSA]

    def spoil(request: wire.FinishRequest) -> None:
        request.masked[0] = bytes(8) + request.masked[0][8:]

    msa.before["finish"] = spoil
    assert analysts.refused() == "BAD_SHARE"
    assert msa.entries("table_published") == []


def test_publish_too_dear_at_one_reserves_at_none(analysts: Analysts) -> None:
    analysts.publish("3", holders=(MSA,))
    assert analysts.refused("2") == "BUDGET_EXCEEDED"
    assert analysts.spent == ["0", "3"]


def test_publish_by_an_analyst_whose_activity_is_no_statistics_is_refused(
    analysts: Analysts,
) -> None:
    """One that reads incomes to compute a benefit; then one with the statements of another."""
    other, record = "caf-ppa", analysts.federation.policy.activities["caf-ppa"]
    for part in analysts.parts.values():
        part.speaker = CAF, other
    keys = load_activity_keys(analysts.federation.keys / CAF / "activities" / other)
    client = AcrossClient(keys, analysts.parts, analysts.registers.__getitem__)
    reply = client.publish(analysts.question(), record, analysts.federation.clock())
    assert reply.refusal is not None
    assert not reply.refusal.permitted
    for part in analysts.parts.values():
        part.speaker = CAF, "caf-outreach"
    assert analysts.refused() == "NOT_YOURS"
    assert analysts.spent == ["0", "0"]


def test_publish_refused_by_the_law_is_entered_and_costs_nothing(analysts: Analysts) -> None:
    reply = analysts.publish(purposes=("control-targeting",))
    assert reply.publication is None
    assert reply.refusal is not None
    assert reply.refusal.reason == "PURPOSE_NOT_DECLARED"
    assert analysts.spent == ["0", "0"]
    assert len(analysts.federation.entries(CAF, "decided")) == 2


@pytest.mark.parametrize("holders", [(CNAV,), (MSA, CAF), (CAF, CAF)])
def test_question_of_other_holders_than_the_tables_is_refused(
    analysts: Analysts, holders: tuple[Any, ...]
) -> None:
    with pytest.raises(CloisonError) as refusal:
        analysts.question(holders=holders)
    assert refusal.value.reason == "BAD_HOLDERS"


def test_publish_several_holders_by_the_way_of_one_is_refused(analysts: Analysts) -> None:
    """`Publish` draws whole noise and masks nothing: it is not for these tables."""
    context = analysts.federation.context(DREES, ACTIVITY)
    request = PublishRequest(statements=analysts.statements(CAF))
    with pytest.raises(Aborted) as refusal:
        asyncio.run(analysts.parts[CAF].prices.Publish(request, context))
    assert refusal.value.reason == "BAD_HOLDERS"
    assert analysts.spent == ["0", "0"]


def test_reserve_statements_sent_twice_are_refused(analysts: Analysts) -> None:
    request = wire.ReserveRequest(statements=analysts.statements(CAF))
    analysts.parts[CAF].reserve(request)
    with pytest.raises(CloisonError) as refusal:
        analysts.parts[CAF].reserve(request)
    assert refusal.value.reason == "REPLAYED"
    assert analysts.spent == ["1", "0"]


def test_reserve_by_the_node_of_a_body_is_refused(analysts: Analysts) -> None:
    across, context = analysts.parts[CAF].across, analysts.federation.context(MSA)
    calls: list[tuple[Callable[..., Any], object]] = [
        (across.Reserve, wire.ReserveRequest()),
        (across.Share, wire.ShareRequest()),
        (across.Finish, wire.FinishRequest()),
        (across.Abandon, wire.AbandonRequest()),
    ]
    for call, request in calls:
        with pytest.raises(Aborted) as refusal:
            asyncio.run(call(request, context))
        assert refusal.value.reason == "NOT_YOURS"


def test_abandon_of_another_program_is_refused(analysts: Analysts) -> None:
    caf = analysts.parts[CAF]
    reply = caf.reserve(wire.ReserveRequest(statements=analysts.statements(CAF)))
    request = wire.AbandonRequest(reserved_index=reply.reserved.leaf_index, missing="msa")
    other = analysts.federation.context(CAF, "caf-study")
    with pytest.raises(Aborted) as refusal:
        asyncio.run(caf.across.Abandon(request, other))
    assert refusal.value.reason == "NO_RESERVATION"
    with pytest.raises(CloisonError, match="no holder of the table"):
        caf.abandon(wire.AbandonRequest(reserved_index=request.reserved_index, missing="cnav"))
    assert len(caf.entries("table_abandoned")) == 0


def test_registers_and_documents_hold_no_person_and_no_exact_cell(
    analysts: Analysts,
) -> None:
    analysts.publish()
    for part in analysts.parts.values():
        node = analysts.federation.node(part.body)
        raw = b"".join(node.register.entries(0, node.register.size))
        raw += b"".join(file.read_bytes() for file in part.single.account.folder.iterdir())
        for person in (ANNE, BRUNO, DENIS, ELSA):
            for text in (person.nir.encode(), node.row_key(person.nir)):
                assert text not in raw
                assert text.hex().encode() not in raw
    assert json.loads(analysts.parts[CAF].seen["finish"][0].document)
