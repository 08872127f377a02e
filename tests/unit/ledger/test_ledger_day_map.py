"""A day's map: what a proof of one key shows, and what no proof can hide."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloison.errors import IntegrityError
from cloison.ledger.day_files import DayFile, day_file, drop_days_before, write_day_map
from cloison.ledger.day_map import (
    DayMap,
    ProvedRow,
    Row,
    RowsProof,
    gather,
    hash_indexes,
    parse_row,
    prove_key,
    verify_key,
)
from cloison.ledger.tree import MemoryNodes, edge_hashes, leaf_hash, root_of

DAY = date(2026, 6, 16)


def key(number: int) -> bytes:
    return sha256(number.to_bytes(4, "big")).digest()


def day_map(keys: int) -> DayMap:
    return DayMap({key(number): [number, number + 100] for number in range(keys)})


@given(st.integers(0, 40), st.integers(0, 60))
def test_verify_key_says_how_often_a_key_stands_in_a_map_and_that_others_do_not(
    keys: int, number: int
) -> None:
    made = day_map(keys)
    row = verify_key(prove_key(made, key(number)), key(number), made.size, made.root)
    expected = Row(key(number), 2, hash_indexes([number, number + 100]))
    assert row == (expected if number < keys else None)


def test_gather_counts_a_key_once_for_each_entry() -> None:
    entries = [(3, [key(1), key(1)]), (4, [key(2)]), (7, [key(1)])]
    assert gather(entries) == {key(1): [3, 7], key(2): [4]}


class Forged:
    """A map whose rows are what a dishonest node wrote."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows, self.size = rows, len(rows)
        leaves = [leaf_hash(row.encode()) for row in rows]
        self.nodes = MemoryNodes(leaves)
        self.edges = edge_hashes(self.nodes, self.size)
        self.root = root_of(leaves)

    def row(self, place: int) -> Row:
        return self.rows[place]


def test_verify_key_with_two_rows_of_one_key_is_refused_whichever_is_shown() -> None:
    rows = sorted(day_map(5).rows, key=lambda row: row.key)
    second = replace(rows[2], count=1, indexes_hash=hash_indexes([9]))
    forged = Forged([*rows[:3], second, *rows[3:]])
    for place in (2, 3):
        shown = tuple(
            ProvedRow(forged.row(at), tuple(prove_path(forged, at)))
            for at in range(place - 1, place + 2)
        )
        with pytest.raises(IntegrityError) as caught:
            verify_key(RowsProof(place - 1, shown), rows[2].key, forged.size, forged.root)
        assert caught.value.reason == "BAD_DAY_MAP"


def prove_path(forged: Forged, place: int) -> list[bytes]:
    from cloison.ledger.tree import inclusion_from  # noqa: PLC0415 - one use

    return inclusion_from(forged.nodes, forged.edges, place, forged.size)


def _without_first(proof: RowsProof) -> RowsProof:
    return RowsProof(proof.first + 1, proof.rows[1:])


def _without_last(proof: RowsProof) -> RowsProof:
    return RowsProof(proof.first, proof.rows[:-1])


def _only_neighbours(proof: RowsProof) -> RowsProof:
    return RowsProof(proof.first, (proof.rows[0], proof.rows[2]))


def _fewer(proof: RowsProof) -> RowsProof:
    middle = proof.rows[1]
    fewer = ProvedRow(replace(middle.row, count=1), middle.path)
    return RowsProof(proof.first, (proof.rows[0], fewer, proof.rows[2]))


def _elsewhere(proof: RowsProof) -> RowsProof:
    return RowsProof(proof.first + 1, proof.rows)


@pytest.mark.parametrize(
    "change", [_without_first, _without_last, _only_neighbours, _fewer, _elsewhere]
)
def test_verify_key_of_an_altered_proof_is_refused(
    change: Callable[[RowsProof], RowsProof],
) -> None:
    made = day_map(9)
    wanted = made.rows[4].key
    with pytest.raises(IntegrityError) as caught:
        verify_key(change(prove_key(made, wanted)), wanted, made.size, made.root)
    assert caught.value.reason in {"BAD_PROOF", "BAD_DAY_MAP"}


def test_verify_key_absence_under_another_key_or_map_is_refused() -> None:
    made, other = day_map(9), day_map(8)
    absent = key(50)
    proof = prove_key(made, absent)
    for wanted, size, root in [
        (made.rows[4].key, made.size, made.root),
        (absent, other.size, other.root),
        (absent, 0, made.root),
    ]:
        with pytest.raises(IntegrityError):
            verify_key(proof, wanted, size, root)


def test_verify_key_proof_file_without_rows_proves_nothing() -> None:
    made = day_map(3)
    with pytest.raises(IntegrityError) as caught:
        verify_key(RowsProof(0, ()), key(50), made.size, made.root)
    assert caught.value.reason == "BAD_DAY_MAP"


@pytest.mark.parametrize("keys", [0, 1, 2, 3, 9, 64, 65])
def test_day_file_proves_what_the_map_in_memory_does(keys: int, tmp_path: Path) -> None:
    made = day_map(keys)
    write_day_map(tmp_path, DAY, made)
    with closing(DayFile(day_file(tmp_path, DAY), made.size, made.root)) as file:
        for number in range(keys + 2):
            assert prove_key(file, key(number)) == prove_key(made, key(number))


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data[:-1] + b"\0"])
def test_day_file_altered_is_refused(change: Callable[[bytes], bytes], tmp_path: Path) -> None:
    made = day_map(4)
    write_day_map(tmp_path, DAY, made)
    path = day_file(tmp_path, DAY)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(IntegrityError) as caught:
        DayFile(path, made.size, made.root)
    assert caught.value.reason == "BAD_DAY_MAP"


@pytest.mark.parametrize("data", [b"", bytes(71), bytes(72)])
def test_parse_row_of_no_row_is_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError) as caught:
        parse_row(data)
    assert caught.value.reason == "BAD_DAY_MAP"


def test_drop_days_before_keeps_later_days(tmp_path: Path) -> None:
    for day in (date(2023, 1, 31), date(2023, 2, 1), DAY):
        write_day_map(tmp_path, day, day_map(1))
    assert drop_days_before(tmp_path, date(2023, 2, 1)) == 1
    assert not day_file(tmp_path, date(2023, 1, 31)).exists()
    assert day_file(tmp_path, date(2023, 2, 1)).exists()
