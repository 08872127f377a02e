"""The people themselves, before they are written."""

from collections import Counter
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.fr import nir as nir_rules
from stdnum.fr import siret as siret_rules
from tests.unit.population.reading import people_of

from cloison.errors import InputError
from cloison.identity import is_temporary, parse_nir
from cloison.population.figures import load_figures
from cloison.population.household_files import identity_rows, pension_rows
from cloison.population.nirs import DEPARTMENTS, NirMint, belongs_to_nobody
from cloison.population.payers import siret_of
from cloison.population.people import CAF, MSA, Benefit, Household, Nature, Occupancy, Union
from cloison.population.streams import spread
from cloison.population.writing import People


def test_make_people_makes_so_many_persons_and_no_more(people: People) -> None:
    assert len(people.persons) == 4_000


def test_make_people_households_partition_the_persons(people: People) -> None:
    members = [person.index for household in people.households for person in household.persons]

    assert sorted(members) == list(range(4_000))


def test_make_people_household_numbers_are_seven_digits_and_unique(people: People) -> None:
    numbers = {household.number for household in people.households}

    assert len(numbers) == len(people.households)
    assert all(len(number) == 7 for number in numbers)


def test_make_people_nirs_are_valid_unique_and_nobodys(people: People) -> None:
    nirs = [person.nir for person in people.persons]

    assert len(set(nirs)) == len(nirs)
    assert all(nir_rules.is_valid(nir) and belongs_to_nobody(nir) for nir in nirs)
    assert all(parse_nir(nir) == nir for nir in nirs)


def test_make_people_nirs_agree_with_sex_and_birth(people: People) -> None:
    for person in people.persons:
        first = (2 if person.woman else 1) + (6 if person.temporary else 0)
        assert person.nir[:5] == f"{first}{person.birth_date:%y%m}"
        assert is_temporary(person.nir) == person.temporary


def test_make_people_some_numbers_are_temporary(people: People) -> None:
    assert 10 <= sum(person.temporary for person in people.persons) <= 80


def test_make_people_some_corsican_numbers(people: People) -> None:
    assert {"2A", "2B"} <= {person.nir[5:7] for person in people.persons}


@given(st.lists(st.dates(date(1930, 1, 1), date(2026, 5, 31)), max_size=40), st.booleans())
def test_mint_any_births_gives_different_valid_numbers(births: list[date], woman: bool) -> None:
    mint = NirMint()
    given_ = [
        mint.mint(woman=woman, birth_date=day, department=0, temporary=False) for day in births
    ]

    assert len(set(given_)) == len(births)
    assert all(map(nir_rules.is_valid, given_))


def test_mint_a_full_month_moves_on_and_then_refuses() -> None:
    mint = NirMint()

    def one() -> str:
        return mint.mint(woman=True, birth_date=date(1980, 2, 1), department=95, temporary=False)

    places = {one()[5:7] for _ in range(1_000)}
    assert places == {"95", "01"}
    for _ in range(999 * len(DEPARTMENTS) - 1_000):
        one()
    with pytest.raises(InputError, match="no free number left") as refused:
        one()
    assert refused.value.reason == "NIR_RANGE_FULL"


def test_siret_of_any_index_is_valid_and_its_own() -> None:
    indexes = [*range(300), 9_998, 9_999, 10_000, 99_999]
    sirets = [siret_of(index) for index in indexes]

    assert len(set(sirets)) == len(indexes)
    assert all(map(siret_rules.is_valid, sirets))


def test_spread_is_a_permutation() -> None:
    assert sorted(spread(index, 1_000) for index in range(1_000)) == list(range(1_000))


def test_make_people_traits_differ_at_caf_for_a_few(people: People) -> None:
    persons = [p for h in people.households if h.body == CAF for p in h.persons]
    own, caf = list(identity_rows(persons)), list(identity_rows(persons, caf=True))
    differ = sum(one != other for one, other in zip(own, caf, strict=True))

    assert 0 < differ <= len(persons) * 15 // 1_000


def test_make_people_children_are_younger_than_their_parents(people: People) -> None:
    for household in people.households:
        youngest = max(adult.birth_date for adult in household.adults)
        assert all(c.birth_date.year - youngest.year >= 18 for c in household.children)


def test_make_people_every_kind_of_life_is_there(people: People) -> None:
    careers = Counter(person.career for person in people.persons)
    expected = {name for choice in load_figures().careers.values() for name in choice.names}

    assert expected | {"retired", "child"} <= set(careers)


def test_make_people_every_nature_of_income_is_there(people: People) -> None:
    natures = {spell.nature for person in people.persons for spell in person.spells}

    assert natures == set(Nature)


def test_make_people_couples_are_of_every_kind(people: People) -> None:
    assert {household.union for household in people.households} == set(Union)


def test_make_people_nobody_works_as_a_child(people: People) -> None:
    for person in people.persons:
        for spell in person.spells:
            assert spell.start.year - person.birth_date.year >= 18


def test_make_people_claims_are_in_the_order_of_the_published_totals(people: People) -> None:
    live = Counter(c.benefit for h in people.households for c in h.claims if c.live)

    assert live[Benefit.AL] > live[Benefit.PPA] > live[Benefit.RSA] > 0


def test_make_people_only_tenants_claim_housing_aid(people: People) -> None:
    tenants = {Occupancy.TENANT, Occupancy.SHARED_TENANT}
    for household in people.households:
        if any(claim.benefit is Benefit.AL for claim in household.claims):
            assert household.housing.occupancy in tenants
            assert household.housing.rent_cents > 0


def test_make_people_farm_households_have_their_file_at_the_agricultural_body(
    people: People,
) -> None:
    def farms(body: str) -> set[str]:
        return {h.applicant.home_scheme for h in people.households if h.body == body}

    assert farms(MSA) == {"agricole"}
    assert farms(CAF) == {"general"}


def test_make_people_the_dead_are_paid_nothing_more(people: People) -> None:
    dead = [person for person in people.persons if person.death_date is not None]

    assert dead
    for person in dead:
        ends = [spell.end for spell in person.spells]
        assert all(end is not None and end.month == person.death_date.month for end in ends)  # type: ignore[union-attr]


def test_pension_rows_are_of_the_general_schemes(people: People) -> None:
    rows = list(pension_rows(people.persons, people.window))

    assert rows
    assert {row.split(";")[1] for row in rows} == {"cnav", "agirc-arrco"}


def test_make_people_a_person_has_one_slip_a_payer_and_month(people: People) -> None:
    for person in people.persons:
        seen: dict[str, list[tuple[int, int]]] = {}
        for spell in person.spells:
            if spell.payer is not None:
                others = seen.setdefault(spell.payer.siret, [])
                assert all(spell.first > last or spell.last < first for first, last in others)
                others.append((spell.first, spell.last))


@pytest.mark.parametrize(
    ("persons", "seed", "months", "reason"),
    [
        (99, 1, 24, "BAD_PERSONS"),
        (1_000_001, 1, 24, "BAD_PERSONS"),
        (-5, 1, 24, "BAD_PERSONS"),
        (100, -1, 24, "BAD_SEED"),
        (100, 2**63, 24, "BAD_SEED"),
        (100, 1, 5, "BAD_MONTHS"),
        (100, 1, 61, "BAD_MONTHS"),
    ],
)
def test_make_people_out_of_range_is_refused(
    persons: int, seed: int, months: int, reason: str
) -> None:
    with pytest.raises(InputError, match="out of range") as refused:
        people_of(persons, seed, months=months)

    assert refused.value.reason == reason


@pytest.mark.parametrize("persons", [100, 101, 137])
def test_make_people_small_populations_have_exactly_so_many(persons: int) -> None:
    population = people_of(persons, 3, months=6)

    assert [person.index for person in population.persons] == list(range(persons))


def _households_of(people: People, body: str | None) -> list[Household]:
    return [household for household in people.households if household.body == body]


def test_make_people_some_households_are_in_no_file(people: People) -> None:
    unknown = _households_of(people, None)

    assert unknown
    assert not any(household.claims for household in unknown)
