"""Asking for whole batches of cases at once, each case going on only while it can be computed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from cloison.exchange import limits
from cloison.identity import is_temporary
from cloison.months import Month
from cloison.programs.entitlement.answers import Answer, NotComputable
from cloison.programs.entitlement.assemble import (
    order_members,
    own_household,
    schemes,
    with_incomes,
)
from cloison.programs.entitlement.inputs import Household, SetAside
from cloison.programs.entitlement.needs import Needs
from cloison.programs.entitlement.together import ask_together
from cloison.programs.entitlement.unasked import depends_on_unasked
from cloison.wire.gateway import AskFor, CasePromise, Gateway, OpenedCase


@dataclass(frozen=True, slots=True)
class File:
    """A case on its way: its answers so far, and its household or why there is none."""

    case: OpenedCase
    own: tuple[Answer, ...] = ()
    outside: tuple[Answer, ...] = ()
    household: Household | None = None
    set_aside: SetAside | None = None

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Every answer of the case."""
        return self.own + self.outside


@dataclass(slots=True)
class Tally:
    """How questions went; those that reached no decision are only in `asked`."""

    asked: int = 0
    permitted: int = 0
    refused: int = 0

    def count(self, answer: Answer) -> None:
        """Adds one answer."""
        decision = answer.reply.decision
        self.asked += 1
        self.permitted += decision is not None and decision.permitted
        self.refused += decision is not None and not decision.permitted


@dataclass(frozen=True, slots=True)
class Gatherer:
    """Gathers the households of one benefit and month through one gateway.

    `promise` is set where cases are asked about together, as cohorts: what all of them are.
    """

    gateway: Gateway
    needs: Needs
    month: Month
    tally: Tally
    promise: CasePromise | None = None

    def gather(self, cases: Sequence[OpenedCase]) -> list[File]:
        """Own files first, then whom they point to; a case set aside is asked nothing more."""
        files = [_go_on(File(case), _admit) for case in cases]
        own = self._ask([self._own_questions(file) for file in files])
        files = [
            _go_on(replace(file, own=answers), self._know)
            for file, answers in zip(files, own, strict=True)
        ]
        outside = self._ask([self._outside_questions(file) for file in files])
        return [
            _go_on(replace(file, outside=answers), self._complete)
            for file, answers in zip(files, outside, strict=True)
        ]

    def with_other_answers(self, file: File, outside: tuple[Answer, ...]) -> File:
        """The same case and own files, had the holders answered this."""
        other = replace(file, outside=outside, household=None, set_aside=None)
        return _go_on(_go_on(other, self._know), self._complete)

    def _know(self, file: File) -> File:
        household = own_household(file.case, file.own, self.needs.reading)
        if not self.needs.can_ask_earnings(household):
            raise NotComputable(SetAside.EARNINGS_NOT_ASKED)
        if not self.needs.can_ask_all(schemes(file.case, file.own), household):
            raise NotComputable(SetAside.OWN_FILE_INCOMPLETE)
        return replace(file, household=household)

    def _own_questions(self, file: File) -> list[AskFor]:
        return [] if file.set_aside else self.needs.own_questions(file.case, self.month)

    def _outside_questions(self, file: File) -> list[AskFor]:
        if file.household is None:
            return []
        of_each = schemes(file.case, file.own)
        return self.needs.outside_questions(file.case, self.month, of_each, file.household)

    def _complete(self, file: File) -> File:
        if file.household is None:
            raise NotComputable(SetAside.OWN_FILE_INCOMPLETE)
        household = with_incomes(file.case, file.household, file.outside)
        if depends_on_unasked(self.needs.benefit, self.needs.window(self.month), household):
            raise NotComputable(SetAside.DEPENDS_ON_MONTH_NOT_ASKED)
        return replace(file, household=household)

    def _ask(self, questions: Sequence[Sequence[AskFor]]) -> list[tuple[Answer, ...]]:
        """Asks every case's questions in full batches, and gives each case its answers."""
        every = [question for of_case in questions for question in of_case]
        replies = (
            [
                reply
                for batch in limits.slices(every, limits.ITEMS_PER_CALL)
                for reply in self.gateway.ask(batch)
            ]
            if self.promise is None
            else ask_together(self.gateway, every, self.promise)
        )
        answers = iter(
            [Answer(question, reply) for question, reply in zip(every, replies, strict=True)]
        )
        found = [tuple(next(answers) for _ in of_case) for of_case in questions]
        for answer in (answer for of_case in found for answer in of_case):
            self.tally.count(answer)
        return found


def _go_on(file: File, step: Callable[[File], File]) -> File:
    if file.set_aside:
        return file
    try:
        return step(file)
    except NotComputable as stop:
        return replace(file, household=None, set_aside=stop.reason)


def _admit(file: File) -> File:
    if not file.case.leaf_hash:
        raise NotComputable(SetAside.OWN_FILE_INCOMPLETE)
    if any(is_temporary(member.nir) for member in file.case.members):
        raise NotComputable(SetAside.NO_PERMANENT_NIR)
    return replace(file, case=order_members(file.case))
