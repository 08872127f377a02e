"""Every example in a docstring runs and says what it shows."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import cloison

_ROOT = Path(cloison.__file__).parent
_MODULES = sorted(
    ".".join(("cloison", *path.relative_to(_ROOT).with_suffix("").parts))
    for path in _ROOT.rglob("*.py")
    if "v1" not in path.parts and ">>>" in path.read_text("utf-8")
)


def test_some_docstrings_hold_examples() -> None:
    assert _MODULES


@pytest.mark.parametrize("name", _MODULES)
def test_examples_in_a_docstring_run(name: str) -> None:
    result = doctest.testmod(import_module(name))
    assert result.attempted
    assert not result.failed
