"""Wrong lines: how many, how late they are found, and what is wrong with them."""

import pytest

from cloison.months import Month
from cloison.population.figures import load_figures
from cloison.population.mistakes import Mistakes
from cloison.population.neodes import Kind
from cloison.population.pay import Pay
from cloison.population.payers import Payer, Scheme, siret_of
from cloison.population.writing import People

MONTH = Month.of(2026, 1)
PAY = Pay(gross=200_000, net_fiscal=163_800, mns=157_200, net_paid=150_000, withheld=7_000)


def payer(index: int) -> Payer:
    return Payer(index, siret_of(index), Scheme.GENERAL, files_early=False)


@pytest.fixture
def mistakes() -> Mistakes:
    return Mistakes(1, load_figures().corrections)


def test_wrong_of_all_employers_is_near_two_percent_of_the_lines(people: People) -> None:
    declared = people.declarations
    lines = wrong = 0
    for month in people.window.first.to(people.window.last):
        for employer in people.declarations.payers.all_employers():
            persons = len(declared._on_pay(employer, month))
            lines += persons
            wrong += len(declared.mistakes.wrong(employer, month, persons))

    assert lines > 20_000
    assert 17 <= wrong * 1_000 // lines <= 23


def test_wrong_of_large_employers_is_nothing(mistakes: Mistakes) -> None:
    most = mistakes.shares.most_persons_replaced

    assert any(mistakes.wrong(payer(index), MONTH, most) for index in range(10))
    assert not any(mistakes.wrong(payer(index), MONTH, most + 1) for index in range(100))


def test_found_is_one_to_twelve_months_later(mistakes: Mistakes) -> None:
    later = {mistakes.found(payer(index), MONTH) - MONTH for index in range(1_000)}

    assert later == set(range(1, 13))


def test_spoil_leaves_the_tax_withheld_and_the_order_of_amounts(mistakes: Mistakes) -> None:
    spoilt = [mistakes.spoil(PAY, payer(index), MONTH, 0) for index in range(300)]

    assert PAY not in spoilt
    assert all(pay.withheld == PAY.withheld for pay in spoilt)
    assert all(pay.gross > pay.net_fiscal > pay.mns > 0 for pay in spoilt)


def test_spoil_has_nets_alone_and_whole_pays(mistakes: Mistakes) -> None:
    spoilt = [mistakes.spoil(PAY, payer(index), MONTH, 0) for index in range(300)]

    assert 100 < sum(pay.gross == PAY.gross for pay in spoilt) < 200


def test_corrections_leave_some_wrong_lines_to_be_found_after_the_window(people: People) -> None:
    declared, last = people.declarations, people.window.last
    corrected = {(c.payer, c.month) for c in declared.corrections if c.kind is Kind.REPLACES}
    waiting = [
        employer
        for employer in declared.payers.all_employers()
        if declared.mistakes.wrong(employer, last - 1, len(declared._on_pay(employer, last - 1)))
        and (employer, last - 1) not in corrected
    ]

    assert waiting
