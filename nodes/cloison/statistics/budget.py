"""Who may be told how much: grants, what is spent of them, and whether a question still fits.

A population has two pockets a year, exact fractions both: pure ε, and ρ of zCDP. Each has a limit
fixed beforehand, so that analysts who choose their next question by the last answer, together or
apart, still stay within it: together at most ε + ε(ρ, δ), at δ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Annotated, Self

from pydantic import Field, StrictInt, model_validator

from cloison.errors import BudgetExceeded, InputError, IntegrityError
from cloison.statistics.loss import epsilon_of_rho, parse_fraction, shown
from cloison.statistics.table import Id, Part, Words, refuse_file

_YEARS = Field(ge=2000, le=2100)


class _Amounts(Part):
    id: Id
    epsilon: str
    rho: str = "0"
    delta: str = "0"
    author: Words
    date: date
    why: Words

    @model_validator(mode="after")
    def _check_amounts(self) -> Self:
        try:
            parsed = [
                parse_fraction(name, getattr(self, name)) for name in ("epsilon", "rho", "delta")
            ]
        except InputError as error:
            raise ValueError(error.message) from error
        epsilon, rho, delta = parsed
        if epsilon == rho == 0:
            raise ValueError("grants nothing")
        if (rho > 0) != (delta > 0) or delta >= 1:
            raise ValueError("`rho` and `delta` go together, delta below 1")
        return self

    @property
    def limit(self) -> "Loss":
        """Both pockets."""
        return Loss(Fraction(self.epsilon), Fraction(self.rho))

    @property
    def chance(self) -> Fraction:
        """δ: the chance with which ρ is told as an ε."""
        return Fraction(self.delta)


class Grant(_Amounts):
    """`grants/<id>.toml`: what may be told of a population in a year, over all who ask."""

    population: Id
    year: Annotated[StrictInt, _YEARS]

    @model_validator(mode="after")
    def _check_id(self) -> Self:
        if self.id != f"{self.population}-{self.year}":
            raise ValueError("`id`: not POPULATION-YEAR")
        return self


class Ceiling(_Amounts):
    """`ceilings/<id>.toml`: what a person may be exposed to who is in all of these populations."""

    populations: Annotated[tuple[Id, ...], Field(min_length=1)]
    years: Annotated[tuple[Annotated[StrictInt, _YEARS], ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Loss:
    """An amount of each pocket."""

    epsilon: Fraction = Fraction(0)
    rho: Fraction = Fraction(0)

    def __add__(self, other: "Loss") -> "Loss":
        return Loss(self.epsilon + other.epsilon, self.rho + other.rho)

    def __sub__(self, other: "Loss") -> "Loss":
        return Loss(self.epsilon - other.epsilon, self.rho - other.rho)

    def within(self, limit: "Loss") -> bool:
        """Neither pocket is past its limit."""
        return self.epsilon <= limit.epsilon and self.rho <= limit.rho

    def total(self, delta: Fraction) -> Fraction:
        """As one ε, at `delta`; never too small."""
        return self.epsilon + (epsilon_of_rho(self.rho, delta) if self.rho else 0)


Account = tuple[str, int]
"""A population and a year."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """A ceiling and what the grants under it add up to."""

    ceiling: Ceiling
    granted: Loss
    grants: tuple[str, ...]


def check_grants(
    grants: Mapping[str, Grant], ceilings: Mapping[str, Ceiling]
) -> tuple[Exposure, ...]:
    """Every grant stands under a ceiling, and no ceiling is passed by what is granted under it.

    Raises:
        InputError: `BAD_POLICY_FILE`.
    """
    exposures = [_exposure(ceiling, grants) for ceiling in ceilings.values()]
    covered = {name for exposure in exposures for name in exposure.grants}
    for name in grants:
        if name not in covered:
            raise refuse_file(f"grants/{name}.toml", "stands under no ceiling a person")
    return tuple(exposures)


def _exposure(ceiling: Ceiling, grants: Mapping[str, Grant]) -> Exposure:
    under = [
        grant
        for grant in grants.values()
        if grant.population in ceiling.populations and grant.year in ceiling.years
    ]
    granted = sum((grant.limit for grant in under), Loss())
    chance = sum((grant.chance for grant in under), Fraction(0))
    if not granted.within(ceiling.limit) or chance > ceiling.chance:
        raise refuse_file(
            f"ceilings/{ceiling.id}.toml",
            f"grants add up to ε {granted.epsilon}, ρ {granted.rho}, δ {chance}: too much",
        )
    return Exposure(ceiling, granted, tuple(grant.id for grant in under))


class Accounts:
    """What was reserved, by population and year; only ever more.

    INVARIANT: what was reserved never exceeds the grant it was reserved under.
    """

    def __init__(self) -> None:
        self._spent: dict[Account, Loss] = {}

    def spent(self, account: Account) -> Loss:
        """What was reserved so far."""
        return self._spent.get(account, Loss())

    def after(self, grant: Grant, cost: Loss) -> Loss:
        """What will be spent once `cost` is reserved as well.

        Raises:
            BudgetExceeded: `BUDGET_EXCEEDED`, and by how much.
        """
        spent = self.spent((grant.population, grant.year))
        after = spent + cost
        if not after.within(grant.limit):
            raise BudgetExceeded("BUDGET_EXCEEDED", *_refusal(grant, spent, cost))
        return after

    def reserve(self, account: Account, cost: Loss, after: Loss) -> None:
        """Counts what a durable entry reserved.

        Raises:
            IntegrityError: `BAD_ENTRY`: the entry does not say what adds up, or takes back.
        """
        if min(cost.epsilon, cost.rho) < 0 or self.spent(account) + cost != after:
            raise IntegrityError("BAD_ENTRY", "budget: the register's entries do not add up")
        self._spent[account] = after


def _refusal(grant: Grant, spent: Loss, cost: Loss) -> Sequence[str]:
    left = grant.limit - spent
    pocket, needs, has = (
        ("ε", cost.epsilon, left.epsilon)
        if cost.epsilon > left.epsilon
        else ("ρ", cost.rho, left.rho)
    )
    hint = f"ask with a smaller epsilon: about {shown(has, up=False)} {pocket} is left this year"
    message = (
        f"budget of `{grant.population}` {grant.year}: needs {pocket} {needs}, {has} is left,"
        f" {needs - has} too much"
    )
    nothing = "nothing is left until next year's grant; what was published is free"
    return message, hint if has > 0 else nothing
