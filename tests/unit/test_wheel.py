"""A wheel alone can run a node: what it must hold beside the program is named, body by body."""

import tomllib
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def test_wheel_names_policy_and_every_body_folder() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    bodies = {f"nodes/{file.parent.name}" for file in _ROOT.glob("nodes/*/node.toml")}
    assert len(bodies) >= 4
    assert included == {place: f"cloison/_data/{place}" for place in {"policy", *bodies}}
