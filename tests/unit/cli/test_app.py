"""The command `cloison`: list, load, exit codes."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.main import get_group

from cloison.cli import app as application
from cloison.cli.app import COMMANDS, build, load_command, run
from cloison.errors import (
    BudgetExceeded,
    CloisonError,
    InputError,
    IntegrityError,
    PeerError,
    PolicyDenied,
    StorageError,
)

HEAVY = ("grpc", "openfisca_core", "openfisca_france", "cedarpy", "pyarrow", "numpy", "sqlite3")


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command below, with its path."""
    below = getattr(command, "commands", None)
    if below is None:
        yield path, command
        return
    for name, found in below.items():
        yield from commands(found, (*path, name))


EVERY = [pair for name in COMMANDS for pair in commands(load_command(name), (name,))]


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    listed = capsys.readouterr().out
    assert [name for name in COMMANDS if f" {name} " not in listed] == []


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from cloison.cli.app import run; run(['--help']);"
        f"print('heavy:', *[m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1].strip() == "heavy:"


@pytest.mark.parametrize(("path", "command"), EVERY, ids=[" ".join(path) for path, _ in EVERY])
def test_help_of_every_command_has_an_example_of_it(path: tuple[str, ...], command: Any) -> None:
    assert f"Example: cloison {' '.join(path)}" in " ".join(command.help.split())


def example_options(command: Any) -> list[str]:
    words = " ".join(command.help.split()).split("Example: cloison ")[1].split()
    return [word for word in words if word.startswith("--")]


@pytest.mark.parametrize(("path", "command"), EVERY, ids=[" ".join(path) for path, _ in EVERY])
def test_example_of_every_command_uses_options_it_has(path: tuple[str, ...], command: Any) -> None:
    assert path
    known = {name for parameter in command.params for name in parameter.opts}
    assert set(example_options(command)) <= known


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["kyes"], "Did you mean 'keys'"),
        (["keys", "init"], "Missing argument"),
        (["ledger", "show", "--nothing"], "No such option"),
        (["entitlement", "run", "--benefit", "aah", "--month", "2026-06"], "Invalid value"),
    ],
)
def test_run_with_bad_usage_exits_invalid_and_says_why(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert run(words) == 3
    captured = capsys.readouterr()
    assert (said in captured.err, captured.out) == (True, "")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError, 3),
        (PolicyDenied, 2),
        (BudgetExceeded, 2),
        (PeerError, 1),
        (IntegrityError, 1),
        (StorageError, 1),
        (CloisonError, 1),
    ],
)
def test_run_of_a_failing_command_exits_by_the_party_at_fault(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: type[CloisonError],
    code: int,
) -> None:
    def fail() -> None:
        raise error("A_REASON", "it failed: why", "try this")

    monkeypatch.setattr(application, "load_command", lambda _: _single(fail))
    assert run(["status"]) == code
    assert capsys.readouterr().err == "it failed: why\n  try this\n  [A_REASON]\n"


def _single(function: Any) -> Any:
    made = typer.Typer(add_completion=False)
    made.command()(function)
    return typer.main.get_command(made)


def test_run_of_a_command_that_is_denied_exits_with_its_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def deny() -> None:
        raise typer.Exit(2)

    monkeypatch.setattr(application, "load_command", lambda _: _single(deny))
    assert run(["ask"]) == 2


def test_build_names_the_same_commands_as_the_table() -> None:
    assert list(get_group(build()).commands) == list(COMMANDS)
