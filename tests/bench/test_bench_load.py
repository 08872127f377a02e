"""What the figures of the bench mean."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console
from tests.bench import load, loading, processes, relay

from cloison.bodies import parse_body
from cloison.identity import init_keys

CAF, CNAV = parse_body("caf"), parse_body("cnav")


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    init_keys(tmp_path / "keys", [CAF, CNAV], {"caf-ppa": CAF}, datetime.now(UTC))
    return tmp_path / "keys"


def test_percentile_is_the_nearest_rank() -> None:
    measured = load.Measured(2.0, tuple(n / 1000 for n in range(1, 101)))
    found = (measured.per_second, measured.percentile_ms(0.5), measured.percentile_ms(0.99))
    assert found == pytest.approx((50.0, 50.0, 99.0))


def test_figures_are_medians_of_rounds() -> None:
    rounds = [load.Measured(1.0, (0.001,) * count) for count in (10, 30, 1000)]
    assert load.figures(rounds).per_second == 30


def test_closed_loop_never_has_more_in_flight_than_callers() -> None:
    flying = most = 0

    async def ask() -> None:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        await asyncio.sleep(0.001)
        flying -= 1

    measured = asyncio.run(load.closed_loop(ask, 5, 0.1))
    assert (most, flying, measured.asked >= 5) == (5, 0, True)


def test_open_loop_counts_latency_from_when_a_question_was_due() -> None:
    free = asyncio.Lock()

    async def one_at_a_time() -> None:
        async with free:
            await asyncio.sleep(0.01)

    measured = asyncio.run(load.open_loop(one_at_a_time, 400, 0.3, seed=1))
    assert measured.percentile_ms(0.99) > 200


def test_a_loop_ends_when_a_question_fails() -> None:
    async def ask() -> None:
        raise ValueError("refused")

    with pytest.raises(ExceptionGroup):
        asyncio.run(load.closed_loop(ask, 2, 5))


def test_cpu_seconds_grow_with_work() -> None:
    before = processes.cpu_seconds(os.getpid())
    sum(n * n for n in range(2_000_000))
    assert processes.cpu_seconds(os.getpid()) > before


def test_relay_passes_bytes_over_both_hops(keys: Path, tmp_path: Path) -> None:
    with relay.running(keys, CAF, CNAV, b"an answer", tmp_path) as run:
        program = relay.Keys(keys, keys / "caf/activities/caf-ppa")

        async def ask() -> bytes:
            async with program.channel(CAF, run.node.port) as channel:
                return await relay.caller(channel)(b"a question")

        assert asyncio.run(ask()) == b"an answer"


def test_loading_measures_each_kind_of_file_against_reading_it_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "PERSONS", 100)
    monkeypatch.setattr(loading, "ROUNDS", 1)
    found = loading.measure(tmp_path, Console(quiet=True))
    assert [rate.what for rate in found.rates] == ["DSN lines", "PASRAU lines", "Parquet rows"]
    assert all(rate.count for rate in found.rates)
    assert all(sum(rate.parts.values()) == pytest.approx(100) for rate in found.rates)
