"""A serving node whose disk fails once, while it is asked: no receipt anybody holds is lost.

`strace` fails one call of the real process, on one file of its ledger. What each call of a ledger's
writer does when it fails is in `tests/unit/ledger/test_ledger_system_calls.py`.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.system.conftest import Federation

from cloison.audit.fsck import check_folder
from cloison.cli.federation import has_ended, running_pid, start
from cloison.cli.places import NodeAt
from cloison.errors import CloisonError
from cloison.ledger import NoteVerifier
from cloison.ledger.reader import EntryReader
from cloison.ledger.tiles import bundle_path
from cloison.ledger.tree import leaf_hash
from cloison.months import Month
from cloison.programs.entitlement.needs import Needs

STRACE = shutil.which("strace")
MONTH = Month.of(2026, 6)
MOST_QUESTIONS, TOGETHER, ATTACH_SECONDS, END_SECONDS = 2_000, 4, 20.0, 30.0
APPENDED, BUNDLE, HEAD = "append file", "next bundle", "checkpoint"
FAULTS = [
    ("fdatasync", "error=EIO:when=12", APPENDED),
    ("openat", "error=ENOSPC:when=1", BUNDLE),
    *(
        pytest.param(*fault, marks=pytest.mark.soak)
        for fault in (
            ("pwrite64", "error=ENOSPC:when=12", APPENDED),
            ("pwrite64", "signal=KILL:when=12", APPENDED),
            ("fdatasync", "signal=KILL:when=12", APPENDED),
            ("write", "error=ENOSPC:when=1", BUNDLE),
            ("rename", "error=EIO:when=1", BUNDLE),
            ("rename", "signal=KILL:when=1", BUNDLE),
            ("rename", "error=EIO:when=1", HEAD),
            ("fsync", "error=EIO:when=1", HEAD),
        )
    ),
]

pytestmark = pytest.mark.skipif(STRACE is None, reason="strace is not installed")


def path_of(node: NodeAt, name: str) -> Path:
    """The file of a node's ledger as it writes to it."""
    traces = node.folder / "ledger/traces"
    if name == APPENDED:
        return max((traces / "entries").iterdir())
    of_size = bundle_path(EntryReader(traces).size // 256)
    return traces / f"{of_size if name == BUNDLE else name}.new"


@contextmanager
def failing(pid: int, call: str, fault: str, path: Path) -> Iterator[None]:
    """The process's call on this file fails, once; skips where this machine lets nobody trace."""
    options = ["-f", "-P", str(path), "-e", f"trace={call}", "-e", f"inject={call}:{fault}"]
    command = [STRACE or "", "-qq", "-p", str(pid), "-o", "/dev/null", *options]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE)
    deadline = time.monotonic() + ATTACH_SECONDS
    while f"TracerPid:\t{tracer.pid}\n" not in Path(f"/proc/{pid}/status").read_text():
        if tracer.poll() is not None or time.monotonic() > deadline:
            tracer.kill()
            pytest.skip(f"strace cannot trace here: {tracer.communicate()[1].decode().strip()}")
        time.sleep(0.01)
    try:
        yield
    finally:
        tracer.terminate()
        tracer.communicate()


def ask_until_refused(federation: Federation, acknowledged: dict[int, bytes]) -> int:
    """Questions to the body's own node until it answers no more; how many were sent."""
    needs = Needs.of(federation.policy.activities["caf-rsa"])
    sent = 0
    with suppress(CloisonError), federation.gateway("caf-rsa") as gateway:
        cases = list(gateway.open_cases("claim", MONTH))
        questions = [one for case in cases for one in needs.own_questions(case, MONTH)]
        while sent < MOST_QUESTIONS:
            some = [questions[(sent + place) % len(questions)] for place in range(TOGETHER)]
            receipts = [reply.receipt for reply in gateway.ask(some)]
            acknowledged |= {one.leaf_index: one.leaf_hash for one in receipts if one}
            if None in receipts:
                break
            sent += TOGETHER
    return sent


def end(pid: int) -> None:
    """What a machine does to a process that may be half alive."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + END_SECONDS
    while not has_ended(pid) and time.monotonic() < deadline:
        time.sleep(0.05)


@pytest.mark.parametrize(("call", "fault", "name"), FAULTS)
def test_node_whose_disk_fails_once_answers_no_more_and_keeps_every_receipt(
    federation: Federation, call: str, fault: str, name: str
) -> None:
    """INVARIANT: nobody holds a receipt of an entry that the ledger does not hold."""
    node = federation.node("caf")
    traces, pid = node.folder / "ledger/traces", running_pid(node)
    assert pid is not None
    acknowledged: dict[int, bytes] = {}
    try:
        with failing(pid, call, fault, path_of(node, name)):
            assert ask_until_refused(federation, acknowledged) < MOST_QUESTIONS
    finally:
        end(pid)
        start(federation.place, [node], within_seconds=60)
    assert acknowledged
    entries = EntryReader(traces)
    kept = {index: leaf_hash(data) for index, data in entries.entries(0, entries.size)}
    assert acknowledged.items() <= kept.items()
    vkey = (federation.place.keys / "public/ledgers/caf.traces.vkey").read_text().strip()
    found = check_folder(traces, NoteVerifier.parse(vkey), None, [], [], datetime.now(UTC))
    assert [one for one in found.problems if not one.harmless] == []
