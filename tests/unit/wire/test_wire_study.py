"""A table of several bodies' rows: sealed from hand to hand, counted once, then destroyed."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from tests.federation import ANNE, BRUNO, CAF, CNAV, DENIS, DGFIP, ELSA, MSA, ROOT, Federation
from tests.unit.wire.across import load
from tests.unit.wire.study import ORDER, Studying, UnsafeParticipant

from cloison.bodies import BodyId
from cloison.cli.root import read_policy
from cloison.errors import CloisonError, IntegrityError
from cloison.exchange.entries import parse_entry
from cloison.exchange.replay import replay
from cloison.identity import load_activity_keys
from cloison.identity.study_keys import StudyKey, seal_to
from cloison.law import PolicySet
from cloison.statistics.noise import Mechanism
from cloison.v1 import study_service_pb2 as wire
from cloison.v1.receipt_pb2 import Receipt
from cloison.v1.statement_pb2 import SignedStatement, Statement
from cloison.wire import study_desk
from cloison.wire.study_client import StudyClient

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
    # Who holds no rows decides the very statements of those who do.
    for body in (DGFIP, MSA):
        opened = studying.parts[body].steps()[0]
        asked = [Statement.FromString(one.signed.statement) for one in opened.decided]
        assert [(one.holder, one.selection.dataset) for one in asked] == [
            ("cnav", "monthly_resources"),
            ("caf", "households"),
            ("caf", "payments"),
        ]
        register = studying.federation.node(body).register
        entries = enumerate(register.entries(0, register.size))
        again = list(replay(entries, lambda _: studying.federation.policy, register.entry))
        assert [(one.kind, one.differs) for one in again] == [("study_step", "")] * 3


def test_publish_again_is_the_kept_table_free_and_opens_no_rows(studying: Studying) -> None:
    first, second = studying.publish(), studying.publish()
    assert first.publication is not None
    assert second.publication is not None
    assert first.publication.document == second.publication.document
    assert second.kept
    assert studying.spent == "1"
    assert len(studying.parts[CAF].sent["NamePersons"]) == 1
    again = studying.parts[DGFIP].steps()[-1]
    assert (again.step, len(again.decided)) == ("repeated", 3)


def test_publish_again_is_decided_before_the_kept_table_is_given(studying: Studying) -> None:
    studying.publish()
    reply = studying.publish(purposes=("control-targeting",))
    assert reply.publication is None
    assert reply.refusal is not None
    assert studying.parts[CAF].steps()[-1].step == "refused"
    assert studying.parts[DGFIP].steps()[-1].step == "destroyed"


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


def _restart(part: UnsafeParticipant, _: Any) -> None:
    part.restart()


def test_study_key_of_a_process_that_ended_is_refused(studying: Studying) -> None:
    for body, step in STEPS.items():
        part = studying.parts[body]
        part.before[step] = partial(_restart, part)
        assert studying.refused() == "NO_STUDY_KEY", body
        part.before.clear()
    assert studying.spent == "0"
    assert studying.publish().publication is not None  # a new study, with new keys


def test_study_key_that_served_its_step_is_refused(studying: Studying) -> None:
    studying.publish()
    for body, step in STEPS.items():
        part = studying.parts[body]
        with pytest.raises(CloisonError) as refusal:
            part.call(step, part.sent[step][0])
        assert refusal.value.reason == "STUDY_KEY_REUSED", body
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


@pytest.mark.parametrize("body", [CAF, CNAV])
def test_columns_go_to_no_key_that_its_body_did_not_enter(studying: Studying, body: BodyId) -> None:
    tries = {_own_key: "BAD_RECEIPT", _others_place: "BAD_RECEIPT", _fewer: "MALFORMED"}
    for spoil, reason in tries.items():
        studying.parts[body].before[STEPS[body]] = spoil
        assert studying.refused() == reason
    assert {one.step for one in studying.parts[body].steps()} == {"opened"}


def test_message_that_its_sender_did_not_enter_is_refused(studying: Studying) -> None:
    """The program seals persons of its own choice to the key holder."""

    def forge(request: wire.CodePersonsRequest) -> None:
        key = parse_entry(request.opened[1].entry).study_step.sealing_key
        request.named.sealed = seal_to(key, b"", b"", "named")

    studying.parts[MSA].before["CodePersons"] = forge
    assert studying.refused() == "BAD_STUDY"


def test_study_opened_at_another_time_is_refused(studying: Studying) -> None:
    old = _opened_before(studying)
    studying.federation.clock.advance(minutes=11)
    studying.parts[CAF].before["NamePersons"] = partial(_put, 1, old[1])
    assert studying.refused() == "STUDY_STALE"


def _opened_before(studying: Studying) -> list[Receipt]:
    """What the participants entered of a study that then came to nothing."""
    studying.parts[CAF].before["NamePersons"] = _fewer
    assert studying.refused() == "MALFORMED"
    return [part.opened[-1] for part in studying.parts.values()]


def test_columns_go_to_nobody_who_decided_other_statements(studying: Studying) -> None:
    old = _opened_before(studying)
    for place in (0, 1):
        studying.parts[CAF].before["NamePersons"] = partial(_put, place, old[place])
        assert studying.refused() == "STUDY_NOT_DECIDED"
    assert {one.step for one in studying.parts[CAF].steps()} == {"opened"}


def _put(place: int, receipt: Receipt, request: Any) -> None:
    request.opened[place].CopyFrom(receipt)


def _without_last(request: wire.OpenStudyRequest) -> None:
    del request.statements[-1]


def _turned(request: wire.OpenStudyRequest) -> None:
    first, *others = map(SignedStatement.FromString, map(_bytes, request.statements))
    request.ClearField("statements")
    request.statements.extend([*others, first])


def _forged(request: wire.OpenStudyRequest) -> None:
    request.statements[0].signature = bytes(64)


def _another_loss(request: wire.OpenStudyRequest) -> None:
    request.question.epsilon = "1/2"


def _bytes(message: SignedStatement) -> bytes:
    return message.SerializeToString()


@pytest.mark.parametrize("body", [DGFIP, MSA])
def test_open_on_other_statements_than_the_studys_draws_no_key(
    studying: Studying, body: BodyId
) -> None:
    tries = {
        _without_last: "MALFORMED",
        _turned: "MALFORMED",
        _another_loss: "MALFORMED",
        _forged: "BAD_SIGNATURE",
    }
    for spoil, reason in tries.items():
        studying.parts[body].before["OpenStudy"] = spoil
        assert studying.refused() == reason
    assert studying.parts[body].steps() == []


def test_study_in_parts_is_the_study_in_one(
    studying: Studying, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mechanism, "draw", lambda _, exact: list(exact))
    parted = Studying(studying.federation, part_persons=1)
    reply = parted.publish()
    assert reply.publication is not None
    assert [one["total"] for one in reply.publication.content["levels"]] == [2, 2, 2]
    for body, step in STEPS.items():
        assert [one.part for one in parted.parts[body].sent[step]] == [0, 1, 2]
    steps = [(one.step, one.part, one.last) for one in parted.parts[CAF].steps()[1:]]
    assert steps == [("named", 0, False), ("named", 1, False), ("named", 2, True)]


def test_messages_of_a_study_tell_its_carrier_no_number_of_rows(studying: Studying) -> None:
    """Who is paid two benefits has more lines than who is paid one or none; sealed, all alike."""
    parted = Studying(studying.federation, part_persons=1)
    parted.publish()
    sealed = [
        len(part.sealed)
        for request in parted.parts[DGFIP].sent["JoinStudy"]
        for part in (request.named, request.coded, *request.given)
    ]
    assert len(sealed) == 9
    assert len(set(sealed)) == 1


def _skip(request: Any) -> None:
    request.part += 1


def _repeat(request: Any) -> None:
    request.part = 0


def _end(request: Any) -> None:
    request.last = True


@pytest.mark.parametrize("body", STEPS)
def test_part_that_is_cut_repeated_or_out_of_order_ends_the_study(
    studying: Studying, body: BodyId
) -> None:
    parted = Studying(studying.federation, part_persons=1)
    part, step = parted.parts[body], STEPS[body]
    tries = {_skip: "STUDY_PART", _repeat: "STUDY_PART", _end: "BAD_STUDY"}
    if body == CAF:  # it says itself which part is the last
        del tries[_end]
    for spoil, reason in tries.items():
        part.before[step] = partial(_second, spoil)
        assert parted.refused() == reason
        with pytest.raises(CloisonError) as refusal:
            part.call(step, part.sent[step][-2])
        assert refusal.value.reason == "STUDY_KEY_REUSED"
        last = parted.parts[DGFIP].steps()[-1].step
        assert last == ("destroyed" if body == DGFIP else "opened")
    assert parted.spent == "0"


def test_study_nobody_comes_back_for_is_dropped_and_entered_so(studying: Studying) -> None:
    parted = Studying(studying.federation, part_persons=1)
    parted.parts[CAF].before["NamePersons"] = partial(_second, _skip)
    assert parted.refused() == "STUDY_PART"
    assert [one.step for one in parted.parts[DGFIP].steps()] == ["opened"]
    parted.federation.clock.advance(minutes=11)
    parted.parts[CAF].before.clear()
    parted.publish()
    steps = [one.step for one in parted.parts[DGFIP].steps()]
    assert steps == ["opened", "destroyed", "opened", "destroyed"]


def _second(spoil: Callable[[Any], None], request: Any) -> None:
    if request.part == 1:
        spoil(request)


def test_publish_past_the_grant_is_refused_before_any_row_is_read(studying: Studying) -> None:
    assert studying.refused("3") == "BUDGET_EXCEEDED"
    assert "NamePersons" not in studying.parts[CAF].sent


def test_publish_refused_by_the_law_is_entered_and_nothing_is_named(studying: Studying) -> None:
    reply = studying.publish(purposes=("control-targeting",))
    assert reply.refusal is not None
    assert reply.refusal.reason == "PURPOSE_NOT_DECLARED"
    assert studying.spent == "0"
    assert [one.step for one in studying.parts[CAF].steps()] == ["refused"]
    assert len(studying.federation.entries(CAF, "decided")) == 2
    assert [studying.parts[body].steps() for body in (MSA, DGFIP, CNAV)] == [[], [], []]


def test_publish_by_an_analyst_whose_activity_is_no_statistics_is_refused(
    studying: Studying,
) -> None:
    other, record = "caf-ppa", studying.federation.policy.activities["caf-ppa"]
    for part in studying.parts.values():
        part.speaker = CAF, other
    keys = load_activity_keys(studying.federation.keys / CAF / "activities" / other)
    client = StudyClient(keys, studying.parts, studying.registers.__getitem__)
    reply = client.publish(studying.question(), record, studying.federation.clock())
    assert reply.refusal is not None
    assert not reply.refusal.permitted
    assert [one.step for one in studying.parts[CAF].steps()] == ["refused"]
    for part in studying.parts.values():
        part.speaker = CAF, "caf-outreach"
    assert studying.refused() == "NOT_YOURS"
    assert studying.parts[MSA].steps() == []


def _read_less(policy: PolicySet) -> PolicySet:
    """A set in which the activity's record has no incomes."""
    files = dict(read_policy(ROOT))
    name = "activities/drees-statistics.toml"
    files[name] = files[name].replace(b'"nature", "mns", "net_paid"', b'"nature"')
    found = PolicySet.parse(files)
    assert found.hash != policy.hash
    return found


def test_who_gives_no_rows_takes_no_part_in_what_its_own_law_refuses(
    studying: Studying, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = _read_less(studying.federation.policy)
    for body in (DGFIP, MSA):
        with monkeypatch.context() as patch:
            patch.setattr(studying.federation.node(body), "policy", other)
            reply = studying.publish()
            studying.federation.check_decisions()
        assert reply.refusal is not None
        assert reply.refusal.reason == "FIELD_NOT_IN_RECORD"
        assert studying.parts[body].steps()[-1].step == "refused"
    assert "NamePersons" not in studying.parts[CAF].sent
    assert studying.spent == "0"


def test_join_that_fails_after_the_reservation_wastes_budget_and_publishes_nothing(
    studying: Studying, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise IntegrityError("BAD_CELLS", "cells: not those of the table")

    monkeypatch.setattr(study_desk, "measure", fail)
    assert studying.refused() == "BAD_CELLS"
    assert studying.spent == "1"
    assert [one.step for one in studying.parts[DGFIP].steps()] == ["opened", "destroyed"]


def test_pseudonyms_of_two_studies_have_nothing_in_common() -> None:
    one, other = StudyKey(), StudyKey()
    nirs = [ANNE.nir, DENIS.nir]
    first = one.pseudonyms(b"a", nirs)
    assert len(set(first)) == 2
    assert not set(first) & set(one.pseudonyms(b"b", nirs))
    assert not set(first) & set(other.pseudonyms(b"a", nirs))
    assert repr(one) == "StudyKey(…)"
