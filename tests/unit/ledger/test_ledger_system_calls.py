"""Each system call of a real writer fails in turn, or is its last: nothing acknowledged is lost.

`strace` injects the failure into the process itself, once: what the disk refused once and takes
again is what tempts a program to call lost bytes safe.
"""

import ctypes
import os
import re
import shutil
import signal
import struct
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloison.audit.fsck import check_folder
from cloison.errors import StorageError
from cloison.ledger import Checkpoint, Log, NoteSigner, sign_checkpoint, verify_checkpoint
from cloison.ledger.cosignature import Cosigner
from cloison.ledger.tree import (
    MemoryNodes,
    consistency_from,
    edge_hashes,
    leaf_hash,
    root_from_edges,
)
from cloison.ledger.witness import Submission, Witness

STRACE = shutil.which("strace")
CALLS = (
    "pwrite64",
    "write",
    "fdatasync",
    "fsync",
    "rename",
    "openat",
    "ftruncate",
    "mkdir",
    "unlink",
)
GROUPS = (130, 200, 3)
FAILED = 75
COSIGNED = 200
WITNESS = Cosigner("cnil", Ed25519PrivateKey.from_private_bytes(bytes([6]) * 32))
Work = Callable[[Path, NoteSigner, int], None]
ATTACH_SECONDS = 20.0
_PR_SET_PTRACER, _ANY = 0x59616D61, ctypes.c_ulong(-1)

pytestmark = pytest.mark.skipif(STRACE is None, reason="strace is not installed")


def entry(index: int) -> bytes:
    return (b"\x08\x01entry %d " % index) * (1 + index % 7)


def write(directory: Path, signer: NoteSigner, told: int) -> None:
    """Makes or opens a ledger, appends through tiles and append files; tells each size it knows."""
    open_or_create = Log.open if directory.exists() else Log.create
    with open_or_create(directory, signer) as log:
        for count in GROUPS:
            first = log.size
            log.append_many([entry(index) for index in range(first, first + count)])
            os.write(told, struct.pack(">Q", log.size))
            log.settle()


def cosign(directory: Path, signer: NoteSigner, told: int) -> None:
    """A witness that is shown two heads, the second longer; tells each size it cosigned."""
    witness = Witness(directory, WITNESS, {signer.name: signer.verifier}, lambda: 1_790_000_000)
    for old, size in ((0, 3), (3, 700)):
        if witness.add_checkpoint(submission(signer, old, size)).status == COSIGNED:
            os.write(told, struct.pack(">Q", size))
    witness.close()


def submission(signer: NoteSigner, old: int, size: int) -> bytes:
    """A head of so many entries, and the proof that it continues the old one."""
    nodes = MemoryNodes([leaf_hash(entry(index)) for index in range(size)])
    edges = edge_hashes(nodes, size)
    note = sign_checkpoint(Checkpoint(signer.name, size, root_from_edges(edges)), signer)
    proof = consistency_from(nodes, edges, old, size)
    return Submission(old, tuple(proof), note).encode()


def writer(work: Work, directory: Path, signer: NoteSigner, told: int) -> int:
    """A process that waits to be traced, then works; 75 where a call failed."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANY, 0, 0, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        work(directory, signer, told)
        code = 0
    except StorageError:
        code = FAILED
    finally:
        os._exit(code)


@contextmanager
def traced(child: int, options: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """`strace` on a stopped process; skips where this machine lets nobody trace."""
    os.waitpid(child, os.WUNTRACED)
    command = [STRACE or "strace", "-qq", "-p", str(child), *options]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE)
    deadline = time.monotonic() + ATTACH_SECONDS
    status = Path(f"/proc/{child}/status")
    while f"TracerPid:\t{tracer.pid}\n" not in status.read_text():
        if tracer.poll() is not None or time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            tracer.kill()
            said = tracer.communicate()[1].decode()
            pytest.skip(f"strace cannot trace here: {said.strip()}")
        time.sleep(0.001)
    try:
        yield tracer
    finally:
        tracer.communicate()


def run(
    directory: Path, signer: NoteSigner, options: list[str], work: Work = write
) -> tuple[int, int]:
    """The status a traced process ended with, and the last size it told; 0 if none."""
    reading, writing = os.pipe()
    child = writer(work, directory, signer, writing)
    os.close(writing)
    with traced(child, options):
        os.kill(child, signal.SIGCONT)
        with os.fdopen(reading, "rb") as pipe:
            told = pipe.read()
        status = os.waitpid(child, 0)[1]
    return status, struct.unpack(">Q", told[-8:])[0] if told else 0


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory, signer: NoteSigner) -> dict[str, int]:
    """How often each call is made in a run where none fails."""
    folder = tmp_path_factory.mktemp("counted")
    trace = folder / "trace"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cloison.ledger.journal.SEGMENT_BYTES", 4_000)
        options = ["-e", f"trace={','.join(CALLS)}", "-o", str(trace)]
        status, told = run(folder / "traces", signer, options)
    assert (status, told) == (0, sum(GROUPS))
    return Counter(re.findall(r"^(\w+)\(", trace.read_text(), re.MULTILINE))


def check(directory: Path, signer: NoteSigner, told: int) -> None:
    """What was acknowledged is there, in order, under a head that never went back."""
    if not directory.exists():
        assert told == 0
        return
    found = check_folder(directory, signer.verifier, None, [], [], datetime.now(UTC))
    assert [one for one in found.problems if not one.harmless and one.code != "BAD_ENTRY"] == []
    before = verify_checkpoint((directory / "checkpoint").read_bytes(), signer.verifier)
    with Log.open(directory, signer) as log:
        assert log.size >= max(told, before.size)
        assert log.entries(0, log.size) == [entry(index) for index in range(log.size)]
        assert log.root(before.size) == before.root
    after = verify_checkpoint((directory / "checkpoint").read_bytes(), signer.verifier)
    assert after.size >= told


FAULTS = {"EIO": "error=EIO", "ENOSPC": "error=ENOSPC", "killed": "signal=KILL"}


def places(call: str, count: int, *, every: bool) -> list[tuple[int, str]]:
    """Which calls are hit by what; by default each by one fault, those that write by two."""
    if every:
        return [(at, fault) for at in range(1, count + 1) for fault in FAULTS]
    faults = ("EIO", "ENOSPC") if call != "fsync" else ("EIO", "killed")
    found = [(at, faults[at % 2]) for at in range(1, count + 1)]
    killed = call in {"pwrite64", "fdatasync", "rename", "unlink", "ftruncate"}
    return found + [(at, "killed") for at in range(1, count + 1) if killed]


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.soak)])
@pytest.mark.parametrize("call", CALLS)
def test_writer_whose_system_call_fails_once_loses_nothing_acknowledged(
    tmp_path: Path,
    signer: NoteSigner,
    counted: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    every: bool,
) -> None:
    monkeypatch.setattr("cloison.ledger.journal.SEGMENT_BYTES", 4_000)
    hit = places(call, counted.get(call, 0), every=every)
    for at, fault in hit:
        directory = tmp_path / f"{at}-{fault}"
        inject = f"inject={call}:{FAULTS[fault]}:when={at}"
        options = ["-e", f"trace={call}", "-e", inject, "-o", "/dev/null"]
        status, told = run(directory, signer, options)
        if fault == "killed":
            assert os.WTERMSIG(status) == signal.SIGKILL
        elif call != "write":  # one of those tells what was acknowledged
            assert os.waitstatus_to_exitcode(status) == FAILED
        check(directory, signer, told)
        shutil.rmtree(directory, ignore_errors=True)
    assert hit


@pytest.mark.parametrize("call", ["write", "fsync", "rename", "openat"])
def test_witness_whose_system_call_fails_once_remembers_every_head_it_cosigned(
    tmp_path: Path, signer: NoteSigner, call: str
) -> None:
    trace = tmp_path / "trace"
    (tmp_path / "whole").mkdir()
    options = ["-e", f"trace={call}", "-o", str(trace)]
    assert run(tmp_path / "whole", signer, options, cosign) == (0, 700)
    count = len(re.findall(rf"^{call}\(", trace.read_text(), re.MULTILINE))
    assert count
    for at, fault in [(at, fault) for at in range(1, count + 1) for fault in ("EIO", "killed")]:
        directory = tmp_path / f"{at}-{fault}"
        directory.mkdir()
        inject = f"inject={call}:{FAULTS[fault]}:when={at}"
        told = run(
            directory,
            signer,
            ["-e", f"trace={call}", "-e", inject, "-o", "/dev/null"],
            cosign,
        )[1]
        witness = Witness(directory, WITNESS, {signer.name: signer.verifier}, lambda: 1)
        head = witness.head(signer.name)
        assert (head.size if head else 0) >= told
        witness.close()


def test_two_processes_cannot_write_to_one_ledger(
    directory: Path, signer: NoteSigner, log: Log
) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            Log.open(directory, signer)
        except StorageError as error:
            os.write(writing, error.reason.encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.read() == "LEDGER_LOCKED"
    os.waitpid(child, 0)
    assert log.append_many([b"still ours"]).size == 1
