"""People, keys, ledgers, and each body with its own files."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from cloison.bodies import BodyId
from cloison.cli import keys
from cloison.cli.console import table
from cloison.cli.first_set import first_set
from cloison.cli.places import Place, read_nodes
from cloison.french import french_count, french_month
from cloison.months import Month
from cloison.population.make import Manifest, make_population
from cloison.wire.node import system_clock
from cloison.wire.settings import NodeSettings, create_node, default_addresses
from demo_steps.stage import DATED_BODIES, LOADED, STORE, WIDTH, Demo, DemoFailedError, advance

LOADED_AT_ONCE = 2
LOAD_COLUMNS = ("files", "known before", "lines", "declarations", "records")


def make_people(demo: Demo, persons: int, seed: int) -> Manifest:
    """The files each body would have received."""
    tasks = {}
    with demo.progress() as bar:

        def show(name: str, done: int, of: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name)
            advance(bar, tasks[name], done, of)

        manifest = make_population(persons, seed, demo.people, progress=show)
    size = sum(int(file["bytes"]) for file in manifest.files.values()) // 1_000_000
    first, last = (
        french_month(Month.parse(m)) for m in (manifest.first_month, manifest.last_month)
    )
    demo.say(
        f"{french_count(manifest.persons)} people in {french_count(manifest.households)}"
        f" households, {first} – {last}; {len(manifest.files)} files, {french_count(size)} MB;"
        " their NIRs can belong to nobody"
    )
    return manifest


def make_federation(place: Place, bodies: Sequence[str]) -> None:
    """Keys for everybody, ledgers for these bodies."""
    root = place.root
    keys.make_keys(place.keys, root, datetime.now(UTC))
    for body in map(BodyId, bodies):
        settings = NodeSettings(body, root, place.keys, place.var / body, default_addresses(root))
        create_node(settings, first_set(place.keys), system_clock)


def load_bodies(demo: Demo) -> None:
    """`cloison load` for every body, two at a time, the one with most to read first."""
    bodies = [node.body for node in read_nodes(demo.place)]
    make_federation(demo.place, bodies)
    files = {body: sorted((demo.people / body).iterdir()) for body in bodies}
    bodies.sort(key=lambda body: -sum(path.stat().st_size for path in files[body]))
    shown = table("body", *LOAD_COLUMNS, right=LOAD_COLUMNS)
    with demo.progress() as bar, ThreadPoolExecutor(LOADED_AT_ONCE) as pool:
        task = bar.add_task("bodies loaded", total=len(bodies))
        for row in pool.map(lambda body: _load(demo, body, files[body]), bodies):
            bar.advance(task)
            shown.add_row(*row)
    demo.console.print(shown)
    # Copied while no node has them open: the federations of other days hold the same data.
    (demo.place.var / LOADED).mkdir()
    for body in DATED_BODIES:
        shutil.copy(demo.place.var / body / STORE, demo.place.var / LOADED / f"{body}.sqlite")


def _load(demo: Demo, body: str, files: Sequence[Path]) -> list[str]:
    """The line of figures the command prints."""
    words = ["load", body, *map(str, files), *demo.place.state_options()]
    done = subprocess.run(
        [sys.executable, "-m", "cloison.cli", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": str(WIDTH)},
    )
    if done.returncode:
        raise DemoFailedError(f"`cloison load {body}` ended: {done.stderr}")
    return re.split(" {2,}", done.stdout.strip().splitlines()[-1].strip())
