"""What is destroyed is in no file of the store any more; what is not, stays."""

import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.store.conftest import ANNE, BRUNO, NOW
from tests.unit.store.test_store_received import LABEL, OUTPUT, STATEMENT, find, keep

from cloison.store import Doomed, Store

CASE = b"c" * 32
SEALED = b"sealed, and long enough for pages of its own " * 500


def on_disk(folder: Path, what: bytes) -> list[str]:
    return [file.name for file in folder.iterdir() if file.is_file() and what in file.read_bytes()]


def test_doomed_of_a_case_are_those_its_activity_was_given_under_it(store: Store) -> None:
    keep(store, persons=(ANNE, BRUNO), case=CASE)
    keep(store, statement=b"t" * 32, case=b"o" * 32)
    found = store.doomed_of_cases("essai-ppa", [CASE])
    assert found == [Doomed(STATEMENT, 0, "essai-ppa", CASE, (ANNE, BRUNO))]
    assert store.doomed_of_cases("essai-rsa", [CASE]) == []


def test_doomed_of_a_person_include_what_names_others_too(store: Store) -> None:
    keep(store, persons=(ANNE, BRUNO))
    keep(store, statement=b"t" * 32, persons=(ANNE,))
    keep(store, statement=b"u" * 32, persons=(BRUNO,), part=3)
    found = store.doomed_of_person("essai-ppa", BRUNO)
    assert [(one.statement_hash, one.part) for one in found] == [(STATEMENT, 0), (b"u" * 32, 3)]


def test_doomed_ended_are_those_whose_label_ended_and_no_more(store: Store) -> None:
    keep(store)
    keep(store, statement=b"t" * 32, label=replace(LABEL, until_time=None))
    assert store.doomed_ended(NOW + timedelta(days=89), 9) == []
    ended = store.doomed_ended(NOW + timedelta(days=90), 9)
    assert [one.statement_hash for one in ended] == [STATEMENT]


def test_destroy_leaves_the_bytes_in_no_file_and_others_where_they_are(
    store: Store, tmp_path: Path
) -> None:
    keep(store, SEALED)
    keep(store, b"kept", b"t" * 32)
    assert on_disk(tmp_path, SEALED[:64])
    assert store.destroy([(STATEMENT, 0)], [])
    assert on_disk(tmp_path, SEALED[:64]) == []
    assert find(store) == [b"kept"]


def test_destroy_takes_deposits_too_and_twice_is_no_error(store: Store) -> None:
    store.keep_output(OUTPUT)
    assert store.deposits_of_cases("essai-ppa", [OUTPUT.case_leaf_hash]) == [OUTPUT.deposit_hash]
    assert store.destroy([], [OUTPUT.deposit_hash])
    assert store.destroy([(STATEMENT, 0)], [OUTPUT.deposit_hash])
    assert list(store.outputs("essai-ppa", "amount")) == []


def test_deposits_ended_are_those_of_which_a_label_ended(store: Store) -> None:
    end = NOW + timedelta(days=90)
    store.keep_output(replace(OUTPUT, until_time=end))
    store.keep_output(replace(OUTPUT, deposit_hash=b"e" * 32))
    assert store.deposits_ended(end - timedelta(seconds=1), 9) == []
    assert store.deposits_ended(end, 9) == [("essai-ppa", OUTPUT.deposit_hash)]


def test_destroy_while_another_process_loads_says_that_it_is_not_over(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloison.store.database._BUSY_SECONDS", 0.01)
    keep(store, SEALED)
    reading = sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)
    reading.execute("BEGIN")
    reading.execute("SELECT count(*) FROM received").fetchone()
    assert not store.destroy([(STATEMENT, 0)], [])
    reading.close()
    assert store.destroy([(STATEMENT, 0)], [])
    assert on_disk(tmp_path, SEALED[:64]) == []
