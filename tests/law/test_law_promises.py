"""Each promise holds of the law as it is, and is found broken where somebody breaks it."""

import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from cloison.cli.app import run
from cloison.cli.root import find_root, read_policy
from cloison.errors import InputError
from cloison.law import Decision, Outcome, PolicySet, Rule
from cloison.law.prove import Failure, prove
from cloison.law.prove.domain import Part, groups_of
from cloison.law.prove.promises import only_record
from cloison.law.prove.proof import checks
from cloison.law.prove.search import Search, Site
from cloison.law.records import OnlyRecord
from cloison.law.shape import Shape, span_of, spans_from_case

_RULES = "texts/gdpr-5/rules.cedar"
_INFORM = "texts/crpa-l114-8/rules.cedar"
_FORMER = "texts/decret-2019-969/rules.cedar"
_EXPERIMENT = "texts/decret-2024-50/rules.cedar"
_QUIET = """
@id("quiet")
@article("x")
@from("2023-01-01")
{effect} (principal{who}, action == Action::"{action}", resource{what})
when {{ {when} }};
"""


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return read_policy(find_root(Path(__file__).parent))


@pytest.fixture(scope="module")
def policy(files: dict[str, bytes]) -> PolicySet:
    return PolicySet.parse(files)


def _planted(
    files: Mapping[str, bytes],
    when: str,
    *,
    action: str = "ask",
    who: str = "",
    what: str = ' in System::"drm"',
    effect: str = "permit",
) -> dict[str, bytes]:
    rule = _QUIET.format(effect=effect, who=who, action=action, what=what, when=when)
    return {**files, _RULES: files[_RULES] + rule.encode()}


def _replaced(files: Mapping[str, bytes], path: str, old: str, new: str) -> dict[str, bytes]:
    assert old.encode() in files[path]
    return {**files, path: files[path].replace(old.encode(), new.encode(), 1)}


def _broken(files: Mapping[str, bytes], promise: str) -> list[Failure]:
    """What breaks that one promise."""
    [check] = [one for one in checks(Search(PolicySet.parse(files))) if one.promise == promise]
    return list(check.failures())


def test_the_law_as_it_is_keeps_every_promise(policy: PolicySet) -> None:
    proofs = list(prove(policy))
    named = [proof.promise for proof in proofs]

    assert [proof for proof in proofs if proof.failures] == []
    assert set(policy.promises) < set(named)
    assert "income-never-targets, by any path" in named
    assert {"every-rule-can-fire", "versions-follow-each-other"} < set(named)


@pytest.mark.parametrize("action", ["ask", "read-received"])
@pytest.mark.parametrize("purpose", ["control-targeting", "control"])
def test_rule_that_opens_incomes_to_targeting_is_found(
    files: Mapping[str, bytes], action: str, purpose: str
) -> None:
    when = f'context.purpose in Purpose::"{purpose}" && context.cohort && context.months >= 12'
    [failure] = _broken(_planted(files, when, action=action), "income-never-targets")

    assert failure.confirmed
    assert failure.place.startswith(f"{_RULES}:")
    assert "for `control-targeting`, 12 months" in failure.en
    assert "rule `gdpr-5/quiet` permits it" in failure.en
    assert "pour une cohorte de" in failure.fr


def test_data_collected_for_calculation_are_protected_unnamed(files: Mapping[str, bytes]) -> None:
    when = 'context.purpose == Purpose::"control-targeting"'
    [failure, *_] = _broken(
        _planted(files, when, what=' == Dataset::"cnav/pensions"'), "income-never-targets"
    )

    assert "cnav/pensions" in failure.en


def test_opening_beyond_its_declared_days_is_found_on_the_first_day_after(
    files: Mapping[str, bytes],
) -> None:
    [failure] = _broken(
        _replaced(files, _EXPERIMENT, '@until("2025-02-01")\n', ""), "income-never-targets"
    )

    assert failure.en.startswith("on 2025-02-01, `caf-dmde` asks for `cnav/monthly_resources`")


def test_what_is_received_to_inform_serving_another_purpose_is_found(
    files: Mapping[str, bytes],
) -> None:
    weaker = _replaced(
        files,
        _INFORM,
        'unless { context.purpose in Purpose::"non-take-up" };',
        'unless { context.purpose in Purpose::"rights" };',
    )
    when = 'context.purpose == Purpose::"calculation" && context.named_agent'
    [failure] = _broken(
        _planted(weaker, when, action="read-received"), "non-take-up-serves-nothing-else"
    )

    assert failure.confirmed
    assert "for non-take-up" in failure.en
    assert "by a named agent" in failure.en


def test_forbid_alone_keeps_what_was_received_to_inform(files: Mapping[str, bytes]) -> None:
    when = 'context.purpose == Purpose::"calculation" && context.named_agent'

    planted = _planted(files, when, action="read-received")

    assert _broken(planted, "non-take-up-serves-nothing-else") == []


def test_engine_that_forgets_the_record_is_found(policy: PolicySet) -> None:
    """No rule can break this promise, only the engine: here one that permits what it is asked."""

    def unsafe(_: PolicySet, shape: Shape, __: int) -> Decision:
        return Decision(Outcome.PERMIT, "PERMITTED", text=shape.legal_basis)

    [promise] = [one for one in policy.promises.values() if isinstance(one, OnlyRecord)]
    search = Search(policy)

    assert list(only_record(search, promise)) == []
    found = list(only_record(search, promise, unsafe))
    assert len(found) > len(policy.activities)
    assert "is not in the record" in found[0].en


@pytest.mark.parametrize(
    ("when", "effect"),
    [
        ("context.case.months_back_first <= 2 && context.case.months_back_last >= 4", "permit"),
        ("context.persons == 0", "permit"),
        ('context.case.own && !context.case.live && context.case.type == ""', "forbid"),
        ('context.purpose == Purpose::"taxation"', "permit"),
        ('resource.purposes.contains(Purpose::"rights")', "forbid"),
    ],
)
def test_rule_that_can_never_fire_is_found(
    files: Mapping[str, bytes], when: str, effect: str
) -> None:
    [failure, *_] = _broken(_planted(files, when, what="", effect=effect), "every-rule-can-fire")

    assert "gdpr-5/quiet" in failure.en


def test_permit_that_a_forbid_always_closes_is_found(files: Mapping[str, bytes]) -> None:
    """Alone it could fire: nothing but the forbid stops it, in every question."""
    when = (
        'resource.received_for == Purpose::"non-take-up" && context.purpose == Purpose::"prefill"'
    )
    [failure, *_] = _broken(_planted(files, when, action="read-received"), "every-rule-can-fire")

    assert "gdpr-5/quiet" in failure.en


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('@until("2025-03-01")', '@until("2025-04-01")', "on 2025-03-01, `decret-2019-969/ppa-"),
        ('@until("2025-03-01")\n', "", "are both in force, two versions of `ppa-rsa-caf`"),
        (
            '@until("2025-03-01")',
            '@until("2025-02-01")',
            "on 2025-02-01, no version of `ppa-rsa-caf` is in force",
        ),
    ],
)
def test_versions_that_overlap_or_leave_a_gap_are_found(
    files: Mapping[str, bytes], old: str, new: str, said: str
) -> None:
    [failure, *_] = _broken(_replaced(files, _FORMER, old, new), "versions-follow-each-other")

    assert said in failure.en


def test_misspelt_series_is_found(files: Mapping[str, bytes]) -> None:
    misspelt = _replaced(files, _FORMER, '@version_of("al-drm")', '@version_of("al-dmr")')

    said = [failure.en for failure in _broken(misspelt, "versions-follow-each-other")]

    assert len(said) == 2
    assert all("has a single version" in one for one in said)


@pytest.mark.parametrize("key", ["collected_for", "resets"])
def test_promise_that_names_no_purpose_is_refused(files: Mapping[str, bytes], key: str) -> None:
    path = "promises.toml"
    old = {"collected_for": '["calculation"]', "resets": '["statistics"]'}[key]
    changed = _replaced(files, path, f"{key} = {old}", f'{key} = ["calcul"]')

    with pytest.raises(InputError, match="purpose `calcul`: unknown"):
        PolicySet.parse(changed)


def test_gap_with_its_reason_is_none(files: Mapping[str, bytes]) -> None:
    gap = _replaced(files, _FORMER, '@until("2025-03-01")', '@until("2025-02-01")')
    said = _replaced(
        gap, _FORMER, '@from("2025-03-01")', '@from("2025-03-01")\n@gap_before("annulé")'
    )

    assert _broken(said, "versions-follow-each-other") == []


def test_path_of_activities_that_carries_incomes_to_targeting_is_found(
    files: Mapping[str, bytes],
) -> None:
    """CAF keeps amounts made of incomes under a new name, collected for nothing they protect."""
    laundered = """
[[dataset]]
id = "profiles"
title = "x"
fields = ["level"]
purposes = ["social-action"]
article = "x"
read = "secondary"
derived_from = ["caf-ppa/entitlement"]
"""
    path = "activities/caf-dmde.toml"
    reads = '[[reads]]\nholder = "caf"\ndataset = "profiles"\nfields = ["level"]\nwhy = "x"\n\n'
    changed = {
        **files,
        "datasets/caf.toml": files["datasets/caf.toml"] + laundered.encode(),
        path: files[path].replace(b"[[outputs]]", reads.encode() + b"[[outputs]]"),
    }
    when = 'context.purpose == Purpose::"control-targeting"'
    planted = _planted(changed, when, what=' == Dataset::"caf/profiles"')

    assert _broken(planted, "income-never-targets") == []
    [failure] = _broken(planted, "income-never-targets, by any path")
    assert failure.confirmed
    assert "→ caf-ppa/entitlement (" in failure.en
    assert "→ caf/profiles → `caf-dmde`: on " in failure.en


def test_output_that_sheds_its_label_is_found(files: Mapping[str, bytes]) -> None:
    shed = _replaced(
        files, "activities/caf-ppa.toml", 'label = "inherit"', 'label = "reset"\narticle = "x"'
    )

    [failure] = _broken(shed, "income-never-targets, by any path")
    assert "`caf-ppa/entitlement` resets the label" in failure.en


def test_rule_the_classes_do_not_cover_cannot_be_proved(files: Mapping[str, bytes]) -> None:
    when = "context.case.months_back_first == context.case.months_back_last"
    [proof] = prove(PolicySet.parse(_planted(files, when)))

    assert proof.promise == "rules"
    assert "cannot be proved" in proof.failures[0].en
    assert "`gdpr-5/quiet` compares a number" in proof.failures[0].en


def _answers(search: Search, rules: tuple[Rule, ...], group: str, part: Part) -> tuple[bool, ...]:
    """What every condition that reads the group alone says of a part."""
    site = Site("caf-ppa", "cnav", "monthly_resources")
    conditions = dict.fromkeys(one for rule in rules for one in rule.conditions)
    return tuple(
        search._truth(site, one, search._request(site, "calculation", part))
        for one in conditions
        if groups_of(one) == {group}
    )


def test_classes_are_exhaustive_for_stretches_of_months(policy: PolicySet) -> None:
    """Any months, however far, answer every condition as one of the classes does."""
    draw = random.Random(20261126)  # noqa: S311 - questions, not keys
    search = Search(policy)
    activity = policy.activities["caf-ppa"]
    parts = search.domain.parts("time", activity, "cnav/monthly_resources", case=True)
    classes = {_answers(search, policy.rules, "time", part) for part in parts}
    for _ in range(500):
        month, wide = draw.randrange(24000, 24240), draw.choice((4, 30, 400))
        first = month - draw.randint(-wide, wide)
        last = first + draw.choice((0, 2, 11, draw.randint(0, wide)))
        months, whole = span_of(first, last)
        names = ("months_back_first", "months_back_last", "years_back_first", "years_back_last")
        case = tuple(zip(names, spans_from_case(month, first, last), strict=True))
        asked = Part((("months", months), ("whole_years", whole)), case)
        assert _answers(search, policy.rules, "time", asked) in classes, (month, first, last)


def test_command_exits_1_with_the_counterexample(
    files: Mapping[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, content in _replaced(files, _EXPERIMENT, '@until("2025-02-01")\n', "").items():
        place = tmp_path / "policy" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)

    assert run(["law", "prove", "--root", str(tmp_path)]) == 1
    shown = capsys.readouterr().out
    assert "BROKEN  income-never-targets\n" in shown
    assert f"    {_EXPERIMENT}:" in shown
    assert "(asked of Cedar)" in shown
