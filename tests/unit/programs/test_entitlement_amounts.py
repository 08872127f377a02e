"""Slices of households: the same amounts however they are cut, and none held back by another."""

from collections.abc import Sequence

import pytest
from tests.unit.programs.households import MONTHS, WINDOWS, household, person
from tests.unit.programs.households import random_households as some_households

from cloison.errors import IntegrityError
from cloison.programs.entitlement import amounts as slicing
from cloison.programs.entitlement import openfisca_adapter
from cloison.programs.entitlement.amounts import amounts
from cloison.programs.entitlement.inputs import Benefit, Household, Role, SetAside, Window

BAD = household(person(), person(Role.PARTNER), person(Role.PARTNER))


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Slices of 8; gives the sizes of what the engine is given."""
    monkeypatch.setattr(slicing, "HOUSEHOLDS_A_SIMULATION", 8)
    sizes: list[int] = []
    compute = openfisca_adapter.compute

    def counted(benefit: Benefit, window: Window, households: Sequence[Household]) -> list[int]:
        sizes.append(len(households))
        return compute(benefit, window, households)

    monkeypatch.setattr(openfisca_adapter, "compute", counted)
    return sizes


@pytest.mark.parametrize("benefit", list(Benefit))
def test_amounts_in_slices_are_those_of_one_simulation(
    benefit: Benefit, small_slices: list[int]
) -> None:
    sample = some_households(seed=11, count=20)
    together = openfisca_adapter.compute(benefit, WINDOWS[benefit], sample)
    small_slices.clear()

    assert amounts(benefit, WINDOWS[benefit], sample) == together
    assert small_slices == [8, 8, 4]


def test_amounts_of_nobody_start_no_engine(small_slices: list[int]) -> None:
    assert amounts(Benefit.PPA, MONTHS, []) == []
    assert small_slices == []


def test_amounts_refused_households_are_set_aside_alone_and_the_others_go_on(
    small_slices: list[int],
) -> None:
    good = some_households(seed=12, count=6)
    expected: list[int | SetAside] = [*amounts(Benefit.RSA, MONTHS, good)]
    small_slices.clear()
    for place in (6, 2, 0):
        good.insert(place, BAD)
        expected.insert(place, SetAside.ENGINE_REFUSED)

    assert amounts(Benefit.RSA, MONTHS, good) == expected
    assert len(small_slices) < 2 * len(good)


@pytest.mark.usefixtures("small_slices")
def test_amounts_of_refused_households_only_are_all_set_aside() -> None:
    assert amounts(Benefit.AL, WINDOWS[Benefit.AL], [BAD] * 3) == [SetAside.ENGINE_REFUSED] * 3


def test_amounts_engine_that_computes_nobody_fails_at_once(
    small_slices: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(openfisca_adapter.OUTPUT, Benefit.PPA, "a_variable_this_release_lacks")

    with pytest.raises(IntegrityError, match="the engine computes nobody") as caught:
        amounts(Benefit.PPA, MONTHS, some_households(seed=13, count=8))

    assert caught.value.reason == "ENGINE_FAILED"
    assert small_slices == [8, 1]
