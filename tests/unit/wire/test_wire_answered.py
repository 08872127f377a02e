"""What was answered about whom: found by person and month, while the case lasts, and let go of."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloison.bodies import BodyId
from cloison.exchange.statement import to_milliseconds
from cloison.store import Change
from cloison.wire.answered import SINGLE, Answered
from cloison.wire.answered_batches import AnsweredBatch
from cloison.wire.vault import Vault

CNAV, CAF, MSA = BodyId("cnav"), BodyId("caf"), BodyId("msa")
NOW = datetime(2026, 6, 16, tzinfo=UTC)
END = NOW + timedelta(days=120)
ANNE, BRUNO, CLEO = (name * 16 for name in (b"a", b"b", b"c"))
GIVEN = Answered(
    peer=CAF,
    dataset="monthly_resources",
    first_month=202602,
    last_month=202604,
    statement_hash=b"s" * 32,
    batch=SINGLE,
    case_leaf_hash=b"l" * 32,
    until=END,
    load=5,
    persons=(ANNE, BRUNO),
)
LATER = Change(6, "monthly_resources", 202604, (ANNE,))


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    opened = Vault(tmp_path / "vault.sqlite", b"k" * 32, CNAV)
    yield opened
    opened.close()


def keep(vault: Vault, *answers: Answered) -> None:
    with vault.transaction():
        for one in answers:
            vault.answered.keep(one)


def touched(
    vault: Vault, change: Change = LATER, now: datetime = NOW, peer: BodyId = CAF
) -> list[Answered | None]:
    keys = vault.answered.touched(peer, change, now)
    return [vault.answered.get(key) for key in sorted(keys)]


def test_touched_gives_the_answer_as_it_was_kept(vault: Vault) -> None:
    keep(vault, GIVEN)
    assert touched(vault) == [GIVEN]


def test_touched_gives_an_answer_once_for_all_its_persons(vault: Vault) -> None:
    keep(vault, GIVEN)
    assert len(touched(vault, LATER._replace(persons=(ANNE, BRUNO, CLEO)))) == 1


@pytest.mark.parametrize(
    "change",
    [
        LATER._replace(persons=(CLEO,)),
        LATER._replace(period=202601),
        LATER._replace(period=202605),
        LATER._replace(load=5),
        LATER._replace(dataset="pensions"),
    ],
    ids=["another person", "before", "after", "a load it was read from", "another dataset"],
)
def test_touched_by_a_change_that_is_not_of_the_answer_is_nothing(
    vault: Vault, change: Change
) -> None:
    keep(vault, GIVEN)
    assert touched(vault, change) == []


def test_touched_for_another_peer_or_past_the_case_is_nothing(vault: Vault) -> None:
    keep(vault, GIVEN)
    assert touched(vault, peer=MSA) == []
    assert len(touched(vault, now=END - timedelta(milliseconds=1))) == 1
    assert touched(vault, now=END) == []


@pytest.mark.parametrize(
    ("period", "found"), [(2025, 1), (2026, 1), (2024, 0), (2027, 0), (0, 1), (202512, 1)]
)
def test_touched_by_a_year_or_by_what_is_current_meets_its_months(
    vault: Vault, period: int, found: int
) -> None:
    keep(vault, replace(GIVEN, first_month=202501, last_month=202612))
    assert len(touched(vault, LATER._replace(period=period))) == found


def test_touched_after_a_transaction_that_failed_is_nothing(vault: Vault) -> None:
    def fail() -> None:
        with vault.transaction():
            vault.answered.keep(GIVEN)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert touched(vault) == []
    keep(vault, GIVEN)
    assert touched(vault) == [GIVEN]


def test_touched_after_the_vault_is_opened_again_is_the_same(vault: Vault, tmp_path: Path) -> None:
    keep(vault, GIVEN)
    again = Vault(tmp_path / "vault.sqlite", b"k" * 32, CNAV)
    keep(again, replace(GIVEN, statement_hash=b"t" * 32))
    assert len(touched(again)) == 2
    again.close()


def test_forget_lets_go_of_answers_whose_case_is_over(vault: Vault) -> None:
    short = replace(GIVEN, until=NOW + timedelta(days=1), statement_hash=b"t" * 32)
    keep(vault, GIVEN, short)
    with vault.transaction():
        vault.answered.forget(NOW + timedelta(days=1))
    assert touched(vault) == [GIVEN]
    count = "SELECT count(*) FROM answered_person"
    assert vault._database.connection.execute(count).fetchone() == (2,)


def test_told_of_a_peer_is_the_last_load_set(vault: Vault) -> None:
    assert vault.answered.told(CAF) == 0
    with vault.transaction():
        vault.answered.set_told(CAF, 7)
        vault.answered.set_told(MSA, 9)
    assert (vault.answered.told(CAF), vault.answered.told(MSA)) == (7, 9)


BATCH = AnsweredBatch(
    peer=CAF,
    dataset="monthly_resources",
    first_month=202602,
    last_month=202604,
    statement_hash=b"s" * 32,
    batch=3,
    load=5,
    persons=ANNE + BRUNO + CLEO,
    places=bytes((1, 0, 0, 0, 1, 0)),
    cases=tuple(
        (leaf * 32, to_milliseconds(end))
        for leaf, end in ((b"l", NOW + timedelta(days=1)), (b"m", END))
    ),
)


def touched_batches(vault: Vault, *persons: bytes, now: datetime = NOW) -> set[tuple[int, int]]:
    scope = (CAF, "monthly_resources", (202604, 202604), 6, frozenset(persons), now, 1)
    return {key for keys in vault.answered.batches.touched(*scope) for key in keys}


def keep_batch(vault: Vault, *batches: AnsweredBatch) -> None:
    with vault.transaction():
        for one in batches:
            vault.answered.batches.keep(one)


def test_touched_batches_give_each_case_with_its_own_persons_and_end(vault: Vault) -> None:
    keep_batch(vault, BATCH)
    (key,) = touched_batches(vault, CLEO)
    found = vault.answered.get(key)
    assert found == replace(
        GIVEN, batch=3, case_leaf_hash=b"m" * 32, until=END, persons=(ANNE, CLEO)
    )
    assert len(touched_batches(vault, ANNE, BRUNO)) == 2
    assert touched_batches(vault, b"z" * 16) == set()


def test_touched_batches_are_read_some_at_a_time_to_the_last(vault: Vault) -> None:
    keep_batch(vault, *(replace(BATCH, batch=place) for place in range(5)))
    assert len(touched_batches(vault, BRUNO)) == 5


def test_any_in_a_window_asked_spares_other_months_the_look_up(vault: Vault) -> None:
    keep_batch(vault, BATCH)
    found = [vault.answered.any_in(CAF, "monthly_resources", (m, m)) for m in (202604, 202605)]
    assert found == [True, False]


def test_forget_lets_go_of_a_batch_when_its_last_case_is_over(vault: Vault) -> None:
    keep_batch(vault, BATCH)
    for time, left in ((END - timedelta(milliseconds=1), 1), (END, 0)):
        with vault.transaction():
            vault.answered.forget(time)
        assert len(touched_batches(vault, ANNE)) == left


# --- a person who is erased ----------------------------------------------------------------------


def erase(vault: Vault, person: bytes, now: datetime) -> datetime | None:
    with vault.transaction():
        return vault.answered.erase(person, now)


def test_erase_takes_a_person_from_answers_whose_case_is_over_and_from_no_other(
    vault: Vault,
) -> None:
    live = replace(GIVEN, until=END + timedelta(days=9), persons=(ANNE,))
    keep(vault, GIVEN, live, replace(GIVEN, persons=(CLEO,)))
    assert erase(vault, ANNE, END) == live.until
    persons = vault._ask("SELECT persons FROM answered ORDER BY id").fetchall()
    assert persons == [(ANNE,), (CLEO,)]
    assert erase(vault, ANNE, live.until) is None
    assert vault._ask("SELECT DISTINCT row_key FROM answered_person").fetchall() == [(CLEO,)]


def test_erase_takes_a_person_out_of_a_batch_once_their_own_case_is_over(vault: Vault) -> None:
    keep_batch(vault, BATCH)  # Bruno's case ends in a day, that of the others in 120
    ended = NOW + timedelta(days=1)
    assert erase(vault, BRUNO, ended - timedelta(seconds=1)) == ended
    assert erase(vault, BRUNO, ended) is None
    assert erase(vault, ANNE, ended) == END
    (persons,) = vault._ask("SELECT persons FROM answered_batch").fetchone()
    assert persons == ANNE + bytes(16) + CLEO
    assert erase(vault, BRUNO[:8] + CLEO[:8], END) is None
    assert vault._ask("SELECT persons FROM answered_batch").fetchone() == (persons,)
