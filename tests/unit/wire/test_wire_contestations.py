"""A person contests a line: from the program to the holder, to the declarant, to the answer."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from tests.federation import (
    ANNE,
    BRUNO,
    CAF,
    CANARY_CENTS,
    CNAV,
    DENIS,
    FIRST,
    MSA,
    Aborted,
    Federation,
    Program,
    fill_disk,
    run,
)
from tests.unit.wire.contesting import SAYS, contest_of, item_of, send
from tests.unit.wire.persons import Reader

from cloison.errors import CloisonError, PeerError
from cloison.exchange import limits
from cloison.exchange.contestation import signed_message
from cloison.identity import row_key
from cloison.months import Month
from cloison.programs.person.sentences import Sentences
from cloison.store import NewRecord, SlotName
from cloison.v1 import contestation_pb2, exchange_service_pb2
from cloison.wire import servicers
from cloison.wire.contestations import ContestationDesk
from cloison.wire.contestations_told import DeclarantDesk
from cloison.wire.person_operator import OperatorDesk

PAYER = "73282932000074"
RECTIFICATION = "cnav-rectification"


@pytest.fixture
def agent(federation: Federation) -> str:
    """An agent of the pension fund who is empowered to tell declarants."""
    federation.empower(CNAV, dupont=[RECTIFICATION], durand=["cnav-profiling"])
    return federation.pseudonym(CNAV, "dupont")


@pytest.fixture
def prefill(federation: Federation) -> Program:
    return federation.program("caf-prefill")


def take(federation: Federation, item: contestation_pb2.ContestItem, peer: Any = CAF) -> str:
    """What the holder says to a peer's node that leaves its own checks out."""
    exchange = servicers.Exchange(*federation.holding(CNAV))
    request = exchange_service_pb2.ExchangeServiceContestRequest(item=item)
    try:
        run(exchange.Contest(request, federation.context(peer)))
    except Aborted as error:
        return error.reason
    return ""


def declare(
    federation: Federation, cents: int | None, kind: Any = "replace", order: int = 2
) -> None:
    """Anne's payer declares February again; `None`: without her."""
    node = federation.node(CNAV)
    with node.store.loading(f"anew-{order}", bytes([order]) * 32, federation.clock()) as loading:
        slot = loading.declare(
            "monthly_resources", SlotName("01/0", FIRST.number), f"anew-{order}", kind, order
        )
        if cents is not None:
            loading.append(slot, 0, _record(node.row_secret, cents))


def _record(row_secret: bytes, cents: int, month: Month = FIRST) -> NewRecord:
    values = f'["{PAYER}","salary",{cents},{cents},{cents},{cents},0,"1",null,null,"01"]'
    return NewRecord(row_key(row_secret, ANNE.nir), month.number, values)


# --- taken --------------------------------------------------------------------------------------


def test_contest_stands_in_both_ledgers_under_the_activitys_signature(
    federation: Federation, prefill: Program
) -> None:
    item = item_of(prefill, contest_of(prefill))
    send(prefill, item)
    for body, peer in ((CAF, "cnav"), (CNAV, "caf")):
        (entry,) = federation.entries(body, "contested")
        assert entry.contested.signed == item.contestation
        assert entry.contested.peer == peer
        assert len(entry.contested.trace_keys) == 1


def test_contest_leaves_no_word_number_or_amount_in_any_ledger(
    federation: Federation, prefill: Program, agent: str
) -> None:
    send(prefill, item_of(prefill, contest_of(prefill)))
    declare(federation, 120_000)
    desk = ContestationDesk(federation.node(CNAV))
    DeclarantDesk(federation.node(CNAV)).tell(RECTIFICATION, PAYER, agent)
    assert desk.enter_answers() == 1
    entries = b"".join(federation.raw_entries(CAF) + federation.raw_entries(CNAV))
    for word in (SAYS, ANNE.nir, ANNE.nir[:13], PAYER, f"dsn-{FIRST}", "120000"):
        assert word.encode() not in entries


def test_contest_changes_neither_record_nor_status(prefill: Program) -> None:
    contest = contest_of(prefill)
    before = contest.reply.release
    send(prefill, item_of(prefill, contest))
    after = contest_of(prefill).reply.release
    assert before is not None
    assert after is not None
    assert [one.periods for one in after.persons] == [one.periods for one in before.persons]


def test_contest_same_bytes_twice_are_one_entry(federation: Federation, prefill: Program) -> None:
    item = item_of(prefill, contest_of(prefill))
    first, second = send(prefill, item), send(prefill, item)
    assert first.entry == second.entry
    assert len(federation.entries(CAF, "contested")) == 1
    assert len(federation.entries(CNAV, "contested")) == 1


def test_contest_of_a_line_already_contested_is_refused(
    federation: Federation, prefill: Program
) -> None:
    contest = contest_of(prefill)
    send(prefill, item_of(prefill, contest))
    with pytest.raises(PeerError, match="declarant is being told") as caught:
        send(prefill, item_of(prefill, contest))
    assert caught.value.reason == "ALREADY_CONTESTED"
    assert len(federation.entries(CNAV, "contested")) == 1


def test_contest_while_the_holder_is_away_can_be_sent_again(
    federation: Federation, prefill: Program
) -> None:
    item = item_of(prefill, contest_of(prefill))
    federation.link(CAF, CNAV).down = True
    with pytest.raises(PeerError, match="UNAVAILABLE"):
        send(prefill, item)
    federation.link(CAF, CNAV).down = False
    send(prefill, item)
    assert len(federation.entries(CNAV, "contested")) == 1


def test_contest_whose_entry_was_not_written_is_not_held_and_can_come_again(
    federation: Federation, prefill: Program
) -> None:
    contest = contest_of(prefill)
    fill_disk(federation.node(CNAV).traces)
    assert take(federation, item_of(prefill, contest)) == "LEDGER_WRITE"
    federation.kill(CNAV)
    node = federation.node(CNAV)
    assert list(DeclarantDesk(node).list(RECTIFICATION, "")) == []
    send(prefill, item_of(prefill, contest))
    assert len(list(DeclarantDesk(node).list(RECTIFICATION, ""))) == 1


# --- refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"source": "dsn-2026-03"},
        {"version": 2},
        {"month": FIRST - 1, "source": f"dsn-{FIRST - 1}"},
    ],
    ids=["another message", "another version", "a month that was not asked"],
)
def test_contest_of_a_line_that_was_not_given_is_refused_by_the_holder(
    federation: Federation, prefill: Program, changes: dict[str, Any]
) -> None:
    item = item_of(prefill, contest_of(prefill, **changes))
    assert take(federation, item) == "LINE_UNKNOWN"
    assert federation.entries(CNAV, "contested") == []


def altered(
    change: Callable[[contestation_pb2.Contestation], object],
) -> Callable[[Program, contestation_pb2.ContestItem], None]:
    def apply(prefill: Program, item: contestation_pb2.ContestItem) -> None:
        message = contestation_pb2.Contestation.FromString(item.contestation.contestation)
        change(message)
        raw = message.SerializeToString(deterministic=True)
        item.contestation.contestation = raw
        item.contestation.signature = prefill.keys.sign(signed_message(raw))

    return apply


def _set(field: str, value: Any) -> Callable[[contestation_pb2.Contestation], object]:
    return lambda message: setattr(message, field, value)


def _other_name(_: Program, item: contestation_pb2.ContestItem) -> None:
    item.person.birth_name = "Autre"


def _other_person(_: Program, item: contestation_pb2.ContestItem) -> None:
    item.person.nir = BRUNO.nir


def _other_words(_: Program, item: contestation_pb2.ContestItem) -> None:
    line = contestation_pb2.ContestedLine.FromString(item.line)
    line.says = "Autre chose"
    item.line = line.SerializeToString(deterministic=True)


def _unsigned(_: Program, item: contestation_pb2.ContestItem) -> None:
    item.contestation.signature = bytes(64)


BAD = {
    "another body's": (altered(_set("requester", "msa")), "NOT_YOURS"),
    "for another holder": (altered(_set("holder", "msa")), "WRONG_HOLDER"),
    "of another activity": (altered(_set("activity", "caf-ppa")), "BAD_SIGNATURE"),
    "of no activity": (altered(_set("activity", "caf-none")), "UNKNOWN_ACTIVITY_KEY"),
    "of another statement": (altered(_set("statement_hash", bytes(32))), "LINE_UNKNOWN"),
    "of another version": (altered(_set("version", 2)), "MALFORMED"),
    "signed long ago": (altered(_set("signed_time_ms", 0)), "STATEMENT_TOO_OLD"),
    "without a nonce": (altered(_set("nonce", b"")), "MALFORMED"),
    "under another name": (_other_name, "LINE_UNKNOWN"),
    "about another person": (_other_person, "DIGEST_MISMATCH"),
    "with other words": (_other_words, "DIGEST_MISMATCH"),
    "not signed": (_unsigned, "BAD_SIGNATURE"),
}


@pytest.mark.parametrize("name", list(BAD))
def test_contest_that_is_not_right_is_refused_by_the_holder(
    federation: Federation, prefill: Program, name: str
) -> None:
    spoil, reason = BAD[name]
    item = item_of(prefill, contest_of(prefill))
    spoil(prefill, item)
    assert take(federation, item) == reason
    assert federation.entries(CNAV, "contested") == []


def test_contest_by_another_bodys_node_is_refused(federation: Federation, prefill: Program) -> None:
    assert take(federation, item_of(prefill, contest_of(prefill)), MSA) == "NOT_YOURS"


def test_contest_by_an_activity_that_was_not_given_the_line_is_refused(
    federation: Federation, prefill: Program, ppa: Program
) -> None:
    """Another activity of the same body, with its own signature over the first one's statement."""
    item = item_of(ppa, contest_of(prefill))
    with pytest.raises(PeerError, match="received no such answer"):
        send(ppa, item)
    assert take(federation, item) == "LINE_UNKNOWN"
    assert federation.entries(CAF, "contested") == []


@pytest.mark.parametrize("says", ["", "x" * 1001, "a\x07b", "a\nb"])
def test_contest_words_that_are_no_plain_text_leave_no_node(
    federation: Federation, prefill: Program, says: str
) -> None:
    item = item_of(prefill, contest_of(prefill, says=says))
    with pytest.raises(Exception, match="what is said"):
        send(prefill, item)
    assert federation.entries(CAF, "contested") == []


# --- told ---------------------------------------------------------------------------------------


def test_contestations_list_names_nobody_and_is_no_entry(
    federation: Federation, prefill: Program
) -> None:
    send(prefill, item_of(prefill, contest_of(prefill)))
    size = federation.node(CNAV).traces.size
    (one,) = DeclarantDesk(federation.node(CNAV)).list(RECTIFICATION, PAYER)
    assert (one.declarant, one.period, one.source) == (PAYER, FIRST.number, f"dsn-{FIRST}")
    assert ANNE.nir not in str(one)
    assert not one.told
    assert federation.node(CNAV).traces.size == size


def test_contestations_told_are_entered_with_agent_and_persons_before_names_leave(
    federation: Federation, prefill: Program, agent: str
) -> None:
    send(prefill, item_of(prefill, contest_of(prefill)))
    send(prefill, item_of(prefill, contest_of(prefill, DENIS)))
    node = federation.node(CNAV)
    told = DeclarantDesk(node).tell(RECTIFICATION, PAYER, agent)
    assert {one.nir for one in told.contestations} == {ANNE.nir, DENIS.nir}
    assert {one.says for one in told.contestations} == {SAYS}
    (entry,) = federation.entries(CNAV, "contestations_told")
    assert entry.contestations_told.agent == agent
    assert len(entry.contestations_told.trace_keys) == 2
    assert all(one.told for one in DeclarantDesk(node).list(RECTIFICATION, ""))


def test_contestations_told_say_neither_who_asked_nor_for_which_right(
    federation: Federation, prefill: Program, agent: str
) -> None:
    send(prefill, item_of(prefill, contest_of(prefill)))
    told = DeclarantDesk(federation.node(CNAV)).tell(RECTIFICATION, PAYER, agent)
    for word in ("caf", "prefill", "ppa"):
        assert word not in str(told.contestations)


def test_contestations_told_are_no_more_than_a_call_holds_and_the_next_gives_the_others(
    federation: Federation, prefill: Program, agent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CONTESTATIONS_TOLD", 1)
    for who in (ANNE, DENIS):
        send(prefill, item_of(prefill, contest_of(prefill, who)))
    desk = DeclarantDesk(federation.node(CNAV))
    first, second = (desk.tell(RECTIFICATION, PAYER, agent) for _ in range(2))
    assert (first.untold, second.untold) == (1, 0)
    given = [one.nir for one in (*first.contestations, *second.contestations)]
    assert sorted(given) == sorted([ANNE.nir, DENIS.nir])


@pytest.mark.parametrize("declarant", ["", "00000000000000", "73282932000082"])
def test_contestations_of_no_or_another_declarant_are_not_told(
    federation: Federation, prefill: Program, agent: str, declarant: str
) -> None:
    send(prefill, item_of(prefill, contest_of(prefill)))
    with pytest.raises(PeerError, match="none is open"):
        DeclarantDesk(federation.node(CNAV)).tell(RECTIFICATION, declarant, agent)


@pytest.mark.parametrize("activity", ["cnav-profiling", "caf-prefill", "none"])
def test_contestations_are_for_the_activity_of_rectification_alone(
    federation: Federation, prefill: Program, agent: str, activity: str
) -> None:
    send(prefill, item_of(prefill, contest_of(prefill)))
    desk = DeclarantDesk(federation.node(CNAV))
    with pytest.raises(PeerError, match="rectification"):
        next(desk.list(activity, ""))
    with pytest.raises(PeerError, match="rectification"):
        desk.tell(activity, PAYER, agent)


@pytest.mark.parametrize("name", ["batch", "durand", "nobody"])
@pytest.mark.usefixtures("agent")
def test_contestations_are_not_named_to_who_is_not_empowered(
    federation: Federation, prefill: Program, name: str
) -> None:
    send(prefill, item_of(prefill, contest_of(prefill)))
    agent = name if name == "batch" else federation.pseudonym(CNAV, name)
    with pytest.raises(PeerError, match="did not empower"):
        DeclarantDesk(federation.node(CNAV)).tell(RECTIFICATION, PAYER, agent)
    assert federation.entries(CNAV, "contestations_told") == []


# --- answered -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cents", "changed"), [(120_000, True), (None, True), (CANARY_CENTS, False)]
)
def test_contest_is_answered_by_the_declaration_sent_anew(
    federation: Federation, prefill: Program, cents: int | None, changed: bool
) -> None:
    send(prefill, item_of(prefill, contest_of(prefill)))
    node = federation.node(CNAV)
    desk = ContestationDesk(node)
    assert desk.enter_answers() == 0
    declare(federation, cents)
    assert desk.enter_answers() == 1
    (entry,) = federation.entries(CNAV, "contestation_answered")
    answered = entry.contestation_answered
    assert (answered.record_version, answered.changed, answered.peer) == (2, changed, "caf")
    (one,) = DeclarantDesk(node).list(RECTIFICATION, "")
    assert (one.answer.record_version, one.answer.changed) == (2, changed)


def test_contest_answered_erases_what_named_its_person(
    federation: Federation, prefill: Program
) -> None:
    send(prefill, item_of(prefill, contest_of(prefill)))
    declare(federation, 120_000)
    node = federation.node(CNAV)
    ContestationDesk(node).enter_answers()
    rows = node.vault._ask("SELECT sealed FROM contestation").fetchall()
    assert rows == [(None,)]


def test_contest_is_not_answered_by_a_cancel_until_the_month_is_declared_anew(
    federation: Federation, prefill: Program
) -> None:
    send(prefill, item_of(prefill, contest_of(prefill)))
    desk = ContestationDesk(federation.node(CNAV))
    declare(federation, None, "cancel")
    assert desk.enter_answers() == 0
    declare(federation, 120_000, "normal", 3)
    assert desk.enter_answers() == 1
    (entry,) = federation.entries(CNAV, "contestation_answered")
    assert entry.contestation_answered.record_version == 3


def test_contest_is_answered_by_a_dated_difference_sent_after_it(
    federation: Federation, prefill: Program
) -> None:
    node = federation.node(CNAV)

    def differ(number: int) -> None:
        with node.store.loading("later", bytes([number]) * 32, federation.clock()) as loading:
            slot = loading.declare(
                "monthly_resources",
                SlotName(f"01/later{number}", (FIRST + 1).number),
                "later",
                "normal",
                number,
            )
            loading.append(slot, 0, _record(node.row_secret, -5_000), f"dsn-{FIRST}")

    differ(8)
    send(prefill, item_of(prefill, contest_of(prefill)))
    desk = ContestationDesk(node)
    assert desk.enter_answers() == 0
    differ(9)
    assert desk.enter_answers() == 1


def test_contest_answers_are_looked_for_some_at_a_call_until_all_were(
    federation: Federation, prefill: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CONTESTATIONS_PER_ENTRY", 1)
    for who in (DENIS, ANNE):
        send(prefill, item_of(prefill, contest_of(prefill, who)))
    declare(federation, 120_000)
    desk = ContestationDesk(federation.node(CNAV))
    assert sorted(desk.enter_answers() for _ in range(3)) == [0, 0, 1]


def test_contest_answered_twice_over_a_crash_is_one_entry(
    federation: Federation, prefill: Program
) -> None:
    send(prefill, item_of(prefill, contest_of(prefill)))
    declare(federation, 120_000)
    node = federation.node(CNAV)
    ContestationDesk(node).enter_answers()
    with node.vault.transaction():  # as if the row had not reached the disk
        node.vault._run("UPDATE contestation SET answered_version = NULL")
    node = federation.restart(CNAV)
    assert ContestationDesk(node).enter_answers() == 1
    assert len(federation.entries(CNAV, "contestation_answered")) == 1
    assert list(node.vault.contestations.open()) == []


def test_contest_after_the_answer_is_of_the_new_version_alone(
    federation: Federation, prefill: Program
) -> None:
    contest = contest_of(prefill)
    send(prefill, item_of(prefill, contest))
    declare(federation, 120_000)
    ContestationDesk(federation.node(CNAV)).enter_answers()
    assert take(federation, item_of(prefill, contest)) == "LINE_REPLACED"
    again = contest_of(prefill, source="anew-2", version=2)
    send(prefill, item_of(prefill, again))
    assert len(federation.entries(CNAV, "contested")) == 2


# --- maintained ---------------------------------------------------------------------------------

WHY = "Votre employeur confirme ce montant, bulletin de paie à l'appui."


@pytest.fixture
def told(federation: Federation, prefill: Program, agent: str) -> bytes:
    """Hash of Anne's contestation, which her payer was told."""
    item = item_of(prefill, contest_of(prefill))
    send(prefill, item)
    DeclarantDesk(federation.node(CNAV)).tell(RECTIFICATION, PAYER, agent)
    return sha256(item.contestation.contestation).digest()


def maintain(
    federation: Federation,
    contestation: bytes,
    says: str = WHY,
    agent: str = "dupont",
    activity: str = RECTIFICATION,
) -> str:
    """Empty, or the reason of the refusal."""
    name = agent if agent == "batch" else federation.pseudonym(CNAV, agent)
    try:
        DeclarantDesk(federation.node(CNAV)).maintain(activity, contestation, says, name)
    except CloisonError as error:
        return error.reason
    return ""


def test_maintain_closes_the_contestation_under_the_agent_and_changes_no_line(
    federation: Federation, told: bytes, agent: str
) -> None:
    assert maintain(federation, told) == ""
    node = federation.node(CNAV)
    (entry,) = federation.entries(CNAV, "contestation_answered")
    answered = entry.contestation_answered
    assert (answered.contestation_hash, answered.peer) == (told, "caf")
    assert (answered.activity, answered.agent) == (RECTIFICATION, agent)
    assert (answered.record_version, answered.changed) == (0, False)
    (one,) = DeclarantDesk(node).list(RECTIFICATION, "")
    assert (one.HasField("answer"), one.answer.record_version) == (True, 0)
    assert list(node.vault.contestations.open()) == []
    assert node.vault._ask("SELECT sealed FROM contestation").fetchall() == [(None,)]


def test_maintain_tells_the_person_alone_why_with_their_traces(
    federation: Federation, told: bytes
) -> None:
    maintain(federation, told)
    lines = Sentences(federation.policy, {}).lines({CNAV: Reader(federation, ANNE).read()})
    (line,) = [one for one in lines if one.kind == "contestation_answered"]
    assert line.says == WHY
    assert "est maintenue telle quelle" in line.sentence
    assert "contestation_answered" not in Reader(federation, BRUNO).kinds()
    for raw in federation.raw_entries(CNAV):
        assert WHY.encode() not in raw


def test_maintain_leaves_the_person_free_to_contest_the_line_again(
    federation: Federation, prefill: Program, told: bytes
) -> None:
    maintain(federation, told)
    assert take(federation, item_of(prefill, contest_of(prefill, says="Si, j'insiste"))) == ""
    assert len(list(federation.node(CNAV).vault.contestations.open())) == 1


def test_erase_waits_for_the_end_of_what_the_person_contests_then_leaves_no_link(
    federation: Federation, prefill: Program, told: bytes
) -> None:
    node = federation.node(CNAV)
    with pytest.raises(PeerError) as caught:
        OperatorDesk(node).erase(ANNE.nir, "erasure-ordered")
    assert caught.value.reason == "CONTESTATION_OPEN"
    assert federation.entries(CNAV, "trace_key_erased") == []
    send(prefill, item_of(prefill, contest_of(prefill, DENIS)))
    maintain(federation, told)
    OperatorDesk(node).erase(ANNE.nir, "erasure-ordered")
    (left,) = node.vault.contestations.all()
    assert left.subject == node.row_key(DENIS.nir)


def test_erase_takes_a_contestation_along_that_a_crash_left_without_its_entry(
    federation: Federation, prefill: Program
) -> None:
    item = item_of(prefill, contest_of(prefill))
    fill_disk(federation.node(CNAV).traces)
    assert take(federation, item) == "LEDGER_WRITE"
    federation.kill(CNAV)
    node = federation.node(CNAV)
    assert len(list(node.vault.contestations.open())) == 1
    OperatorDesk(node).erase(ANNE.nir, "erasure-ordered")
    assert list(node.vault.contestations.all()) == []


@pytest.mark.usefixtures("agent")
def test_maintain_before_the_declarant_was_told_is_refused(
    federation: Federation, prefill: Program
) -> None:
    item = item_of(prefill, contest_of(prefill))
    send(prefill, item)
    hashed = sha256(item.contestation.contestation).digest()
    assert maintain(federation, hashed) == "DECLARANT_NOT_TOLD"
    assert federation.entries(CNAV, "contestation_answered") == []


def test_maintain_of_a_line_declared_anew_is_refused_and_the_declaration_ends_it(
    federation: Federation, told: bytes
) -> None:
    declare(federation, 120_000)  # nobody has looked at the load yet
    assert maintain(federation, told) == "ALREADY_ANSWERED"
    assert ContestationDesk(federation.node(CNAV)).enter_answers() == 1
    (entry,) = federation.entries(CNAV, "contestation_answered")
    assert entry.contestation_answered.record_version == 2


def test_maintain_twice_keeps_the_first_reason(federation: Federation, told: bytes) -> None:
    maintain(federation, told)
    assert maintain(federation, told, "Autre chose") == "ALREADY_ANSWERED"
    (answered,) = federation.entries(CNAV, "contestation_answered")
    assert answered.contestation_answered.says_hash
    (said,) = federation.node(CNAV).vault.access_contests.all()
    assert said.said.says == WHY


_REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"agent": "durand"}, "AGENT_NOT_EMPOWERED"),
    ({"agent": "nobody"}, "AGENT_NOT_EMPOWERED"),
    ({"agent": "batch"}, "AGENT_NOT_EMPOWERED"),
    ({"activity": "cnav-profiling"}, "NOT_YOURS"),
    ({"activity": "caf-prefill"}, "NOT_YOURS"),
    ({"contestation": bytes(32)}, "NOT_CONTESTED"),
    ({"contestation": bytes(31)}, "MALFORMED"),
    ({"says": ""}, "MALFORMED"),
    ({"says": "a\nb"}, "MALFORMED"),
    ({"says": "x" * 1001}, "TOO_LARGE"),
)


def test_maintain_by_the_wrong_hands_or_without_a_reason_ends_nothing(
    federation: Federation, told: bytes
) -> None:
    for changes, reason in _REFUSED:
        assert maintain(federation, **{"contestation": told, **changes}) == reason, changes
    assert federation.entries(CNAV, "contestation_answered") == []
    assert len(list(federation.node(CNAV).vault.contestations.open())) == 1


def test_maintain_on_a_full_disk_ends_nothing(federation: Federation, told: bytes) -> None:
    fill_disk(federation.node(CNAV).traces)
    assert maintain(federation, told) == "LEDGER_WRITE"
    assert len(list(federation.node(CNAV).vault.contestations.open())) == 1


def test_maintain_cut_after_its_entry_is_ended_by_the_next_start(
    federation: Federation, told: bytes
) -> None:
    maintain(federation, told)
    node = federation.node(CNAV)
    with node.vault.transaction():  # as if the row had not reached the disk
        node.vault._run("UPDATE contestation SET answered_version = NULL")
    node = federation.restart(CNAV)
    assert maintain(federation, told) == "ALREADY_ANSWERED"
    assert ContestationDesk(node).enter_answers() == 1
    assert list(node.vault.contestations.open()) == []
    assert len(federation.entries(CNAV, "contestation_answered")) == 1


def test_maintain_contests_no_access_for_an_operator_to_answer(
    federation: Federation, told: bytes
) -> None:
    maintain(federation, told)
    assert list(OperatorDesk(federation.node(CNAV)).contested(everything=True)) == []
