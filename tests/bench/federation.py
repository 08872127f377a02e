"""A small federation in a folder of its own: real keys, people, files, processes."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.processes import cpu_seconds, free_ports

from cloison.bodies import BodyId
from cloison.cli.federation import CLOISON, Launch, launch_node, running_pid, start, stop
from cloison.cli.places import NodeAt, Place, read_nodes
from cloison.declarations import load_files
from cloison.identity import load_secret
from cloison.store import Store, load_catalogue

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Pair:
    """The requester's node and the holder's."""

    requester: NodeAt
    holder: NodeAt

    @property
    def both(self) -> tuple[NodeAt, NodeAt]:
        """In the order a question meets them."""
        return self.requester, self.holder


def make(
    folder: Path, requester: BodyId, holder: BodyId, persons: int, seed: int
) -> tuple[Place, Pair]:
    """Keys, people, their files loaded and both nodes' state, under `folder`; nothing runs yet."""
    addresses = folder / "addresses.toml"
    ports = zip((requester, holder), free_ports(2), strict=True)
    lines = [f'{body} = "127.0.0.1:{port}"' for body, port in ports]
    addresses.write_text("\n".join(['quorum = "none"', *lines, ""]), "utf-8")
    place = Place(ROOT, folder / "keys", folder / "var", addresses)
    root = ["--root", str(ROOT)]
    people = folder / "people"
    _cloison("keys", "init", str(place.keys), *root)
    _cloison(
        "population", "make", "--persons", str(persons), "--seed", str(seed), "--out", str(people)
    )
    for body in (requester, holder):
        _cloison("node", "init", body, *place.options()[:-2])
        _load(place, body, people / body)
    by_body = {node.body: node for node in read_nodes(place, (requester, holder))}
    return place, Pair(by_body[requester], by_body[holder])


@contextmanager
def running(place: Place, pair: Pair, profiles: Path | None = None) -> Iterator[None]:
    """Both nodes serve inside; with `profiles`, each leaves its `BODY.prof` there as it ends."""
    start(place, pair.both, launch_node if profiles is None else _profiled(profiles))
    try:
        yield
    finally:
        stop(pair.both)


def cpu_of(node: NodeAt) -> float:
    """CPU seconds of a running node. Raises `RuntimeError` if it has ended."""
    pid = running_pid(node)
    if pid is None:
        raise RuntimeError(f"node `{node.body}`: ended\n{node.log_file.read_text('utf-8')[-2000:]}")
    return cpu_seconds(pid)


def _profiled(profiles: Path) -> Launch:
    def launch(place: Place, body: BodyId) -> list[str]:
        python, *program = CLOISON
        profile = ("-m", "cProfile", "-o", str(profiles / f"{body}.prof"))
        return launch_node(place, body, (python, *profile, *program))

    return launch


def _load(place: Place, body: BodyId, files: Path) -> None:
    secrets = place.keys / body / "node"
    catalogue = load_catalogue(place.root / "nodes" / body / "catalogue.toml")
    store = Store.open(
        place.var / body / "store.sqlite",
        catalogue,
        load_secret(secrets / "row.key"),
        load_secret(secrets / "vault.key"),
    )
    try:
        load_files(store, catalogue, sorted(files.iterdir()))
        store.settle()
    finally:
        store.close()


def _cloison(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cloison.cli", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        shown = " ".join(arguments[:3])
        raise RuntimeError(f"cloison {shown} …: exit {done.returncode}\n{done.stderr[-2000:]}")
