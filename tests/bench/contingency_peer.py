"""OpenDP's own contingency table, which is not in the lock: imported only where it is used."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
import opendp.prelude as dp

MISSING = "not installed"
HOW = "pip install --target DIR 'opendp[mbi]' and PYTHONPATH=DIR, 0.6 GB (`jax` is most of it)"
Errors = npt.NDArray[np.float64]


def installed() -> bool:
    """Whether all that it needs is there."""
    return all(find_spec(name) is not None for name in ("mbi", "jax", "polars", "sklearn"))


def errors_of_contingency(
    parents: Mapping[str, str], counts: Sequence[int], rho: float, places_alone: bool
) -> list[Errors]:
    """One table of régions and départements by OpenDP: errors of nation, régions, départements.

    Args:
        parents: Département to région; a person is a row of both.
        counts: Persons, by département.
        rho: What the whole costs.
        places_alone: Only the département is measured; else its région too. The nation cannot be,
            and is the sum.
    """
    pl: Any = import_module("polars")
    mbi: Any = import_module("opendp.extras.mbi")
    peer: Any = dp
    dp.enable_features("contrib", "honest-but-curious")
    places, regions = list(parents), list(dict.fromkeys(parents.values()))
    whose = np.repeat(np.arange(len(places)), counts)
    data = {"department": pl.Series(places)[whose]}
    keys = {"department": places}
    queries = [mbi.Count(("department",))]
    if not places_alone:
        data["region"] = pl.Series([parents[place] for place in places])[whose]
        keys["region"] = regions
        queries.append(mbi.Count(("region",)))
    context = peer.Context.compositor(
        data=pl.LazyFrame(data),
        privacy_unit=dp.unit_of(contributions=1),
        privacy_loss=dp.loss_of(rho=rho),
        split_evenly_over=1,
    )
    fixed = mbi.Fixed(queries=queries)
    table = context.query().contingency_table(keys=keys, algorithm=fixed).release()
    told = _told(table, "department", places)
    exact = np.array(counts, np.float64)
    within = np.array([[parents[place] == region for place in places] for region in regions])
    regional = within @ told if places_alone else _told(table, "region", regions)
    nation = np.array([regional.sum() - exact.sum()])
    return [nation, regional - within @ exact, told - exact]


def _told(table: Any, name: str, keys: Sequence[str]) -> Errors:
    """The figures of one marginal, in the order of its keys; others and nulls are not asked for."""
    found = dict(table.project_melted([name]).iter_rows())
    return np.array([found[key] for key in keys], np.float64)
