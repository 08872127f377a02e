"""One run of the calculator: open, then slice by slice gather, compute, deposit, close."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cloison.errors import InputError
from cloison.exchange import limits
from cloison.months import Month
from cloison.programs.entitlement import openfisca_adapter
from cloison.programs.entitlement.amounts import HOUSEHOLDS_A_SIMULATION, amounts
from cloison.programs.entitlement.answers import Source, sources
from cloison.programs.entitlement.gather import File, Gatherer, Tally
from cloison.programs.entitlement.inputs import SetAside
from cloison.programs.entitlement.needs import Needs
from cloison.wire.gateway import CasePromise, Deposit, Gateway, ReceiptRef

_CASES_AT_ONCE = 256

Computed = tuple[File, int | None, tuple[Source, ...]]
"""A file, its amount in cents and the sources of its inputs."""


@dataclass(frozen=True, slots=True)
class Result:
    """A case's outcome: an amount with its sources and receipt, or the reason there is none.

    `file` holds the case, what was answered, and the household as the answers describe it.
    """

    reference: str
    file: File
    amount_cents: int | None
    set_aside: SetAside | None
    sources: tuple[Source, ...] = ()
    receipt: ReceiptRef | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of a run. `computed` plus the sum of `set_aside` is `cases`."""

    cases: int
    computed: int
    set_aside: Mapping[str, int]
    asked: int
    permitted: int
    refused: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything a run found, case by case in the order they were opened."""

    results: tuple[Result, ...]
    summary: Summary


def run(
    gateway: Gateway,
    needs: Needs,
    month: Month,
    references: Sequence[str] = (),
    progress: Callable[[int, int], None] = lambda _done, _cases: None,
    *,
    together: bool = False,
) -> Outcome:
    """Computes, deposits and closes, for the claims named or for every open one.

    A case set aside is closed too. What a slice of cases found is deposited before the next is
    asked about: a run that ends early has lost none of it, and another goes on with the rest.
    `progress` is told how many cases are gathered, and how many there are.

    Raises:
        InputError: `RECORD_INCOMPLETE`: the activity's record names no case type or no output.
        CloisonError: The node refused to open, deposit or close.
    """
    case_type, output = declared(needs)
    cases = list(gateway.open_cases(case_type, month, references))
    promise = CasePromise(case_type, month) if together else None
    gatherer = Gatherer(gateway, needs, month, Tally(), promise)
    at_once = HOUSEHOLDS_A_SIMULATION if together else _CASES_AT_ONCE
    results: list[Result] = []
    for slice_ in limits.slices(cases, HOUSEHOLDS_A_SIMULATION):
        files: list[File] = []
        for some in limits.slices(slice_, at_once):
            files += gatherer.gather(some)
            progress(len(results) + len(files), len(cases))
        results += conclude_files(gateway, needs, month, output, compute_files(needs, month, files))
    return Outcome(tuple(results), _summary(results, gatherer.tally))


def compute_files(needs: Needs, month: Month, files: Sequence[File]) -> list[Computed]:
    """Each file with its amount in cents and its sources; None and nothing for one set aside."""
    households = [file.household for file in files if file.household is not None]
    found = iter(amounts(needs.benefit, needs.window(month), households))
    done: list[Computed] = []
    for file in files:
        amount = file.set_aside if file.household is None else next(found)
        if isinstance(amount, int):
            done.append((file, amount, tuple(_found(file))))
        else:
            done.append((replace(file, household=None, set_aside=amount), None, ()))
    return done


def conclude_files(
    gateway: Gateway,
    needs: Needs,
    month: Month,
    output: str,
    done: Sequence[Computed],
) -> list[Result]:
    """Deposits every amount, then closes every case: those decided and those set aside."""
    about = {
        "benefit": needs.benefit.value,
        "month": str(month),
        "legislation": openfisca_adapter.legislation(),
    }
    deposits = [
        Deposit(
            output,
            file.case,
            {**about, "amount_cents": amount, "inputs": [one.record() for one in found]},
            tuple(answer.reply for answer in file.answers),
        )
        for file, amount, found in done
        if amount is not None
    ]
    receipts = iter(gateway.deposit(deposits))
    results = [
        Result(file.case.reference, file, None, file.set_aside)
        if amount is None
        else Result(file.case.reference, file, amount, None, found, next(receipts))
        for file, amount, found in done
    ]
    for outcome, decided in (("decided", True), ("set-aside", False)):
        cases = [file.case for file, amount, _ in done if (amount is not None) is decided]
        gateway.close_cases([case for case in cases if case.leaf_hash], outcome)
    return results


def _found(file: File) -> Iterator[Source]:
    for answer in file.answers:
        yield from sources(answer)


def _summary(results: Sequence[Result], tally: Tally) -> Summary:
    reasons = Counter(result.set_aside.value for result in results if result.set_aside)
    return Summary(
        cases=len(results),
        computed=sum(result.amount_cents is not None for result in results),
        set_aside=dict(sorted(reasons.items())),
        asked=tally.asked,
        permitted=tally.permitted,
        refused=tally.refused,
    )


def declared(needs: Needs) -> tuple[str, str]:
    """The case type and the output the activity's record names first."""
    activity = needs.activity
    if not activity.case_types or not activity.outputs:
        raise InputError(
            "RECORD_INCOMPLETE",
            f"activity `{activity.id}`: its record names no case type or no output",
            "complete `case_types` and `outputs` in policy/activities",
        )
    return activity.case_types[0].type, activity.outputs[0].id
