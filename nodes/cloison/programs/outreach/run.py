"""One run of the outreach: open, ask, estimate; then write, or destroy."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cloison.cases.outcomes import ClosedAs
from cloison.errors import InputError
from cloison.exchange import limits
from cloison.exchange.obligations import NOTICE
from cloison.law.policy_set import PolicySet
from cloison.months import Month
from cloison.programs.entitlement import openfisca_adapter
from cloison.programs.entitlement.gather import File, Gatherer, Tally
from cloison.programs.entitlement.inputs import SetAside
from cloison.programs.entitlement.needs import Needs
from cloison.programs.outreach.estimate import may_have_right
from cloison.programs.outreach.letter import Letter, letter_lines, write_letter
from cloison.wire.gateway import Deposit, Gateway, OpenedCase, ReceiptRef

_CASES_AT_ONCE = 256


class Ending(StrEnum):
    """What became of a household's case."""

    INFORMED = ClosedAs.INFORMED.value
    NO_ENTITLEMENT = ClosedAs.NO_ENTITLEMENT.value
    SET_ASIDE = ClosedAs.SET_ASIDE.value


@dataclass(frozen=True, slots=True)
class Result:
    """A household's outcome.

    `receipt` is the entry of the letter's deposit, or of the destruction of what was obtained.
    """

    reference: str
    ending: Ending
    receipt: ReceiptRef
    letter: Letter | None = None
    set_aside: SetAside | None = None


@dataclass(frozen=True, slots=True)
class Campaign:
    """What a run did. `informed`, `no_entitlement` and those of `set_aside` add up to all cases."""

    results: tuple[Result, ...]
    informed: int
    no_entitlement: int
    set_aside: Mapping[str, int]
    asked: int
    permitted: int
    refused: int


@dataclass(frozen=True, slots=True)
class Outreach:
    """A run of an activity's outreach, for the right of one month.

    Args:
        now: The date of the letters.
    """

    gateway: Gateway
    needs: Needs
    policy: PolicySet
    month: Month
    now: datetime

    def run(
        self,
        most: int = 0,
        progress: Callable[[int, int], None] = lambda _done, _cases: None,
        deliver: Callable[[Letter], None] = lambda _letter: None,
    ) -> Campaign:
        """Writes to, or destroys what was obtained about, each household without a claim.

        Some hundred at a time are gone through to the end, so that nothing is kept longer than it
        takes, whatever stops the run.

        Args:
            most: At most so many households; 0 for all.
            progress: Told how many are done, and how many there are.
            deliver: Given each letter once it is deposited. If it fails, the case stays open, and
                the next run writes to the household.

        Raises:
            InputError: `RECORD_INCOMPLETE`: the activity's record lacks a case type, an output, or
                how to object.
            CloisonError: The node refused to open, deposit, destroy or close.
        """
        case_type, output = self._declared()
        cases = list(self.gateway.open_cases(case_type, self.month, most=most))
        tally, results = Tally(), list[Result]()
        for some in limits.slices(cases, _CASES_AT_ONCE):
            results += self._go_through(some, output, tally, deliver)
            progress(len(results), len(cases))
        endings = Counter(one.ending for one in results)
        reasons = Counter(one.set_aside.value for one in results if one.set_aside)
        return Campaign(
            results=tuple(results),
            informed=endings[Ending.INFORMED],
            no_entitlement=endings[Ending.NO_ENTITLEMENT],
            set_aside=dict(sorted(reasons.items())),
            asked=tally.asked,
            permitted=tally.permitted,
            refused=tally.refused,
        )

    def _declared(self) -> tuple[str, str]:
        record = self.needs.activity
        if not record.case_types or not record.outputs or record.objection is None:
            raise InputError(
                "RECORD_INCOMPLETE",
                f"activity `{record.id}`: its record lacks a case type, an output or `objection`",
                "complete it in policy/activities",
            )
        return record.case_types[0].type, record.outputs[0].id

    def _go_through(
        self,
        cases: Sequence[OpenedCase],
        output: str,
        tally: Tally,
        deliver: Callable[[Letter], None],
    ) -> list[Result]:
        files = Gatherer(self.gateway, self.needs, self.month, tally).gather(cases)
        rights = may_have_right(self.needs, self.month, files)
        found = list(zip(files, rights, strict=True))
        # First what must not be kept: a letter that cannot be written must not hold it up.
        none = self._destroy([file for file, right in found if right is False])
        aside = self._destroy([file for file, right in found if right is None], aside=True)
        told = self._write([file for file, right in found if right], output, deliver)
        return none + aside + told

    def _destroy(self, files: Sequence[File], *, aside: bool = False) -> list[Result]:
        ending = Ending.SET_ASIDE if aside else Ending.NO_ENTITLEMENT
        receipts = self.gateway.destroy([file.case for file in files], ending.value)
        return [
            Result(file.case.reference, ending, receipt, set_aside=file.set_aside)
            for file, receipt in zip(files, receipts, strict=True)
        ]

    def _write(
        self, files: Sequence[File], output: str, deliver: Callable[[Letter], None]
    ) -> list[Result]:
        letters = [
            write_letter(self.policy, self.needs, self.month, file, self.now) for file in files
        ]
        about = {
            "benefit": self.needs.benefit.value,
            "month": str(self.month),
            "legislation": openfisca_adapter.legislation(),
        }
        receipts = self.gateway.deposit(
            [
                Deposit(
                    output,
                    file.case,
                    {**about, "letter": list(letter_lines(letter.document))},
                    tuple(answer.reply for answer in file.answers),
                )
                for file, letter in zip(files, letters, strict=True)
            ]
        )
        for letter in letters:
            deliver(letter)
        for notice, told in _owed(files).items():
            self.gateway.give_notice(told, notice)
        self.gateway.close_cases([file.case for file in files], Ending.INFORMED.value)
        return [
            Result(letter.reference, Ending.INFORMED, receipt, letter)
            for letter, receipt in zip(letters, receipts, strict=True)
        ]


def _owed(files: Sequence[File]) -> dict[str, list[OpenedCase]]:
    """What the permits of each case oblige to tell; the letter is how it is told."""
    owed: dict[str, list[OpenedCase]] = {}
    for file in files:
        decisions = [one.reply.decision for one in file.answers if one.reply.decision]
        duties = [duty for decision in decisions for duty in decision.obligations]
        for notice in dict.fromkeys(duty.value for duty in duties if duty.kind == NOTICE):
            owed.setdefault(notice, []).append(file.case)
    return owed
