"""Processes started all or none, known by their pid file, and never anybody else's."""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cloison.bodies import BodyId
from cloison.cli import federation
from cloison.cli.app import run
from cloison.cli.federation import Launch, has_ended, health, launch_node, running_pid, start, stop
from cloison.cli.node import settings_of
from cloison.cli.places import NodeAt, Place, read_addresses, read_nodes
from cloison.errors import InputError, StorageError
from cloison.identity import init_keys

FAKE = Path(__file__).with_name("fake_node.py")
DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf'); time.sleep(60)"
FAILS = "import sys; sys.exit('it cannot: why')"


def free_port() -> int:
    """Below the ports the system gives to clients: none of them can be given this one."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Two bodies with keys and folders; every node that a test leaves running is ended."""
    for body in ("aa", "bb"):
        folder = tmp_path / "root/nodes" / body
        folder.mkdir(parents=True)
        text = f'id = "{body}"\nname = "{body}"\nhost = "127.0.0.1"\nport = {free_port()}\n'
        (folder / "node.toml").write_text(text)
        (tmp_path / "var" / body).mkdir(parents=True)
    (tmp_path / "root/policy").mkdir()
    (tmp_path / "root/policy/purposes.toml").touch()
    keys = tmp_path / "keys"
    init_keys(keys, [BodyId("aa"), BodyId("bb")], {}, datetime.now(UTC))
    made = Place(tmp_path / "root", keys, tmp_path / "var")
    yield made
    for node in read_nodes(made):
        if (pid := running_pid(node)) is not None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def fake(place: Place, body: BodyId) -> list[str]:
    """The command line of a fake node."""
    (node,) = read_nodes(place, [body])
    return [sys.executable, str(FAKE), str(place.keys), node.address, body, str(place.var)]


def running(code: str) -> Launch:
    """A program of that code in place of a node."""
    return lambda place, body: [sys.executable, "-c", code, body, str(place.var)]


def fake_but(broken: str, code: str) -> Launch:
    """Fake nodes, but for one body."""
    return lambda place, body: (running(code) if body == broken else fake)(place, body)


def test_start_of_nodes_that_serve_leaves_them_running(place: Place) -> None:
    nodes = read_nodes(place)
    start(place, nodes, fake)
    assert [health(place, node) for node in nodes] == ["SERVING", "SERVING"]
    assert stop(nodes) == ["aa", "bb"]


def test_stop_ends_every_node_and_removes_its_pid_file(place: Place) -> None:
    nodes = read_nodes(place)
    start(place, nodes, fake)
    stop(nodes)
    assert [running_pid(node) for node in nodes] == [None, None]
    assert not any(node.pid_file.exists() for node in nodes)


def test_stop_of_nodes_that_do_not_run_is_nothing(place: Place) -> None:
    assert stop(read_nodes(place)) == []


def test_start_when_one_fails_stops_the_others_and_says_what_it_said(place: Place) -> None:
    nodes = read_nodes(place)
    with pytest.raises(StorageError, match="it cannot: why") as refused:
        start(place, nodes, fake_but("bb", FAILS))
    assert refused.value.reason == "NODE_FAILED"
    assert [running_pid(node) for node in nodes] == [None, None]


def test_start_of_a_node_that_never_answers_fails(place: Place) -> None:
    (node,) = read_nodes(place, ["aa"])
    with pytest.raises(StorageError, match="not ready in time"):
        start(place, [node], running("import time; time.sleep(60)"), within_seconds=0.5)


def test_start_of_a_running_node_is_refused(place: Place) -> None:
    nodes = read_nodes(place, ["aa"])
    start(place, nodes, fake)
    with pytest.raises(InputError, match="already runs") as refused:
        start(place, nodes, fake)
    assert refused.value.reason == "ALREADY_UP"


def test_start_of_a_node_without_state_is_refused(place: Place) -> None:
    (node,) = read_nodes(place, ["aa"])
    node.folder.rmdir()
    with pytest.raises(InputError, match="node init aa") as refused:
        start(place, [node], fake)
    assert refused.value.reason == "NO_STATE"


def test_running_pid_of_a_node_that_shows_no_command_line_yet_is_waited_for(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a process shows none until it is loaded: it was called ended, and left running."""
    (node,) = read_nodes(place, ["aa"])
    start(place, [node], fake)
    shown = iter([set(), set(), {"aa", str(place.var)}])
    monkeypatch.setattr(federation, "_command_line", lambda _pid: next(shown))
    assert running_pid(node) == int(node.pid_file.read_text("ascii"))


def test_start_on_a_port_in_use_names_port_and_body_and_starts_none(place: Place) -> None:
    nodes = read_nodes(place)
    with socket.socket() as taken:
        taken.bind((nodes[1].host, nodes[1].port))
        taken.listen()
        with pytest.raises(StorageError, match=f"port `{nodes[1].port}` of node `bb`") as refused:
            start(place, nodes, fake)
    assert refused.value.reason == "PORT_IN_USE"
    assert not nodes[0].pid_file.exists()


def test_start_on_a_port_that_is_about_to_be_free_waits_for_it(place: Place) -> None:
    """As a node killed a moment before holds its own."""
    nodes = read_nodes(place)
    with socket.socket() as taken:
        taken.bind((nodes[1].host, nodes[1].port))
        taken.listen()
        release = threading.Timer(0.3, taken.close)
        release.start()
        start(place, nodes, fake)
        release.join()
    assert [health(place, node) for node in nodes] == ["SERVING", "SERVING"]


def test_stop_of_a_node_that_does_not_end_says_so_and_tries_nothing_harsher(place: Place) -> None:
    (node,) = read_nodes(place, ["aa"])
    process = stranger(node, DEAF, node.body, str(place.var))
    try:
        assert process.stdout is not None
        process.stdout.read(4)
        with pytest.raises(StorageError, match=f"process {process.pid} does not end"):
            stop([node], within_seconds=0.2)
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()


def stranger(node: NodeAt, code: str, *words: str) -> subprocess.Popen[bytes]:
    """A process whose number stands in a node's pid file."""
    command = [sys.executable, "-u", "-c", code, *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    node.pid_file.write_text(f"{process.pid}\n")
    return process


@pytest.mark.parametrize("words", [(), ("aa",), ("bb", "{var}"), ("aa", "/elsewhere")])
def test_stop_never_signals_a_process_that_is_not_this_node(
    place: Place, words: tuple[str, ...]
) -> None:
    (node,) = read_nodes(place, ["aa"])
    process = stranger(node, "input()", *(word.format(var=place.var) for word in words))
    try:
        assert (running_pid(node), stop([node])) == (None, [])
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("content", ["", "no number", "-1\n", "0\n", "4_2\n", f"{9**20}\n"])
def test_running_pid_of_a_bad_pid_file_is_none(place: Place, content: str) -> None:
    (node,) = read_nodes(place, ["aa"])
    node.pid_file.write_text(content)
    assert running_pid(node) is None


def test_start_after_stop_finds_the_port_free_every_time(place: Place) -> None:
    nodes = read_nodes(place, ["aa"])
    for _ in range(5):
        start(place, nodes, fake)
        stop(nodes)
    assert not has_ended(os.getpid())


def test_start_makes_files_that_are_their_owners_alone(place: Place) -> None:
    (node,) = read_nodes(place, ["aa"])
    start(place, [node], fake)
    assert [path.stat().st_mode & 0o777 for path in (node.pid_file, node.log_file)] == [0o600] * 2


def test_launch_node_gives_the_command_a_user_would_type(place: Place) -> None:
    words = launch_node(place, BodyId("aa"))
    assert words[:6] == [sys.executable, "-m", "cloison.cli", "node", "run", "aa"]
    assert words[6:] == place.options()


def test_launch_node_by_another_program_keeps_the_command(place: Place) -> None:
    words = launch_node(place, BodyId("aa"), ("python", "clock.py", "3"))
    assert words[:6] == ["python", "clock.py", "3", "node", "run", "aa"]
    assert words[6:] == place.options()


def test_read_nodes_of_an_unknown_body_is_refused(place: Place) -> None:
    with pytest.raises(InputError, match="known: aa, bb") as refused:
        read_nodes(place, ["cc"])
    assert refused.value.reason == "UNKNOWN_BODY"


def test_read_nodes_with_addresses_moves_those_named(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "addresses.toml"
    file.write_text('bb = "127.0.0.2:7"\n')
    moved = Place(place.root, place.keys, place.var, file)
    assert [node.address for node in read_nodes(moved)][1] == "127.0.0.2:7"


def test_node_settings_take_a_file_of_addresses_as_strictly(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "addresses.toml"
    file.write_text('bb = "127.0.0.2:7"\n')
    moved = settings_of("aa", place.root, place.keys, place.var, file)
    assert list(moved.addresses) == ["aa", "bb"]
    assert moved.addresses[BodyId("bb")] == "127.0.0.2:7"
    file.write_text("bb = 7\n")
    with pytest.raises(InputError) as refused:
        settings_of("aa", place.root, place.keys, place.var, file)
    assert refused.value.reason == "BAD_ADDRESS"


@pytest.mark.parametrize(
    "line", ['aa = "here"', "aa = 7", 'aa = ":7"', 'aa = "h:x"', 'aa = "h:123456"', "aa = ["]
)
def test_read_addresses_of_a_bad_line_is_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "addresses.toml"
    file.write_text(line)
    with pytest.raises(InputError) as refused:
        read_addresses(file)
    assert refused.value.reason == "BAD_ADDRESS"


def test_status_of_stopped_nodes_says_so_and_fails(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["status", *place.state_options()]) == 1
    assert capsys.readouterr().out.count("stopped") == 2


def test_down_of_running_nodes_names_them(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    start(place, read_nodes(place, ["bb"]), fake)
    options = ["--var", str(place.var), "--root", str(place.root)]
    assert (run(["down", *options]), run(["down", *options])) == (0, 0)
    assert capsys.readouterr().out == "stopped: bb\nno node was running\n"


_THREADED = """
import socket, sys, threading, time
held = socket.socket()
held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
held.bind(("127.0.0.1", 0))
held.listen()
for _ in range(60):
    threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
print(held.getsockname()[1], flush=True)
time.sleep(100)
"""


def test_has_ended_a_killed_process_of_many_threads_has_let_go_of_its_port() -> None:
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", _THREADED], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            port = int(child.stdout.readline())
            child.kill()
            while not has_ended(child.pid):
                time.sleep(0)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
