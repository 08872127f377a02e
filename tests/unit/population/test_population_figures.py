"""The figures of the synthetic country are whole."""

from itertools import pairwise

from cloison.months import Month
from cloison.population.careers import CAREERS
from cloison.population.figures import load_figures
from cloison.population.neodes import ENCODING
from cloison.population.people import Window


def test_load_figures_shares_of_lives_add_up() -> None:
    for choice in (*load_figures().careers.values(), load_figures().kinds, load_figures().means):
        assert choice.cumulated[-1] == 1_000


def test_load_figures_every_life_is_known() -> None:
    lives = {name for choice in load_figures().careers.values() for name in choice.names}

    assert lives == set(CAREERS)


def test_load_figures_withholding_rises() -> None:
    for low, high in pairwise(load_figures().withholding):
        assert low.up_to < high.up_to
        assert low.rate < high.rate


def test_load_figures_minimum_wage_reaches_back_to_every_window() -> None:
    oldest = Window(Month.of(2021, 12) - 59, Month.of(2021, 12))

    assert load_figures().smic(2026 * 12) == 182_307
    assert load_figures().smic(oldest.begin.index) > 0


def test_load_figures_every_zone_has_rents() -> None:
    figures = load_figures()

    assert (
        {commune.zone for commune in figures.communes.values()} == set(figures.rents) == {1, 2, 3}
    )


def test_load_figures_names_can_be_written_in_declarations() -> None:
    names = load_figures().names
    for name in (*names.birth_names, *names.first_names_men, *names.first_names_women):
        assert name.encode(ENCODING).decode(ENCODING) == name
        assert "'" not in name
        assert ";" not in name
