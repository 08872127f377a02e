"""The figures of the synthetic country and the names of its people, read from package data."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import accumulate
from random import Random
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict

from cloison.months import Month


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Smic(_Strict):
    """Monthly gross minimum wage in cents from a month on."""

    from_: str
    cents: int

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=lambda name: name.rstrip("_")
    )


class Rates(_Strict):
    """What is left of gross, per 10,000."""

    mns: int
    net_fiscal: int


class Bracket(_Strict):
    """Withholding rate (hundredths of a percent) up to a wage (per mille of the minimum wage)."""

    up_to: int
    rate: int


class Commune(_Strict):
    """A place to live; `share` is per mille of its département."""

    code: str
    department: str
    zone: int
    share: int


class Rent(_Strict):
    """Rents of a zone in whole euros."""

    zone: int
    lowest: int
    highest: int
    by_person: int


class Shares(_Strict):
    """Per mille of their group."""

    farm_household: int
    temporary_nir: int
    trait_mismatch: int
    objection: int
    second_job: int
    second_job_agricultural: int
    sick_leave: int
    same_sex_couple: int
    married: int
    pacs: int
    grown_child: int
    death_by_year: int
    both_pensions: int
    late_employer: int
    corrected_notice: int
    claim_at_any_income: int
    closed_claim: int
    woman: int
    lone_parent_woman: int
    divorced_single: int
    married_retired: int
    free_lodging: int
    free_lodging_student: int
    shared_flat: int
    furnished: int
    furnished_student: int
    change_of_employer: int
    benefit_between_jobs: int
    job_beside_invalidity: int
    town_job_beside_harvest: int
    online_declaration: int
    separation_by_year: int
    moved_file: int


class CorrectionShares(_Strict):
    """Per mille of small employers' lines and declarations, and how small they are.

    Attributes:
        wrong_net_only: Of the wrong lines, those whose montant net social alone is wrong.
        months_later: Weights: found so many months later, from one on.
    """

    wrong_line: int
    wrong_net_only: int
    months_later: tuple[int, ...]
    cancelled: int
    most_persons_replaced: int
    most_persons_cancelled: int


class Payments(_Strict):
    """What makes past payments plausible: cents, and per mille for shares and slopes."""

    rsa_base: int
    ppa_base: int
    second_person: int
    further_person: int
    later_person: int
    housing_share: tuple[int, int, int]
    work_slope: int
    bonus: int
    smallest_rsa: int
    smallest_ppa: int
    smallest_al: int
    al_ceiling: tuple[int, int, int]
    al_ceiling_by_person: int
    al_charges: int
    al_floor: int
    al_free_resources: int
    al_free_by_person: int
    al_slope: int


class Tax(_Strict):
    """Parts in hundredths, shares per mille, sums in whole euros."""

    part: int
    half_part: int
    abatement: int
    capital_share: int
    capital_highest: int
    property_share: int
    property_highest: int
    alimony_share: int
    alimony_lowest: int
    alimony_highest: int


class _FiguresFile(_Strict):
    smic: tuple[Smic, ...]
    kinds: dict[str, int]
    means: dict[str, int]
    wages: dict[str, tuple[int, int]]
    careers: dict[str, dict[str, int]]
    shares: Shares
    take_up: dict[str, int]
    owners: dict[str, int]
    corrections: CorrectionShares
    rates: dict[str, Rates]
    withholding: tuple[Bracket, ...]
    payments: Payments
    rents: tuple[Rent, ...]
    tax: Tax


class _PlacesFile(_Strict):
    departments: dict[str, int]
    communes: tuple[Commune, ...]


class Names(_Strict):
    """Names to draw from."""

    birth_names: tuple[str, ...]
    first_names_women: tuple[str, ...]
    first_names_men: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """A weighted choice among names."""

    names: tuple[str, ...]
    cumulated: tuple[int, ...]

    @classmethod
    def of(cls, weights: Mapping[str, int]) -> "Choice":
        """From name to weight."""
        return cls(tuple(weights), tuple(accumulate(weights.values())))

    def draw(self, rng: Random) -> str:
        """One name."""
        return rng.choices(self.names, cum_weights=self.cumulated)[0]


@dataclass(frozen=True)
class Figures:
    """The synthetic country."""

    kinds: Choice
    means: Choice
    wages: Mapping[str, tuple[int, int]]
    careers: Mapping[str, Choice]
    shares: Shares
    take_up: Mapping[str, int]
    owners: Mapping[str, int]
    corrections: CorrectionShares
    rates: Mapping[str, Rates]
    withholding: tuple[Bracket, ...]
    payments: Payments
    departments: Mapping[str, int]
    communes: Mapping[str, Commune]
    places: Choice
    rents: Mapping[int, Rent]
    tax: Tax
    names: Names
    smic_from: tuple[tuple[int, int], ...]

    def smic(self, month: int) -> int:
        """Monthly gross minimum wage in cents in the month with that index, 2015-01 or later."""
        return next(cents for first, cents in self.smic_from if first <= month)

    def withholding_rate(self, wage: int) -> int:
        """Hundredths of a percent for a wage per mille of the minimum wage."""
        return next(bracket.rate for bracket in self.withholding if wage <= bracket.up_to)


def read_data(name: str) -> dict[str, object]:
    """A data file of this room, as it stands."""
    return tomllib.loads(files(__package__).joinpath(name).read_text("utf-8"))


@cache
def load_figures() -> Figures:
    """The figures that ship with the program; unknown or missing keys are refused."""
    raw = _FiguresFile.model_validate(read_data("figures.toml"))
    where = _PlacesFile.model_validate(read_data("places.toml"))
    smic = ((Month.parse(line.from_).index, line.cents) for line in raw.smic)
    return Figures(
        kinds=Choice.of(raw.kinds),
        means=Choice.of(raw.means),
        wages=MappingProxyType(raw.wages),
        careers=MappingProxyType({name: Choice.of(w) for name, w in raw.careers.items()}),
        shares=raw.shares,
        take_up=MappingProxyType(raw.take_up),
        owners=MappingProxyType(raw.owners),
        corrections=raw.corrections,
        rates=MappingProxyType(raw.rates),
        withholding=raw.withholding,
        payments=raw.payments,
        departments=MappingProxyType(where.departments),
        communes=MappingProxyType({commune.code: commune for commune in where.communes}),
        places=Choice.of(
            {one.code: where.departments[one.department] * one.share for one in where.communes}
        ),
        rents=MappingProxyType({rent.zone: rent for rent in raw.rents}),
        tax=raw.tax,
        names=Names.model_validate(read_data("names.toml")),
        smic_from=tuple(sorted(smic, reverse=True)),
    )
