"""A population is made in portions: each whole in itself, none knows another.

A portion has its own households, employers and funds, as a labour market has; so memory does not
grow with the population, portions can be made side by side, and the bytes do not depend on how.
"""

from dataclasses import dataclass

LARGEST_PORTION = 20_000
MOST_PORTIONS = 50


@dataclass(frozen=True, slots=True)
class Portion:
    """Some of the persons.

    Attributes:
        index: From 0.
        of: How many portions the population has.
        persons: So many exactly.
        total: Persons of the whole population.
        first: Below it stand the indexes of other portions' persons and households.
    """

    index: int
    of: int
    persons: int
    total: int
    first: int
