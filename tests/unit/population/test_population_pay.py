"""Amounts: what they keep to, whatever the person and the month."""

from collections.abc import Iterator
from statistics import median

from cloison.population.figures import load_figures
from cloison.population.pay import DECLARED, WORK, Pay, monthly, pay_of, smic, yearly
from cloison.population.payments import payments_of
from cloison.population.people import Benefit, Nature, Person, Spell
from cloison.population.writing import People

LAST = 2026 * 12 + 4
SMIC_NET_2026_CENTS = 144_300


def _paid(people: People, month: int = LAST) -> Iterator[tuple[Person, Spell, Pay]]:
    for person in people.persons:
        for spell in person.spells:
            if spell.first <= month <= spell.last:
                yield person, spell, pay_of(person, spell, month)


def test_pay_of_amounts_are_in_their_order(people: People) -> None:
    for _, spell, pay in _paid(people):
        assert pay.net_fiscal > pay.mns > 0
        assert pay.gross > pay.net_fiscal or spell.nature is Nature.SELF_EMPLOYED


def test_pay_of_net_paid_is_near_the_net_less_withholding(people: People) -> None:
    for _, spell, pay in _paid(people):
        apart = abs(pay.net_paid - (pay.mns - pay.withheld))
        assert apart <= (6_000 if spell.nature is Nature.SALARY else 0)


def test_pay_of_low_wages_have_nothing_withheld(people: People) -> None:
    assert all(pay.withheld == 0 for person, _, pay in _paid(people) if not person.withholding_rate)


def test_pay_of_same_arguments_same_amounts(people: People) -> None:
    assert list(_paid(people)) == list(_paid(people))


def test_pay_of_a_full_minimum_wage_gives_the_known_net(people: People) -> None:
    rates = load_figures().rates["salary"]

    assert smic(LAST) == 182_307
    assert abs(smic(LAST) * rates.mns // 10_000 - SMIC_NET_2026_CENTS) < 2_000
    work = [sum(monthly(person, LAST, LAST, WORK)) for person in people.persons]
    assert 140_000 <= median(amount for amount in work if amount) <= 240_000


def test_pay_of_a_month_of_leave_pays_less(people: People) -> None:
    on_leave = [
        (person, spell)
        for person in people.persons
        for spell in person.spells
        if spell.leave[0] > spell.first and spell.leave[1] >= spell.leave[0]
    ]

    assert on_leave
    for person, spell in on_leave:
        month = spell.leave[0]
        assert pay_of(person, spell, month).gross < spell.permille * smic(month) // 2_500


def test_pay_of_first_and_last_months_count_days(people: People) -> None:
    for person in people.persons:
        for spell in person.spells:
            if spell.contract_code == "02" and spell.start.day >= 15 and spell.first >= LAST - 40:
                full = spell.permille * smic(spell.first) // 1_000
                assert pay_of(person, spell, spell.first).gross < full * 8 // 10


def test_yearly_is_the_sum_of_the_months(people: People) -> None:
    person, spell, _ = next(one for one in _paid(people) if one[1].first < 2025 * 12)
    months = range(2025 * 12, 2025 * 12 + 12)

    assert yearly(person, spell, 2025) == sum(pay_of(person, spell, m).net_fiscal for m in months)
    assert yearly(person, spell, spell.start.year - 1) == 0


def test_monthly_leaves_out_what_nobody_declares(people: People) -> None:
    alone = [p for p in people.persons if p.career == "self_employed" and len(p.spells) == 1]

    assert alone
    assert monthly(alone[0], LAST - 2, LAST, DECLARED) == [0, 0, 0]


def test_payments_of_amounts_are_plausible(people: People) -> None:
    figures = load_figures().payments
    highest = {Benefit.RSA: 250_000, Benefit.PPA: 150_000, Benefit.AL: 90_000}
    seen = set()
    for household in people.households:
        for payment in payments_of(household, people.window, figures):
            seen.add(payment.benefit)
            assert people.window.first <= payment.month <= people.window.last
            assert 600 <= payment.amount_cents <= highest[payment.benefit]
    assert seen == set(Benefit)


def test_payments_of_most_claims_were_paid_last_month(people: People) -> None:
    figures = load_figures().payments
    claiming = [h for h in people.households if any(claim.live for claim in h.claims)]
    paid = sum(
        any(p.month == people.window.last for p in payments_of(h, people.window, figures))
        for h in claiming
    )

    assert paid > len(claiming) // 2
