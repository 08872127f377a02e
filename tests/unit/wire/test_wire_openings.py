"""Whom digests are about: kept sealed, gone with the person or with the traces they open."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from tests.federation import ANNE, BRUNO, CAF, CNAV, DENIS, NOW, Federation, Program, Someone, run
from tests.unit.wire.persons import ask, next_day
from tests.unit.wire.test_wire_cohort import Cohort, decide_as
from tests.unit.wire.test_wire_retention import LATER, fill
from tests.unit.wire.vaults import KEY

from cloison.bodies import BodyId
from cloison.errors import IntegrityError, PeerError, StorageError
from cloison.exchange import limits
from cloison.exchange.statement import to_milliseconds
from cloison.identity import Nir, cohort_salts, person_digest
from cloison.law.question import Outcome
from cloison.v1 import persons_service_pb2
from cloison.wire.days import DayBook
from cloison.wire.person_operator import OperatorDesk
from cloison.wire.persons_servicers import PersonOperator
from cloison.wire.retention import RetentionDesk
from cloison.wire.vault import Vault

ONE, TWO, SEED = b"1" * 32, b"2" * 32, b"seed" * 8
RUN = [ANNE.nir, BRUNO.nir, DENIS.nir]
DIGESTS = [person_digest(salt, nir) for salt, nir in zip(cohort_salts(SEED, 3), RUN, strict=True)]


def opened(vault: Vault, who: Someone) -> set[bytes]:
    """Every digest that whoever has the vault and its key can tell to be of a person."""
    salts = [salt for (salt,) in vault._ask("SELECT salt FROM salt")]
    for seed, salts_left, sealed in vault._ask(
        "SELECT salt_seed, salts, sealed_nirs FROM cohort_batch"
    ):
        numbers = vault._database.unseal(sealed, b"cloison/v1 vault batch\n" + seed)
        count = len(numbers) // 15
        salts += cohort_salts(seed, count)
        salts += [salts_left[at : at + 32] for at in range(0, len(salts_left or b""), 32)]
    for (leaf,) in vault._ask("SELECT leaf_hash FROM case_file").fetchall():
        case = vault.cases.one(leaf)
        salts += [member.salt for member in case.members] if case else []
    return {person_digest(salt, who.nir) for salt in salts}


def test_keep_seals_the_nir_to_its_salt(path: Path, vault: Vault) -> None:
    vault.openings.keep(ONE, ANNE.nir, TWO, NOW)
    vault.openings.keep(ONE, ANNE.nir, TWO, NOW)
    with pytest.raises(PeerError, match="salt"):
        vault.openings.keep(ONE, ANNE.nir, ONE, NOW)
    with closing(sqlite3.connect(path)) as other:
        (sealed,) = other.execute("SELECT sealed_nir FROM salt").fetchone()
    for purpose in (b"cloison/v1 vault salt\n" + TWO, b"cloison/v1 vault person\n" + ONE):
        with pytest.raises(IntegrityError):
            vault._database.unseal(sealed, purpose)
    opened = vault._database.unseal(sealed, b"cloison/v1 vault salt\n" + ONE)
    assert opened == ANNE.nir.encode()


def test_erase_takes_one_person_out_of_a_run_and_leaves_the_others(vault: Vault) -> None:
    vault.openings.keep_run(SEED, RUN, TWO, 0, NOW)
    for digest, who in zip(DIGESTS, (ANNE, BRUNO, DENIS), strict=True):
        assert digest in opened(vault, who)
    vault.openings.erase(BRUNO.nir)
    assert DIGESTS[1] not in opened(vault, BRUNO)
    assert DIGESTS[0] in opened(vault, ANNE)
    vault.openings.erase(ANNE.nir)
    assert DIGESTS[0] not in opened(vault, ANNE)
    assert DIGESTS[2] in opened(vault, DENIS)


def test_erase_leaves_neither_seed_nor_salt_in_the_file(path: Path, vault: Vault) -> None:
    with vault.transaction():
        vault.openings.keep(ONE, ANNE.nir, TWO, NOW)
        vault.openings.keep_run(SEED, RUN, TWO, 0, NOW)
    with vault.transaction():
        vault.openings.erase(ANNE.nir)
    vault.empty_log()
    kept = b"".join(one.read_bytes() for one in path.parent.iterdir())
    anne, bruno, _ = cohort_salts(SEED, 3)
    assert [part in kept for part in (ONE, SEED, anne, bruno)] == [False, False, False, True]


def test_erase_of_a_number_that_stands_across_two_others_changes_nothing(vault: Vault) -> None:
    vault.openings.keep_run(SEED, RUN, TWO, 0, NOW)
    vault.openings.erase(Nir(ANNE.nir[5:] + BRUNO.nir[:5]))
    assert vault._ask("SELECT salt_seed, salts FROM cohort_batch").fetchall() == [(SEED, None)]


@pytest.mark.parametrize(("days", "left"), [(0, 3), (1, 2), (2, 1), (9, 0)])
def test_prune_drops_what_was_kept_before(vault: Vault, days: int, left: int) -> None:
    for day in range(3):
        now = NOW + timedelta(days=day)
        vault.openings.keep(bytes([day]) * 32, ANNE.nir, TWO, now)
        vault.openings.keep_run(bytes([day + 8]) * 32, RUN, TWO, 4 * day, now)
    vault.openings.prune(NOW + timedelta(days=days))
    for table in ("salt", "cohort_batch"):
        assert vault._ask(f"SELECT count(*) FROM {table}").fetchone() == (left,)  # noqa: S608


def test_vault_of_before_keeps_what_it_opens_and_dates_it_from_now(path: Path) -> None:
    vault = Vault(path, KEY, CAF)
    seal = vault._database.seal
    salt = ONE, TWO, seal(ANNE.nir.encode(), b"cloison/v1 vault salt\n" + ONE)
    run = SEED, TWO, 0, seal("".join(RUN).encode(), b"cloison/v1 vault batch\n" + SEED)
    vault.close()
    with closing(sqlite3.connect(path)) as older, older:
        older.executescript(
            "DROP TABLE salt; DROP TABLE cohort_batch;"
            " CREATE TABLE salt (salt BLOB NOT NULL PRIMARY KEY, statement_hash BLOB NOT NULL,"
            " sealed_nir BLOB NOT NULL) STRICT, WITHOUT ROWID;"
            " CREATE TABLE cohort_batch (salt_seed BLOB NOT NULL UNIQUE, statement_hash BLOB NOT"
            " NULL, part INTEGER NOT NULL, sealed_nirs BLOB NOT NULL) STRICT;"
            " PRAGMA user_version = 6;"
        )
        older.execute("INSERT INTO salt VALUES (?, ?, ?)", salt)
        older.execute("INSERT INTO cohort_batch VALUES (?, ?, ?, ?)", run)
    with closing(Vault(path, KEY, CAF)) as later:
        later.openings.prune(NOW)
        assert person_digest(ONE, ANNE.nir) in opened(later, ANNE)
        assert DIGESTS[1] in opened(later, BRUNO)
        later.openings.keep(ONE, ANNE.nir, TWO, NOW)
        with pytest.raises(PeerError):
            later.openings.keep_run(SEED, RUN, ONE, 0, NOW)


# --- a whole federation --------------------------------------------------------------------------


@pytest.fixture
def permitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cohorts too, and of few."""
    monkeypatch.setattr(limits, "COHORT_BATCH_LEAST", 1)
    decide_as(monkeypatch, Outcome.PERMIT)


def told(federation: Federation, body: BodyId, who: Someone) -> int:
    """How many digests of a body's ledger its vault still tells to be of a person."""
    entries = b"".join(federation.raw_entries(body))
    return sum(digest in entries for digest in opened(federation.node(body).vault, who))


def keyed(federation: Federation, body: BodyId, who: Someone) -> list[str]:
    """Tables that tell of a person's row key which entries are about them."""
    node = federation.node(body)
    key, run_vault = node.row_key(who.nir), node.vault._database.connection.execute
    run_store = node.store._database.connection.execute
    tables = run_vault("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    places = [(table, run_vault) for (table,) in tables] + [("received_person", run_store)]
    return [
        table
        for table, run_there in places
        for row in run_there(f"SELECT * FROM {table}")  # noqa: S608 - no input in it
        if any(isinstance(value, bytes) and key in value for value in row)
    ]


@pytest.mark.usefixtures("permitted")
def test_erase_leaves_no_entry_that_either_node_can_tell_to_be_of_the_person(
    federation: Federation, ppa: Program
) -> None:
    ask(federation, ANNE)
    cohort = Cohort(ppa)
    cohort.ask(cohort.plain())
    before = [told(federation, body, ANNE) for body in (CAF, CNAV)]
    others = [told(federation, body, DENIS) for body in (CAF, CNAV)]
    keys = {body: keyed(federation, body, ANNE) for body in (CAF, CNAV)}
    assert min(before) > 1
    assert min(others) > 0
    for body in (CAF, CNAV):
        _, until = OperatorDesk(federation.node(body)).erase(ANNE.nir, "erasure-ordered")
        assert until is not None
        under_way = [table for table in keys[body] if table != "person"]
        assert under_way == keyed(federation, body, ANNE) != []
    assert told(federation, CNAV, ANNE) == 0
    assert 0 < told(federation, CAF, ANNE) < before[0]  # the live cases
    next_day(federation, CAF, CNAV, days=400)
    for body in (CAF, CNAV):
        _, until = OperatorDesk(federation.node(body)).erase(ANNE.nir, "erasure-ordered")
        assert until is None
        assert told(federation, body, ANNE) == 0
        assert keyed(federation, body, ANNE) == []
        assert keyed(federation, body, DENIS)
    assert [told(federation, body, DENIS) for body in (CAF, CNAV)] == others


def test_erase_while_somebody_reads_the_vault_says_that_it_is_not_over(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloison.store.database._BUSY_SECONDS", 0.01)
    desk = OperatorDesk(federation.node(CAF))
    reading = sqlite3.connect(federation.settings(CAF).state / "vault.sqlite", isolation_level=None)
    reading.execute("BEGIN")
    reading.execute("SELECT count(*) FROM person").fetchone()
    with pytest.raises(StorageError) as caught:
        desk.erase(ANNE.nir, "deceased")
    assert caught.value.reason == "ERASURE_PENDING"
    reading.close()
    desk.erase(ANNE.nir, "deceased")


@pytest.mark.parametrize("body", [CAF, CNAV])
def test_erase_tells_the_operator_how_long_a_case_names_the_person(
    federation: Federation, ppa: Program, body: BodyId
) -> None:
    case = ppa.open_case()
    node = federation.node(body)
    operator = PersonOperator(node, OperatorDesk(node))
    request = persons_service_pb2.EraseTraceKeyRequest(nir=ANNE.nir, why="deceased")
    response = run(operator.EraseTraceKey(request, federation.context(body)))
    until = case.valid_until if body == CAF else None
    assert response.kept_until_ms == (to_milliseconds(until) if until else 0)


@pytest.mark.usefixtures("permitted")
def test_prune_leaves_nothing_that_opens_what_went(federation: Federation, ppa: Program) -> None:
    ask(federation, ANNE)
    cohort = Cohort(ppa)
    cohort.ask(cohort.plain())
    first = {body: opened(federation.node(body).vault, ANNE) for body in (CAF, CNAV)}
    next_day(federation, CAF, CNAV)
    for body in (CAF, CNAV):
        fill(federation, 600, body)
    next_day(federation, CAF, CNAV, days=40)
    ask(federation, ANNE)
    for body in (CAF, CNAV):
        fill(federation, 300, body)
    federation.clock.now = LATER
    for body in (CAF, CNAV):
        node = federation.node(body)
        DayBook(node).close_all()
        node.traces.settle()
        assert RetentionDesk(node).daily() is not None
        assert first[body].isdisjoint(opened(node.vault, ANNE))
        assert told(federation, body, ANNE) > 0  # what was asked later
