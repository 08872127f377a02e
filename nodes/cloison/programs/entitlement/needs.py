"""Which questions a household's benefit needs, read from the activity's record in `policy/`.

The record's `reads` say holder, dataset, granularity, window and to whom they apply. Of the fields
it allows, only those the calculator reads are asked.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cloison.bodies import BodyId
from cloison.errors import InputError
from cloison.exchange import limits
from cloison.law.question import Granularity
from cloison.law.records import Activity as Record
from cloison.law.records import Reads
from cloison.months import Month
from cloison.programs.entitlement.inputs import Activity, Benefit, Household, Housing, Window
from cloison.wire.gateway import AskFor, Member, OpenedCase

MEMBERS, HOUSEHOLDS, PAYMENTS = "members", "households", "payments"
MONTHLY_RESOURCES, TAX_NOTICES = "monthly_resources", "tax_notices"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a program reads of the files it asks, whatever else the record allows.

    Attributes:
        fields: By dataset and granularity, sorted.
        own: The body's own files it cannot do without.
        home: The home taken for granted by a program that does not ask for it.
    """

    fields: Mapping[tuple[str, Granularity], tuple[str, ...]]
    own: frozenset[str]
    home: Housing | None = None

    def reads(self, field: str) -> bool:
        """Whether this field of the members' file is read."""
        return field in self.fields[MEMBERS, Granularity.CURRENT]


CALCULATION = Reading(
    {
        (MEMBERS, Granularity.CURRENT): ("activity", "marital", "schemes", "unemployed_since"),
        (HOUSEHOLDS, Granularity.CURRENT): ("furnished", "rent", "status", "zone"),
        (PAYMENTS, Granularity.MONTH): ("amount", "benefit"),
        (MONTHLY_RESOURCES, Granularity.MONTH): ("mns", "nature"),
        (MONTHLY_RESOURCES, Granularity.WINDOW_TOTAL): ("nature", "net_fiscal"),
    },
    frozenset({MEMBERS, HOUSEHOLDS, PAYMENTS}),
)
_EARNED = ("self_employed",)
_NOTICE_FIELDS = {
    Benefit.PPA: _EARNED,
    Benefit.RSA: _EARNED,
    Benefit.AL: ("alimony_paid", "alimony_received", "capital", "notice", "property", *_EARNED),
}


@dataclass(frozen=True, slots=True)
class Needs:
    """An activity's record, sorted by what the calculator does with it.

    Attributes:
        own: Of the body's own files: members, households, payments.
        incomes: Of the holders of monthly resources; they share one window and granularity.
        notices: Of the tax office.
    """

    activity: Record
    benefit: Benefit
    reading: Reading
    own: tuple[Reads, ...]
    incomes: tuple[Reads, ...]
    notices: tuple[Reads, ...]

    @classmethod
    def of(cls, activity: Record, reading: Reading = CALCULATION) -> "Needs":
        """Raises `InputError` (`RECORD_INCOMPLETE`) if the record does not say how to ask."""
        if activity.benefit not in set(Benefit):
            raise _incomplete(activity, "its benefit is none the calculator knows")
        needs = cls(
            activity,
            Benefit(activity.benefit),
            reading,
            _of_datasets(activity, *reading.own),
            _of_datasets(activity, MONTHLY_RESOURCES),
            _of_datasets(activity, TAX_NOTICES),
        )
        if {read.dataset for read in needs.own} != reading.own:
            raise _incomplete(activity, "own files are missing")
        if len({(read.granularity, read.window) for read in needs.incomes}) != 1:
            raise _incomplete(activity, "the holders of incomes do not share one window")
        for read in (*needs.own, *needs.incomes, *needs.notices):
            if not set(needs._fields(read)) <= set(read.fields):
                raise _incomplete(activity, f"`{read.holder}/{read.dataset}` lacks a field")
        return needs

    def _fields(self, read: Reads) -> tuple[str, ...]:
        if read.dataset == TAX_NOTICES:
            return _NOTICE_FIELDS[self.benefit]
        found = self.reading.fields.get((read.dataset, read.granularity or Granularity.CURRENT))
        if found is None:
            raise _incomplete(
                self.activity, f"`{read.holder}/{read.dataset}` is not asked that way"
            )
        return found

    def window(self, month: Month) -> Window:
        """The months of income asked for a right of `month`."""
        first, last = months_of(self.activity, self.incomes[0], month)
        return Window(month, first, last)

    def own_questions(self, case: OpenedCase, month: Month) -> list[AskFor]:
        """The body's own files: each person's membership, the applicant's home and payments."""
        applicant = case.members[:1]
        return [
            question
            for read in self.own
            for question in self._ask(
                read, case, month, case.members if read.dataset == MEMBERS else applicant
            )
        ]

    def outside_questions(
        self, case: OpenedCase, month: Month, schemes: Iterable[frozenset[str]], own: Household
    ) -> list[AskFor]:
        """Only the holders the own files point to, only about the persons they point to.

        `schemes` holds those of each person of the case, in its order; `own` is the household as
        the body's own files describe it. Nobody asks what a child at school earns.
        """
        situations = {person.activity.value for person in own.adults}
        earners = [
            (member, of_member)
            for member, of_member, person in zip(case.members, schemes, own.persons, strict=True)
            if person.activity is not Activity.CHILD
        ]
        questions = []
        for read in self.incomes:
            named = [member for member, of_member in earners if read.scheme in {None, *of_member}]
            questions += self._ask(read, case, month, named)
        for read in self.notices:
            if read.situation in {None, *situations}:
                questions += self._ask(read, case, month, case.members[: len(own.adults)])
        return questions

    def can_ask_earnings(self, own: Household) -> bool:
        """Whether the self-employed have a holder of notices: what they earn is in no pay slip."""
        situations = {read.situation for read in self.notices}
        return bool(situations & {None, Activity.SELF_EMPLOYED.value}) or all(
            person.activity is not Activity.SELF_EMPLOYED for person in own.adults
        )

    def can_ask_all(self, schemes: Iterable[frozenset[str]], own: Household) -> bool:
        """Whether each scheme of each earner has a holder: asked of nobody is not paid nothing."""
        asked = {read.scheme for read in self.incomes}
        return None in asked or all(
            of_member and of_member <= asked
            for of_member, person in zip(schemes, own.persons, strict=True)
            if person.activity is not Activity.CHILD
        )

    def _ask(
        self, read: Reads, case: OpenedCase, month: Month, persons: Iterable[Member]
    ) -> list[AskFor]:
        first, last = months_of(self.activity, read, month)
        people = tuple(persons)
        return [
            AskFor(
                holder=BodyId(read.holder),
                dataset=read.dataset,
                fields=self._fields(read),
                first=first,
                last=last,
                granularity=read.granularity or Granularity.CURRENT,
                purpose=read.purpose or self.activity.purposes[0],
                legal_basis=read.legal_basis or self.activity.legal_bases[0],
                persons=people[start : start + limits.PERSONS_PER_STATEMENT],
                case=case,
            )
            for start in range(0, len(people), limits.PERSONS_PER_STATEMENT)
        ]


def months_of(activity: Record, read: Reads, month: Month) -> tuple[Month, Month]:
    """First and last month of a read, both included; the month itself for what is current."""
    if read.granularity is Granularity.CURRENT:
        return month, month
    if read.granularity is Granularity.YEAR and read.years is not None:
        year = month.year + read.years
        return Month.of(year, 1), Month.of(year, 12)
    if read.granularity in {Granularity.MONTH, Granularity.WINDOW_TOTAL} and read.window:
        return month + read.window.first, month + read.window.last
    raise _incomplete(activity, f"`{read.holder}/{read.dataset}` has no granularity and window")


def _of_datasets(activity: Record, *datasets: str) -> tuple[Reads, ...]:
    return tuple(read for read in activity.reads if read.dataset in datasets)


def _incomplete(activity: Record, why: str) -> InputError:
    return InputError(
        "RECORD_INCOMPLETE",
        f"activity `{activity.id}`: its record does not say what to ask: {why}",
        "complete `reads` in policy/activities",
    )
