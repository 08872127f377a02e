"""Received releases stay behind their label; outputs stay sealed; the vault shows tampering."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from tests.unit.store.conftest import ANNE, BRUNO, NOW, ROW_KEY, VAULT_KEY

from cloison.errors import IntegrityError
from cloison.identity import Nir
from cloison.months import Month
from cloison.store import Output, ReceivedLabel, Store
from cloison.store.database import Database
from cloison.store.people import People

LABEL = ReceivedLabel(
    "holder", "pay", "calculation", "essai-ppa", "texte", NOW + timedelta(days=90)
)
FIELDS = ("gross", "nature")
STATEMENT, LEAF = b"s" * 32, b"l" * 32
FEBRUARY, APRIL = Month.of(2026, 2), Month.of(2026, 4)


def keep(
    store: Store,
    sealed: bytes = b"sealed",
    statement: bytes = STATEMENT,
    label: ReceivedLabel = LABEL,
    persons: Sequence[bytes] = (ANNE,),
    part: int = 0,
    case: bytes = b"",
) -> bool:
    return store.keep_received(
        statement, label, persons, FIELDS, FEBRUARY, APRIL, sealed, LEAF, NOW, part, case
    )


def find(
    store: Store,
    *persons: bytes,
    activity: str = "essai-ppa",
    fields: Sequence[str] = FIELDS,
    first: Month = FEBRUARY,
    last: Month = APRIL,
) -> list[bytes]:
    return store.received(activity, "holder", "pay", persons or (ANNE,), fields, first, last)


def test_received_gives_back_what_was_kept(store: Store) -> None:
    assert keep(store)
    assert find(store) == [b"sealed"]
    assert store.received_label(STATEMENT) == LABEL


def test_keep_received_twice_changes_nothing(store: Store) -> None:
    keep(store)
    assert not keep(store)
    assert find(store) == [b"sealed"]


def test_keep_received_another_answer_is_refused(store: Store) -> None:
    keep(store)
    with pytest.raises(IntegrityError) as caught:
        keep(store, b"other")
    assert caught.value.reason == "RECEIVED_TWICE"


@pytest.mark.parametrize(
    "other",
    [
        {"activity": "essai-dmde"},
        {"first": Month.of(2026, 3)},
        {"last": Month.of(2026, 3)},
    ],
    ids=lambda other: next(iter(other)),
)
def test_received_for_anything_else_gives_nothing(other: dict[str, object], store: Store) -> None:
    keep(store)
    assert find(store, **other) == []  # type: ignore[arg-type]


def test_received_about_another_person_gives_nothing(store: Store) -> None:
    keep(store)
    assert find(store, BRUNO) == []


def test_received_that_holds_a_person_not_asked_is_not_given(store: Store) -> None:
    keep(store, persons=(ANNE, BRUNO))
    assert (find(store, ANNE), find(store, BRUNO)) == ([], [])
    assert find(store, BRUNO, ANNE, ANNE) == [b"sealed"]


@pytest.mark.parametrize(
    ("fields", "given"),
    [(("gross",), False), (("gross", "net"), False), (("gross", "nature", "net"), True)],
)
def test_received_that_holds_a_field_not_asked_is_not_given(
    fields: tuple[str, ...], given: bool, store: Store
) -> None:
    keep(store)
    assert find(store, fields=fields) == ([b"sealed"] if given else [])


def test_received_persons_forgotten_leave_others_no_release_that_was_about_both(
    store: Store, tmp_path: Path
) -> None:
    endless, case = replace(LABEL, until_time=None), b"c" * 32
    keep(store, b"both", persons=(ANNE, BRUNO), label=endless, case=case)
    keep(store, b"live", b"t" * 32, endless, case=b"o" * 32)
    keep(store, b"ends", b"u" * 32, case=case)
    assert sorted(store.received_persons.cases(ANNE)) == [case, b"o" * 32]
    assert store.received_persons.forget(ANNE, [case])
    assert find(store, ANNE) == [b"live", b"ends"]
    assert find(store, BRUNO) == find(store, ANNE, BRUNO)[2:] == []
    assert store.received_persons.forget(ANNE, [b"o" * 32])
    assert store.destroy([(b"u" * 32, 0)], [])
    assert not [file.name for file in tmp_path.glob("store*") if ANNE in file.read_bytes()]


def test_received_for_another_purpose_gives_nothing(store: Store) -> None:
    keep(store)
    asked = ("essai-ppa", "holder", "pay", [ANNE], FIELDS, FEBRUARY, APRIL)
    assert store.received(*asked, received_for="calculation") == [b"sealed"]
    assert store.received(*asked, received_for="control-targeting") == []


@pytest.mark.parametrize(("days", "given"), [(89, True), (90, False)])
def test_received_after_its_label_ended_gives_nothing(days: int, given: bool, store: Store) -> None:
    keep(store)
    asked = ("essai-ppa", "holder", "pay", [ANNE], FIELDS, FEBRUARY, APRIL)
    found = store.received(*asked, now=NOW + timedelta(days=days))
    assert found == ([b"sealed"] if given else [])


def test_received_of_a_cohort_comes_in_parts(store: Store) -> None:
    keep(store, b"one", persons=(ANNE, BRUNO))
    keep(store, b"two", part=1)
    assert (find(store, ANNE, BRUNO), find(store)) == ([b"one", b"two"], [b"two"])


def test_received_label_of_a_stranger_is_none(store: Store) -> None:
    assert store.received_label(STATEMENT) is None


OUTPUT = Output(
    deposit_hash=b"d" * 32,
    activity="essai-ppa",
    output="amount",
    reference="C1",
    case_leaf_hash=b"c" * 32,
    content=b'{"cents":24690}',
    label=b"label",
    statement_hashes=(STATEMENT, b"t" * 32),
    leaf_hash=LEAF,
    kept_time=NOW,
)


def test_keep_output_twice_changes_nothing(store: Store) -> None:
    assert store.keep_output(OUTPUT)
    assert not store.keep_output(replace(OUTPUT, kept_time=NOW + timedelta(days=1)))
    assert list(store.outputs("essai-ppa", "amount")) == [OUTPUT]


@pytest.mark.parametrize(
    "asked",
    [("essai-rsa", "amount", "C1"), ("essai-ppa", "notice", None), ("essai-ppa", "amount", "C2")],
)
def test_outputs_of_another_activity_name_or_claim_are_not_given(
    asked: tuple[str, str, str | None], store: Store
) -> None:
    store.keep_output(OUTPUT)
    assert list(store.outputs(*asked)) == []


def test_outputs_of_a_claim_are_found_by_it(store: Store) -> None:
    other = replace(OUTPUT, deposit_hash=b"e" * 32, reference="C\n2", content=b"a\nb\n")
    store.keep_output(OUTPUT)
    store.keep_output(other)
    assert list(store.outputs("essai-ppa", "amount", "C1")) == [OUTPUT]
    assert list(store.outputs("essai-ppa", "amount", "C\n2")) == [other]
    assert len(list(store.outputs("essai-ppa", "amount"))) == 2


def test_keep_output_leaves_no_amount_and_no_claim_in_the_files(
    tmp_path: Path, store: Store
) -> None:
    store.keep_output(replace(OUTPUT, reference="DOSSIER-4711"))
    data = b"".join(path.read_bytes() for path in tmp_path.glob("store.sqlite*"))
    assert b"essai-ppa" in data
    assert b"24690" not in data
    assert b"DOSSIER-4711" not in data


def test_outputs_altered_on_disk_are_refused(tmp_path: Path, store: Store) -> None:
    store.keep_output(OUTPUT)
    with sqlite3.connect(tmp_path / "store.sqlite") as other:
        other.execute("UPDATE output SET deposit_hash = ?", (b"e" * 32,))
    other.close()
    with pytest.raises(IntegrityError) as caught:
        list(store.outputs("essai-ppa", "amount"))
    assert caught.value.reason == "VAULT_SEAL"


@pytest.fixture
def people(tmp_path: Path) -> Iterator[People]:
    database = Database(tmp_path / "store.sqlite", "essai", VAULT_KEY, (ROW_KEY,))
    yield People(database)
    database.close()


def test_named_gives_back_who_was_sealed(people: People) -> None:
    people.put_named(ANNE, Nir("285067500000113"), "Lémy", "1985-06-01")
    assert people.named(ANNE) == ("285067500000113", "Lémy", date(1985, 6, 1))


def test_named_moved_to_another_row_is_refused(tmp_path: Path, people: People) -> None:
    people.put_named(ANNE, Nir("285067500000113"), "Lémy", "1985-06-01")
    with sqlite3.connect(tmp_path / "store.sqlite") as other:
        other.execute("UPDATE vault SET person = ?", (BRUNO,))
    other.close()
    with pytest.raises(IntegrityError) as caught:
        people.named(BRUNO)
    assert caught.value.reason == "VAULT_SEAL"


def test_named_of_a_stranger_is_refused(people: People) -> None:
    with pytest.raises(IntegrityError) as caught:
        people.named(BRUNO)
    assert caught.value.reason == "VAULT_MISSING"
