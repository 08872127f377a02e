"""What an analyst with patience tries on one node: each attack run, and what it gains measured."""

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.statistics.conftest import Shaped

from cloison.errors import BudgetExceeded
from cloison.statistics.budget import Accounts
from cloison.statistics.cells import cells_expression, count_cells
from cloison.statistics.cube import Cube
from cloison.statistics.declared import Declared, cost_of
from cloison.statistics.document import build_document, read_document
from cloison.statistics.encoding import encode
from cloison.statistics.export import to_csv, to_rows
from cloison.statistics.held import HeldPeriod
from cloison.statistics.hierarchy import estimate
from cloison.statistics.noise import Mechanism
from cloison.statistics.plan import make_plan
from cloison.statistics.release import ExactCells, release
from cloison.statistics.table import Table

ONE, RUNS = Fraction(1), 20_000
COUNTS, SUMS = "caf-beneficiaries", "caf-amounts"
Measured = list[np.ndarray[Any, np.dtype[np.float64]]]


def _releases(table: Table, cube: Cube, leaves: Sequence[int], epsilon: Fraction) -> Measured:
    """The unrounded figures of many releases, each cell with the noise of OpenDP."""
    plan = make_plan(table, cube, epsilon, Fraction(0))
    exact = ExactCells(np.array(leaves, np.int64)).levels(cube)
    noisy = [
        np.array(mechanism.draw(level * RUNS)).reshape(RUNS, -1)
        for mechanism, level in zip(plan.mechanisms, exact, strict=True)
    ]
    return estimate(noisy, [one.variance for one in plan.mechanisms], cube.parents)


def _gain(without: Any, with_one: Any) -> float:
    """How much oftener than not the best threshold tells the two apart: 0 never, 1 always."""
    cuts = np.unique(np.quantile(np.concatenate([without, with_one]), np.linspace(0, 1, 200)))
    told = [float((with_one > cut).mean() - (without > cut).mean()) for cut in cuts]
    return max(map(abs, told))


@pytest.mark.parametrize("epsilon", ["1/4", "1"])
def test_differencing_one_person_out_gains_no_more_than_the_loss_allows(
    shaped: Shaped, declared: Declared, epsilon: str
) -> None:
    benefit = declared.tables[COUNTS].dimensions[1].model_dump()
    table, cube = shaped(1, dimensions=[benefit], levels=[[], ["benefit"]])
    loss = Fraction(epsilon)
    with_one = _releases(table, cube, [8, 0, 3], loss)
    without = _releases(table, cube, [7, 0, 3], loss)
    # Whatever is subtracted from whatever: the cell, the whole, their sum, the whole less the rest.
    pairs = [
        (one[1][:, 0], one[0][:, 0], one[0][:, 0] + one[1][:, 0], one[0][:, 0] - one[1][:, 2])
        for one in (with_one, without)
    ]
    most = math.tanh(float(loss) / 2)  # the most that ε allows
    gains = [_gain(b, a) for a, b in zip(*pairs, strict=True)]
    assert max(gains) <= most + 5 / math.sqrt(RUNS)
    assert max(gains) > most / 4  # the attack is one: it does find something


def test_averaging_all_that_a_budget_buys_is_no_better_than_buying_once(
    declared: Declared,
) -> None:
    """Different losses are different questions; together they cost what one costs, and say less."""
    grant = declared.grants["caf-beneficiaries-2026"]
    accounts, precision = Accounts(), 0.0
    asked = [Fraction(2, n) for n in range(5, 60)]
    bought = 0
    for loss in asked:
        plan = declared.question(COUNTS, "2026-03", str(loss)).plan()
        try:
            after = accounts.after(grant, cost_of(plan))
        except BudgetExceeded:
            break
        accounts.reserve((grant.population, grant.year), cost_of(plan), after)
        precision += 1 / plan.rmse[-1] ** 2
        bought += 1
    once = declared.question(COUNTS, "2026-03", "4").plan()
    assert 10 < bought < len(asked)
    assert accounts.spent((grant.population, grant.year)).epsilon <= 4
    assert 1 / math.sqrt(precision) > once.rmse[-1]


class Frozen:
    """The same noisy figures, whatever the exact ones are: what left is all an analyst has."""

    def __init__(self) -> None:
        self.answers: list[list[int]] = []
        self.place = 0

    def draw(self, mechanism: Mechanism, exact: Sequence[int]) -> list[int]:
        if self.place == len(self.answers):
            self.answers.append(mechanism.draw(exact))
        self.place += 1
        return self.answers[self.place - 1]


@pytest.mark.parametrize("name", [COUNTS, SUMS, "cnav-income", "cnav-income-tree"])
def test_published_bytes_are_a_function_of_the_noisy_figures_alone(
    declared: Declared, name: str
) -> None:
    """No low bit, rounding, order, withheld cell or branch tells of the exact ones."""
    question = declared.question(name, "2026-03", "1")
    plan, cells, frozen = question.plan(), question.cube.leaves.cells, Frozen()
    random = np.random.default_rng(6)
    published = set()
    for counts in (np.zeros(cells, np.int64), random.integers(0, 2**40, cells)):
        exact = ExactCells(counts, counts * 7 % 2**45)
        frozen.place = 0
        levels = release(exact, plan, question.cube, frozen.draw)
        document = build_document(question, plan, levels, b"\0" * 32)
        published.add((document, to_csv(to_rows(read_document(document)))))
    assert len(published) == 1


@pytest.mark.parametrize("name", [COUNTS, SUMS])
def test_keys_and_their_order_are_the_public_ones_whoever_is_there(
    declared: Declared, name: str
) -> None:
    question = declared.question(name, "2026-03", "1")
    plan, cells = question.plan(), question.cube.leaves.cells
    single = np.zeros(cells, np.int64)
    single[137] = 1
    shapes = set()
    for counts in (np.zeros(cells, np.int64), single, np.full(cells, 50_000)):
        levels = release(ExactCells(counts, counts * 9), plan, question.cube)
        content = read_document(build_document(question, plan, levels, b"\0" * 32))
        keys = [level["keys"] for level in content["levels"]]
        shapes.add(str((keys, [len(level["rounded"]) for level in content["levels"]])))
    assert len(shapes) == 1


def _held(folder: Path, declared: Declared, name: str) -> Mapping[str, Sequence[HeldPeriod]]:
    rows = 50
    keys = pa.array([n.to_bytes(16, "big") for n in range(rows)], pa.binary(16))
    columns = {
        "_subject": keys,
        "_corrected": pa.array([False] * rows, pa.bool_()),
        "benefit": pa.array(["ppa"] * rows),
        "department": pa.array(["01"] * rows),
        "amount": pa.array([12_345] * rows, pa.int64()),
        "mns": pa.array([99_999] * rows, pa.int64()),
    }
    pq.write_table(pa.table(columns), folder / "all.parquet")
    return {one: [HeldPeriod(folder / "all.parquet")] for one in declared.tables[name].reads()}


@pytest.mark.parametrize("name", [COUNTS, SUMS, "cnav-income"])
def test_no_float_is_on_the_way_from_the_columns_to_the_noise(
    declared: Declared, tmp_path: Path, name: str
) -> None:
    table, cube = declared.tables[name], declared.cubes[name]
    held = _held(tmp_path, declared, name)
    encoded = encode(table, cube, held)
    assert all(pa.types.is_integer(field.type) for field in encoded.schema)
    nodes = (
        cells_expression(table, cube, ibis.memtable(encoded)).op().find(ibis.expr.operations.Value)
    )
    kinds = {node.dtype for node in nodes}
    assert kinds
    assert not any(kind.is_floating() or kind.is_decimal() for kind in kinds)
    question = declared.question(name, "2026-03", "1")
    seen: set[type] = set()

    def look(mechanism: Mechanism, exact: Sequence[int]) -> list[int]:
        seen.update(map(type, exact))
        drawn = mechanism.draw(exact)
        seen.update(map(type, drawn))
        return drawn

    release(count_cells(table, cube, held), question.plan(), cube, look)
    assert seen == {int}


@pytest.mark.parametrize("lines", [0, 1, 20_000])
def test_a_person_with_thousands_of_lines_weighs_as_one_with_a_line(
    declared: Declared, tmp_path: Path, lines: int
) -> None:
    table, cube = declared.tables[SUMS], declared.cubes[SUMS]

    def held(mine: int) -> dict[str, list[HeldPeriod]]:
        keys = [(1).to_bytes(16, "big")] * 3 + [(2).to_bytes(16, "big")] * mine
        columns = {
            "_subject": pa.array(keys, pa.binary(16)),
            "_corrected": pa.array([False] * len(keys), pa.bool_()),
            "benefit": pa.array(["ppa"] * len(keys)),
            "department": pa.array(["75"] * len(keys)),
            "amount": pa.array([9_999_999] * len(keys), pa.int64()),
        }
        path = tmp_path / f"{mine}.parquet"
        pq.write_table(pa.table(columns), path)
        return {name: [HeldPeriod(path)] for name in table.reads()}

    exact = count_cells(table, cube, held(lines))
    assert sum(exact.levels(cube)[-1]) == 1 + bool(lines)
    assert sum(exact.euros(cube)[-1]) == 1200 * (1 + bool(lines))


REPLAYS: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "another line": lambda one: one,
    "another home": lambda one: one | {"department": "75"},
    "another benefit": lambda one: one | {"benefit": "rsa"},
    "no public key": lambda one: one | {"department": "999"},
    "an amount past all bounds": lambda one: one | {"amount": 2**60},
    "an amount below zero": lambda one: one | {"amount": -(2**60)},
    "no amount": lambda one: one | {"amount": None},
    "withdrawn": lambda one: one | {"_corrected": True},
}


BRACKETS, DECILES, TREE = "caf-amount-brackets", "cnav-income", "cnav-income-tree"


AMOUNTS = ["another line", "an amount past all bounds", "an amount below zero", "no amount"]


@pytest.mark.parametrize(
    ("name", "case"),
    [
        *((name, case) for name in (COUNTS, SUMS) for case in REPLAYS),
        # A bracket is chosen by the amount: what changes it, and what must not add to it.
        *((name, case) for name in (BRACKETS, DECILES, TREE) for case in AMOUNTS),
    ],
)
def test_whole_publication_replayed_with_one_person_more_never_moves_past_the_sensitivity(
    declared: Declared, tmp_path: Path, name: str, case: str
) -> None:
    """Columns to bytes, recorded without the person and replayed with them."""
    question = declared.question(name, "2026-03", "1")
    plain = {"benefit": "ppa", "department": "01", "amount": 50_000, "_corrected": False}
    others = [plain | {"_subject": n.to_bytes(16, "big")} for n in range(1, 40)]
    mine = [REPLAYS[case](plain) | {"_subject": b"\xff" * 16} for _ in range(7)]
    amount = "mns" if "mns" in question.table.reads()[question.table.dataset] else "amount"
    frozen, calls, documents = Frozen(), [], []
    schema = pa.schema(
        {
            "_subject": pa.binary(16),
            "_corrected": pa.bool_(),
            "benefit": pa.string(),
            "department": pa.string(),
            "amount": pa.int64(),
        }
    )
    named = [amount if one == "amount" else one for one in schema.names]
    for number, rows in enumerate((others, others + mine)):
        path = tmp_path / f"{number}.parquet"
        pq.write_table(pa.Table.from_pylist(rows, schema).rename_columns(named), path)
        held = {one: [HeldPeriod(path)] for one in question.table.reads()}
        seen: list[tuple[Mechanism, list[int]]] = []

        def draw(mechanism: Mechanism, exact: Sequence[int], to: Any = seen) -> list[int]:
            to.append((mechanism, list(exact)))
            return frozen.draw(mechanism, exact)

        frozen.place = 0
        cells = count_cells(question.table, question.cube, held)
        levels = release(cells, question.plan(), question.cube, draw)
        documents.append(build_document(question, question.plan(), levels, b"\0" * 32))
        calls.append(seen)
    assert [one for one, _ in calls[0]] == [one for one, _ in calls[1]]
    for (mechanism, before), (_, after) in zip(*calls, strict=True):
        moved = [abs(a - b) for a, b in zip(before, after, strict=True)]
        assert sum(moved) <= mechanism.sensitivity
    assert documents[0] == documents[1]
