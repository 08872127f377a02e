"""Node files: strict, each in its own folder, no two on one port."""

from pathlib import Path

import pytest

from cloison.errors import InputError
from cloison.store import load_nodes

NODES = Path(__file__).parents[3] / "nodes"
RIGHT = 'id = "autre"\nname = "Autre"\nhost = "127.0.0.1"\nport = 7420\n'


def write(folder: Path, body: str, text: str) -> None:
    (folder / body).mkdir(exist_ok=True)
    (folder / body / "node.toml").write_text(text)


def test_load_nodes_of_this_house_listen_apart() -> None:
    nodes = load_nodes(NODES)
    assert len({node.port for node in nodes.values()}) == len(nodes) >= 4


def test_load_nodes_fifth_body_is_a_folder(tmp_path: Path) -> None:
    write(tmp_path, "autre", RIGHT)
    assert [(body, node.body, node.port) for body, node in load_nodes(tmp_path).items()] == [
        ("autre", "autre", 7420)
    ]


BAD = {
    "an unknown key": RIGHT + 'secret = "x"\n',
    "no port": RIGHT.replace("port = 7420\n", ""),
    "a port out of range": RIGHT.replace("7420", "74200"),
    "another folder's": RIGHT.replace('"autre"', '"tiers"'),
    "not a body": RIGHT.replace('"autre"', '"Autre!"'),
    "not TOML": "id: autre",
}


@pytest.mark.parametrize("name", BAD)
def test_load_nodes_bad_file_is_refused(name: str, tmp_path: Path) -> None:
    write(tmp_path, "autre", BAD[name])
    with pytest.raises(InputError) as caught:
        load_nodes(tmp_path)
    assert caught.value.reason in {"BAD_NODE_FILE", "BAD_BODY"}


def test_load_nodes_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none"):
        load_nodes(tmp_path)


def test_load_nodes_two_on_one_port_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "autre", RIGHT)
    write(tmp_path, "tiers", RIGHT.replace('"autre"', '"tiers"'))
    with pytest.raises(InputError, match="share a port"):
        load_nodes(tmp_path)
