"""The names by which others read `var/bench/summary.json`."""

import json
from pathlib import Path

from tests.bench.load import Figures
from tests.bench.report import Line, Result, Sizes, Spent, Step, summary, write

_OURS, _BARE = Figures(1500.0, 2.0, 9.0), Figures(3000.0, 1.0, 4.0)
_CPU = Spent(100.0, 200.0, 300.0)
_NAMES = ("1", "8", "64", "64-apart", "open-500")


def _written(folder: Path) -> dict[str, object]:
    result = Result(
        machine="a machine",
        disk_microseconds=(90.0, 95.0),
        persons=10,
        sizes=Sizes(800, 1700),
        lines=tuple(Line(name, _OURS, _BARE, _CPU, _CPU) for name in _NAMES),
        echo=_BARE,
        echo_server=200.0,
        others_cores=0.1,
        steps=(Step("holder", "decide", 12.0),),
        rounds=3,
        round_seconds=1.0,
        seconds=30.0,
    )
    write(summary(result), folder / "bench/summary.json")
    found: dict[str, object] = json.loads((folder / "bench/summary.json").read_text("utf-8"))
    return found


def test_write_summary_gives_each_way_of_asking_its_figures_by_name(tmp_path: Path) -> None:
    ask = _written(tmp_path)["ask"]
    assert isinstance(ask, dict)
    keys = ("per_second", "p50_ms", "p99_ms", "ratio")
    assert tuple(ask) == _NAMES
    assert all([line[key] for key in keys] == [1500.0, 2.0, 9.0, 0.5] for line in ask.values())


def test_write_summary_names_what_was_measured_and_on_what(tmp_path: Path) -> None:
    assert set(_written(tmp_path)) == {
        "machine",
        "durable_write_us",
        "others_cores",
        "persons",
        "rounds",
        "round_seconds",
        "seconds",
        "request_bytes",
        "answer_bytes",
        "ask",
        "echo",
        "steps_us",
        "bars",
    }
