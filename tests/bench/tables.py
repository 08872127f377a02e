"""Statistical tables against peers, on the same data and the same budget.

Peers: leaves alone, summed; three levels without least squares; the exponential mechanism, a ninth
of the loss a decile; a plain group-by; OpenDP's own release on Polars and its contingency table.
These two need extras that are not in the lock: without them their rows say so.
"""

import importlib.util
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from tests.bench.contingency_peer import HOW, MISSING, errors_of_contingency, installed
from tests.bench.polars_peer import release_with_polars
from tests.bench.processes import ROOT
from tests.bench.section import Section, at_most, table_of
from tests.bench.shares import measure_shares, shares_bars, shares_table

from cloison.cli.root import read_policy
from cloison.statistics.cells import count_cells
from cloison.statistics.cube import Cube, build_cube
from cloison.statistics.deciles import read_distribution
from cloison.statistics.declared import parse_declared
from cloison.statistics.held import HeldPeriod
from cloison.statistics.hierarchy import estimate
from cloison.statistics.loss import rho_of_epsilon
from cloison.statistics.noise import MechanismKind, gaussian, laplace
from cloison.statistics.plan import best_split, make_plan
from cloison.statistics.table import KeySet, Table, parse_named

ROWS, PEER_ROWS, SPEED_ROUNDS = 12_000_000, 1_000_000, 3
CLOISON = "cloison, 606 cells of 12 M rows"
RUNS, DECILE_RUNS = 2_000, 40
GROUPS = (500, 5_000, 50_000, 300_000)
DELTA = Fraction(1, 10**6)
CONTINGENCY_RUNS = 4
CONTINGENCY = {
    "zCDP, OpenDP's contingency table, région and département": False,
    "zCDP, OpenDP's contingency table, département alone": True,
}
BARS = {"pure ε": (4.7, 4.2, 3.3), "zCDP": (7.5, 6.9, 6.7)}
AIMS = {"pure ε": (47, 42, 33), "zCDP": (75, 69, 67)}
_SEED = 5
Floats = npt.NDArray[np.float64]
Levels = tuple[float, ...]


def measure(folder: Path, console: Console) -> Section:
    """RMSE by level, rank error of deciles, seconds."""
    console.print("statistics: errors", highlight=False)
    errors = _errors()
    peers = _contingency() if installed() else {}
    shown = errors | {name: peers.get(name) for name in CONTINGENCY}
    console.print("statistics: deciles", highlight=False)
    ranks = _ranks()
    console.print("statistics: shares of noise", highlight=False)
    shares = measure_shares(DELTA)
    console.print(f"statistics: {ROWS:,} rows", highlight=False)
    seconds = _seconds(folder)
    bars = [
        at_most(f"RMSE of {place}, {noise}", bar, errors[f"{noise}, least squares"][level])
        for noise, three in BARS.items()
        for level, (place, bar) in enumerate(
            zip(("nation", "région", "département"), three, strict=True)
        )
    ]
    bars += shares_bars(shares)
    bars.append(at_most("606 cells of 12 M rows", 1.0, seconds[CLOISON][0], " s"))
    return Section(
        "Statistical tables: one person counts once a level, ε = 1, δ = 10⁻⁶ for zCDP",
        (
            f"{RUNS:,} releases of 101 départements, 18 régions and the nation, OpenDP's noise.",
            "No split reaches the three bars of zCDP together: the best is 1.8 % over (a test).",
            f"OpenDP's contingency table: {CONTINGENCY_RUNS} releases, the nation a sum. It needs:",
            HOW,
            f"Deciles: mean error in persons of nine, {DECILE_RUNS} releases a group.",
        ),
        (
            table_of(
                "RMSE, persons",
                ("approach", "nation", "région", "département"),
                [
                    (name, *(f"{one:.2f}" for one in levels or ()), *(() if levels else [MISSING]))
                    for name, levels in shown.items()
                ],
            ),
            table_of(
                "rank error of deciles, persons",
                ("approach", *(f"{size:,}" for size in GROUPS)),
                [(name, *(f"{one:.1f}" for one in sizes)) for name, sizes in ranks.items()],
            ),
            shares_table(shares),
            table_of(
                f"seconds, best of {SPEED_ROUNDS}",
                ("approach", "s", "CPU s"),
                [(name, *(f"{one:.2f}" for one in both)) for name, both in seconds.items()],
            ),
        ),
        tuple(bars),
        {"rmse": errors | peers, "rank_error": ranks, "shares": shares, "seconds": seconds},
    )


def _table(levels: Sequence[Sequence[str]], **changed: Any) -> tuple[Table, Cube]:
    """The départements alone, each person once."""
    files = read_policy(ROOT)
    content = parse_declared(files).tables["caf-beneficiaries"].model_dump()
    place = content["dimensions"][0] | {"dataset": None}
    content |= {"dimensions": [place], "levels": levels, "aims": None, **changed}
    content["measure"]["most_cells"] = 1
    table = Table.model_validate(content)
    return table, build_cube(table, parse_named(files, "keys", KeySet))


def _errors() -> dict[str, Levels]:
    found: dict[str, Levels] = {}
    for name in BARS:
        table, cube = _table([[], ["region"], ["department"]], aims=AIMS[name])
        pure = name == "pure ε"
        if pure:
            plan = make_plan(table, cube, Fraction(1), Fraction(0))
            mechanisms = plan.mechanisms
        else:
            rho = rho_of_epsilon(Fraction(1), DELTA)
            split = best_split(MechanismKind.GAUSSIAN, (1, 1, 1), cube, AIMS[name])
            mechanisms = tuple(gaussian(1, rho * share) for share in split)
        noisy = [
            np.array(one.draw([0] * (RUNS * level.cells))).reshape(RUNS, -1)
            for one, level in zip(mechanisms, cube.levels, strict=True)
        ]
        best = estimate(noisy, [one.variance for one in mechanisms], cube.parents)
        found[f"{name}, least squares"] = tuple(map(_rmse, best))
        found[f"{name}, levels apart"] = tuple(_rmse(one.astype(np.float64)) for one in noisy)
        whole = laplace(1, Fraction(1)) if pure else gaussian(1, rho_of_epsilon(Fraction(1), DELTA))
        leaves = np.array(whole.draw([0] * (RUNS * cube.leaves.cells))).reshape(RUNS, -1)
        found[f"{name}, leaves alone"] = tuple(map(_rmse, _summed(leaves, cube)))
    return found


def _contingency() -> dict[str, Levels]:
    """OpenDP's table of as many persons as its estimator takes in seconds; the same loss."""
    places = parse_named(read_policy(ROOT), "keys", KeySet)["departments"].parents
    counts = np.random.default_rng(_SEED).integers(500, 5_000, len(places)).tolist()
    rho = float(rho_of_epsilon(Fraction(1), DELTA))
    found: dict[str, Levels] = {}
    for name, alone in CONTINGENCY.items():
        runs = [errors_of_contingency(places, counts, rho, alone) for _ in range(CONTINGENCY_RUNS)]
        found[name] = tuple(_rmse(np.array(level)) for level in zip(*runs, strict=True))
    return found


def _summed(leaves: npt.NDArray[np.int64], cube: Cube) -> list[Floats]:
    levels = [leaves.astype(np.float64)]
    for parent, level in zip(reversed(cube.parents), reversed(cube.levels[:-1]), strict=True):
        above = np.zeros((len(leaves), level.cells))
        np.add.at(above.T, parent, levels[0].T)
        levels.insert(0, above)
    return levels


def _rmse(errors: Floats) -> float:
    return float(np.sqrt((errors**2).mean()))


@dataclass(frozen=True, slots=True)
class _Group:
    """Incomes in order, whole euros."""

    incomes: npt.NDArray[np.int64]

    def rank_error(self, told: Sequence[float]) -> float:
        """Mean over nine deciles, persons."""
        size = len(self.incomes)
        ranks = np.searchsorted(self.incomes, told)
        wanted = np.arange(1, 10) * size / 10
        return float(np.abs(ranks - wanted).mean())


def _ranks() -> dict[str, list[float]]:
    declared = parse_declared(read_policy(ROOT))
    random = np.random.default_rng(_SEED)
    found: dict[str, list[float]] = {}
    for size in GROUPS:
        incomes = np.sort(random.lognormal(7.2, 0.6, size).clip(1, 6_399).astype(np.int64))
        group = _Group(incomes)
        for name, table in (
            ("64 brackets, isotonic", "cnav-income"),
            ("tree of 16 × 16 brackets", "cnav-income-tree"),
        ):
            cube, plan = declared.cubes[table], declared.question(table, "2026-03", "1").plan()
            edges = cube.leaves.axes[-1].edges
            places = np.searchsorted(edges, incomes, side="right")
            leaves = np.bincount(places, minlength=len(edges) + 1)
            exact = _summed(leaves[None, :], cube)
            told = []
            for _ in range(DECILE_RUNS):
                noisy = [
                    np.array(mechanism.draw(level[0].astype(int).tolist()))
                    for mechanism, level in zip(plan.mechanisms, exact, strict=True)
                ]
                best = estimate(noisy, [one.variance for one in plan.mechanisms], cube.parents)
                read = read_distribution(best[-1], edges)
                if read is None:
                    raise AssertionError("a group of hundreds is not nobody")
                ends = [0 if one is None else one for one in read.deciles]
                told.append(group.rank_error(ends))
            found.setdefault(name, []).append(float(np.mean(told)))
        errors = [group.rank_error(_exponential(incomes, random)) for _ in range(DECILE_RUNS)]
        found.setdefault("exponential mechanism, ε/9 each", []).append(float(np.mean(errors)))
    return found


def _exponential(incomes: npt.NDArray[np.int64], random: np.random.Generator) -> list[int]:
    """Nine deciles, each by the exponential mechanism over whole euros (Gumbel's form of it)."""
    grid = np.arange(6_400)
    below = np.searchsorted(incomes, grid)
    told = []
    for part in range(1, 10):
        utility = -np.abs(below - len(incomes) * part / 10)
        sensitivity = max(part, 10 - part) / 10
        noise = random.gumbel(size=len(grid))
        told.append(int(np.argmax(utility / 9 / (2 * sensitivity) + noise)))
    return told


def _seconds(folder: Path) -> dict[str, tuple[float, float]]:
    files = dict(read_policy(ROOT))
    more = "".join(f'"b{number}" = "b{number}"\n' for number in range(3))
    files["keys/caf-benefits.toml"] += more.encode()  # six benefits: 606 cells
    declared = parse_declared(files)
    table, cube = declared.tables["caf-beneficiaries"], declared.cubes["caf-beneficiaries"]
    benefits = cube.leaves.axes[-1].keys
    places = cube.leaves.axes[0].keys
    paid, homes = _write(folder, ROWS, places, benefits)
    few_paid, few_homes = _write(folder, PEER_ROWS, places, benefits)

    def count(payments: Path, households: Path) -> object:
        held = {"payments": [HeldPeriod(payments)], "households": [HeldPeriod(households)]}
        return count_cells(table, cube, held)

    sides: dict[str, Callable[[], object]] = {
        CLOISON: lambda: count(paid, homes),
        "plain group-by of the lines, no person, no place": lambda: _plain(paid),
        "cloison, 1 M rows": lambda: count(few_paid, few_homes),
    }
    if importlib.util.find_spec("polars") is not None:
        peer = "OpenDP on Polars, 1 M rows: lines by benefit, no place"
        sides[peer] = lambda: release_with_polars(few_paid, benefits)
    return {name: _best(side) for name, side in sides.items()}


def _best(side: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and processor seconds: halved, what two idle cores could not do without."""
    found, used = [], []
    for _ in range(SPEED_ROUNDS):
        begin, cpu = time.perf_counter(), time.process_time()
        side()
        found.append(time.perf_counter() - begin)
        used.append(time.process_time() - cpu)
    return min(found), min(used)


def _plain(paid: Path) -> object:
    with duckdb.connect(config={"threads": 2}) as engine:
        sql = "SELECT benefit, count(*) FROM read_parquet(?) GROUP BY benefit"
        return engine.execute(sql, [str(paid)]).fetchall()


def _write(
    folder: Path, rows: int, places: Sequence[str], benefits: Sequence[str]
) -> tuple[Path, Path]:
    """Files as the store writes them: in the order of persons, two lines each, of 16 random bytes.

    `_number` is the person as Polars is told of it, and of nobody else.
    """
    random, persons = np.random.default_rng(_SEED), rows // 2
    halves = np.sort(random.integers(0, 2**63, persons, dtype=np.uint64))
    keys = np.stack([halves, random.integers(0, 2**63, persons, dtype=np.uint64)], axis=1)
    whose = np.sort(random.integers(0, persons, rows))
    paid, homes = folder / f"payments-{rows}.parquet", folder / f"households-{rows}.parquet"
    benefit = _texts(random.integers(0, len(benefits), rows), benefits)
    _file(paid, keys[whose], {"benefit": benefit, "_number": pa.array(whose)})
    _file(homes, keys, {"department": _texts(random.integers(0, len(places), persons), places)})
    return paid, homes


def _texts(codes: npt.NDArray[np.int64], values: Sequence[str]) -> pa.Array:
    dictionary = pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int16)), pa.array(values))
    return dictionary.cast(pa.string())


def _file(path: Path, keys: npt.NDArray[np.uint64], columns: Mapping[str, pa.Array]) -> None:
    raw = pa.py_buffer(keys.astype(">u8").tobytes())
    subjects = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(keys), [None, raw])
    withdrawn = pa.array(np.zeros(len(keys), np.bool_))
    table = pa.table({"_subject": subjects, "_corrected": withdrawn, **columns})
    pq.write_table(
        table,
        path,
        compression="zstd",
        use_dictionary=[name for name in columns if name != "_number"],
        write_page_checksum=True,
        row_group_size=1 << 17,
    )
