"""`cloison keys`: bodies and activities come from the files of the root."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cloison.cli.keys import app, read_activities, read_bodies
from cloison.errors import InputError, StorageError

runner = CliRunner()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with two nodes and one activity of an overseer."""
    for folder in ("policy/activities", "nodes/caf", "nodes/cnav", "nodes/cloison"):
        (tmp_path / "root" / folder).mkdir(parents=True)
    (tmp_path / "root/policy/purposes.toml").touch()
    for body in ("caf", "cnav"):
        (tmp_path / "root/nodes" / body / "node.toml").touch()
    write_activity(tmp_path / "root", 'id = "cnil-audit"\nbody = "cnil"\n')
    return tmp_path / "root"


def write_activity(root: Path, text: str) -> None:
    (root / "policy/activities/cnil-audit.toml").write_text(text)


def test_init_makes_keys_of_the_root_and_says_how_many(root: Path, tmp_path: Path) -> None:
    result = runner.invoke(app, ["init", str(tmp_path / "keys"), "--root", str(root)])
    assert (result.exit_code, result.stdout.split(": ")[1]) == (
        0,
        "keys of 2 nodes and 1 activities\n",
    )
    assert (tmp_path / "keys/cnil/activities/cnil-audit/signing.key").exists()


def test_init_twice_is_refused(root: Path, tmp_path: Path) -> None:
    arguments = ["init", str(tmp_path / "keys"), "--root", str(root)]
    runner.invoke(app, arguments)
    error = runner.invoke(app, arguments).exception
    assert isinstance(error, InputError)
    assert error.reason == "KEYS_EXIST"


def test_show_lists_every_public_key_and_no_private_one(made_keys: Path) -> None:
    result = runner.invoke(app, ["show", str(made_keys), "--json"])
    shown = {(one["owner"], one["name"], one["use"]) for one in json.loads(result.stdout)}
    assert ("authority", "ca.crt", "certificates") in shown
    assert ("caf", "traces", "ledger") in shown
    assert ("drees", "drees-statistics", "sealing") in shown
    assert ("cnav", "witness", "cosigning") in shown
    assert len(shown) == 1 + 4 + 2 + 6


def test_show_for_the_eye_names_every_activity(made_keys: Path) -> None:
    result = runner.invoke(app, ["show", str(made_keys)])
    assert all(name in result.stdout for name in ("caf-ppa", "caf-outreach", "drees-statistics"))


def test_show_without_keys_is_refused(tmp_path: Path) -> None:
    error = runner.invoke(app, ["show", str(tmp_path)]).exception
    assert isinstance(error, StorageError)
    assert error.reason == "NO_CERTIFICATE"


def test_init_root_is_the_nearest_parent(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root / "policy/activities")
    assert runner.invoke(app, ["init", str(tmp_path / "keys")]).exit_code == 0
    assert sorted(p.name for p in (tmp_path / "keys").iterdir() if p.name.startswith("cn")) == [
        "cnav",
        "cnil",
    ]


def test_read_bodies_are_the_folders_with_a_node_file(root: Path) -> None:
    assert read_bodies(root) == ["caf", "cnav"]


BAD_FILES = {
    "not TOML": "id = ",
    "another id": 'id = "cnil"\nbody = "cnil"\n',
    "no id": 'body = "cnil"\n',
    "no body": 'id = "cnil-audit"\n',
    "body not a string": 'id = "cnil-audit"\nbody = 1\n',
}


@pytest.mark.parametrize("text", BAD_FILES.values(), ids=BAD_FILES.keys())
def test_read_activities_bad_file_is_refused_by_name(root: Path, text: str) -> None:
    write_activity(root, text)
    with pytest.raises(InputError, match=r"cnil-audit\.toml") as caught:
        read_activities(root)
    assert caught.value.reason == "BAD_ACTIVITY_FILE"


def test_read_activities_unreadable_is_refused(root: Path) -> None:
    (root / "policy/activities/odd.toml").mkdir()
    with pytest.raises(StorageError) as caught:
        read_activities(root)
    assert caught.value.reason == "NO_ACTIVITY_FILE"
