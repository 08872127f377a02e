"""Outcomes, the all-purposes rule, errors that deny, time, obligations, and the memory."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import cycle

import pytest

from cloison.bodies import BodyId
from cloison.errors import InputError
from cloison.law import (
    Action,
    CaseFacts,
    Facts,
    Granularity,
    Outcome,
    PolicySet,
    Question,
    decide,
)
from cloison.law.decide import decide_shape
from cloison.law.shape import shape_of
from cloison.months import Month

_DRM = "texts/decret-2025-1288/rules.cedar"
_PPA = "activities/caf-ppa.toml"


def _with(files: Mapping[str, bytes], path: str, old: str, new: str) -> PolicySet:
    text = files[path].decode()
    assert old in text
    return PolicySet.parse({**files, path: text.replace(old, new).encode()})


def _plus(files: Mapping[str, bytes], rule: str) -> PolicySet:
    return PolicySet.parse({**files, _DRM: files[_DRM] + f"\n{rule}\n".encode()})


def test_decide_benefit_read_permits_provisionally(
    policy: PolicySet, question: Question, facts: Facts, now: datetime
) -> None:
    decision = decide(policy, question, facts, now)

    assert decision.outcome is Outcome.PERMIT
    assert decision.text == "decret-2025-1288"
    assert decision.provisional
    assert [rule.rule for rule in decision.rules] == ["ppa-rsa"]


_REFUSED: list[tuple[str, dict[str, object], str]] = [
    ("activity", {"activity": "caf-spy"}, "UNKNOWN_ACTIVITY"),
    ("purpose", {"purpose": "spying"}, "UNKNOWN_PURPOSE"),
    ("text", {"legal_basis": "decret-1"}, "UNKNOWN_TEXT"),
    ("dataset", {"dataset": "diaries"}, "UNKNOWN_DATASET"),
    ("holder", {"holder": BodyId("dgse")}, "UNKNOWN_DATASET"),
    ("field", {"fields": ("mns", "soul")}, "UNKNOWN_FIELD"),
    ("body", {"requester": BodyId("msa")}, "ACTIVITY_OF_ANOTHER_BODY"),
    ("declared purpose", {"purpose": "audit"}, "PURPOSE_NOT_DECLARED"),
    ("declared text", {"legal_basis": "gdpr-15"}, "BASIS_NOT_DECLARED"),
    ("recorded dataset", {"dataset": "pensions", "fields": ("scheme",)}, "DATASET_NOT_IN_RECORD"),
    ("recorded field", {"fields": ("pas",)}, "FIELD_NOT_IN_RECORD"),
    ("no field", {"fields": ()}, "BAD_QUESTION"),
    ("months backwards", {"first_month": Month.parse("2026-05")}, "BAD_QUESTION"),
    ("text of the past", {"legal_basis": "decret-2019-969"}, "TEXT_NOT_IN_FORCE"),
    ("month outside the window", {"first_month": Month.parse("2026-01")}, "CONDITION_NOT_MET"),
    ("granularity", {"granularity": Granularity.WINDOW_TOTAL}, "CONDITION_NOT_MET"),
    (
        "label nobody can have",
        {"action": Action.READ_RECEIVED, "received_for": "audit", "received_by": "caf-ppa"},
        "UNKNOWN_LABEL",
    ),
    (
        "label of an unknown activity",
        {"action": Action.READ_RECEIVED, "received_for": "calculation", "received_by": "x"},
        "UNKNOWN_LABEL",
    ),
    (
        "data another activity received",
        {"action": Action.READ_RECEIVED, "received_for": "calculation", "received_by": "caf-rsa"},
        "NO_TEXT",
    ),
]


@pytest.mark.parametrize(
    ("change", "reason"), [row[1:] for row in _REFUSED], ids=[row[0] for row in _REFUSED]
)
def test_decide_question_out_of_law_denies(
    policy: PolicySet,
    question: Question,
    facts: Facts,
    now: datetime,
    change: dict[str, object],
    reason: str,
) -> None:
    decision = decide(policy, replace(question, **change), facts, now)  # type: ignore[arg-type]

    assert decision.outcome is Outcome.DENY
    assert decision.reason == reason
    assert not decision.permitted


def test_decide_names_the_failed_condition_in_words(
    policy: PolicySet, question: Question, facts: Facts, now: datetime
) -> None:
    wide = replace(question, first_month=Month.parse("2026-01"))

    nearest = decide(policy, wide, facts, now).nearest[0]

    assert nearest.rule.rule == "ppa-rsa"
    assert nearest.failed == ("the first month asked is at most 4 months before the case's month",)


def test_decide_one_declared_purpose_not_open_denies_all(
    files: dict[str, bytes], question: Question, facts: Facts, now: datetime
) -> None:
    two_ends = _with(
        files,
        _PPA,
        'purposes = ["calculation", "eligibility"]',
        'purposes = ["calculation", "eligibility", "control-targeting"]',
    )

    decision = decide(two_ends, question, facts, now)

    assert decision.reason == "NO_TEXT"


def test_decide_other_purpose_lacks_a_condition_says_for_which(
    files: dict[str, bytes], question: Question, facts: Facts, now: datetime
) -> None:
    two_ends = _with(
        files,
        _PPA,
        'purposes = ["calculation", "eligibility"]',
        'purposes = ["calculation", "prefill"]',
    )

    decision = decide(two_ends, question, facts, now)

    assert decision.reason == "CONDITION_NOT_MET"
    assert decision.nearest[0].failed == (
        "for `prefill`, which the activity also declares: the case is of type `prefill`",
    )


@pytest.mark.parametrize("effect", ["permit", "forbid"])
def test_decide_rule_that_errors_denies(
    files: dict[str, bytes], question: Question, facts: Facts, now: datetime, effect: str
) -> None:
    overflow = f"""
        @id("overflow") @article("x")
        {effect} (principal, action, resource)
        when {{ context.persons + 9223372036854775807 > 0 }};
    """

    decision = decide(_plus(files, overflow), question, facts, now)

    assert decision.reason == "RULE_ERROR"
    assert [rule.rule for rule in decision.rules] == ["overflow"]
    assert decision.outcome is Outcome.DENY


@pytest.mark.parametrize("effect", ["permit", "forbid"])
@pytest.mark.parametrize("purpose", ["calculation", "eligibility"])
def test_decide_rule_that_errors_for_one_purpose_alone_denies(
    files: dict[str, bytes],
    question: Question,
    facts: Facts,
    now: datetime,
    purpose: str,
    effect: str,
) -> None:
    overflow = f"""
        @id("overflow") @article("x")
        {effect} (principal, action, resource) when {{
          if context.purpose == Purpose::"{purpose}" then 9223372036854775807 + 1 > 0 else false
        }};
    """

    decision = decide(_plus(files, overflow), question, facts, now)

    assert decision.reason == "RULE_ERROR"
    assert [rule.rule for rule in decision.rules] == ["overflow"]


def test_decide_forbid_wins_over_permits(
    files: dict[str, bytes], question: Question, facts: Facts, now: datetime
) -> None:
    forbid = '@id("no") @article("x") forbid (principal, action, resource in Body::"cnav");'

    decision = decide(_plus(files, forbid), question, facts, now)

    assert decision.reason == "FORBIDDEN"
    assert [rule.effect for rule in decision.rules] == ["forbid"]


def test_decide_forbid_on_the_other_purpose_denies(
    files: dict[str, bytes], question: Question, facts: Facts, now: datetime
) -> None:
    forbid = """
        @id("no") @article("x")
        forbid (principal, action, resource) when { context.purpose == Purpose::"eligibility" };
    """

    assert decide(_plus(files, forbid), question, facts, now).reason == "FORBIDDEN"


def test_decide_obligations_come_from_every_satisfied_permit(
    files: dict[str, bytes], question: Question, facts: Facts, now: datetime
) -> None:
    more = (
        '@id("more") @article("x") @flag("a") @expire("P30D") permit (principal, action, resource);'
    )

    decision = decide(_plus(files, more), question, facts, now)

    assert decision.outcome is Outcome.PERMIT_WITH_OBLIGATIONS
    assert [(one.kind, one.value) for one in decision.obligations] == [
        ("expire", "P30D"),
        ("flag", "a"),
    ]


_OTHER = '@id("other") @article("x") @flag("b") permit (principal, action, resource);'


def test_decide_obligations_of_another_text_relied_on_join(
    files: dict[str, bytes], question: Question, facts: Facts, now: datetime
) -> None:
    path = "texts/gdpr-5/rules.cedar"
    other = PolicySet.parse({**files, path: files[path] + _OTHER.encode()})

    decision = decide(other, question, facts, now)

    assert [(one.kind, one.value, one.rule) for one in decision.obligations] == [
        ("flag", "b", "gdpr-5/other")
    ]
    assert {rule.text for rule in decision.rules} == {"decret-2025-1288"}


def test_decide_obligations_of_a_text_the_activity_does_not_rely_on_are_none(
    files: dict[str, bytes], question: Question, facts: Facts, now: datetime
) -> None:
    path = "texts/gdpr-15/rules.cedar"
    other = PolicySet.parse({**files, path: files[path] + _OTHER.encode()})

    assert decide(other, question, facts, now).obligations == ()


def test_decide_obligations_alone_permit_nothing(
    files: dict[str, bytes], question: Question, facts: Facts, now: datetime
) -> None:
    path = "texts/gdpr-5/rules.cedar"
    other = PolicySet.parse({**files, path: files[path] + _OTHER.encode()})
    wide = replace(question, first_month=Month.parse("2025-01"))

    assert decide(other, wide, facts, now).reason == "CONDITION_NOT_MET"


def test_decide_rule_of_the_future_changes_nothing_yet(
    files: dict[str, bytes], question: Question, facts: Facts, now: datetime
) -> None:
    forbid = '@id("no") @article("x") @from("2026-11-22") forbid (principal, action, resource);'
    changed = _plus(files, forbid)

    assert decide(changed, question, facts, now).permitted
    assert not decide(changed, question, facts, now + timedelta(hours=11)).permitted


def test_decide_day_starts_at_midnight_in_paris(
    files: dict[str, bytes], question: Question, facts: Facts
) -> None:
    forbid = '@id("no") @article("x") @from("2026-11-22") forbid (principal, action, resource);'
    changed = _plus(files, forbid)
    midnight = datetime(2026, 11, 21, 23, tzinfo=UTC)

    assert decide(changed, question, facts, midnight - timedelta(seconds=1)).permitted
    assert not decide(changed, question, facts, midnight).permitted


def test_decide_naive_time_refuses(policy: PolicySet, question: Question, facts: Facts) -> None:
    with pytest.raises(InputError, match="no time zone"):
        decide(policy, question, facts, datetime(2026, 11, 21))  # noqa: DTZ001 - what is tested


@pytest.mark.parametrize(
    "change",
    [
        {"valid_until": datetime(2026, 11, 21, 11, tzinfo=UTC)},
        {"opened_time": datetime(2026, 11, 21, 13, tzinfo=UTC)},
        {"activity": "caf-rsa"},
        {"type": "whim"},
        {"covers_persons": False},
        {"month": Month.parse("2026-09")},
    ],
    ids=["expired", "not yet open", "of another activity", "undeclared", "others", "other month"],
)
def test_decide_case_that_does_not_stand_denies(
    policy: PolicySet,
    question: Question,
    facts: Facts,
    case: CaseFacts,
    now: datetime,
    change: dict[str, object],
) -> None:
    bent = replace(facts, case=replace(case, **change))  # type: ignore[arg-type]

    assert decide(policy, question, bent, now).reason == "CONDITION_NOT_MET"


def test_decide_from_memory_equals_decide_anew(
    policy: PolicySet, question: Question, facts: Facts, now: datetime
) -> None:
    shape = shape_of(question, facts, now, own=True, counts=(True, True))
    anew = decide_shape(policy, shape, policy.epoch(now.date()))

    assert decide(policy, question, facts, now) == anew
    assert decide(policy, question, facts, now) is decide(policy, question, facts, now)


def test_decide_same_question_in_another_epoch_is_decided_anew(
    policy: PolicySet, question: Question, facts: Facts, now: datetime
) -> None:
    assert decide(policy, question, facts, now).permitted
    before = datetime(2025, 12, 20, tzinfo=UTC)
    case = replace(facts.case, opened_time=before) if facts.case else None

    assert not decide(policy, question, replace(facts, case=case), before).permitted


def test_decide_count_no_rule_reads_is_one_shape(
    policy: PolicySet, question: Question, facts: Facts, case: CaseFacts, now: datetime
) -> None:
    many = replace(facts, case=replace(case, questions_before=7))

    assert decide(policy, question, many, now) is decide(policy, question, facts, now)


def test_decide_count_a_rule_reads_decides(
    files: dict[str, bytes], question: Question, facts: Facts, case: CaseFacts, now: datetime
) -> None:
    limit = """
        @id("limit") @article("x") forbid (principal, action, resource)
        when { context.case.questions_before >= 7 };
    """
    limited = _plus(files, limit)
    many = replace(facts, case=replace(case, questions_before=7))

    assert decide(limited, question, facts, now).permitted
    assert decide(limited, question, many, now).reason == "FORBIDDEN"


@pytest.mark.parametrize(
    ("day", "outcome"),
    [
        ("2023-06-01", Outcome.DENY),
        ("2024-06-01", Outcome.PERMIT_WITH_OBLIGATIONS),
        ("2026-06-01", Outcome.DENY),
    ],
)
@pytest.mark.parametrize("cohort", [False, True])
def test_decide_control_targeting_opens_only_in_its_year(
    policy: PolicySet, question: Question, day: str, outcome: Outcome, *, cohort: bool
) -> None:
    targeting = replace(
        question,
        activity="caf-dmde",
        purpose="control-targeting",
        legal_basis="decret-2024-50",
    )
    facts = Facts(None, cohort, named_agent=False, same_policy_set=True, persons=1)

    decision = decide(policy, targeting, facts, datetime.fromisoformat(f"{day}T10:00:00+00:00"))

    assert decision.outcome is outcome
    assert decision.reason == ("PERMITTED" if decision.permitted else "NO_TEXT")


def test_decide_answers_in_a_thousand_rules_as_in_few(
    files: dict[str, bytes], policy: PolicySet, question: Question, facts: Facts, now: datetime
) -> None:
    others = sorted(set(policy.activities) - {"caf-ppa"})
    rules = "".join(
        f'@id("r{number}") @article("x") permit (principal == Activity::"{other}", action, '
        'resource in System::"drm");\n'
        for number, other in zip(range(1000), cycle(others), strict=False)
    )
    many = _plus(files, rules)
    shape = shape_of(question, facts, now, own=True, counts=(False, True))
    texts = frozenset(many.activities["caf-ppa"].legal_bases)

    assert decide(many, question, facts, now) == decide(policy, question, facts, now)
    assert len(many.slices.slice(shape.place, now.date(), texts).rules) < 10


_HEADS = [
    ('principal == Activity::"caf-ppa", action, resource', True),
    ('principal == Activity::"caf-rsa", action, resource', False),
    ('principal in Body::"caf", action, resource', True),
    ('principal in Body::"msa", action, resource', False),
    ("principal is Activity, action, resource", True),
    ('principal is Activity in Body::"msa", action, resource', False),
    ('principal, action in [Action::"ask"], resource', True),
    ('principal, action in [Action::"read-received"], resource', False),
    ('principal, action == Action::"ask", resource == Dataset::"cnav/monthly_resources"', True),
    ('principal, action, resource == Dataset::"msa/monthly_resources"', False),
    ('principal, action, resource in System::"drm"', True),
    ("principal, action, resource is Received", False),
    ('principal, action, resource is Dataset in Body::"cnav"', True),
]


@pytest.mark.parametrize(("head", "counts"), _HEADS, ids=[head for head, _ in _HEADS])
def test_decide_forbid_counts_where_its_head_matches(
    files: dict[str, bytes],
    question: Question,
    facts: Facts,
    now: datetime,
    head: str,
    *,
    counts: bool,
) -> None:
    stricter = _plus(files, f'@id("no") @article("x") forbid ({head});')

    assert decide(stricter, question, facts, now).permitted is not counts


_READ_BACK = "cnav/monthly_resources for calculation by caf-ppa"


@pytest.mark.parametrize(
    ("head", "counts"),
    [
        (f'principal, action, resource == Received::"{_READ_BACK}"', True),
        (f'principal, action, resource in Received::"{_READ_BACK}"', True),
        (f'principal, action, resource is Received in Received::"{_READ_BACK}"', True),
        ("principal, action, resource is Received", True),
        ('principal, action, resource is Received in Body::"cnav"', True),
        ('principal, action, resource in Dataset::"cnav/monthly_resources"', True),
        ("principal, action, resource is Dataset", False),
        (f'principal, action, resource in Received::"{_READ_BACK.replace("ppa", "rsa")}"', False),
    ],
)
def test_decide_forbid_counts_where_its_head_matches_what_was_received(
    files: dict[str, bytes],
    question: Question,
    facts: Facts,
    now: datetime,
    head: str,
    *,
    counts: bool,
) -> None:
    again = replace(
        question,
        action=Action.READ_RECEIVED,
        received_for="calculation",
        received_by="caf-ppa",
    )
    stricter = _plus(files, f'@id("no") @article("x") forbid ({head});')

    assert decide(stricter, again, facts, now).permitted is not counts


def test_decide_access_to_another_body_is_denied_even_where_the_record_reads_it(
    files: Mapping[str, bytes], case: CaseFacts, question: Question, facts: Facts, now: datetime
) -> None:
    """GDPR art. 15 binds each controller for what it holds itself."""
    record = "activities/person-access.toml"
    policy = _with(files, record, 'holder = "cnav"\ndataset = "pensions"', _OTHER_BODY)
    mine = replace(
        question,
        requester=BodyId("cnav"),
        activity="person-access",
        purpose="subject-access",
        legal_basis="gdpr-15",
    )
    theirs = replace(mine, holder=BodyId("dgfip"), dataset="withholding", fields=("amount",))
    asked = replace(facts, case=replace(case, type="access-request", activity="person-access"))

    assert decide(policy, mine, asked, now).permitted
    assert decide(policy, theirs, asked, now).reason == "NO_TEXT"


_OTHER_BODY = """holder = "dgfip"
dataset = "withholding"
fields = ["amount"]
why = "Essai."

[[reads]]
holder = "cnav"
dataset = "pensions\""""
