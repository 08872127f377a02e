"""A policy set as its people meet it: signed, loaded into real nodes, kept over a kill."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.conftest import ROOT, Done, Federation, cloison, spare, succeed

from cloison.cli.federation import has_ended, running_pid, start, stop
from cloison.cli.places import Place, read_nodes
from cloison.errors import StorageError

BODIES = ("cnav", "msa")


@pytest.fixture
def place(federation: Federation, tmp_path: Path) -> Iterator[Place]:
    """Two nodes of their own that serve."""
    made = spare(federation, tmp_path, *BODIES)
    start(made, read_nodes(made, BODIES), within_seconds=60)
    yield made
    stop(read_nodes(made, BODIES))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The repository's law, one title changed."""
    copy = tmp_path / "policy"
    shutil.copytree(ROOT / "policy", copy, ignore=shutil.ignore_patterns("manifest"))
    edit(copy)
    return copy


def edit(folder: Path) -> None:
    file = folder / "texts/loi-51-711/text.toml"
    file.write_text(file.read_text("utf-8").replace('title = "', 'title = "Projet. ', 1), "utf-8")


def sign(place: Place, folder: Path, *names: str) -> Done:
    keys = [part for name in names for part in ("--key", f"{place.keys}/signers/{name}.key")]
    return cloison("law", "sign", str(folder), *keys, "--keys", str(place.keys), "--json")


def load(place: Place, folder: Path, *bodies: str) -> Done:
    nodes = [part for body in bodies for part in ("--node", body)]
    return cloison("law", "load", str(folder), *nodes, *place.options(), "--json")


def held(place: Place) -> dict[str, str]:
    """Which set each node decides by."""
    nodes = [part for body in BODIES for part in ("--node", body)]
    done = cloison("law", "sets", *nodes, *place.options(), "--json")
    return {body: one["policy_set"] for body, one in json.loads(done.stdout).items()}


def test_a_set_is_loaded_once_signed_by_enough_and_lasts_over_a_kill(
    place: Place, folder: Path
) -> None:
    first = held(place)
    assert load(place, folder, "cnav").returncode == 1  # no manifest yet
    made = json.loads(succeed(sign(place, folder, "ministere")).stdout)
    refused = load(place, folder, "cnav")
    assert (refused.returncode, json.loads(refused.stdout)[0]["reason"]) == (3, "TOO_FEW_SIGNERS")
    succeed(sign(place, folder, "controle"))
    (told,) = json.loads(succeed(load(place, folder, "cnav")).stdout)
    assert (told["policy_set"], told["changes"]) == (made["policy_set"], ["~ text loi-51-711"])
    assert held(place) == {"cnav": made["policy_set"], "msa": first["msa"]}
    (node,) = read_nodes(place, ["cnav"])
    pid = running_pid(node)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while not has_ended(pid):
        pass
    start(place, [node], within_seconds=60)
    assert held(place)["cnav"] == made["policy_set"]
    edit(folder)
    assert load(place, folder, "msa").returncode == 3
    assert held(place)["msa"] == first["msa"]


def test_a_kept_set_edited_while_the_node_is_down_keeps_it_down(place: Place) -> None:
    (node,) = read_nodes(place, ["msa"])
    stop([node])
    edit(node.folder / "policy-sets" / next((node.folder / "policy-sets").iterdir()).name)
    with pytest.raises(StorageError, match="loi-51-711"):
        start(place, [node], within_seconds=60)
