"""No rule opens what a promise closes, on any day, unless its text says so.

Rules are looked at one by one, records apart: every condition that reads of the question more than
its purpose is taken as met, so that what is not found here cannot be asked at all.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cloison.cli.root import find_root, read_policy
from cloison.law import Action, PolicySet, Rule
from cloison.law.conditions import _reads_nothing_else, met
from cloison.law.records import NeverPurpose, OnlyPurpose
from cloison.law.shape import Shape, blank_shape
from cloison.law.slices import Place

_RULES = "texts/gdpr-5/rules.cedar"
_UNDECLARED = """
@id("quiet")
@article("x")
permit (principal, action == Action::"{action}", resource in System::"drm")
when {{ context.purpose in Purpose::"control" }}
when {{ context.cohort }};
"""


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return read_policy(find_root(Path(__file__).parent))


@pytest.fixture(scope="module")
def policy(files: dict[str, bytes]) -> PolicySet:
    return PolicySet.parse(files)


def _shapes(policy: PolicySet) -> Iterator[Shape]:
    """Every activity before every dataset, held or received under any label there can be."""
    for activity in policy.activities:
        for holder, dataset in policy.datasets:
            yield blank_shape(Place(Action.ASK.value, activity, holder, dataset, received=False))
            received = Place(Action.READ_RECEIVED.value, activity, holder, dataset, received=True)
            for receiver in policy.activities.values():
                if receiver.fields_of(holder, dataset) is not None:
                    for purpose in receiver.purposes:
                        blank = blank_shape(received)
                        yield blank._replace(received_for=purpose, received_by=receiver.id)


def _reaches(policy: PolicySet, rule: Rule, shape: Shape, purpose: str) -> bool:
    """Whether what the rule says of activity, data and purpose holds, whatever the rest says."""
    wanted = {place for place, one in enumerate(rule.conditions) if _reads_nothing_else(one)}
    return wanted <= met(policy, rule, shape, purpose)


def _undeclared(policy: PolicySet) -> set[str]:
    """Permits that open a `never-purpose` promise on a day their text does not declare."""
    found = set()
    promises = [one for one in policy.promises.values() if isinstance(one, NeverPurpose)]
    for shape in _shapes(policy):
        for promise in promises:
            if f"{shape.holder}/{shape.dataset}" not in promise.datasets:
                continue
            for rule in policy.slices.at(shape.place):
                for purpose in promise.purposes:
                    opens = rule.permits and _reaches(policy, rule, shape, purpose)
                    if opens and not _declared(policy, rule, promise.id):
                        found.add(rule.id)
    return found


def _declared(policy: PolicySet, rule: Rule, promise: str) -> bool:
    return any(
        opening.promise == promise
        and opening.from_ <= rule.first_day
        and (opening.until is None or (rule.end_day is not None and rule.end_day <= opening.until))
        for opening in policy.texts[rule.ref.text].opens
    )


def _unforbidden(policy: PolicySet) -> set[str]:
    """Permits that serve another purpose from data an `only-purpose` promise keeps to one."""
    found = set()
    kept = {one.received_for for one in policy.promises.values() if isinstance(one, OnlyPurpose)}
    for shape in _shapes(policy):
        if shape.received_for in kept:
            rules = policy.slices.at(shape.place)
            for purpose in set(policy.purposes) - {shape.received_for}:
                found |= {
                    rule.id
                    for rule in rules
                    if rule.permits
                    and _reaches(policy, rule, shape, purpose)
                    and not any(
                        not other.permits
                        and other.first_day <= rule.first_day
                        and other.end_day is None
                        and met(policy, other, shape, purpose) == set(range(len(other.conditions)))
                        for other in rules
                    )
                }
    return found


def test_no_text_opens_a_promise_without_saying_so(policy: PolicySet) -> None:
    assert _undeclared(policy) == set()


def test_what_is_received_to_inform_is_permitted_for_nothing_else(policy: PolicySet) -> None:
    assert _unforbidden(policy) == set()


@pytest.mark.parametrize("action", ["ask", "read-received"])
def test_rule_that_opens_a_promise_quietly_is_found(
    files: Mapping[str, bytes], action: str
) -> None:
    rule = _UNDECLARED.format(action=action).encode()
    changed = PolicySet.parse({**files, _RULES: files[_RULES] + rule})

    assert _undeclared(changed) == {"gdpr-5/quiet"}


def test_opening_beyond_its_declared_days_is_found(files: Mapping[str, bytes]) -> None:
    path = "texts/decret-2024-50/rules.cedar"
    longer = files[path].replace(b'@until("2025-02-01")\n', b"")

    assert _undeclared(PolicySet.parse({**files, path: longer})) == {"decret-2024-50/experiment"}


def test_received_to_inform_without_its_forbid_is_found(files: Mapping[str, bytes]) -> None:
    path = "texts/crpa-l114-8/rules.cedar"
    weaker = files[path].replace(
        b'resource.received_for in Purpose::"non-take-up"', b"resource.received_by == principal"
    )
    quiet = _UNDECLARED.format(action="read-received").encode()
    changed = PolicySet.parse({**files, path: weaker, _RULES: files[_RULES] + quiet})

    assert "gdpr-5/quiet" in _unforbidden(changed)
