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
_PER_PERSON = 22.4
"""Entries a person of the honest months makes, others included; measured."""
_HONEST_SEEDS = (1, 2, 3)
_KILOBYTES = 1024
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Whole:
    """One audit of everything, as the command does it.

    Attributes:
        cpu_seconds: Of all its processes.
        megabytes: The most they held together, looked at ten times a second.
    """

    entries: int
    decisions: int
    seconds: float
    cpu_seconds: float
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
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start, most = time.monotonic(), 0
    with (folder / "found.json").open("wb") as out:
        running = subprocess.Popen(command, stdout=out, cwd=ROOT)
        while running.poll() is None:
            most = max(most, _held_kilobytes(running.pid))
            time.sleep(_LOOK_SECONDS)
    seconds = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = (folder / "found.json").read_text("utf-8")
    if not found:
        raise RuntimeError(f"the audit ended with {running.returncode} and said nothing")
    checked = json.loads(found)["checked"]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Whole(checked["entries"], checked["replayed"], seconds, cpu, most / _KILOBYTES)


def _held_kilobytes(process: int) -> int:
    """What a process and those it began hold together; what they share is counted once."""
    total = 0
    for one in (process, *_children(process)):
        try:
            text = Path(f"/proc/{one}/smaps_rollup").read_text("ascii")
        except OSError:  # it ended meanwhile
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line[:4] == "Pss:")
    return total


def _children(process: int) -> list[int]:
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text("ascii")
    except OSError:
        return []
    return list(map(int, text.split()))


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
            f"Two processes: {whole.seconds:.1f} s ({whole.cpu_seconds:.1f} s of CPU).",
            f"Both together: {whole.megabytes:,.0f} MB at most.",
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
            "cpu_seconds": whole.cpu_seconds,
            "megabytes": whole.megabytes,
            "subtle_recall": recalled / len(found),
            "precision": precision,
            "subtle": [{"code": one.code, "found": one.found} for one in found],
            "gross_missed": list(missed),
        },
    )
