"""OpenDP's own release on Polars, which is not in the lock: imported only where it is used."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import opendp.prelude as dp

_MOST_ROWS = 20_000_000


def release_with_polars(paid: Path, benefits: Sequence[str]) -> object:
    """Lines by benefit at ε = 1, three a person at most; distinct or not."""
    pl: Any = import_module("polars")
    peer: Any = dp

    dp.enable_features("contrib", "honest-but-curious")
    context = peer.Context.compositor(
        data=pl.scan_parquet(paid).select("_number", "benefit"),
        privacy_unit=dp.unit_of(contributions=3, identifier="_number"),
        privacy_loss=dp.loss_of(epsilon=1.0),
        split_evenly_over=1,
        margins=[peer.polars.Margin(max_length=_MOST_ROWS)],
    )
    query = context.query().truncate_per_group(3)
    counts = query.group_by("benefit").agg(peer.len(signed=True))
    return counts.with_keys(pl.LazyFrame({"benefit": list(benefits)})).release().collect()
