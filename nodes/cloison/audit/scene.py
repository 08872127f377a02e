"""What every family of findings looks at."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

from cloison.audit.period import Period
from cloison.audit.rows import Question
from cloison.audit.tables import Tables
from cloison.errors import InputError
from cloison.law import PolicySet
from cloison.law.alarms import Alarms
from cloison.law.records import Over

CONTROL = "control"
_LEAST_DAYS = 5


@dataclass(frozen=True, slots=True)
class Scene:
    """The tables, the auditor's law and thresholds, and the period.

    Attributes:
        set_of: The policy set of a content hash; raises `InputError` where it is not kept.
    """

    tables: Tables
    policy: PolicySet
    alarms: Alarms
    period: Period
    set_of: Callable[[bytes], PolicySet]

    def questions(self) -> Iterator[Question]:
        """Those decided in the period."""
        since, until = self.period.since_ms, self.period.until_ms
        return (one for one in self.tables.questions if since <= one.time < until)

    def under_cases(self) -> Iterator[Question]:
        """What was permitted under a case, whenever; a cohort once a case of each of its batches.

        Of a batch: its own place and time. Questions first, then batches.
        """
        cohorts: dict[int, Question] = {}
        for one in self.tables.questions:
            if one.permitted and one.cohort:
                cohorts.setdefault(one.statement_key, one)
            elif one.permitted and one.case_key:
                yield one
        for under in self.tables.under if cohorts else ():
            question = cohorts.get(under.statement_key)
            if question is not None and question.ledger == under.ledger:
                yield question._replace(at=under.at, time=under.time, case_key=under.case_key)

    def control(self, purpose: str) -> bool:
        """Whether a purpose is of the family of controls; an unknown one is of none."""
        known = purpose in self.policy.purposes
        return known and self.policy.family(purpose) == CONTROL

    def named(self, activity: str) -> bool:
        """Whether the activity opens cases only over files somebody names."""
        record = self.policy.activities.get(activity)
        types = () if record is None else record.case_types
        return bool(types) and all(one.over is Over.HOUSEHOLD for one in types)

    def set_named(self, name: str) -> PolicySet | None:
        """A policy set by its hexadecimal hash; None where it is kept nowhere."""
        try:
            return self.set_of(bytes.fromhex(name))
        except InputError:
            return None


def usual(counts: list[int]) -> float | None:
    """The median; None of too few to say what is usual."""
    return median(counts) if len(counts) >= _LEAST_DAYS else None
