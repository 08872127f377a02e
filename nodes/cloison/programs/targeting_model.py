"""The scoring model of the targeting program: a data file whose coefficients are invented."""

import math
import tomllib
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

_FILE = "targeting_model.toml"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Variable(_Strict):
    """A publicly named variable of control scoring."""

    name: str
    source: str
    raises_score: str
    asked: Literal["monthly_resources", "own file"]
    coefficient: float


class Model(_Strict):
    """A logistic model. `coefficients` must say that they are invented."""

    coefficients: Literal["invented"]
    intercept: float
    threshold: Annotated[float, Field(gt=0, lt=1)]
    reference_cents: Annotated[int, Field(gt=0)]
    variable: Annotated[tuple[Variable, ...], Field(min_length=1)]

    def score(self, income_cents: int) -> float:
        """The score, 0 to 1, of a file of that month's income, all other variables at zero."""
        level = income_cents / self.reference_cents
        weights = (one.coefficient for one in self.variable if one.asked != "own file")
        return 1 / (1 + math.exp(-(self.intercept + sum(weights) * level)))

    def picks(self, income_cents: int) -> bool:
        """Whether a file of that income would be picked for control."""
        return self.score(income_cents) >= self.threshold


def load_model() -> Model:
    """The model shipped with the program."""
    content = files("cloison.programs").joinpath(_FILE).read_text("utf-8")
    return Model.model_validate(tomllib.loads(content))
