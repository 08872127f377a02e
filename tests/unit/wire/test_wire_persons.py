"""A person signs in and is given every entry about them; attempts to hide or invent are caught."""

import dataclasses
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from tests.federation import ANNE, BODIES, BRUNO, CAF, CLEO, CNAV, DENIS, DGFIP, NOW, Federation
from tests.unit.wire.persons import Part, Reader, ask, next_day, of_kind

from cloison.bodies import BodyId
from cloison.errors import CloisonError, IntegrityError, PeerError
from cloison.exchange.entries import parse_entry
from cloison.exchange.traced import EVERYONE, traced_keys
from cloison.identity import trace_keys
from cloison.law.question import Granularity
from cloison.law.trace_rules import Sealed
from cloison.ledger.reader import LedgerReader
from cloison.months import Month
from cloison.programs.person.compare import differences
from cloison.programs.person.sentences import Sentences
from cloison.programs.person.verify import verify_traces
from cloison.v1 import decision_pb2, entry_pb2, statement_pb2
from cloison.wire.access_contests import Words
from cloison.wire.person_operator import OperatorDesk
from cloison.wire.vault import Vault

# --- what is given -------------------------------------------------------------------------------


def test_accesses_shows_what_was_asked_about_a_person_at_both_bodies(
    federation: Federation,
) -> None:
    ask(federation, ANNE)
    assert Reader(federation, ANNE, CNAV).kinds() == ["decided", "person_read"]
    own = ["case_opened", "asked", "received", "person_read"]
    assert Reader(federation, ANNE, CAF).kinds() == own


def test_accesses_of_somebody_else_shows_nothing_of_it(federation: Federation) -> None:
    ask(federation, ANNE)
    assert Reader(federation, DENIS).kinds() == ["person_read"]


def test_accesses_proves_closed_days_whole_and_those_without_an_entry(
    federation: Federation,
) -> None:
    ask(federation, ANNE)
    next_day(federation, CNAV, days=3)
    traces = Reader(federation, ANNE).read()
    assert [day.count for day in traces.days] == [1, 0, 0]
    assert [day.day for day in traces.days] == [NOW.date() + timedelta(days=by) for by in range(3)]
    absent = Reader(federation, DENIS).read()
    assert [day.count for day in absent.days] == [0, 0, 0]


def test_accesses_is_itself_an_entry_seen_the_next_time(federation: Federation) -> None:
    reader = Reader(federation, ANNE)
    assert reader.kinds() == ["person_read"]
    assert reader.kinds() == ["person_read", "person_read"]
    *_, entry = federation.entries(CNAV, "person_read")
    assert (entry.person_read.purpose, entry.person_read.activity) == (
        "subject-access",
        "person-access",
    )


@pytest.mark.parametrize("body", BODIES)
def test_accesses_is_entered_under_a_record_of_that_very_body(
    federation: Federation, body: BodyId
) -> None:
    Reader(federation, ANNE, body).read()
    (entry,) = federation.entries(body, "person_read")
    record = federation.policy.activities[entry.person_read.activity]
    assert (record.body, record.purposes) == (body, ("subject-access",))


def test_accesses_shows_a_refusal_that_named_the_person(federation: Federation) -> None:
    program = federation.program("caf-dmde")
    program.ask(program.question(None, ANNE.member(), purpose="control-targeting"))
    traces = Reader(federation, ANNE).read()
    (line, _) = Sentences(federation.policy, {}).lines({CNAV: traces})
    assert line.outcome == "refused"
    assert "Aucune donnée n'est sortie." in line.sentence


def test_accesses_of_a_tax_notice_is_a_trace_of_everyone_it_names(federation: Federation) -> None:
    program = federation.program("caf-al")
    case = program.open_case("C1L")
    (reply,) = program.ask(
        program.question(
            case,
            *[one for one in case.members if one.nir == ANNE.nir],
            holder=DGFIP,
            dataset="tax_notices",
            fields=("rfr",),
            granularity=Granularity.YEAR,
            first=Month.parse("2024-01"),
            last=Month.parse("2024-12"),
            legal_basis="lpf-l152",
        )
    )
    assert reply.decision is not None
    assert reply.decision.permitted, reply.decision
    for named in (ANNE, BRUNO):
        assert Reader(federation, named, DGFIP).kinds() == ["decided", "person_read"]


def test_accesses_of_a_household_file_is_a_trace_of_everyone_it_names(
    federation: Federation,
) -> None:
    program = federation.program("caf-prefill")
    case = program.open_case(kind="prefill")
    (reply,) = program.ask(
        program.question(
            case,
            *case.members,
            holder=CAF,
            dataset="members",
            fields=("household", "role"),
            granularity=Granularity.CURRENT,
            first=Month.parse("2026-06"),
            last=Month.parse("2026-06"),
            purpose="prefill",
            legal_basis="gdpr-5",
        )
    )
    assert reply.decision is not None
    assert reply.decision.permitted, reply.decision
    # Her partner and her child stand in it as she does: the case, then the file.
    for one in (ANNE, BRUNO, CLEO):
        kinds = Reader(federation, one, CAF).kinds()
        assert kinds == ["case_opened", "asked", "decided", "received", "person_read"]


# --- signing in ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "cloison://caf"},
        {"iss": "https://other.example"},
        {"nonce": "0" * 32},
        {"exp": int((NOW - timedelta(minutes=2)).timestamp())},
        {"exp": int((NOW + timedelta(days=1)).timestamp())},
        {"nir": "255081416802539"},
        {"sub": ""},
    ],
)
def test_accesses_with_a_token_that_is_not_for_this_is_refused(
    federation: Federation, change: dict[str, str | int]
) -> None:
    reader = Reader(federation, ANNE)
    nonce = reader.desk.begin()
    with pytest.raises(PeerError) as caught:
        list(reader.desk.accesses(nonce, reader.token(nonce, change)))
    assert caught.value.reason == "BAD_TOKEN"
    assert not federation.entries(CNAV, "person_read")


def test_accesses_with_a_token_used_before_is_refused(federation: Federation) -> None:
    reader = Reader(federation, ANNE)
    nonce = reader.desk.begin()
    token = reader.token(nonce)
    list(reader.desk.accesses(nonce, token))
    with pytest.raises(PeerError) as caught:
        list(reader.desk.accesses(nonce, token))
    assert caught.value.reason == "BAD_TOKEN"


def test_accesses_with_an_altered_token_or_an_old_nonce_is_refused(federation: Federation) -> None:
    reader = Reader(federation, ANNE)
    nonce = reader.desk.begin()
    token = reader.token(nonce)
    with pytest.raises(PeerError):
        list(reader.desk.accesses(nonce, token[:-2] + "AA"))
    nonce = reader.desk.begin()
    federation.clock.advance(minutes=6)
    with pytest.raises(PeerError) as caught:
        list(reader.desk.accesses(nonce, reader.token(nonce)))
    assert caught.value.reason == "BAD_TOKEN"


# --- attempts ------------------------------------------------------------------------------------


def _drop(kind: str, place: int) -> Callable[[list[Part]], list[Part]]:
    def change(parts: list[Part]) -> list[Part]:
        gone = list(of_kind(parts, kind))[place]
        return [one for one in parts if one is not gone]

    return change


def _twice(parts: list[Part]) -> list[Part]:
    return [*parts, parts[-1]]


def _altered(parts: list[Part]) -> list[Part]:
    proof = next(of_kind(parts, "access")).access.proof
    proof.entry = proof.entry[:-1] + bytes([proof.entry[-1] ^ 1])
    return parts


def _hidden(parts: list[Part]) -> list[Part]:
    next(of_kind(parts, "access")).access.proof.entry = b""
    return parts


def _explained(parts: list[Part]) -> list[Part]:
    next(of_kind(parts, "access")).access.context = True
    return parts


def _another_key(parts: list[Part]) -> list[Part]:
    parts[0].head.person_key = bytes(32)
    return parts


def _no_head(parts: list[Part]) -> list[Part]:
    return parts[1:]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_drop("access", 0), "LEFT_OUT"),
        (_drop("access", -1), "LEFT_OUT"),
        (_drop("day", 0), "DAYS_MISSING"),
        (_drop("day", 1), "DAYS_MISSING"),
        (_drop("day", -1), "DAYS_MISSING"),
        (_twice, "NOT_ABOUT_YOU"),
        (_altered, "BAD_PROOF"),
        (_hidden, "NOT_SHOWN"),
        (_explained, "LEFT_OUT"),
        (_another_key, "BAD_HEAD"),
        (_no_head, "BAD_HEAD"),
    ],
)
def test_verify_traces_of_a_node_that_cheats_is_refused(
    federation: Federation, change: Callable[[list[Part]], list[Part]], reason: str
) -> None:
    ask(federation, ANNE)
    next_day(federation, CNAV, days=3)
    reader = Reader(federation, ANNE)
    nonce, parts = reader.parts()
    with pytest.raises(CloisonError) as caught:
        verify_traces(reader.expected(nonce), change(parts))
    assert caught.value.reason == reason


def test_verify_traces_with_an_entry_of_another_person_is_refused(federation: Federation) -> None:
    ask(federation, ANNE)
    next_day(federation, CNAV)
    _, of_anne = Reader(federation, ANNE).parts()
    reader = Reader(federation, DENIS)
    nonce, parts = reader.parts()
    invented = next(of_kind(of_anne, "access"))
    invented.access.proof.hashes[:] = federation.node(CNAV).traces.inclusion_proof(
        invented.access.proof.leaf_index, federation.node(CNAV).traces.size
    )
    with pytest.raises(IntegrityError) as caught:
        verify_traces(reader.expected(nonce), [*parts, invented])
    assert caught.value.reason == "NOT_ABOUT_YOU"


def test_verify_traces_of_another_persons_reading_is_refused(federation: Federation) -> None:
    reader = Reader(federation, ANNE)
    _, parts = reader.parts()
    with pytest.raises(IntegrityError) as caught:
        verify_traces(reader.expected("another nonce"), parts)
    assert caught.value.reason == "BAD_HEAD"


def test_differences_finds_a_body_that_keeps_two_keys_for_one_person(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    caf = federation.node(CAF)
    real = Vault.trace_keys

    def double(vault: Vault, rows: list[bytes], day: object) -> list[bytes]:
        if vault is caf.vault:
            return trace_keys([bytes(32)] * len(list(rows)), CAF, day)  # type: ignore[arg-type]
        return real(vault, rows, day)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(Vault, "trace_keys", double)
        ask(federation, ANNE)
    federation.clock.advance(seconds=1)
    read = {body: Reader(federation, ANNE, body).read() for body in (CAF, CNAV)}
    (found,) = differences(read)
    assert "caf ne montre pas" in found


def test_differences_of_honest_bodies_are_none(federation: Federation) -> None:
    ask(federation, ANNE)
    federation.clock.advance(seconds=1)
    read = {body: Reader(federation, ANNE, body).read() for body in (CAF, CNAV)}
    assert differences(read) == []
    lines = Sentences(federation.policy, {CAF: "La CAF", CNAV: "La CNAV"}).lines(read)
    asked = next(one for one in lines if one.kind == "decided")
    assert {body for body, _ in asked.places} == {CAF, CNAV}
    assert asked.sentence.startswith("La CAF a demandé à La CNAV « Ressources mensuelles")
    assert asked.outcome == "permitted"
    assert "2025-1288" in asked.article


def test_traces_say_nothing_of_a_persons_number(federation: Federation) -> None:
    ask(federation, ANNE)
    _, parts = Reader(federation, ANNE).parts()
    whole = b"".join(one.SerializeToString() for one in parts)
    assert ANNE.nir.encode() not in whole
    assert ANNE.nir.encode().hex().encode() not in whole


# --- contesting ----------------------------------------------------------------------------------


def test_contest_is_entered_answered_in_time_and_read_by_the_person(
    federation: Federation,
) -> None:
    ask(federation, ANNE)
    reader = Reader(federation, ANNE)
    index = next(reader.read().own).index
    entry = parse_entry(reader.contest(index, "Pas en mai.")).access_contested
    assert entry.leaf_index == index
    operator = OperatorDesk(federation.node(CNAV))
    (waiting,) = operator.contested(everything=False)
    assert (waiting.contested_index, waiting.says) == (index, "Pas en mai.")
    operator.answer(waiting.leaf_index, "justified", "Pour votre demande de mai.")
    assert not list(operator.contested(everything=False))
    said = [one.says for one in reader.read().own if one.says]
    assert said == ["Pas en mai.", "Pour votre demande de mai."]
    assert b"Pas en mai" not in b"".join(federation.raw_entries(CNAV))
    with pytest.raises(PeerError) as caught:
        operator.answer(waiting.leaf_index, "justified", "Encore.")
    assert caught.value.reason == "ALREADY_ANSWERED"


def test_contest_twice_is_entered_once(federation: Federation) -> None:
    ask(federation, ANNE)
    reader = Reader(federation, ANNE)
    index = next(reader.read().own).index
    assert reader.contest(index) == reader.contest(index)
    assert len(federation.entries(CNAV, "access_contested")) == 1


def test_words_of_a_contest_whose_entry_the_disk_refused_are_shown_as_no_others(
    federation: Federation,
) -> None:
    ask(federation, ANNE)
    reader = Reader(federation, ANNE)
    index = next(reader.read().own).index
    node = federation.node(CNAV)
    with node.vault.lasting():  # as the vault is left where the entry is not written
        node.vault.access_contests.keep(
            node.traces.size, node.row_key(ANNE.nir), Words.new("Perdu.")
        )
    again = reader.read()
    assert [one.says for one in again.own if one.says] == []
    assert not list(OperatorDesk(node).contested(everything=True))
    reader.contest(index, "De nouveau.")
    assert [one.says for one in reader.read().own if one.says] == ["De nouveau."]


def test_contest_of_an_entry_about_two_is_entered_for_each_and_told_to_neither(
    federation: Federation,
) -> None:
    federation.program("caf-ppa").open_case()  # of Anne, Bruno and their child
    anne, partner = (Reader(federation, one, CAF) for one in (ANNE, BRUNO))
    opened = next(one for one in anne.read().own if one.entry.WhichOneof("kind") == "case_opened")
    assert opened.index in {one.index for one in partner.read().own}
    first, second = anne.contest(opened.index, "Pas moi."), partner.contest(opened.index, "Ni moi.")
    assert first != second
    assert anne.contest(opened.index) == first
    assert partner.contest(opened.index) == second
    keys = [set(parse_entry(one).access_contested.trace_keys) for one in (first, second)]
    assert not keys[0] & keys[1]
    assert "Pas moi." not in {one.says for one in partner.read().own}
    waiting = OperatorDesk(federation.node(CAF)).contested(everything=False)
    assert sorted(one.says for one in waiting) == ["Ni moi.", "Pas moi."]


def test_contest_of_an_entry_about_somebody_else_is_refused(federation: Federation) -> None:
    ask(federation, ANNE)
    anne, denis = Reader(federation, ANNE), Reader(federation, DENIS)
    access = next(anne.read().own)
    for index in (access.index, 10_000):
        nonce = denis.desk.begin()
        with pytest.raises(PeerError) as caught:
            denis.desk.contest(nonce, denis.token(nonce), index, access.leaf, "À moi.")
        assert caught.value.reason == "NOT_YOURS"


@pytest.mark.parametrize(("index", "outcome"), [(0, "justified"), (10_000, "justified")])
def test_answer_where_nothing_is_contested_is_refused(
    federation: Federation, index: int, outcome: str
) -> None:
    ask(federation, ANNE)
    with pytest.raises(PeerError) as caught:
        OperatorDesk(federation.node(CNAV)).answer(index, outcome, "Rien.")
    assert caught.value.reason == "NOT_CONTESTED"


# --- erasing -------------------------------------------------------------------------------------


def test_erase_unlinks_every_trace_and_the_ledger_verifies_as_before(
    federation: Federation,
) -> None:
    ask(federation, ANNE)
    assert "decided" in Reader(federation, ANNE).kinds()
    node = federation.node(CNAV)
    OperatorDesk(node).erase(ANNE.nir, "erasure-ordered")
    assert Reader(federation, ANNE).kinds() == ["person_read"]
    next_day(federation, CNAV)
    traces = Reader(federation, ANNE).read()
    assert [day.count for day in traces.days] == [1]  # the reading after
    (erased,) = federation.entries(CNAV, "trace_key_erased")
    assert erased.trace_key_erased.why == "erasure-ordered"
    verified = LedgerReader(node.traces.directory, node.traces.verifier).verify()
    assert verified.checkpoint.size == node.traces.size
    salts = node.vault._ask("SELECT count(*) FROM salt").fetchone()
    assert salts == (0,)


def test_erase_waits_for_the_answer_to_an_access_the_person_contests(
    federation: Federation,
) -> None:
    ask(federation, ANNE)
    reader = Reader(federation, ANNE)
    reader.contest(next(reader.read().own).index, "Pas en mai.")
    operator = OperatorDesk(federation.node(CNAV))
    with pytest.raises(PeerError) as caught:
        operator.erase(ANNE.nir, "erasure-ordered")
    assert caught.value.reason == "CONTESTATION_OPEN"
    assert federation.entries(CNAV, "trace_key_erased") == []
    operator.erase(DENIS.nir, "erasure-ordered")
    (waiting,) = operator.contested(everything=False)
    operator.answer(waiting.leaf_index, "justified", "Pour votre demande de mai.")
    operator.erase(ANNE.nir, "erasure-ordered")
    assert not list(operator.contested(everything=True))


def test_erase_of_one_person_leaves_the_others_linked(federation: Federation) -> None:
    ask(federation, ANNE)
    OperatorDesk(federation.node(CNAV)).erase(DENIS.nir, "deceased")
    assert "decided" in Reader(federation, ANNE).kinds()


# --- statistics, sealed entries ------------------------------------------------------------------


def test_traced_keys_of_a_permitted_table_is_everyone() -> None:
    statement = statement_pb2.Statement(table=statement_pb2.TableQuestion(table="t"))
    entry = entry_pb2.Entry(version=1)
    entry.decided.signed.statement = statement.SerializeToString()
    entry.decided.decision.outcome = decision_pb2.OUTCOME_DENY
    assert list(traced_keys(entry)) == []
    entry.decided.decision.outcome = decision_pb2.OUTCOME_PERMIT
    assert list(traced_keys(entry)) == [EVERYONE]


def seal(federation: Federation, *bodies: str, purposes: Sequence[str] = ("calculation",)) -> None:
    """A test's own text lets what is asked for these be sealed; the shipped set none."""
    rules = federation.policy.traces
    assert rules is not None
    assert rules.sealed == ()
    sealed = tuple(
        Sealed(purpose=one, text="gdpr-15", article="test", at_most="P10D") for one in purposes
    )
    tested = dataclasses.replace(
        federation.policy, traces=rules.model_copy(update={"sealed": sealed})
    )
    for body in bodies:
        federation.node(CAF if body == CAF else CNAV).policy = tested


def test_sealed_entries_are_counted_at_once_and_read_from_their_date(
    federation: Federation,
) -> None:
    seal(federation, CNAV)
    ask(federation, ANNE)
    next_day(federation, CNAV)
    reader = Reader(federation, ANNE)
    traces = reader.read()
    (hidden,) = [one for one in traces.own if one.sealed_until]
    assert hidden.data == b""
    assert [day.count for day in traces.days] == [2]  # the entry, and the one that seals it
    (line, *_) = [
        one
        for one in Sentences(federation.policy, {}).lines({CNAV: traces})
        if one.kind == "sealed"
    ]
    assert "permet de taire" in line.sentence
    next_day(federation, CNAV, days=10)
    assert "decided" in reader.kinds()


def test_case_of_what_may_be_sealed_is_sealed_with_it(federation: Federation) -> None:
    record = federation.policy.activities["caf-ppa"]
    seal(federation, CAF, purposes=record.purposes)
    ask(federation, ANNE)
    kinds = Reader(federation, ANNE, CAF).kinds()
    # The case and the question of it: each is counted, and what it is of is not said.
    assert kinds.count("sealed") == kinds.count("entry_sealed") > 1
    assert not {"case_opened", "asked", "received"} & set(kinds)


def test_case_of_what_may_be_sealed_in_part_is_shown(federation: Federation) -> None:
    assert len(federation.policy.activities["caf-ppa"].purposes) > 1
    seal(federation, CAF)
    ask(federation, ANNE)
    assert "case_opened" in Reader(federation, ANNE, CAF).kinds()


def test_sealed_entries_no_text_allows_are_refused_by_the_person(federation: Federation) -> None:
    seal(federation, CNAV)
    ask(federation, ANNE)
    reader = Reader(federation, ANNE)
    nonce, parts = reader.parts()
    expected = reader.expected(nonce)
    shipped = federation.policy.traces
    assert shipped is not None
    with pytest.raises(IntegrityError) as caught:
        verify_traces(dataclasses.replace(expected, rules=shipped), parts)
    assert caught.value.reason == "NOT_SHOWN"
