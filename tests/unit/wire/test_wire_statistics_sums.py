"""Sums, means and brackets over the wire: from loaded files to the files an analyst gets."""

import asyncio
import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.federation import CAF, CNAV, Aborted, Federation
from tests.unit.wire.test_wire_statistics import PAID, Analyst, load

from cloison.cli import stats
from cloison.cli.app import run
from cloison.cli.root import read_policy
from cloison.exchange.entries import parse_entry
from cloison.law import PolicySet
from cloison.statistics.budget import Loss
from cloison.statistics.loss import rho_of_epsilon
from cloison.statistics.noise import Mechanism
from cloison.statistics.release import ExactCells, release
from cloison.v1 import statement_pb2
from cloison.v1 import statistics_service_pb2 as wire
from cloison.wire import statistics_desk
from cloison.wire.statistics_client import Publication

ROOT = Path(__file__).resolve().parents[3]
SUMS, BRACKETS = "caf-amounts", "caf-amount-brackets"


@pytest.fixture
def analyst(federation: Federation) -> Analyst:
    load(federation, PAID)
    return Analyst(federation)


def published(analyst: Analyst, name: str, epsilon: str = "1") -> Publication:
    response = asyncio.run(analyst.send(analyst.request(epsilon, name=name)))
    return Publication.verified(
        response.document, response.reserved, response.published, analyst.register
    )


def test_publish_sum_counts_what_was_loaded_and_charges_the_whole_loss(
    analyst: Analyst, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[int]] = []

    def exactly(exact: ExactCells, plan: Any, cube: Any) -> Any:
        def draw(_: Mechanism, figures: Any) -> list[int]:
            seen.append(list(figures))
            return list(figures)

        return release(exact, plan, cube, draw)

    monkeypatch.setattr(statistics_desk, "release", exactly)
    published(analyst, SUMS)
    assert [sum(figures) for figures in seen] == [4, 4, 4, 400, 400, 400]
    assert analyst.spent.rho > 0


def test_publish_sum_and_count_are_of_one_budget(analyst: Analyst) -> None:
    published(analyst, SUMS)
    once = analyst.spent.rho
    assert once == rho_of_epsilon(Fraction(1), Fraction(1, 10**6))
    published(analyst, SUMS, "3/2")
    with pytest.raises(Aborted, match="budget of `caf-beneficiaries` 2026: needs ρ"):
        published(analyst, SUMS, "8/5")
    assert once < analyst.spent.rho <= Fraction(1, 10)


def test_price_of_a_sum_tells_the_error_in_euros(analyst: Analyst) -> None:
    context = analyst.federation.context(analyst.keys.body, analyst.keys.activity)
    question = statement_pb2.TableQuestion(table=SUMS, period="2026-03", epsilon="1")
    price = asyncio.run(analyst.service.Price(wire.PriceRequest(question=question), context))
    assert price.rho == str(rho_of_epsilon(Fraction(1), Fraction(1, 10**6)))
    assert all(one.sum_half_width > one.sum_rmse > 100 * one.rmse for one in price.levels)


def test_publish_sum_of_what_is_no_amount_is_refused_before_the_budget(analyst: Analyst) -> None:
    node = analyst.federation.node(CAF)
    path = "tables/caf-amounts.toml"
    files = dict(read_policy(ROOT))
    files[path] = files[path].replace(b'field = "amount"\nmost', b'field = "household"\nmost')
    node.policy = analyst.federation.policy = PolicySet.parse(files)
    assert analyst.refused(analyst.request(name=SUMS)) == "BAD_POLICY_FILE"
    assert analyst.spent == Loss()
    kinds = [parse_entry(one).WhichOneof("kind") for one in node.register.entries(0, 1)]
    assert "budget_reserved" not in kinds


def test_publish_table_of_a_year_not_wholly_loaded_is_refused_before_the_budget(
    analyst: Analyst,
) -> None:
    node = analyst.federation.node(CAF)
    path, files = "tables/caf-beneficiaries.toml", dict(read_policy(ROOT))
    files[path] = files[path].replace(b'period = "month"', b'period = "year"')
    node.policy = analyst.federation.policy = PolicySet.parse(files)
    assert analyst.refused(analyst.request(period="2026")) == "NOT_LOADED"
    assert analyst.spent == Loss()


def test_written_sum_says_the_same_in_every_form(analyst: Analyst, tmp_path: Path) -> None:
    publication = published(analyst, SUMS)
    written = {one.suffix: one for one in stats._write(tmp_path, publication)}
    rows = pq.read_table(written[".parquet"]).to_pylist()
    header, *lines = written[".csv"].read_text("utf-8").splitlines()
    assert len(rows) == len(lines) == 360
    for row, line in zip(rows, lines, strict=True):
        said = dict(zip(header.split(";"), line.split(";"), strict=True))
        assert said == {name: "" if value is None else str(value) for name, value in row.items()}
    keys = str(analyst.federation.keys)
    assert run(["stats", "verify", str(written[".json"]), "--keys", keys]) == 0
    assert "Moyenne" in written[".html"].read_text("utf-8")


def test_stats_clip_reads_published_brackets_without_a_node(
    analyst: Analyst, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file, *_) = stats._write(tmp_path, published(analyst, BRACKETS))
    keys = ["--keys", str(analyst.federation.keys)]
    assert run(["stats", "clip", str(file), "--epsilon", "3/4", *keys, "--json"]) == 0
    told: Mapping[str, Any] = json.loads(capsys.readouterr().out)
    assert set(told["clips"]) == {"ppa", "rsa", "al"}
    assert all(25 <= clip <= 1575 for clip in told["clips"].values())
    assert analyst.spent == Loss(Fraction(1))


def test_stats_clip_of_a_table_without_brackets_or_of_another_register_is_refused(
    analyst: Analyst, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file, *_) = stats._write(tmp_path, published(analyst, SUMS))
    words = ["stats", "clip", str(file), "--epsilon", "1"]
    assert run([*words, "--keys", str(analyst.federation.keys)]) == 3
    assert "[NO_BRACKETS]" in capsys.readouterr().err
    text = file.read_text("utf-8").replace(
        f'\\"holder\\":\\"{CAF}\\"', f'\\"holder\\":\\"{CNAV}\\"'
    )
    file.write_text(text, "utf-8")
    assert run([*words, "--keys", str(analyst.federation.keys)]) == 1
