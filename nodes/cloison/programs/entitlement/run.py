"""One run of the calculator: open, gather, compute all at once, deposit, close."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cloison.errors import InputError
from cloison.exchange import limits
from cloison.months import Month
from cloison.programs.entitlement import openfisca_adapter
from cloison.programs.entitlement.answers import Source, sources
from cloison.programs.entitlement.gather import File, Gatherer, Tally
from cloison.programs.entitlement.inputs import SetAside
from cloison.programs.entitlement.needs import Needs
from cloison.wire.gateway import CasePromise, Deposit, Gateway, ReceiptRef

_CASES_AT_ONCE = 256
_CASES_TOGETHER = 2_000


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

    A case set aside is closed too.
    `progress` is told how many cases are gathered, and how many there are.

    Raises:
        InputError: `RECORD_INCOMPLETE`: the activity's record names no case type or no output.
        CloisonError: The node refused to open, deposit or close.
    """
    case_type, output = declared(needs)
    cases = list(gateway.open_cases(case_type, month, references))
    promise = CasePromise(case_type, month) if together else None
    gatherer = Gatherer(gateway, needs, month, Tally(), promise)
    files: list[File] = []
    for some in limits.slices(cases, _CASES_TOGETHER if together else _CASES_AT_ONCE):
        files += gatherer.gather(some)
        progress(len(files), len(cases))
    amounts = compute_files(needs, month, files)
    results = conclude_files(gateway, needs, month, output, files, amounts)
    return Outcome(results, _summary(results, gatherer.tally))


def compute_files(needs: Needs, month: Month, files: Sequence[File]) -> list[int | None]:
    """One simulation for every household there is; None for a case set aside."""
    households = [file.household for file in files if file.household is not None]
    window = needs.window(month)
    amounts = iter(openfisca_adapter.compute(needs.benefit, window, households))
    return [None if file.household is None else next(amounts) for file in files]


def conclude_files(
    gateway: Gateway,
    needs: Needs,
    month: Month,
    output: str,
    files: Sequence[File],
    amounts: Sequence[int | None],
) -> tuple[Result, ...]:
    """Deposits every amount, then closes every case: those decided and those set aside."""
    about = {
        "benefit": needs.benefit.value,
        "month": str(month),
        "legislation": openfisca_adapter.legislation(),
    }
    found = [tuple(_found(file)) if file.household else () for file in files]
    deposits = [
        Deposit(
            output,
            file.case,
            {**about, "amount_cents": amount, "inputs": [one.record() for one in sources_]},
            tuple(answer.reply for answer in file.answers),
        )
        for file, amount, sources_ in zip(files, amounts, found, strict=True)
        if amount is not None
    ]
    receipts = iter(gateway.deposit(deposits))
    results = tuple(
        Result(file.case.reference, file, None, file.set_aside)
        if amount is None
        else Result(file.case.reference, file, amount, None, sources_, next(receipts))
        for file, amount, sources_ in zip(files, amounts, found, strict=True)
    )
    computed = [amount is not None for amount in amounts]
    for outcome, kept in (("decided", True), ("set-aside", False)):
        cases = [file.case for file, one in zip(files, computed, strict=True) if one is kept]
        gateway.close_cases(cases, outcome)
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
