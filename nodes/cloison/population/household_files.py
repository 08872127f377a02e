"""What the bodies hold besides declarations: identities, pensions, household files."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from cloison.population.figures import Payments
from cloison.population.neodes import euros
from cloison.population.pay import pay_of
from cloison.population.payers import Scheme
from cloison.population.payments import payments_of
from cloison.population.people import Household, Nature, Person, Role, Window

IDENTITY_COLUMNS = (
    "nir", "birth_name", "first_names", "birth_date", "nir_status", "death_date", "objection",
)  # fmt: skip
PENSION_COLUMNS = ("nir", "scheme", "start_date", "monthly_gross")
MEMBER_COLUMNS = (
    "household", "nir", "role", "birth_name", "birth_date", "since", "until", "schemes",
    "activity", "unemployed_since", "marital",
)  # fmt: skip
HOUSEHOLD_COLUMNS = (
    "household", "applicant", "since", "status", "furnished", "rent", "zone", "commune",
    "department",
)  # fmt: skip
CLAIM_COLUMNS = ("claim", "household", "applicant", "benefit", "opened", "status")
PAYMENT_COLUMNS = ("household", "applicant", "benefit", "month", "amount")
_ACTIVITY = {
    "retired": "retired",
    "self_employed": "self_employed",
    "farmer": "self_employed",
    "child": "child",
    "student_job": "student",
    "summer_job": "student",
}


def identity_rows(persons: Iterable[Person], *, caf: bool = False) -> Iterator[str]:
    """Who a body knows; `caf` writes the birth name as that body spells it."""
    for person in persons:
        status = "temporary" if person.temporary else "permanent"
        name = person.caf_name if caf else person.birth_name
        death = person.death_date or ""
        yield (
            f"{person.nir};{name};{person.first_names};{person.birth_date};{status};{death};"
            f"{int(person.objection)}"
        )


def pension_rows(persons: Iterable[Person], window: Window) -> Iterator[str]:
    """Basic and complementary pensions in payment at the end of the window."""
    last = window.last.index
    for person in persons:
        names = iter(("cnav", "agirc-arrco"))
        for spell in person.spells:
            paid = spell.payer is not None and spell.payer.scheme is Scheme.GENERAL
            if spell.nature is Nature.PENSION and paid and spell.first <= last <= spell.last:
                gross = pay_of(person, spell, last).gross
                yield f"{person.nir};{next(names)};{spell.start};{euros(gross)}"


def _activity(person: Person, household: Household, window: Window) -> tuple[str, str]:
    """Activity at the end of the window, and since when they have no job."""
    last = window.last.index
    present = [s for s in person.spells if s.first <= last <= s.last]
    natures = {spell.nature for spell in present}
    work = {Nature.SALARY, Nature.FOREIGN}
    if person.career in _ACTIVITY:
        return _ACTIVITY[person.career], ""
    if natures & work:
        return "employee", ""
    if Nature.UNEMPLOYMENT in natures:
        since = next(s.start for s in present if s.nature is Nature.UNEMPLOYMENT)
        return "unemployed", str(since)
    ended = [spell.end for spell in person.spells if spell.end is not None and spell.last <= last]
    if ended and Nature.INVALIDITY not in natures:
        return "unemployed", str(max(ended) + timedelta(days=1))
    student = household.kind == "student" or person in household.children
    return ("student" if student else "inactive"), ""


def member_rows(households: Iterable[Household], window: Window) -> Iterator[str]:
    """Everyone of each household file, adults first, who left it last."""
    for household in households:
        for place, person in enumerate(household.persons):
            child = place >= len(household.adults)
            role = Role.CHILD if child else (Role.PARTNER if place else Role.APPLICANT)
            since = max(household.file_since, person.birth_date)
            until = person.death_date or household.until
            yield _member(household, person, role, (since, until), window)
        if household.left is not None:
            days = household.file_since, household.left.day
            yield _member(household, household.left.other, Role.PARTNER, days, window)


def _member(
    household: Household,
    person: Person,
    role: Role,
    days: tuple[date, date | None],
    window: Window,
) -> str:
    activity, unemployed_since = _activity(person, household, window)
    marital = "single" if role is Role.CHILD else household.union
    schemes = " ".join(person.schemes())
    since, until = days
    return (
        f"{household.number};{person.nir};{role};{person.caf_name};{person.birth_date};"
        f"{since};{until or ''};{schemes};{activity};{unemployed_since};"
        f"{marital}"
    )


def household_rows(households: Iterable[Household]) -> Iterator[str]:
    """One row a household: where and how they live."""
    for household in households:
        home = household.housing
        yield (
            f"{household.number};{household.applicant.nir};{household.file_since};{home.occupancy};"
            f"{int(home.furnished)};{euros(home.rent_cents)};{home.zone};{home.commune};"
            f"{home.department}"
        )


def claim_rows(households: Iterable[Household]) -> Iterator[str]:
    """One row a claim."""
    for household in households:
        for claim in household.claims:
            status = "open" if claim.live else "closed"
            yield (
                f"{household.number}-{claim.benefit.upper()};{household.number};"
                f"{household.applicant.nir};{claim.benefit};{claim.opened};{status}"
            )


def payment_rows(
    households: Iterable[Household], window: Window, figures: Payments
) -> Iterator[str]:
    """What was paid, by month."""
    for household in households:
        head = f"{household.number};{household.applicant.nir}"
        for payment in payments_of(household, window, figures):
            yield f"{head};{payment.benefit};{payment.month};{euros(payment.amount_cents)}"
