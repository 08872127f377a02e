"""Processes of a run: started apart, awaited on their port, their CPU read, stopped for sure."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_READY_SECONDS = 30
_STOP_SECONDS = 20
_AFTER_NAME = 2  # `pid (name) state …`: the name may hold spaces, fields are counted after it
_USER_FIELD, _SYSTEM_FIELD = 13, 14


def cpu_seconds(pid: int) -> float:
    """CPU a process has used, user and system, all threads; 10 ms steps.

    Source:
        proc(5), `/proc/PID/stat`, fields 14 and 15.
    """
    stat = Path(f"/proc/{pid}/stat").read_text("ascii")
    fields = stat.rpartition(")")[2].split()
    ticks = int(fields[_USER_FIELD - _AFTER_NAME]) + int(fields[_SYSTEM_FIELD - _AFTER_NAME])
    return ticks / _TICKS_PER_SECOND


def machine_cpu_seconds() -> float:
    """CPU all of the machine has used, and what its host took from it, since it started.

    Source:
        proc(5), `/proc/stat`, first line: user, nice, system, idle, iowait, irq, softirq, steal.
    """
    first = Path("/proc/stat").read_text("ascii").splitlines()[0]
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, first.split()[1:9])
    return (user + nice + system + irq + softirq + steal) / _TICKS_PER_SECOND


def free_ports(count: int) -> list[int]:
    """Ports of this machine nobody listens on, distinct."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


@dataclass(frozen=True, slots=True)
class Started:
    """A running process, its port and where it writes its messages."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def cpu_seconds(self) -> float:
        """CPU used so far."""
        return cpu_seconds(self.process.pid)

    def wait_ready(self) -> "Started":
        """Returns once the port takes connections. Raises `RuntimeError` with the last messages."""
        end = time.monotonic() + _READY_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        tail = self.log.read_text("utf-8", "replace")[-2000:]
        raise RuntimeError(f"process `{self.name}`: not ready on port {self.port}\n{tail}")

    def stop(self) -> None:
        """Asks it to end, waits, and kills it if it does not."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(name: str, arguments: Sequence[str], port: int, log: Path) -> Started:
    """Starts this Python with `arguments`; messages go to `log`."""
    with log.open("wb") as messages:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=messages,
            stderr=messages,
        )
    return Started(name, process, port, log)
