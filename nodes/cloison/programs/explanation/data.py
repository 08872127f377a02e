"""What was asked for a case and what came back, row by row, with the holder's receipt."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from cloison.bodies import BodyId
from cloison.law.question import Granularity
from cloison.months import Month
from cloison.programs.entitlement.answers import Answer, NotComputable, Row, Value, rows_of
from cloison.programs.entitlement.gather import File
from cloison.programs.entitlement.inputs import Nature, PaidBenefit
from cloison.programs.entitlement.needs import (
    HOUSEHOLDS,
    MONTHLY_RESOURCES,
    PAYMENTS,
    TAX_NOTICES,
)
from cloison.programs.explanation.expressions import Kind, Leaf, Unit
from cloison.programs.explanation.words import FIELDS, code_text
from cloison.v1 import release_pb2
from cloison.wire.gateway import ReceiptRef

_STATUS = {
    release_pb2.PERIOD_STATUS_DECLARED: "declared",
    release_pb2.PERIOD_STATUS_NOTHING_DECLARED: "nothing declared",
    release_pb2.PERIOD_STATUS_NOT_YET_DUE: "not yet due",
    release_pb2.PERIOD_STATUS_UNDER_CORRECTION: "under correction",
    release_pb2.PERIOD_STATUS_LATE: "late",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question put for the case: to whom, about what, and the decision on it.

    Attributes:
        mark: Its line in the notice, `Q1` on.
        places: Whom of the case it is about, by their place in it.
        outcome: `permitted`, or why there is no answer: the refusal's reason or the failure's.
        provisional: The permit rests on a text not read whole.
        received_from: Whose data, where the body's own node is asked for what it received.
    """

    mark: str
    holder: BodyId
    dataset: str
    fields: tuple[str, ...]
    first: str
    last: str
    granularity: Granularity
    purpose: str
    legal_basis: str
    places: tuple[int, ...]
    outcome: str
    provisional: bool
    receipt: ReceiptRef | None
    received_from: BodyId | None = None


@dataclass(frozen=True, slots=True)
class Datum:
    """One record of one person, or the word that there is none.

    Attributes:
        mark: Its line in the notice, `D1` on.
        asked: The mark of its question; it stands under that question's receipt.
        place: Whom it is about, by their place in the case.
        period: As in the release: YYYYMM, YYYY, or 0 for what is current; the first month of a
            total, of which `last` is the last.
        values: By field; empty where nothing was declared.
    """

    mark: str
    asked: str
    holder: BodyId
    dataset: str
    place: int
    period: int
    last: int
    status: str
    source: str
    version: int
    values: Mapping[str, Value]
    receipt: ReceiptRef | None

    def leaf(self, field: str) -> Leaf:
        """An amount of it, for an operation."""
        cents = self.values.get(field)
        number = Fraction(cents if isinstance(cents, int) else 0, 100)
        kinds = (code_text(name, self.values.get(name)) for name in ("nature", "benefit"))
        kind = next((text for text in kinds if text), "")
        label = f"{FIELDS.get(field, field)}{f' ({kind})' if kind else ''}"
        return Leaf(Kind.DATA, label, number, Unit.EUROS, self.mark)


@dataclass(frozen=True, slots=True)
class Table:
    """Everything asked and received for a case."""

    asked: tuple[Asked, ...]
    data: tuple[Datum, ...]

    @classmethod
    def of(cls, file: File) -> "Table":
        """Every question of the case in the order asked, and every record answered.

        A period that could not be read is there with its status, without values.
        """
        places = {member.nir: place for place, member in enumerate(file.case.members)}
        asked: list[Asked] = []
        data: list[Datum] = []
        for answer in file.answers:
            whom = tuple(places[member.nir] for member in answer.question.persons)
            asked.append(_asked(f"Q{len(asked) + 1}", answer, whom))
            for row in _rows(answer):
                data.append(_datum(f"D{len(data) + 1}", asked[-1], whom, row))
        return cls(tuple(asked), tuple(data))

    def incomes(self, place: int, natures: Sequence[Nature], period: int, field: str) -> list[Leaf]:
        """The amounts of a person's income of these natures declared for a period."""
        return [
            one.leaf(field)
            for one in self._of(MONTHLY_RESOURCES, place, period)
            if one.values.get("nature") in set(natures)
        ]

    def paid(self, benefit: PaidBenefit, period: int) -> list[Leaf]:
        """What the body itself paid the household of a benefit in a month."""
        return [
            one.leaf("amount")
            for one in self._of(PAYMENTS, 0, period)
            if one.values.get("benefit") == benefit
        ]

    def notice(self, places: Sequence[int], field: str) -> list[Leaf]:
        """An amount of the tax notices of these persons.

        Own pay is each person's; the rest is the notice's, and counts on the first it names.
        """
        seen: set[Value] = set()
        found: list[Leaf] = []
        for one in self.data:
            if one.dataset != TAX_NOTICES or not one.values:
                continue
            name = one.values.get("notice") or ""
            counts = field == "self_employed" or name not in seen
            seen.add(name)
            if counts and one.place in places and one.values.get(field):
                found.append(one.leaf(field))
        return found

    def rent(self) -> Leaf:
        """The rent of the home, as the body's own file has it."""
        return next(one for one in self.data if one.dataset == HOUSEHOLDS).leaf("rent")

    def _of(self, dataset: str, place: int, period: int) -> Iterator[Datum]:
        named = (dataset, place, period)
        return (one for one in self.data if (one.dataset, one.place, one.period) == named)


def _rows(answer: Answer) -> Iterator[Row]:
    release = answer.reply.release
    if release is None:
        return
    fields = tuple(release.fields)
    for place, person in enumerate(release.persons):
        for period in person.periods:
            try:
                yield from list(rows_of(place, period, fields))
            except NotComputable:
                status = _STATUS.get(period.status, "unknown")
                yield Row(place, period.period, status, "", 0, {})


def _datum(mark: str, asked: Asked, whom: Sequence[int], row: Row) -> Datum:
    total = asked.granularity is Granularity.WINDOW_TOTAL
    return Datum(
        mark=mark,
        asked=asked.mark,
        holder=asked.holder,
        dataset=asked.dataset,
        place=whom[row.person],
        period=row.period,
        last=Month.parse(asked.last).number if total else row.period,
        status=row.status,
        source=row.source,
        version=row.version,
        values=row.values,
        receipt=asked.receipt,
    )


def _asked(mark: str, answer: Answer, whom: tuple[int, ...]) -> Asked:
    question, decision = answer.question, answer.reply.decision
    if decision is None:
        outcome = answer.reply.failure.reason if answer.reply.failure else "FAILED"
    else:
        outcome = "permitted" if decision.permitted else decision.reason
    return Asked(
        mark=mark,
        holder=question.holder,
        dataset=question.dataset,
        fields=question.fields,
        first=str(question.first),
        last=str(question.last),
        granularity=question.granularity,
        purpose=question.purpose,
        legal_basis=question.legal_basis,
        places=whom,
        outcome=outcome,
        provisional=decision is not None and any(rule.provisional for rule in decision.rules),
        receipt=answer.reply.receipt,
        received_from=question.received.holder if question.received else None,
    )
