"""The commands of the README, run as they stand there, in a checkout of their own."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.system.conftest import ROOT, free_ports

from cloison.cli.places import Place, read_nodes

README = (ROOT / "README.md").read_text("utf-8")
EXPECTED = {"cloison targeting run": {2}, "cloison audit run": {1}}
"""What does not end with 0: a refusal, and what the audit finds of it."""


def commands() -> list[str]:
    """The lines of the section `By hand`, fewer people than there."""
    section = README.split("\n## By hand\n")[1].split("\n## ")[0]
    lines = re.findall(r"^\$ (.+)$", section, re.MULTILINE)
    return [line.replace("--persons 1000", "--persons 200") for line in lines]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Law and body folders, on ports nobody uses."""
    shutil.copytree(ROOT / "policy", tmp_path / "policy")
    nodes = read_nodes(Place(ROOT, tmp_path, tmp_path))
    for node, port in zip(nodes, free_ports(len(nodes)), strict=True):
        folder = tmp_path / "nodes" / node.body
        shutil.copytree(ROOT / "nodes" / node.body, folder)
        file = folder / "node.toml"
        file.write_text(file.read_text("utf-8").replace(f"port = {node.port}", f"port = {port}"))
    return tmp_path


def test_readme_commands_run_in_the_order_they_stand_in(checkout: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    codes = {}
    try:
        for line in commands():
            done = subprocess.run(
                ["/bin/bash", "-e", "-c", line],
                cwd=checkout,
                env={**os.environ, "PATH": path},
                capture_output=True,
                text=True,
                check=False,
            )
            codes[line] = done.returncode
            assert done.returncode in EXPECTED.get(line, {0}), f"{line}\n{done.stderr}"
    finally:
        down = [sys.executable, "-m", "cloison.cli", "down"]
        subprocess.run(down, cwd=checkout, capture_output=True, check=True)
    assert len(codes) > len(EXPECTED) + 5
    assert codes.keys() >= EXPECTED.keys()
