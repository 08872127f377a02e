"""A rule that names nothing would load and never apply: it is refused, with the near spelling."""
# ruff: noqa: E501 - a table of rules reads best with one line a row

from collections.abc import Mapping

import pytest

from cloison.errors import InputError
from cloison.law import PolicySet

_RULES = "texts/gdpr-5/rules.cedar"
_LINE = 40
_ANY = "principal, action, resource"

# (head, condition, what the error says, its hint)
_UNKNOWN = [
    ('principal == Activity::"caf-pap", action, resource', "true", '`Activity::"caf-pap"`: unknown', 'perhaps `Activity::"caf-ppa"`'),
    ('principal in Body::"cfa", action, resource', "true", '`Body::"cfa"`: unknown', 'perhaps `Body::"caf"`'),
    ('principal, action, resource in System::"dmr"', "true", '`System::"dmr"`: unknown', 'perhaps `System::"drm"`'),
    ('principal, action, resource == Dataset::"cnav/monthly_resource"', "true", '`Dataset::"cnav/monthly_resource"`: unknown', 'perhaps `Dataset::"cnav/monthly_resources"`'),
    ('principal, action, resource == Received::"cnav/monthly_resources for audit by caf-ppa"', "true", 'for audit by caf-ppa"`: unknown', 'by caf-ppa"`'),
    (_ANY, 'context.purpose == Purpose::"calculatoin"', '`Purpose::"calculatoin"`: unknown', 'perhaps `Purpose::"calculation"`'),
    (_ANY, 'context.purpose in [Purpose::"audit", Purpose::"contrl"]', '`Purpose::"contrl"`: unknown', 'perhaps `Purpose::"control"`'),
    (_ANY, 'context.granularity == "months"', "granularity `months`: unknown", "perhaps `month`"),
    (_ANY, '["month", "yaer"].contains(context.granularity)', "granularity `yaer`: unknown", "perhaps `year`"),
    (_ANY, 'context.granularity == (if context.cohort then "year" else "moth")', "granularity `moth`: unknown", "perhaps `month`"),
    (_ANY, 'context.granularity == "weekly, by payer"', "granularity `weekly, by payer`: unknown", ""),
    (_ANY, 'context.fields.contains("msn")', "fields `msn`: unknown", "perhaps `mns`"),
    (_ANY, 'context.fields.containsAny(["mns", "msn"])', "fields `msn`: unknown", "perhaps `mns`"),
    (_ANY, '!["mns", "nature "].containsAll(context.fields)', "fields `nature `: unknown", "perhaps `nature`"),
    ('principal, action, resource in Dataset::"dgfip/tax_notices"', 'context.fields.contains("mns")', "fields `mns`: unknown", ""),
    (_ANY, 'context.case.type == "claims"', "type `claims`: unknown", "perhaps `claim`"),
    (_ANY, 'principal.benefit == "pap"', "benefit `pap`: unknown", "perhaps `ppa`"),
    (_ANY, '"month" == "moth"', '"month": compared with no attribute that holds names', ""),
    (_ANY, 'context.granularity like "moth*"', "`like`: a pattern need fit nothing", "list the values"),
    (_ANY, "context has cohrt && context.cohrt", "`has`: a name it is given need not exist", "ask with `is`"),
]  # fmt: skip


def _with(files: Mapping[str, bytes], head: str, condition: str) -> PolicySet:
    rule = f'\n@id("new") @article("x")\nforbid ({head}) when {{ {condition} }};\n'
    return PolicySet.parse({**files, _RULES: files[_RULES] + rule.encode()})


@pytest.mark.parametrize(
    ("head", "condition", "says", "hint"), _UNKNOWN, ids=[row[2] for row in _UNKNOWN]
)
def test_parse_rule_that_names_nothing_refuses(
    files: Mapping[str, bytes], head: str, condition: str, says: str, hint: str
) -> None:
    with pytest.raises(InputError) as raised:
        _with(files, head, condition)

    assert raised.value.reason == "BAD_POLICY_FILE"
    assert f"policy file `{_RULES}:{_LINE}`: rule `new`: " in raised.value.message
    assert says in raised.value.message
    assert hint in raised.value.hint
    assert bool(hint) == bool(raised.value.hint)


def test_parse_rule_of_a_group_of_actions_refuses(files: Mapping[str, bytes]) -> None:
    """The schema may know a group; no question is ever put to it by that name."""
    schema = files["schema.cedarschema"].replace(
        b"action ask ", b"action all;\naction ask in [all] "
    )

    with pytest.raises(InputError, match='Action::"all"`: unknown'):
        _with(
            {**files, "schema.cedarschema": schema},
            'principal, action in Action::"all", resource',
            "true",
        )


@pytest.mark.parametrize(
    "condition",
    [
        'context.case.type == ""',
        'principal.benefit == ""',
        'context.fields.contains("rfr") || context.fields.contains("mns")',
        'principal == Activity::"caf-ppa" && action == Action::"ask"',
        'resource is Received && resource.received_for == Purpose::"audit"',
        'context.granularity != "window-total"',
    ],
)
def test_parse_rule_of_known_names_is_in_the_set(
    files: Mapping[str, bytes], condition: str
) -> None:
    assert _with(files, _ANY, condition).rules


def test_parse_field_of_a_dataset_its_head_is_about_is_in_the_set(
    files: Mapping[str, bytes],
) -> None:
    head = 'principal, action, resource is Received in Body::"dgfip"'

    assert _with(files, head, 'context.fields.contains("rfr")').rules


_CASE = (
    '{type: "claim", live: true, own: true, covers_persons: true, questions_before: 0, '
    "months_back_first: 4, months_back_last: 2, years_back_first: 0, years_back_last: 0}"
)


@pytest.mark.parametrize(
    "condition",
    [
        f"context.case == {_CASE}",
        f"{_CASE} == context.case",
        f"[{_CASE}].contains(context.case)",
        "[context].contains(context) && context.case.live",
        "(if context.cohort then context.case else context.case).live",
        "{case: context.case}.case.live",
    ],
)
def test_parse_rule_that_reads_a_record_whole_refuses(
    files: Mapping[str, bytes], condition: str
) -> None:
    """Attributes no rule reads are left out of a question: the record would never be equal."""
    with pytest.raises(InputError, match=r"rule `new`: reads `context` or `context\.case` whole"):
        _with(files, _ANY, condition)
