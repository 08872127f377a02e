"""Bytes of policy files to strict values; a refusal names the file and, where known, the line."""

import re
import tomllib
from collections.abc import Sequence
from typing import TypeVar

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from cloison.errors import InputError
from cloison.law.records import Example

_Model = TypeVar("_Model", bound=BaseModel)
_EXAMPLE = TypeAdapter(Example)


def refuse(path: str, line: int | None, why: str, hint: str = "") -> InputError:
    """The error for one policy file: ``policy file `path:line`: why``."""
    place = path if line is None else f"{path}:{line}"
    return InputError("BAD_POLICY_FILE", f"policy file `{place}`: {why}", hint)


def parse_text(path: str, content: bytes) -> str:
    """UTF-8 text. Raises `InputError` (`BAD_POLICY_FILE`)."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise refuse(path, line, "not UTF-8 text") from error


def parse_toml(path: str, content: bytes, model: type[_Model]) -> _Model:
    """One TOML file as `model`. Raises `InputError` (`BAD_POLICY_FILE`)."""
    text = parse_text(path, content)
    try:
        return model.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        match = re.search(r"at line (\d+)", str(error))
        line = int(match[1]) if match else text.count("\n") + 1
        raise refuse(path, line, f"not TOML: {error}") from error
    except ValidationError as error:
        first = _first(error)
        raise refuse(path, _toml_line(text, first["loc"]), _words_of(first)) from error


def parse_examples(path: str, content: bytes) -> tuple[Example, ...]:
    """A YAML list of examples. Raises `InputError` (`BAD_POLICY_FILE`)."""
    text = parse_text(path, content)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        items = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else None
        raise refuse(path, line, "not YAML", "each example is a list item") from error
    if not isinstance(node, yaml.SequenceNode) or not items:
        raise refuse(path, 1, "no example", "a text without an example is not tested")
    return tuple(
        _example(path, child.start_mark.line + 1, item)
        for child, item in zip(node.value, items, strict=True)
    )


def _example(path: str, line: int, item: object) -> Example:
    try:
        return _EXAMPLE.validate_python(item)
    except ValidationError as error:
        raise refuse(path, line, _words_of(_first(error))) from error


def _first(error: ValidationError) -> ErrorDetails:
    """The error to tell: an unknown key before the key it was probably meant to be."""
    errors = error.errors(include_url=False, include_input=False)
    return next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])


def _words_of(first: ErrorDetails) -> str:
    """What is wrong, in one line."""
    place = ".".join(str(part) for part in first["loc"]) or "the file"
    kind = {"extra_forbidden": "unknown key", "missing": "key missing"}.get(first["type"])
    message = kind or first["msg"].removeprefix("Value error, ")
    return f"`{place}`: {message[:1].lower()}{message[1:]}"


def _toml_line(text: str, place: Sequence[int | str]) -> int:
    """The line of the key at `place`; the nearest header above where the key is absent."""
    lines = text.splitlines()
    line = 0
    for index, part in enumerate(place):
        if isinstance(part, int):
            head = f"[[{place[index - 1]}]]" if index else ""
            tables = [number for number, row in enumerate(lines) if row.strip() == head]
            line = tables[part] if part < len(tables) else line
            continue
        pattern = re.compile(rf"^\s*(\[+\s*)?\"?{re.escape(part)}\"?\s*[=\]]")
        found = (number for number in range(line, len(lines)) if pattern.match(lines[number]))
        line = next(found, line)
    return line + 1
