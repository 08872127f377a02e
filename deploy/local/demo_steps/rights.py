"""Benefits computed, and one of them shown with its sources."""

from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from functools import partial

from cloison.cli.entitlement import show_result, show_summary
from cloison.programs.entitlement import run as calculator
from cloison.programs.entitlement.inputs import Benefit
from cloison.programs.entitlement.needs import Needs
from demo_steps.stage import BODY, MONTH, Demo, DemoFailedError, advance

MONTHLY = "monthly_resources"


def compute_benefits(demo: Demo, *, together: bool) -> dict[Benefit, calculator.Outcome]:
    """Every open claim at the family fund, one run a benefit; many persons are asked together."""
    outcomes = {}
    for benefit in Benefit:
        record = demo.policy.activities[f"{BODY}-{benefit.value}"]
        with (
            closing(demo.gateway(record.id)) as gateway,
            demo.progress() as bar,
        ):
            task = bar.add_task(f"{benefit.value.upper()}: cases asked", total=None)
            show = partial(advance, bar, task)
            outcomes[benefit] = calculator.run(
                gateway, Needs.of(record), MONTH, progress=show, together=together
            )
        show_summary(demo.console, benefit, MONTH, outcomes[benefit])
    return outcomes


def show_one(demo: Demo, outcomes: Mapping[Benefit, calculator.Outcome]) -> str:
    """A prime d'activité that rests on declared incomes; of those, the one easiest to read.

    Returns:
        The claim's number.
    """
    computed = [one for one in outcomes[Benefit.PPA].results if one.amount_cents]
    if not computed:
        raise DemoFailedError("no prime d'activité was computed")
    shown = min(computed, key=_hard_to_read)
    show_result(demo.console, demo.place.root, shown)
    return shown.reference


def _hard_to_read(result: calculator.Result) -> tuple[bool, int, int]:
    """Without incomes from outside last; then those of fewer bodies; then the longer ones."""
    declared = {one.holder for one in result.sources if one.row.values}
    outside = any(one.dataset == MONTHLY and one.row.values for one in result.sources)
    return not outside, -len(declared), len(result.sources)


def entitlement_counts(outcomes: Mapping[Benefit, calculator.Outcome]) -> dict[str, object]:
    """The counts of every benefit's run, together."""
    runs = [outcome.summary for outcome in outcomes.values()]
    reasons: Counter[str] = Counter()
    for one in runs:
        reasons.update(one.set_aside)
    return {
        "cases": sum(one.cases for one in runs),
        "computed": sum(one.computed for one in runs),
        "set_aside": dict(sorted(reasons.items())),
        "asked": sum(one.asked for one in runs),
        "permitted": sum(one.permitted for one in runs),
        "refused": sum(one.refused for one in runs),
    }
