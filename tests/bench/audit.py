"""Section `audit`: a whole audit with replay of a million entries; what of misuse it finds."""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from tests.bench.processes import ROOT
from tests.bench.report import Bar
from tests.bench.section import Section, at_most, table_of
from tests.misuse.measure import LATE, SPAN, Measured, alarms, examined, measure_subtle, sown
from tests.misuse.measure import policy_before as policy_without
from tests.misuse.plants import plants
from tests.misuse.world import World

from cloison.cli.keys import make_keys

ENTRIES = 1_000_000
_MOST_SECONDS = 60
_PER_PERSON = 24.3
"""Entries a person of the honest months makes, others included; measured."""
_HONEST_SEEDS = (1, 2, 3)
_KILOBYTES = 1024


@dataclass(frozen=True, slots=True)
class Whole:
    """One audit of everything, in a process of its own.

    Attributes:
        megabytes: The most it held.
    """

    entries: int
    decisions: int
    seconds: float
    megabytes: float


def measure(folder: Path, console: Console) -> Section:
    """The audit of a million entries, then of each misuse alone."""
    policy, old = policy_without(""), policy_without(LATE)
    persons = int(ENTRIES / _PER_PERSON)
    console.print(f"[dim]writing {ENTRIES:,} entries of {persons:,} persons[/]", highlight=False)
    _write(sown(policy, 1, (), gross=False, persons=persons), folder)
    console.print("[dim]auditing them[/]", highlight=False)
    whole = _audit(folder)
    found = []
    for one in measure_subtle(policy, old):
        console.print(f"[dim]{one.code}[/]", highlight=False)
        found.append(one)
    false = sum(
        len(alarms(examined(sown(policy, seed, (), gross=False)))) for seed in _HONEST_SEEDS
    )
    gross = examined(sown(policy, 1, plants(old), gross=True), old)
    missed = sorted({one.code for one in found} - {one.code for one in gross.findings})
    return _section(whole, found, false, missed)


def _write(world: World, folder: Path) -> None:
    make_keys(folder / "keys", ROOT, datetime.now(UTC))
    world.write(folder / "var", folder / "keys")


def _audit(folder: Path) -> Whole:
    command = [sys.executable, "-m", "cloison.cli", "audit", "run", "--json"]
    command += ["--var", f"{folder / 'var'}", "--keys", f"{folder / 'keys'}"]
    command += ["--root", f"{ROOT}", "--until", SPAN.end.isoformat()]
    start = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    seconds = time.monotonic() - start
    if not done.stdout:
        raise RuntimeError(done.stderr)
    checked = json.loads(done.stdout)["checked"]
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / _KILOBYTES
    return Whole(checked["entries"], checked["replayed"], seconds, most)


def _section(whole: Whole, found: Sequence[Measured], false: int, missed: Sequence[str]) -> Section:
    recalled = sum(one.found for one in found)
    wrong = sum(len(one.false) for one in found)
    right = recalled + sum(one.along for one in found)
    rows = [
        (one.code, "found" if one.found else "missed", ", ".join(one.false) or "–") for one in found
    ]
    precision = right / (right + wrong + false)
    return Section(
        "audit: a whole audit with replay, and what of misuse it finds",
        (
            f"{whole.entries:,} entries, {whole.decisions:,} decisions made again.",
            f"One process: {whole.seconds:.1f} s, {whole.megabytes:,.0f} MB at most.",
            "Subtle misuse is just over what a threshold bears, each alone in honest months.",
            f"False alarms in {len(_HONEST_SEEDS)} honest spans: {false}.",
            f"Gross misuse missed, all planted at once: {', '.join(missed) or 'none'}.",
        ),
        (table_of("Subtle misuse", ("planted", "", "false alarms"), rows),),
        (
            at_most("whole audit, 1 M entries", _MOST_SECONDS, whole.seconds, " s"),
            Bar("gross misuse missed", "0", str(len(missed)), not missed),
            Bar("false alarms, honest spans", "0", str(false), not false),
        ),
        {
            "entries": whole.entries,
            "decisions": whole.decisions,
            "seconds": whole.seconds,
            "megabytes": whole.megabytes,
            "subtle_recall": recalled / len(found),
            "precision": precision,
            "subtle": [{"code": one.code, "found": one.found} for one in found],
            "gross_missed": list(missed),
        },
    )
