"""A table of several bodies' rows: sealed from hand to hand, counted once, then destroyed."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.federation import ANNE, BRUNO, CAF, CNAV, DENIS, DGFIP, ELSA, MSA, Federation
from tests.unit.wire.across import load
from tests.unit.wire.study import ORDER, Studying

from cloison.bodies import BodyId
from cloison.errors import CloisonError, IntegrityError
from cloison.exchange.entries import parse_entry
from cloison.identity.study_keys import StudyKey, seal_to
from cloison.statistics.noise import Mechanism
from cloison.v1 import study_service_pb2 as wire
from cloison.wire import study_desk

STEPS = {MSA: "CodePersons", CAF: "NamePersons", CNAV: "GiveColumns", DGFIP: "JoinStudy"}
PEOPLE = (ANNE, BRUNO, DENIS, ELSA)


@pytest.fixture
def studying(federation: Federation) -> Studying:
    load(federation, CAF, {"ppa": (ANNE, ELSA), "rsa": (ANNE, DENIS)})
    return Studying(federation)


def test_publish_counts_recipients_with_their_incomes_and_destroys_the_rows(
    studying: Studying, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mechanism, "draw", lambda _, exact: list(exact))
    reply = studying.publish()
    assert reply.publication is not None
    # Anne and Denis are paid the RSA; all four have incomes, Elsa and Bruno are no recipients.
    assert [one["total"] for one in reply.publication.content["levels"]] == [2, 2, 2]
    steps = {body: [one.step for one in studying.parts[body].steps()] for body in ORDER}
    assert steps == {
        DGFIP: ["opened", "destroyed"],
        MSA: ["opened", "coded"],
        CAF: ["opened", "named"],
        CNAV: ["opened", "given"],
    }
    assert studying.spent == "1"
    decided = [len(studying.federation.entries(body, "decided")) for body in ORDER]
    assert decided == [0, 0, 2, 1]


def test_publish_again_is_the_kept_table_free_and_opens_no_rows(studying: Studying) -> None:
    first, second = studying.publish(), studying.publish()
    assert first.publication is not None
    assert second.publication is not None
    assert first.publication.document == second.publication.document
    assert second.kept
    assert studying.spent == "1"
    assert len(studying.parts[CAF].sent["NamePersons"]) == 1


def test_each_body_sees_only_its_part(studying: Studying, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: dict[bytes, bytes] = {}
    unseal = StudyKey.open

    def opening(key: StudyKey, *arguments: Any) -> bytes:
        plain = unseal(key, *arguments)
        opened[key.public] = opened.get(key.public, b"") + plain
        return plain

    monkeypatch.setattr(StudyKey, "open", opening)
    studying.publish()
    joined, coded, named, given = (
        opened.get(studying.parts[body].steps()[0].sealing_key, b"") for body in ORDER
    )
    rows = [studying.federation.node(body).row_key(one.nir) for body in ORDER for one in PEOPLE]
    assert not any(one.nir.encode() in joined for one in PEOPLE)
    assert not any(row in joined + coded + given for row in rows)
    assert b"monthly_resources" in joined
    assert all(ANNE.nir.encode() in one for one in (coded, given))
    assert not any(word in coded + given for word in (b"department", b"benefit", b"mns"))
    # Elsa has no RSA: the pension fund cannot tell her from those who have.
    assert ELSA.nir.encode() in given
    assert named == b""


def test_registers_hold_no_number_and_no_row(studying: Studying) -> None:
    studying.publish()
    for body in ORDER:
        node = studying.federation.node(body)
        raw = b"".join(node.register.entries(0, node.register.size))
        for person in PEOPLE:
            for text in (person.nir.encode(), node.row_key(person.nir)):
                assert text not in raw
                assert text.hex().encode() not in raw


@pytest.mark.parametrize("body", STEPS)
def test_study_key_of_a_process_that_ended_is_refused(studying: Studying, body: BodyId) -> None:
    part = studying.parts[body]
    part.before[STEPS[body]] = lambda _: part.restart()
    assert studying.refused() == "NO_STUDY_KEY"
    assert studying.spent == "0"


@pytest.mark.parametrize("body", STEPS)
def test_study_key_that_served_its_step_is_refused(studying: Studying, body: BodyId) -> None:
    studying.publish()
    part, step = studying.parts[body], STEPS[body]
    with pytest.raises(CloisonError) as refusal:
        part.call(step, part.sent[step][0])
    assert refusal.value.reason == "STUDY_KEY_REUSED"
    assert studying.spent == "1"


def _own_key(request: Any) -> None:
    """The program's own key in place of who joins."""
    entry = parse_entry(request.opened[0].entry)
    entry.study_step.sealing_key = StudyKey().public
    request.opened[0].entry = entry.SerializeToString(deterministic=True)


def _others_place(request: Any) -> None:
    request.opened[0].CopyFrom(request.opened[1])


def _fewer(request: Any) -> None:
    del request.opened[3]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [(_own_key, "BAD_RECEIPT"), (_others_place, "BAD_RECEIPT"), (_fewer, "MALFORMED")],
)
@pytest.mark.parametrize("body", [CAF, CNAV])
def test_columns_go_to_no_key_that_its_body_did_not_enter(
    studying: Studying, body: BodyId, spoil: Callable[[Any], None], reason: str
) -> None:
    studying.parts[body].before[STEPS[body]] = spoil
    assert studying.refused() == reason
    assert [one.step for one in studying.parts[body].steps()] == ["opened"]


def test_message_that_its_sender_did_not_enter_is_refused(studying: Studying) -> None:
    """The program seals persons of its own choice to the key holder."""

    def forge(request: wire.CodePersonsRequest) -> None:
        key = parse_entry(request.opened[1].entry).study_step.sealing_key
        request.named.sealed = seal_to(key, b"", b"", "named")

    studying.parts[MSA].before["CodePersons"] = forge
    assert studying.refused() == "BAD_STUDY"


def test_study_opened_at_another_time_is_refused(studying: Studying) -> None:
    clock = studying.federation.clock
    studying.parts[CAF].before["OpenStudy"] = lambda _: clock.advance(minutes=11)
    assert studying.refused() == "STUDY_STALE"


def test_publish_past_the_grant_is_refused_before_any_row_is_read(studying: Studying) -> None:
    assert studying.refused("3") == "BUDGET_EXCEEDED"
    assert "NamePersons" not in studying.parts[CAF].sent


def test_publish_refused_by_the_law_is_entered_and_nothing_is_named(studying: Studying) -> None:
    reply = studying.publish(purposes=("control-targeting",))
    assert reply.refusal is not None
    assert reply.refusal.reason == "PURPOSE_NOT_DECLARED"
    assert studying.spent == "0"
    assert [one.step for one in studying.parts[CAF].steps()] == ["opened"]
    assert len(studying.federation.entries(CAF, "decided")) == 2


def test_join_that_fails_after_the_reservation_wastes_budget_and_publishes_nothing(
    studying: Studying, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise IntegrityError("BAD_CELLS", "cells: not those of the table")

    monkeypatch.setattr(study_desk, "measure", fail)
    assert studying.refused() == "BAD_CELLS"
    assert studying.spent == "1"
    assert [one.step for one in studying.parts[DGFIP].steps()] == ["opened"]


def test_pseudonyms_of_two_studies_have_nothing_in_common() -> None:
    one, other = StudyKey(), StudyKey()
    nirs = [ANNE.nir, DENIS.nir]
    first = one.pseudonyms(b"a", nirs)
    assert len(set(first)) == 2
    assert not set(first) & set(one.pseudonyms(b"b", nirs))
    assert not set(first) & set(other.pseudonyms(b"a", nirs))
    assert repr(one) == "StudyKey(…)"
