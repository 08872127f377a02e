"""A benefit computed again because a source corrected what an earlier decision rested on.

Each claim with a change gets a review of its own: a new case, the same questions, a new deposit.
What was received before is read back, sealed, from the body's own node. So both amounts are
computed here, on one household file: they differ by the correction alone.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cloison.bodies import BodyId
from cloison.errors import CloisonError, InputError
from cloison.exchange import limits
from cloison.months import Month
from cloison.programs.entitlement.answers import Answer, Source, shown_sources
from cloison.programs.entitlement.gather import File, Gatherer, Tally
from cloison.programs.entitlement.inputs import SetAside
from cloison.programs.entitlement.needs import Needs
from cloison.programs.entitlement.run import compute_files, conclude_files, declared
from cloison.v1 import release_pb2
from cloison.wire.gateway import (
    AskFor,
    Change,
    ChangedClaim,
    Gateway,
    OpenedCase,
    ReceiptRef,
    Received,
    Reply,
)

REVIEW = "review"
_CASES_AT_ONCE = 256
_UNKNOWN_CLAIM = "UNKNOWN_CLAIM"


@dataclass(frozen=True, slots=True)
class Difference:
    """One period of one person, as it was answered and as it is answered now."""

    earlier: tuple[Source, ...]
    now: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Review:
    """A claim computed again.

    Attributes:
        changes: What the holders told.
        differences: Period by period, where earlier and present answers could be laid side by side.
        earlier_cents: On what was received before; None where that cannot be computed.
        amount_cents: On what is received now; None where the case was set aside.
        comparable: The earlier answers were read back, about the same persons.
        receipt: Of the deposit.
    """

    reference: str
    month: Month
    changes: tuple[Change, ...]
    differences: tuple[Difference, ...]
    earlier_cents: int | None
    amount_cents: int | None
    set_aside: SetAside | None
    comparable: bool
    receipt: ReceiptRef | None

    @property
    def difference_cents(self) -> int | None:
        """By how much the right is higher now; None where one of the two is not known."""
        if self.amount_cents is None or self.earlier_cents is None:
            return None
        return self.amount_cents - self.earlier_cents


@dataclass(frozen=True, slots=True)
class Reviewed:
    """Every claim with a change: computed again, or no longer open; and who could not be asked."""

    reviews: tuple[Review, ...]
    not_open: tuple[ChangedClaim, ...]
    unheard: Mapping[BodyId, CloisonError]


def review(gateway: Gateway, needs: Needs) -> Reviewed:
    """Asks the holders for changes; computes, deposits and closes a review of each claim concerned.

    A review set aside leaves its change open: it comes back with the next call.

    Raises:
        InputError: `RECORD_INCOMPLETE`: the activity's record names no review, or no output.
        CloisonError: The node refused to open, deposit or close.
    """
    if needs.activity.case_type(REVIEW) is None:
        raise InputError(
            "RECORD_INCOMPLETE",
            f"activity `{needs.activity.id}`: its record names no case type `{REVIEW}`",
            "complete `case_types` in policy/activities",
        )
    heard = gateway.changes()
    by_month: dict[Month, list[ChangedClaim]] = defaultdict(list)
    for claim in heard.claims:
        by_month[claim.month].append(claim)
    reviews: list[Review] = []
    not_open: list[ChangedClaim] = []
    for month, claims in sorted(by_month.items(), key=lambda pair: pair[0].number):
        cases = {case.reference: case for case in _open(gateway, month, claims)}
        pairs = [(one, cases[one.reference]) for one in claims if one.reference in cases]
        not_open += [one for one in claims if one.reference not in cases]
        reviews += _MonthOfReviews(gateway, needs, month).run(pairs)
    return Reviewed(tuple(reviews), tuple(not_open), heard.unheard)


def _open(gateway: Gateway, month: Month, claims: Sequence[ChangedClaim]) -> Iterator[OpenedCase]:
    """A review for each claim that is still open."""
    for some in limits.slices(claims, _CASES_AT_ONCE):
        references = [claim.reference for claim in some]
        try:
            yield from list(gateway.open_cases(REVIEW, month, references))
        except CloisonError as error:
            if error.reason != _UNKNOWN_CLAIM:
                raise
            if len(some) > 1:  # one of them: each is tried alone, and an opened one given again
                for one in some:
                    yield from _open(gateway, month, [one])


class _MonthOfReviews:
    """The reviews of one month of the right."""

    def __init__(self, gateway: Gateway, needs: Needs, month: Month) -> None:
        self._gateway, self._needs, self._month = gateway, needs, month
        self._gatherer = Gatherer(gateway, needs, month, Tally())

    def run(self, pairs: Sequence[tuple[ChangedClaim, OpenedCase]]) -> list[Review]:
        """Each claim's review, in order."""
        files: list[File] = []
        for some in limits.slices([case for _, case in pairs], _CASES_AT_ONCE):
            files += self._gatherer.gather(some)
        before = self._before(pairs, files)
        earlier = [
            File(file.case) if answers is None else self._gatherer.with_other_answers(file, answers)
            for file, answers in zip(files, before, strict=True)
        ]
        done = compute_files(self._needs, self._month, [*files, *earlier])
        _, output = declared(self._needs)
        results = conclude_files(
            self._gateway, self._needs, self._month, output, done[: len(files)]
        )
        return [
            Review(
                reference=claim.reference,
                month=self._month,
                changes=claim.changes,
                differences=() if answers is None else tuple(_differences(answers, file.outside)),
                earlier_cents=earlier_cents,
                amount_cents=result.amount_cents,
                set_aside=result.set_aside,
                comparable=answers is not None,
                receipt=result.receipt,
            )
            for (claim, _), file, answers, result, (_, earlier_cents, _) in zip(
                pairs, files, before, results, done[len(files) :], strict=True
            )
        ]

    def _before(
        self, pairs: Sequence[tuple[ChangedClaim, OpenedCase]], files: Sequence[File]
    ) -> list[tuple[Answer, ...] | None]:
        """What the holders had answered, in the place of what they answer; None: not to be had."""
        asked = [
            [answer for answer in file.outside if _told_of(claim, answer)]
            for (claim, _), file in zip(pairs, files, strict=True)
        ]
        every = [self._read_back(answer.question) for of_file in asked for answer in of_file]
        replies = iter(
            [
                reply
                for some in limits.slices(every, limits.ITEMS_PER_CALL)
                for reply in self._gateway.ask(some)
            ]
        )
        found: list[tuple[Answer, ...] | None] = []
        for (claim, case), file, of_file in zip(pairs, files, asked, strict=True):
            earlier = {id(one): _earlier(claim, one, next(replies)) for one in of_file}
            known = [one for one in earlier.values() if one is not None]
            if _all_told(claim, known) and _same_persons(claim, case):
                found.append(tuple(earlier.get(id(one)) or one for one in file.outside))
            else:
                found.append(None)
        return found

    def _read_back(self, question: AskFor) -> AskFor:
        """The same question put to the body's own node, about what this activity received."""
        received = Received(question.holder, question.purpose, self._needs.activity.id)
        return replace(question, holder=BodyId(self._needs.activity.body), received=received)


def _told_of(claim: ChangedClaim, answer: Answer) -> list[Change]:
    """The changes of what this question asks, the oldest answer first."""
    asked = (answer.question.holder, answer.question.dataset)
    found = [one for one in claim.changes if (one.holder, one.dataset) == asked]
    return sorted(found, key=lambda one: one.answer.leaf_index)


def _all_told(claim: ChangedClaim, answers: Sequence[Answer]) -> bool:
    """Whether each dataset with a change has its earlier answer: else the two differ by more."""
    asked = {(answer.question.holder, answer.question.dataset) for answer in answers}
    return {(one.holder, one.dataset) for one in claim.changes} == asked


def _same_persons(claim: ChangedClaim, case: OpenedCase) -> bool:
    # An answer names its persons by their place alone: the household must be the one of then.
    return claim.persons == tuple((member.role, member.nir) for member in case.members)


def _earlier(claim: ChangedClaim, answer: Answer, read_back: Reply) -> Answer | None:
    """The answer as it was: the last one to the same question that was told to have changed.

    Read back are those wholly about the persons asked; with as many persons, about the same ones.
    """
    told = _told_of(claim, answer)
    envelopes = {one.statement_hash: one for one in read_back.envelopes}
    for change in reversed(told):
        release = envelopes.get(change.statement_hash)
        if release is not None and _is_of(release, answer.question):
            reply = replace(
                answer.reply,
                statement_hash=change.statement_hash,
                receipt=change.answer,
                release=release,
            )
            return replace(answer, reply=reply)
    return None


def _is_of(release: release_pb2.Release, question: AskFor) -> bool:
    same_fields = list(release.fields) == sorted(question.fields)
    return same_fields and len(release.persons) == len(question.persons)


def _differences(before: Sequence[Answer], after: Sequence[Answer]) -> Iterator[Difference]:
    """The periods that say something else, in the order of the questions."""
    for old, new in zip(before, after, strict=True):
        if old is new:
            continue
        was, now = _by_period(old), _by_period(new)
        for place in sorted(was.keys() | now.keys()):
            difference = Difference(was.get(place, ()), now.get(place, ()))
            if _said(difference.earlier) != _said(difference.now):
                yield difference


def _by_period(answer: Answer) -> dict[tuple[int, int], tuple[Source, ...]]:
    found: dict[tuple[int, int], tuple[Source, ...]] = {}
    for source in shown_sources(answer):
        place = (source.row.person, source.row.period)
        found[place] = (*found.get(place, ()), source)
    return found


def _said(sources: Sequence[Source]) -> list[str]:
    return sorted(repr((one.row.status, sorted(one.row.values.items()))) for one in sources)
