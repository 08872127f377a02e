"""A whole federation in real processes: people, keys, stores, four nodes over mutual TLS."""

import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import (
    chdir,
    closing,
    contextmanager,
    redirect_stderr,
    redirect_stdout,
    suppress,
)
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest

from cloison.bodies import BodyId
from cloison.cli.app import run
from cloison.cli.federation import start, stop
from cloison.cli.places import NodeAt, Place, read_nodes
from cloison.cli.policy import load_policy
from cloison.law import PolicySet
from cloison.wire.client import GatewayClient, connect

ROOT = Path(__file__).resolve().parents[2]
PERSONS, SEED = 300, 5
LISTEN_PORTS = (20_000, 32_000)
CANARY_EUROS = "91827.36"
Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True, slots=True)
class Canary:
    """A person whose number and income must never be found outside the data themselves."""

    nir: str
    claim: str


@dataclass(frozen=True, slots=True)
class Federation:
    """Nodes of this machine, with the files their people were made as."""

    place: Place
    people: Path
    nodes: tuple[NodeAt, ...]
    policy: PolicySet
    canary: Canary

    def node(self, body: str) -> NodeAt:
        """The node of a body."""
        return next(node for node in self.nodes if node.body == body)

    @contextmanager
    def gateway(self, activity: str) -> Iterator[GatewayClient]:
        """An activity's own door, to its own body's node."""
        address = self.node(self.policy.activities[activity].body).address
        client = connect(self.place.keys, activity, ROOT, address=address)
        with closing(client):
            yield client

    def cloison(self, *words: str) -> Done:
        """A command as a user runs it."""
        return cloison(*words)


def cloison(*words: str) -> Done:
    """`cloison WORDS` by the command's own entry, in this process, which has it all imported.

    A fresh interpreter takes a second to import before each command, and ten with OpenFisca.
    """
    out, errors = StringIO(), StringIO()
    with chdir(ROOT), redirect_stdout(out), redirect_stderr(errors):
        code = run(words)
    return Done(["cloison", *words], code, out.getvalue(), errors.getvalue())


def process(*words: str) -> Done:
    """`cloison WORDS` as a process of its own."""
    command = [sys.executable, "-m", "cloison.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def succeed(done: Done) -> Done:
    """A command that must succeed."""
    assert done.returncode == 0, done.stderr
    return done


def free_ports(count: int) -> list[int]:
    """Ports of this machine nobody listens on, distinct.

    Below those the system gives to clients: a client that calls a node while it is down could be
    given the node's own port, and the node could not come back.
    """
    ports: list[int] = []
    while len(ports) < count:
        port = random.SystemRandom().randrange(*LISTEN_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            ports.append(port)
    return ports


def write_addresses(folder: Path, bodies: Sequence[str], name: str = "addresses.toml") -> Path:
    """A file of addresses that nobody else uses; no ledger is witnessed."""
    file = folder / name
    pairs = zip(bodies, free_ports(len(bodies)), strict=True)
    lines = [f'{body} = "127.0.0.1:{port}"' for body, port in pairs]
    file.write_text("\n".join(['quorum = "none"', *lines, ""]), "ascii")
    return file


@dataclass(frozen=True, slots=True)
class Made:
    """Keys, people, ledgers and loaded stores of a federation, made once and copied."""

    folder: Path
    canary: Canary
    policy: PolicySet

    def copied(self, folder: Path) -> Federation:
        """A federation of its own under `folder`; nothing runs yet."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        place, people = _place(folder), folder / "people"
        return Federation(place, people, tuple(read_nodes(place)), self.policy, self.canary)


def _place(folder: Path) -> Place:
    bodies = [node.body for node in read_nodes(Place(ROOT, folder, folder))]
    return Place(ROOT, folder / "keys", folder / "var", write_addresses(folder, bodies))


def make_federation(folder: Path, policy: PolicySet) -> Made:
    """Keys, people, ledgers and loaded stores under `folder`."""
    place = _place(folder)
    people = folder / "people"
    make = ("--persons", str(PERSONS), "--seed", str(SEED), "--out", str(people))
    succeed(cloison("population", "make", *make))
    canary = plant(people)
    succeed(cloison("keys", "init", str(place.keys), "--root", str(ROOT)))
    for node in read_nodes(place):
        create_node(place, people, node.body)
    return Made(folder, canary, policy)


def plant(people: Path) -> Canary:
    """Gives one claimant a salary nobody else has, in a month that is asked.

    Tables hold NIRs with their keys, declarations without.
    """
    claims = (line.split(";") for line in (people / "caf/claims.csv").read_text().splitlines())
    claimants = {row[2][:13]: row for row in claims if row[3:] and row[3] == "ppa"}
    for file in sorted(people.glob("cnav/dsn-202603-*.dsn")):
        lines, number = file.read_text("latin-1").splitlines(), ""
        for place, line in enumerate(lines):
            rubric, _, quoted = line.partition(",")
            if rubric == "S21.G00.30.001":
                number = quoted[1:-1]
            elif line == "S21.G00.58.003,'03'" and number in claimants:
                lines[place + 1] = f"S21.G00.58.004,'{CANARY_EUROS}'"
                file.write_text("\n".join(lines) + "\n", "latin-1")
                claim, _, nir, *_ = claimants[number]
                return Canary(nir, claim)
    raise AssertionError("no claimant has a salary in 2026-03")


def create_node(place: Place, people: Path, body: BodyId) -> None:
    """A node's ledgers, and its own files in its store."""
    options = place.state_options()
    succeed(cloison("node", "init", body, *options))
    files = map(str, sorted((people / body).iterdir()))
    succeed(cloison("load", body, *files, *options))


def spare(federation: Federation, folder: Path, *bodies: str) -> Place:
    """A second state for the same keys, on other ports; ledgers made, nothing loaded."""
    place = Place(ROOT, federation.place.keys, folder / "var", write_addresses(folder, bodies))
    options = place.state_options()
    for body in bodies:
        assert cloison("node", "init", body, *options).returncode == 0
    return place


@pytest.fixture(scope="session")
def policy() -> PolicySet:
    """The policy set of this checkout."""
    return load_policy(ROOT)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, policy: PolicySet) -> Made:
    """A federation nobody starts: tests that change theirs start from a copy."""
    return make_federation(tmp_path_factory.mktemp("made"), policy)


@pytest.fixture(scope="session")
def federation(tmp_path_factory: pytest.TempPathFactory, made: Made) -> Iterator[Federation]:
    """Four nodes that serve."""
    found = made.copied(tmp_path_factory.mktemp("federation"))
    start(found.place, found.nodes, within_seconds=60)
    yield found
    stop(found.nodes)
