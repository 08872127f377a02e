"""A whole audit: ledgers read once, every decision made again, every family of findings."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from functools import partial

from cloison.audit.again import Again, long_ledgers, read_again
from cloison.audit.attempts import find_attempts
from cloison.audit.beside import Beside
from cloison.audit.budgets import find_budgets
from cloison.audit.cases import find_cases
from cloison.audit.clocks import find_clocks
from cloison.audit.drift import find_drift
from cloison.audit.findings import Finding, Severity
from cloison.audit.kept import find_kept
from cloison.audit.labels import find_labels
from cloison.audit.lines import Ledgers
from cloison.audit.obligations import Duties, find_obligations
from cloison.audit.over_time import accesses_over_time
from cloison.audit.period import Period
from cloison.audit.persons import find_persons
from cloison.audit.policies import find_policies
from cloison.audit.receipts import find_lost, find_receipts
from cloison.audit.reconcile import reconcile
from cloison.audit.scene import Scene
from cloison.audit.series import Series
from cloison.audit.sweeps import find_sweeps
from cloison.audit.texts import find_texts
from cloison.audit.trials import find_trials
from cloison.audit.windows import find_windows
from cloison.audit.witnesses import find_heads
from cloison.errors import InputError
from cloison.law import PolicySet
from cloison.law.alarms import Alarms

Family = Callable[[Scene], list[Finding]]
FAMILIES: tuple[Family, ...] = (find_labels, find_policies, find_budgets, find_clocks, find_kept)
OTHERS: tuple[Family, ...] = (
    find_attempts,
    find_sweeps,
    find_windows,
    find_cases,
    find_persons,
    find_texts,
    find_lost,
    find_trials,
)
"""Of long ledgers looked for in a second process, beside the rest: about as much work."""
_UNDER_WAY = timedelta(minutes=1)
_ORDER = {severity: place for place, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Replayed:
    """What was decided again, and what of it was due.

    Attributes:
        decisions: Decisions of the period made again.
        differing: Of them, not the same, or not to be made again.
        obligations: By kind, duties of permits whose time was up in the period.
        unmet: By kind, those of them no entry shows as met.
    """

    decisions: int
    differing: int
    obligations: Mapping[str, int]
    unmet: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Examined:
    """What an audit found.

    Attributes:
        findings: Gravest first, then by code, activity and sentence; always in the same order.
        checked: What was looked at in the period, counted.
        series: What can be drawn.
    """

    findings: tuple[Finding, ...]
    checked: Mapping[str, int]
    replayed: Replayed
    series: tuple[Series, ...]

    def with_findings(self, more: Iterable[Finding]) -> "Examined":
        """The same with what was found before the ledgers could be read."""
        return replace(self, findings=tuple(sorted([*self.findings, *more], key=_place)))


def examine(
    ledgers: Ledgers,
    policy: PolicySet,
    set_of: Callable[[bytes], PolicySet],
    period: Period,
) -> Examined:
    """Everything the ledgers show of a period.

    Args:
        ledgers: Whole, not only of the period: what came before says what a question stood on.
        policy: The auditor's: its records of activities, and its `audit.toml`.
        set_of: The policy set of a content hash; raises `InputError` where it is not kept.
        period: Findings are of entries in it; what was due in it may have begun before.

    Raises:
        InputError: `NO_AUDIT_LIMITS`: the policy set has no `audit.toml`.
        StorageError, IntegrityError: as `LedgerFolder`.
    """
    alarms = alarms_of(policy)
    tables, again = read_again(ledgers, set_of, period)
    scene = Scene(tables, policy, alarms, period, set_of)
    with Beside(partial(_patterns, scene, OTHERS), apart=long_ledgers(ledgers)) as others:
        findings, matched = reconcile(tables, period, period.until - _UNDER_WAY)
        duties, unmet = find_obligations(scene)
        findings += [*again.findings, *unmet, *_patterns(scene, FAMILIES)]
        findings += find_receipts(tables, policy.witnesses, ledgers.witnessed, period)
        drifting, drift = find_drift(scene)
        findings += [*drifting, *find_heads(ledgers, scene), *others.result()]
        series = (*accesses_over_time(tables, period), *drift)
    return Examined(
        tuple(sorted(findings, key=_place)),
        {"entries": tables.count(period.since_ms, period.until_ms), **asdict(matched)},
        _replayed(again, duties),
        series,
    )


def _patterns(scene: Scene, families: Sequence[Family]) -> list[Finding]:
    return [one for family in families for one in family(scene)]


def replay(
    ledgers: Ledgers,
    policy: PolicySet,
    set_of: Callable[[bytes], PolicySet],
    period: Period,
) -> tuple[Replayed, list[Finding]]:
    """Every decision of the period made again, every duty due in it; arguments as `examine`."""
    tables, again = read_again(ledgers, set_of, period)
    duties, unmet = find_obligations(Scene(tables, policy, alarms_of(policy), period, set_of))
    return _replayed(again, duties), sorted([*again.findings, *unmet], key=_place)


def _replayed(again: Again, duties: Duties) -> Replayed:
    return Replayed(again.decisions, again.differing, duties.due, duties.unmet)


def alarms_of(policy: PolicySet) -> Alarms:
    """Its thresholds. Raises `InputError` (`NO_AUDIT_LIMITS`)."""
    if policy.alarms is None:
        raise InputError(
            "NO_AUDIT_LIMITS",
            "policy: no `audit.toml`: nothing says above which numbers an audit speaks",
            "copy policy/audit.toml of a release, and give its folder's --root",
        )
    return policy.alarms


def _place(one: Finding) -> tuple[int, str, str, str]:
    return _ORDER[one.severity], one.code, one.activity, one.sentence
