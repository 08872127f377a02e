"""Every word of the policy files stands in the glossary a jurist reads."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cloison.cli.root import find_root

_POLICY = find_root(Path(__file__).parent) / "policy"
_GLOSSARY = set(re.findall(r"`(@?[a-z_.]+)`", (_POLICY / "README.md").read_text("utf-8")))
_NAMED_BY_US = {"keys", "parents", "tiles"}
"""Tables whose own keys are names of places and brackets."""


def _toml_keys(value: object, above: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            explained = isinstance(inner, dict) and inner.keys() == {"value", "reason"}
            if above not in _NAMED_BY_US and not explained:
                yield key
            yield from _toml_keys(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _toml_keys(inner, above)


def _words() -> Iterator[str]:
    for path in _POLICY.rglob("*.toml"):
        yield from _toml_keys(tomllib.loads(path.read_text("utf-8")))
    for path in _POLICY.rglob("*.yaml"):
        yield from _toml_keys(yaml.load(path.read_text("utf-8"), yaml.CSafeLoader))
    for path in _POLICY.rglob("*.cedar"):
        text = re.sub(r"//[^\n]*|\"[^\"]*\"", "", path.read_text("utf-8"))
        yield from re.findall(r"@[a-z_]+", text)
        yield from re.findall(r"\.([a-z_]+)(?!\()\b", re.sub(r"\.contains\w*", "", text))
    schema = re.sub(r"//[^\n]*", "", (_POLICY / "schema.cedarschema").read_text("utf-8"))
    yield from re.findall(r"\b([a-z_]+):", schema)


@pytest.mark.parametrize("word", sorted(set(_words())))
def test_word_of_the_policy_files_is_explained(word: str) -> None:
    assert word in _GLOSSARY
