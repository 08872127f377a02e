"""Ten thousand households of each benefit: from answers to amounts, against OpenFisca alone.

Answers are those of the synthetic bodies: real files, loaded, fetched, built into releases as a
holder builds them, without any network, law or ledger between. There are fewer claims than that in
a population quickly made, so they are taken again in turn: the engine's arrays cost what they cost
whatever stands in them. Ours is the program's own path: read the answers, assemble the households,
set aside, build the simulation, calculate, name the sources. OpenFisca alone is given the same
arrays, made before its clock starts: once all of them in one simulation of the whole of its law, as
one would without us; and, in turn with ours, slices as we cut them, by the law as the adapter cuts
it (without the formulas that could only find zero), which shows what all but OpenFisca costs.
CPU seconds of this one process, which has one thread: what else the machine does counts less.
"""

import cProfile
import gc
import pstats
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any, cast

from rich.console import Console
from tests.bench.processes import ROOT
from tests.bench.report import Bar
from tests.bench.section import Section, at_most, table_of
from tests.unit.programs.direct_openfisca import whole_system

from cloison.bodies import BodyId
from cloison.cli.root import read_policy
from cloison.declarations import load_files
from cloison.exchange import limits
from cloison.exchange.release import build_periods
from cloison.identity import row_key
from cloison.law import Decision, Outcome, PolicySet
from cloison.months import Month
from cloison.population.make import make_population
from cloison.programs.entitlement import openfisca_adapter
from cloison.programs.entitlement.amounts import HOUSEHOLDS_A_SIMULATION
from cloison.programs.entitlement.answers import Answer
from cloison.programs.entitlement.gather import File, Gatherer, Tally, _go_on
from cloison.programs.entitlement.inputs import Benefit, Household, SetAside
from cloison.programs.entitlement.needs import Needs
from cloison.programs.entitlement.run import compute_files
from cloison.store import Store, load_catalogue
from cloison.v1 import release_pb2
from cloison.wire.gateway import (
    AskFor,
    CasePromise,
    CohortReply,
    Deposit,
    Gateway,
    Member,
    OpenedCase,
    ReceiptRef,
    Reply,
)

HOUSEHOLDS, PERSONS, SEED = 10_000, 4_000, 20260601
BAR = 1.2
_MONTH = Month.of(2026, 6)
_NOW = datetime(2026, 6, 16, 9, 30, tzinfo=UTC)
_BODIES = ("caf", "cnav", "dgfip", "msa")
_KEY = bytes(32)
_TURNS = 3
_PERMIT = Decision(Outcome.PERMIT, "PERMITTED")


@dataclass(slots=True)
class Bodies:
    """The gateway of a world without wire: answers from the stores, each made once and kept."""

    stores: Mapping[str, Store]
    activity: str
    kept: dict[object, Reply] = field(default_factory=dict)

    def open_cases(
        self, case_type: str, month: Month, references: Sequence[str] = ()
    ) -> Iterator[OpenedCase]:
        """The open claims of CAF for the benefit that `case_type` names."""
        for claim in self.stores["caf"].claims(case_type, month, references or None):
            members = tuple(
                Member(one.role, one.nir, one.birth_name, one.birth_date) for one in claim.members
            )
            yield OpenedCase(claim.reference, bytes(32), b"", members, _NOW)

    def ask(self, questions: Sequence[AskFor]) -> list[Reply]:
        """Each question's answer, made when first asked."""
        return [self._kept(question) for question in questions]

    def _kept(self, one: AskFor) -> Reply:
        key = (one.holder, one.dataset, one.granularity, tuple(p.nir for p in one.persons))
        reply = self.kept.get(key)
        if reply is None:
            reply = self.kept[key] = self._answer(one)
        return reply

    def _answer(self, one: AskFor) -> Reply:
        keys = [row_key(_KEY, person.nir) for person in one.persons]
        data = self.stores[one.holder].fetch(
            one.dataset, keys, one.fields, one.first, one.last, one.granularity.value, _NOW
        )
        release = release_pb2.Release(version=1, fields=one.fields)
        for person in data:
            build_periods(release.persons.add(), person)
        receipt = ReceiptRef(one.holder, len(self.kept), bytes(32), 1)
        return Reply(bytes(32), _PERMIT, receipt, release)

    def ask_many(
        self,
        question: AskFor,
        persons: Iterator[Member],
        size: int,
        promise: CasePromise | None = None,
    ) -> CohortReply:
        """Not of this bench."""
        raise NotImplementedError

    def deposit(self, deposits: Sequence[Deposit]) -> list[ReceiptRef]:
        """Not of this bench."""
        raise NotImplementedError

    def close_cases(self, cases: Sequence[OpenedCase], outcome: str) -> None:
        """Nothing to close."""

    def close(self) -> None:
        """Nothing to close."""


@dataclass(slots=True)
class Times:
    """Seconds of ours, of OpenFisca with all households at once, and with our slices and formulas.

    The slices are the first of ours only.
    """

    ours: list[float] = field(default_factory=list)
    slices: list[float] = field(default_factory=list)
    at_once: float = 0.0
    set_aside: int = 0

    @property
    def ratio(self) -> float:
        """Ours to OpenFisca's with all at once."""
        return sum(self.ours) / self.at_once

    @property
    def slice_ratio(self) -> float:
        """Ours to OpenFisca's on the same slice, median."""
        return median(ours / alone for ours, alone in zip(self.ours, self.slices, strict=False))


def measure(folder: Path, console: Console) -> Section:
    """Each benefit in turn."""
    policy = PolicySet.parse(read_policy(ROOT))
    console.print(f"[dim]making {PERSONS:,} persons and their files[/]", highlight=False)
    stores = _stores(folder)
    openfisca_adapter.system()
    found: dict[Benefit, Times] = {}
    profile = cProfile.Profile()
    try:
        for benefit in Benefit:
            needs = Needs.of(policy.activities[f"caf-{benefit.value}"])
            found[benefit] = _take_turns(Bodies(stores, needs.activity.id), needs, console, profile)
    finally:
        for store in stores.values():
            store.close()
    return _section(found, profile)


def _section(found: Mapping[Benefit, Times], profile: cProfile.Profile) -> Section:
    rows = [
        (
            benefit.value,
            f"{times.set_aside:,}",
            f"{sum(times.ours):.1f}",
            f"{times.at_once:.1f}",
            f"{times.ratio:.2f}",
            f"{median(times.ours):.2f}",
            f"{median(times.slices):.2f}",
            f"{times.slice_ratio:.2f}",
        )
        for benefit, times in found.items()
    ]
    columns = (
        "benefit", "set aside", "ours, s", "OpenFisca, s", "ratio",
        "a slice, s", "its formulas, s", "ratio",
    )  # fmt: skip
    spent = _spent(profile)
    bars: list[Bar] = [
        at_most(f"{benefit.value}, to OpenFisca alone on the same arrays", BAR, times.ratio)
        for benefit, times in found.items()
    ]
    return Section(
        f"Entitlement: {HOUSEHOLDS:,} households, from answers to amounts and sources",
        (
            "OpenFisca alone: all at once by the whole of its law; and beside a slice of ours of",
            f"{HOUSEHOLDS_A_SIMULATION:,}, the same slice by the formulas that the adapter leaves.",
        ),
        (
            table_of("CPU seconds", columns, rows),
            table_of(
                "One slice of ours again under a profiler: shares of the time",
                ("step", "%"),
                [(step, f"{share:.1f}") for step, share in spent.items()],
            ),
        ),
        tuple(bars),
        {
            "households": HOUSEHOLDS,
            "seconds": {
                benefit.value: {
                    "ours": round(sum(times.ours), 2),
                    "openfisca": round(times.at_once, 2),
                    "ratio": round(times.ratio, 3),
                    "slice_ratio": round(times.slice_ratio, 3),
                    "set_aside": times.set_aside,
                }
                for benefit, times in found.items()
            },
            "profile_percent": {step: round(share, 1) for step, share in spent.items()},
        },
    )


_STEPS = {
    "read the answers, assemble, set aside": ("gather.py", "_go_on"),
    "build the simulation from arrays": ("openfisca_adapter.py", "simulate"),
    "OpenFisca calculates": ("simulation.py", "calculate"),
    "name the sources": ("answers.py", "sources"),
}


def _spent(profile: cProfile.Profile) -> dict[str, float]:
    """The share of each step, by the time its function took with all it called; per cent."""
    stats = pstats.Stats(profile)
    whole: float = stats.total_tt  # type: ignore[attr-defined]
    cumulative: dict[tuple[str, str], float] = {}
    for (file, _, name), (_, _, _, spent, _) in stats.stats.items():  # type: ignore[attr-defined]
        key = (Path(file).name, name)
        cumulative[key] = max(spent, cumulative.get(key, 0.0))
    return {step: 100 * cumulative.get(key, 0.0) / whole for step, key in _STEPS.items()}


def _take_turns(bodies: Bodies, needs: Needs, console: Console, profile: cProfile.Profile) -> Times:
    gatherer = Gatherer(cast("Gateway", bodies), needs, _MONTH, Tally())
    claims = gatherer.gather(list(bodies.open_cases(needs.benefit.value, _MONTH)))
    files = list(islice(cycle(claims), HOUSEHOLDS))
    console.print(
        f"[dim]{needs.benefit.value}: {len(claims):,} claims, in turn[/]", highlight=False
    )
    _ours(gatherer, files[:100])  # what OpenFisca reads once is read
    times = Times()
    everybody = [file.household for file in files if file.household is not None]
    times.set_aside = len(files) - len(everybody)
    _alone(needs, everybody[:100], whole_system())
    times.at_once = _alone(needs, everybody, whole_system())
    for number, some in enumerate(limits.slices(files, HOUSEHOLDS_A_SIMULATION)):
        households = [file.household for file in some if file.household is not None]
        if number < _TURNS:
            times.slices.append(_alone(needs, households, openfisca_adapter.system()))
        times.ours.append(_ours(gatherer, some))
    if needs.benefit is Benefit.PPA:
        _ours(gatherer, files[:HOUSEHOLDS_A_SIMULATION], profile)
    return times


def _ours(
    gatherer: Gatherer, files: Sequence[File], profile: cProfile.Profile | None = None
) -> float:
    """Seconds from answers to amounts and sources; nothing of an earlier time is known."""
    answered = [
        File(file.case, _anew(file.own), _anew(file.outside), set_aside=_early(file))
        for file in files
    ]
    gc.collect()  # an earlier simulation is not ours to clear away
    if profile is not None:
        profile.enable()
    start = process_time()
    known = [_go_on(file, gatherer._know) for file in answered]
    compute_files(gatherer.needs, _MONTH, [_go_on(file, gatherer._complete) for file in known])
    spent = process_time() - start
    if profile is not None:
        profile.disable()
    return spent


def _anew(answers: Sequence[Answer]) -> tuple[Answer, ...]:
    return tuple(Answer(answer.question, answer.reply) for answer in answers)


def _early(file: File) -> SetAside | None:
    """Why nobody was asked, if nobody was."""
    return None if file.own else file.set_aside


def _alone(needs: Needs, households: Sequence[Household], law: Any) -> float:
    """Seconds of OpenFisca: a simulation from arrays that are there, the one variable, its end."""
    people = openfisca_adapter._People(households)
    window = needs.window(_MONTH)
    inputs = openfisca_adapter._inputs(needs.benefit, window, people)
    gc.collect()
    start = process_time()
    simulation = people.build(law)
    for variable, period, values in inputs:
        simulation.set_input(variable, period, values)
    simulation.calculate(openfisca_adapter.OUTPUT[needs.benefit], str(window.month))
    del simulation
    gc.collect()
    return process_time() - start


def _stores(folder: Path) -> dict[str, Store]:
    make_population(PERSONS, SEED, folder / "people")
    stores: dict[str, Store] = {}
    for body in _BODIES:
        catalogue = load_catalogue(ROOT / "nodes" / body / "catalogue.toml")
        store = Store.open(folder / f"{body}.sqlite", catalogue, _KEY, _KEY)
        load_files(store, catalogue, sorted((folder / "people" / body).iterdir()))
        stores[body] = store
    return {BodyId(body): store for body, store in stores.items()}
