"""What happens to households within the window: separations, moves, births, incomes from abroad."""

from collections import Counter
from itertools import chain

import pytest
from tests.unit.population.reading import people_of

from cloison.months import Month
from cloison.population.figures import load_figures
from cloison.population.household_files import claim_rows, member_rows
from cloison.population.payments import payments_of
from cloison.population.people import CAF, MSA, Household, Nature, Union
from cloison.population.portions import Portion
from cloison.population.summary import tally_of
from cloison.population.taxes import notice_rows
from cloison.population.writing import People


@pytest.fixture(scope="module")
def stayed(people: People) -> list[Household]:
    return [h for h in people.households if h.parting is not None and h.parting.stayed]


@pytest.fixture(scope="module")
def moved(people: People) -> list[Household]:
    return [h for h in people.households if h.earlier is not None]


def notices(people: People, year: int) -> dict[str, str]:
    """Notice of each declarant."""
    rows = [row.split(";") for row in notice_rows(people.households, year, load_figures())]
    return {nir: row[0] for row in rows for nir in row[2:4] if nir}


def test_make_people_some_couples_separate_into_two_households(
    people: People, stayed: list[Household]
) -> None:
    home = {p.nir: h for h in people.households for p in h.persons}

    assert len(stayed) >= 5
    for household in stayed:
        assert household.parting is not None
        other = home[household.parting.other.nir]
        assert other.parting is not None
        assert other.parting.other == household.applicant
        assert other.since == household.parting.day
        assert len(household.adults) == len(other.persons) == 1


def test_make_people_separated_couples_are_no_longer_married(stayed: list[Household]) -> None:
    assert {household.union for household in stayed} <= {Union.DIVORCED, Union.SINGLE}


def test_member_rows_keep_who_left_with_an_end(people: People, stayed: list[Household]) -> None:
    filed = [household for household in stayed if household.body is not None]
    rows = [row.split(";") for row in member_rows(filed, people.window)]
    ended = {row[1]: row[6] for row in rows if row[2] == "partner"}

    assert filed
    for household in filed:
        assert household.parting is not None
        assert ended[household.parting.other.nir] == str(household.parting.day)


def test_notice_rows_of_a_separated_couple_are_shared_until_the_year_before(
    people: People, stayed: list[Household]
) -> None:
    for year in people.window.notice_years:
        of = notices(people, year)
        for household in stayed:
            parting = household.parting
            assert parting is not None
            shared = of[household.applicant.nir] == of[parting.other.nir]
            joint = parting.taxed_together and parting.since.year <= year < parting.day.year
            assert shared == joint


def test_make_people_some_files_move_between_the_two_bodies(moved: list[Household]) -> None:
    assert len(moved) >= 5
    assert {household.body for household in moved} == {CAF, MSA}
    for household in moved:
        ended = household.ended_file()
        assert ended is not None
        assert {ended.body, household.body} == {CAF, MSA}
        assert ended.number != household.number


def test_claim_rows_of_a_file_that_moved_are_closed_where_it_was(moved: list[Household]) -> None:
    ended = [one for one in (h.ended_file() for h in moved) if one is not None]

    assert all(row.endswith(";closed") for row in claim_rows(ended))


def test_payments_of_a_file_that_moved_go_on_at_the_other_body(
    people: People, moved: list[Household]
) -> None:
    figures, paid = load_figures().payments, Counter[str]()
    for household in moved:
        assert household.earlier is not None
        ended = household.ended_file()
        assert ended is not None
        day = Month.from_date(household.earlier.day)
        before = [p.month for p in payments_of(ended, people.window, figures)]
        after = [p.month for p in payments_of(household, people.window, figures)]
        assert all(month <= day for month in before)
        assert all(month > day for month in after)
        paid.update(before=len(before), after=len(after))

    assert paid["before"] > 0
    assert paid["after"] > 0


def test_make_people_paid_abroad_belong_to_a_scheme_nobody_here_holds(people: People) -> None:
    abroad = [p for p in people.persons if any(s.nature is Nature.FOREIGN for s in p.spells)]

    assert abroad
    assert all("etranger" in person.schemes() for person in abroad)


def test_notice_rows_hold_the_wages_of_who_is_paid_abroad(people: People) -> None:
    year = people.window.last.year - 1
    declared: dict[str, str] = {}
    for row in notice_rows(people.households, year, load_figures()):
        cells = row.split(";")
        declared |= {cells[2]: cells[7], cells[3]: cells[8]}
    for person in people.persons:
        if person.career == "frontier" and person.spells[0].first < year * 12:
            assert float(declared[person.nir]) > 5_000


def test_tally_of_a_population_counts_every_kind_of_life(people: People) -> None:
    tally = tally_of(people.households, people.window)

    assert set(tally.counts["life"]) == {
        "birth", "child_over_19", "couple_taxed_apart", "death", "move_between_bodies",
        "separation", "several_employers", "several_pensions", "sick_leave", "temporary_nir",
        "temporary_work", "trait_mismatch",
    }  # fmt: skip
    assert set(tally.counts["persons_by_nature"]) == set(Nature)


@pytest.mark.parametrize("seed", range(4))
def test_make_people_any_seed_has_exactly_so_many_persons(seed: int) -> None:
    people = people_of(1_200, seed)
    indexes = chain.from_iterable((p.index for p in h.persons) for h in people.households)

    assert sorted(indexes) == list(range(1_200))
    assert people.portion == Portion(0, 1, 1_200, 1_200, 0)
    assert len({h.index for h in people.households}) == len(people.households)
