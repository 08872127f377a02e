"""From checked answers to the minimised household, never guessing.

Own files first (who lives here, what they do, the home, what was paid), then what the holders of
incomes and the tax office add. A code without a meaning here sets the case aside.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from enum import StrEnum
from typing import TypeVar

from cloison.identity import Nir
from cloison.law.question import Granularity
from cloison.months import Month
from cloison.programs.entitlement.answers import Answer, NotComputable, Row, month_of, person, rows
from cloison.programs.entitlement.inputs import (
    Activity,
    Household,
    Housing,
    Nature,
    Occupancy,
    PaidBenefit,
    Person,
    Role,
    SetAside,
    TaxUnit,
)
from cloison.programs.entitlement.needs import HOUSEHOLDS, MEMBERS, PAYMENTS, TAX_NOTICES, Reading
from cloison.wire.gateway import OpenedCase

_Code = TypeVar("_Code", bound=StrEnum)

_TAXED_TOGETHER = {"married", "pacs"}
_MARITAL = _TAXED_TOGETHER | {"single", "cohabiting", "divorced", "widowed"}
_ORDER = {role: place for place, role in enumerate(Role)}


def order_members(case: OpenedCase) -> OpenedCase:
    """Applicant, partner, children: the order every other step relies on.

    Raises:
        NotComputable: Not exactly one applicant, or more than one partner.
    """
    roles = [_code(Role, member.role) for member in case.members]
    if roles.count(Role.APPLICANT) != 1 or roles.count(Role.PARTNER) > 1:
        raise NotComputable(SetAside.HEAD_UNCLEAR)
    ranked = sorted(zip(roles, case.members, strict=True), key=lambda pair: _ORDER[pair[0]])
    return replace(case, members=tuple(member for _, member in ranked))


def own_household(case: OpenedCase, answers: Sequence[Answer], reading: Reading) -> Household:
    """What the body's own files say of the household; incomes still empty.

    Where the program does not read who is married, nothing it computes may rest on it.
    """
    memberships = _one_row_each(_of(answers, MEMBERS))
    applicant = memberships.get(case.members[0].nir)
    marital = applicant.text("marital") if applicant else ""
    if (reading.reads("marital") and marital not in _MARITAL) or len(memberships) != len(
        case.members
    ):
        raise NotComputable(SetAside.OWN_FILE_INCOMPLETE)
    persons = tuple(
        _person(member.role, member.birth_date, memberships[member.nir], reading)
        for member in case.members
    )
    return Household(
        reference=case.reference,
        taxed_together=marital in _TAXED_TOGETHER,
        persons=persons,
        housing=reading.home or _housing(_of(answers, HOUSEHOLDS)),
        paid=_payments(_of(answers, PAYMENTS)),
    )


def schemes(case: OpenedCase, answers: Sequence[Answer]) -> list[frozenset[str]]:
    """The social schemes of each person of the case, in its order."""
    memberships = _one_row_each(_of(answers, MEMBERS))
    return [frozenset(memberships[member.nir].text("schemes").split()) for member in case.members]


def with_incomes(case: OpenedCase, own: Household, answers: Sequence[Answer]) -> Household:
    """The household with what the holders answered."""
    months: dict[Nir, dict[tuple[Nature, Month], int]] = defaultdict(lambda: defaultdict(int))
    totals: dict[Nir, dict[Nature, int]] = defaultdict(lambda: defaultdict(int))
    notices: dict[Nir, list[Row]] = defaultdict(list)
    for answer in answers:
        for row in rows(answer):
            nir = person(answer, row).nir
            if answer.question.dataset == TAX_NOTICES:
                notices[nir].append(row)
            elif row.values and answer.question.granularity is Granularity.WINDOW_TOTAL:
                totals[nir][_nature(row)] += row.amount("net_fiscal")
            elif row.values:
                months[nir][_nature(row), month_of(row)] += row.amount("mns")
    first = _first_of_each_notice(notices)
    persons = tuple(
        Person(
            one.role,
            one.birth_date,
            one.activity,
            one.unemployed_since,
            months=dict(months[member.nir]),
            totals=dict(totals[member.nir]),
            self_employed_cents=sum(row.cents("self_employed") for row in notices[member.nir]),
            alimony_received_cents=sum(
                row.cents("alimony_received") for row in first.get(member.nir, ())
            ),
        )
        for one, member in zip(own.persons, case.members, strict=True)
    )
    return replace(own, persons=persons, tax_units=_tax_units(case, own, first))


def _of(answers: Iterable[Answer], dataset: str) -> list[Answer]:
    return [answer for answer in answers if answer.question.dataset == dataset]


def _one_row_each(answers: Iterable[Answer]) -> dict[Nir, Row]:
    """The one current row of each person; a person in two files at once is not ours to choose."""
    found: dict[Nir, Row] = {}
    for answer in answers:
        for row in rows(answer):
            nir = person(answer, row).nir
            if not row.values or nir in found:
                raise NotComputable(SetAside.OWN_FILE_INCOMPLETE)
            found[nir] = row
    return found


def _person(role: str, birth_date: date, row: Row, reading: Reading) -> Person:
    activity = _code(Activity, row.text("activity"))
    since = row.day("unemployed_since")
    if activity is Activity.UNEMPLOYED and since is None and reading.reads("unemployed_since"):
        raise NotComputable(SetAside.OWN_FILE_INCOMPLETE)
    return Person(_code(Role, role), birth_date, activity, since)


def _housing(answers: Sequence[Answer]) -> Housing:
    found = [row for row in _one_row_each(answers).values() if row.values]
    if len(found) != 1 or found[0].text("zone") not in {"1", "2", "3"}:
        raise NotComputable(SetAside.OWN_FILE_INCOMPLETE)
    row = found[0]
    occupancy = _code(Occupancy, row.text("status"))
    rents = occupancy in {Occupancy.TENANT, Occupancy.SHARED_TENANT}
    return Housing(
        occupancy=occupancy,
        furnished=row.values.get("furnished") is True,
        rent_cents=row.amount("rent") if rents else row.cents("rent"),
        zone=int(row.text("zone")),
    )


def _payments(answers: Iterable[Answer]) -> dict[tuple[PaidBenefit, Month], int]:
    paid: dict[tuple[PaidBenefit, Month], int] = defaultdict(int)
    for answer in answers:
        for row in rows(answer):
            if row.values:
                benefit = _code(PaidBenefit, row.text("benefit"))
                paid[benefit, month_of(row)] += row.amount("amount")
    return dict(paid)


def _nature(row: Row) -> Nature:
    return _code(Nature, row.text("nature"))


def _first_of_each_notice(notices: Mapping[Nir, Sequence[Row]]) -> dict[Nir, list[Row]]:
    """Each notice once, under its first declarant who was asked about: amounts of it as a whole."""
    seen: set[str] = set()
    first: dict[Nir, list[Row]] = {}
    for nir, of_person in notices.items():
        for row in of_person:
            if row.values and (notice := row.text("notice")) not in seen:
                seen.add(notice)
                first.setdefault(nir, []).append(row)
    return first


def _tax_units(
    case: OpenedCase, own: Household, first: Mapping[Nir, Sequence[Row]]
) -> tuple[TaxUnit, ...]:
    """One unit for a couple taxed together, else one an adult."""
    adults = [member.nir for member in case.members[: len(own.adults)]]
    units = [adults] if own.taxed_together else [[nir] for nir in adults]
    return tuple(_tax_unit([row for nir in unit for row in first.get(nir, ())]) for unit in units)


def _tax_unit(notices: Sequence[Row]) -> TaxUnit:
    return TaxUnit(
        *(
            sum(row.cents(field) for row in notices)
            for field in ("capital", "property", "alimony_paid")
        )
    )


def _code(codes: type[_Code], text: str) -> _Code:
    try:
        return codes(text)
    except ValueError as error:
        raise NotComputable(SetAside.UNKNOWN_CODE) from error
