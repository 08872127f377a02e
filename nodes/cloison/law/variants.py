"""What refuses a question that an example permits: each change is an example of its own."""

from collections.abc import Iterator, Mapping

from cloison.law.expected import Example

_NOT_ASKED = frozenset({"name", "why", "expect", "rules", "obligations", "provisional"})
_EXPECTED = frozenset({"reason", "nearest", "refused_if"}) | _NOT_ASKED


def variants(example: Example, item: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """One example a change of `refused_if`, as a file would have it: the same, changed, denied.

    Args:
        example: The example.
        item: As its file has it.

    Raises:
        ValueError: it expects no permit, or a change speaks of something else than what is asked.
    """
    if example.refused_if and not example.expect.permits:
        raise ValueError("`refused_if`: this example expects no permit; give it to one that does")
    asked = {key: value for key, value in item.items() if key not in _EXPECTED}
    for change in example.refused_if or ():
        said = ", ".join(f"{key}: {_said(value)}" for key, value in change.items())
        yield {
            **_changed(asked, change),
            "name": f"{example.name}, mais {said}",
            "expect": "deny",
        }


def same_question(one: Example, other: Example) -> bool:
    """Whether two examples ask the same, whatever each expects."""
    first, second = (each.model_dump(exclude=set(_EXPECTED)) for each in (one, other))
    return first == second


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "rien" if value is None else str(value)


def _changed(asked: Mapping[str, object], change: Mapping[str, object]) -> dict[str, object]:
    """What is asked, with each key of the change, `case.live` meaning `live` of `case`."""
    made = dict(asked)
    if not change:
        raise ValueError("`refused_if`: a change that changes nothing")
    for key, value in change.items():
        if key in _NOT_ASKED:
            raise ValueError(f"`refused_if`: `{key}` is no part of what is asked")
        whole, _, part = key.partition(".")
        if not part:
            made[key] = value
            continue
        inside = made.get(whole)
        if not isinstance(inside, dict):
            raise ValueError(f"`refused_if`: `{key}`: the example has no `{whole}`")  # noqa: TRY004
        made[whole] = {**inside, part: value}
    return made
