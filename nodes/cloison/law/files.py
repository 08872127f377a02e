"""Bytes of policy files to strict values; a refusal names the file and, where known, the line.

A draft may come from anyone: its size and its nesting have a limit before any parser sees it.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeVar

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from cloison.errors import InputError
from cloison.law.expected import Example
from cloison.law.variants import same_question, variants

_Model = TypeVar("_Model", bound=BaseModel)
_EXAMPLE = TypeAdapter(Example)
_MOST_BYTES = 1 << 18
_MOST_NESTED = 500
_DEEPEST = 20
_AS_OTHERS = "write it as the files beside it are; policy/README.md explains each word"
_CHANGES = "each change is what is asked otherwise, as `case.live: false`; see policy/README.md"
_NESTING = re.compile(r"[(\[{<>=.!*+-]|&&|\|\||\b(?:if|in|has|is|like)\b")


def refuse(path: str, line: int | None, why: str, hint: str) -> InputError:
    """The error for one policy file: ``policy file `path:line`: why``, and what to do."""
    place = path if line is None else f"{path}:{line}"
    return InputError("BAD_POLICY_FILE", f"policy file `{place}`: {why}", hint)


def line_of(content: bytes, name: str, *, last: bool = False) -> int | None:
    """The first line, or the last, that holds the name in quotes; None where it is not so written.

    A dataset is looked for by its own name: its holder stands on another line.
    """
    wanted = (f'"{name}"', f'"{name.rpartition("/")[2]}"')
    rows = enumerate(content.decode("utf-8", "replace").splitlines(), 1)
    found = [number for number, row in rows if any(one in row for one in wanted)]
    return found[-1 if last else 0] if found else None


def parse_text(path: str, content: bytes) -> str:
    """UTF-8 text of at most 256 KiB. Raises `InputError` (`BAD_POLICY_FILE`)."""
    if len(content) > _MOST_BYTES:
        raise refuse(path, None, f"more than {_MOST_BYTES} bytes", "split it")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise refuse(path, line, "not UTF-8 text", "save it as UTF-8") from error


def check_nesting(path: str, line: int | None, text: str) -> None:
    """Refuses what could nest deeper than Cedar's parser bears: it would end the process.

    Every bracket and operator counts; comments and strings are the caller's to leave out.
    """
    if len(_NESTING.findall(text)) > _MOST_NESTED:
        raise refuse(path, line, f"more than {_MOST_NESTED} brackets and operators", "split it")


def parse_toml(path: str, content: bytes, model: type[_Model]) -> _Model:
    """One TOML file as `model`. Raises `InputError` (`BAD_POLICY_FILE`)."""
    text = parse_text(path, content)
    try:
        return model.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        match = re.search(r"at line (\d+)", str(error))
        line = int(match[1]) if match else text.count("\n") + 1
        raise refuse(path, line, f"not TOML: {error}", _AS_OTHERS) from error
    except RecursionError as error:
        raise refuse(path, None, "not TOML: nested too deep", _AS_OTHERS) from error
    except ValidationError as error:
        first = _first(error)
        place = _toml_line(text, first["loc"])
        raise refuse(path, place, _words_of(first), _hint_of(first)) from error


def parse_examples(path: str, content: bytes) -> tuple[Example, ...]:
    """A YAML list of examples. Raises `InputError` (`BAD_POLICY_FILE`)."""
    text = parse_text(path, content)
    try:
        _check_events(path, text)
        loader = _ExampleLoader(text)
        node = loader.get_single_node()
        items = loader.construct_document(node) if node else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else None
        problem = getattr(error, "problem", None) or "cannot be read"
        why = f"not YAML: {problem}"
        raise refuse(path, line, why, "each example is a list item") from error
    if not isinstance(node, yaml.SequenceNode) or not items:
        raise refuse(path, 1, "no example", "a text without an example is not tested")
    return tuple(
        example
        for child, item in zip(node.value, items, strict=True)
        for example in _with_variants(path, child, item)
    )


def _with_variants(path: str, node: yaml.Node, item: object) -> Iterator[Example]:
    """An example, and each of its changes that is refused."""
    line = node.start_mark.line + 1
    example = _example(path, line, item)
    yield example
    if not isinstance(item, dict) or not example.refused_if:
        return
    lines = _lines_of_changes(node)
    try:
        changed = list(variants(example, item))
    except ValueError as error:
        raise refuse(path, lines[0], str(error), _CHANGES) from error
    for place, made in zip(lines, changed, strict=True):
        variant = _example(path, place, made)
        if same_question(variant, example):
            raise refuse(path, place, "`refused_if`: a change that changes nothing", _CHANGES)
        yield variant


def _lines_of_changes(node: yaml.Node) -> list[int]:
    return [
        change.start_mark.line + 1
        for key, value in node.value
        if key.value == "refused_if"
        for change in value.value
    ]


def _check_events(path: str, text: str) -> None:
    """Refuses aliases, and what nests deeper than any example does: libyaml would recurse."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        alias = isinstance(event, yaml.AliasEvent)
        if alias or depth > _DEEPEST:
            line = event.start_mark.line + 1 if event.start_mark else None
            why = "an alias" if alias else "nested too deep"
            raise refuse(path, line, f"not YAML: {why}", "each example is a list item")


class _ExampleLoader(yaml.CSafeLoader):
    """YAML without what lets a file say two things at once: a key given twice.

    The C reader: examples are nine tenths of what reading a policy set takes.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        keys = Counter(key.value for key, _ in node.value)
        if keys.total() > len(keys):
            twice = keys.most_common(1)[0][0]
            problem = f"`{twice}` is given twice"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return super().construct_mapping(node, deep)


def _example(path: str, line: int, item: object) -> Example:
    try:
        return _EXAMPLE.validate_python(item)
    except ValidationError as error:
        first = _first(error)
        raise refuse(path, line, _words_of(first), _hint_of(first)) from error


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


def _hint_of(first: ErrorDetails) -> str:
    """What to do about it: what the key may be, or that it must be there."""
    match first["type"]:
        case "extra_forbidden":
            return "take the key out, or spell it as policy/README.md does"
        case "missing":
            return f"write `{first['loc'][-1]}`"
        case "enum" | "literal_error":
            return f"one of: {first.get('ctx', {}).get('expected', '')}"
        case "date_type" | "date_from_datetime_inexact":
            return "write a day as 2026-01-31, without quotes"
        case "too_short":
            return "name at least one"
        case _:
            return _AS_OTHERS


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
