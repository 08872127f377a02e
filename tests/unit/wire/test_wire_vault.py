"""The vault's file: whose it is, what stands in clear, and rows moved from their place."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.federation import CAF, CNAV, NOW
from tests.unit.wire.vaults import KEY

from cloison.bodies import BodyId
from cloison.errors import IntegrityError, StorageError
from cloison.identity import Nir
from cloison.months import Month
from cloison.wire.case_files import CaseFile, CaseMember
from cloison.wire.vault import Vault

MONTH = Month.of(2026, 3)
ONE, TWO = b"1" * 32, b"2" * 32
CASE = CaseFile(
    leaf_hash=ONE,
    leaf_index=7,
    renewal_index=None,
    activity="caf-ppa",
    type="claim",
    month=MONTH,
    reference="DOSSIER-4711",
    valid_until=NOW + timedelta(days=1),
    closed=False,
    members=(CaseMember("applicant", Nir("285067500000113"), "Lémy", "1985-06-01", b"s" * 32),),
)


def alter(path: Path, sql: str, *values: bytes) -> None:
    with closing(sqlite3.connect(path)) as other, other:
        other.execute(sql, values)


def test_case_is_found_by_its_claim_until_it_is_closed(vault: Vault) -> None:
    vault.cases.keep(CASE)
    claim = ("caf-ppa", "claim", MONTH, "DOSSIER-4711")
    assert vault.cases.one(ONE) == vault.cases.live(*claim, NOW) == CASE
    vault.cases.close(ONE)
    assert vault.cases.live(*claim, NOW) is None


@pytest.mark.parametrize(
    "claim",
    [
        ("caf-rsa", "claim", MONTH, "DOSSIER-4711"),
        ("caf-ppa", "review", MONTH, "DOSSIER-4711"),
        ("caf-ppa", "claim", Month.of(2026, 4), "DOSSIER-4711"),
        ("caf-ppa", "claim", MONTH, "DOSSIER-4712"),
    ],
)
def test_live_case_of_another_claim_is_none(
    vault: Vault, claim: tuple[str, str, Month, str]
) -> None:
    vault.cases.keep(CASE)
    assert vault.cases.live(*claim, NOW) is None


def test_keep_case_leaves_no_claim_and_no_name_in_the_files(path: Path, vault: Vault) -> None:
    vault.cases.keep(CASE)
    held = b"".join(file.read_bytes() for file in path.parent.glob("vault.sqlite*"))
    assert b"caf-ppa" in held
    assert not any(word in held for word in (b"4711", b"285067500000113", "Lémy".encode()))


def test_case_moved_to_another_row_is_refused(path: Path, vault: Vault) -> None:
    vault.cases.keep(CASE)
    vault.cases.keep(replace(CASE, leaf_hash=TWO, reference="DOSSIER-4712"))
    alter(
        path,
        "UPDATE case_file SET sealed = two.sealed FROM case_file AS two"
        " WHERE case_file.leaf_hash = ? AND two.leaf_hash = ?",
        ONE,
        TWO,
    )
    with pytest.raises(IntegrityError) as caught:
        vault.cases.one(ONE)
    assert caught.value.reason == "VAULT_SEAL"


def test_person_moved_to_another_row_is_refused(path: Path, vault: Vault) -> None:
    vault.trace_keys([b"one"], NOW.date())
    alter(path, "UPDATE person SET row_key = ?", b"two")
    with pytest.raises(IntegrityError) as caught:
        vault.trace_keys([b"two"], NOW.date())
    assert caught.value.reason == "VAULT_SEAL"


def test_trace_keys_are_the_same_when_opened_again(path: Path) -> None:
    found = []
    for _ in range(2):
        vault = Vault(path, KEY, CAF)
        found.append(vault.trace_keys([b"one", b"two", b"one"], NOW.date()))
        vault.close()
    assert found[0] == found[1]
    assert len(found[0]) == 2


def test_trace_keys_change_with_the_day_and_not_within_it(vault: Vault) -> None:
    today, tomorrow = NOW.date(), NOW.date() + timedelta(days=1)
    first = vault.trace_keys([b"one", b"two"], today)
    assert vault.trace_keys([b"two", b"three"], today)[0] == first[1]
    assert not set(first).intersection(vault.trace_keys([b"one", b"two"], tomorrow))
    assert vault.trace_keys([b"one", b"two"], today) == first


def test_person_erased_gets_another_trace_key_the_same_day(vault: Vault) -> None:
    (first,) = vault.trace_keys([b"one"], NOW.date())
    assert vault.erase_person(b"one", CASE.members[0].nir, NOW) is None
    assert vault.trace_keys([b"one"], NOW.date()) != [first]


def test_erase_takes_the_person_from_cases_that_are_over_and_says_how_long_others_keep_them(
    vault: Vault,
) -> None:
    other = replace(CASE.members[0], nir=Nir("186027511900163"), role="partner")
    household = replace(CASE, members=(*CASE.members, other))
    for place, days in enumerate((-2, -1, 3, 2)):
        until = NOW + timedelta(days=days)
        file = replace(household, leaf_hash=bytes([place]) * 32, valid_until=until)
        vault.cases.keep(file)
    vault.cases.close(bytes([2]) * 32)  # a closed one is told of corrections until its end
    assert vault.erase_person(b"one", other.nir, NOW) == NOW + timedelta(days=3)
    left = [vault.cases.one(bytes([place]) * 32) for place in range(4)]
    assert [len(one.members) for one in left if one] == [1, 1, 2, 2]
    assert left[0] is not None
    assert left[0].members == CASE.members
    assert vault.erase_person(b"one", other.nir, NOW + timedelta(days=3)) is None


def test_erase_of_all_a_case_was_about_leaves_no_claim_to_find_it_by(vault: Vault) -> None:
    vault.cases.keep(replace(CASE, valid_until=NOW))
    claim = ("caf-ppa", MONTH, "DOSSIER-4711")
    assert vault.cases.latest(*claim) is not None
    vault.erase_person(b"one", CASE.members[0].nir, NOW)
    assert vault.cases.latest(*claim) is None
    left = vault.cases.one(ONE)
    assert left is not None
    assert (left.reference, left.members, left.leaf_index) == ("", (), CASE.leaf_index)


def test_prune_drops_cases_that_are_over_and_whose_entry_went(vault: Vault) -> None:
    for place, days in ((6, 1), (7, -1), (8, -1), (9, 1)):
        until = NOW + timedelta(days=days)
        leaf = bytes([place]) * 32
        vault.cases.keep(replace(CASE, leaf_hash=leaf, leaf_index=place, valid_until=until))
    assert vault.cases.is_closed(bytes([7]) * 32) is False
    vault.prune(8, NOW, NOW)
    assert [vault.cases.is_closed(bytes([place]) * 32) for place in (6, 7, 8, 9)] == [
        False,
        None,
        False,
        False,
    ]


def test_persons_more_than_one_look_up_takes_keep_their_keys(path: Path, vault: Vault) -> None:
    persons = [number.to_bytes(16, "big") for number in range(501)]
    with vault.transaction():
        first = vault.trace_keys(persons, NOW.date())
    with closing(Vault(path, KEY, CAF)) as other:
        assert other.trace_keys(persons, NOW.date()) == first


@pytest.mark.usefixtures("vault")
@pytest.mark.parametrize(("key", "body"), [(b"x" * 32, CAF), (KEY, CNAV)])
def test_open_with_another_key_or_body_is_refused(path: Path, key: bytes, body: BodyId) -> None:
    with pytest.raises(StorageError, match="vault") as caught:
        Vault(path, key, body)
    assert caught.value.reason == "WRONG_STORE"


def test_open_what_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StorageError) as caught:
        Vault(path, KEY, CAF)
    assert caught.value.reason == "STORE_OPEN"
