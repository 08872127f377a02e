"""The same incomes asked for control targeting: today, and under the law of other days."""

import importlib.util
import shutil
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING

from cloison.bodies import BodyId
from cloison.cli import targeting
from cloison.cli.console import outcome_text, table
from cloison.cli.federation import launch_node, start, stop
from cloison.cli.places import Place, read_nodes
from cloison.french import french_count, french_date
from cloison.law import Action, Decision, Outcome, Question, explain_en
from cloison.programs.persons_file import read_members
from cloison.programs.targeting import Attempt, File, Wish
from cloison.programs.targeting_model import load_model
from cloison.wire.client import connect
from cloison.wire.gateway import AskFor
from demo_steps.people import make_federation
from demo_steps.stage import BODY, DATED_BODIES, LOADED, MONTH, ROOT, STORE, Demo, DemoFailedError

UNSAFE_CLOCK = ROOT / "tests/unsafe/unsafe_clock.py"
SCORING, RECEIVED_BY = "caf-dmde", "caf-ppa"
MONTHLY = "monthly_resources"
SCORED_MONTH = MONTH - 2
LAW_DATES = (date(2023, 6, 1), date(2024, 6, 1), date(2026, 6, 1))
LAW_OUTCOMES = (Outcome.DENY, Outcome.PERMIT_WITH_OBLIGATIONS, Outcome.DENY)
DATA_KEYS = ("row.key", "vault.key")

if TYPE_CHECKING:
    from tests.unsafe.unsafe_clock import UnsafeClock


def be_refused(demo: Demo) -> list[Attempt]:
    """What control scoring asks: of the holder, then of its own node."""
    record = demo.policy.activities[SCORING]
    wish = Wish(record, SCORED_MONTH, SCORED_MONTH, load_model())
    files = _files(demo)
    received = targeting.received_of(demo.policy, wish, RECEIVED_BY)
    with closing(demo.gateway(SCORING)) as gateway:
        attempts = targeting.attempt(gateway, wish, files, targeting.Where.BOTH, received)
    targeting.show(demo.console, wish.model, attempts)
    said: dict[str, list[str]] = {}
    for one in attempts:
        for refusal in one.refusals if one.question.dataset == MONTHLY else ():
            sentence = explain_en(refusal.decision, _question(one.question))
            said.setdefault(sentence, []).append(one.way)
    for sentence, ways in said.items():
        demo.say(f"\n{', '.join(ways)}: {sentence}")
    return attempts


def _question(asked: AskFor) -> Question:
    """What was asked, as the law sees it."""
    received = asked.received
    return Question(
        action=Action.READ_RECEIVED if received else Action.ASK,
        requester=BodyId(BODY),
        holder=received.holder if received else asked.holder,
        activity=SCORING,
        purpose=asked.purpose,
        legal_basis=asked.legal_basis,
        dataset=asked.dataset,
        fields=asked.fields,
        first_month=asked.first,
        last_month=asked.last,
        granularity=asked.granularity,
        received_for=received.purpose if received else "",
        received_by=received.activity if received else "",
    )


def _files(demo: Demo) -> list[File]:
    """Every file of the family fund: its adults."""
    return read_members(demo.people / BODY / "members.csv")


def ask_at_dates(demo: Demo) -> dict[str, Outcome]:
    """The same cohort, asked of federations whose clock shows another day."""
    shown = table("clock", "from afar", "why", "people scored", right=("people scored",))
    found = {}
    for day in LAW_DATES:
        with demo.console.status(f"federation of {french_date(day)}"):
            decision, people = _ask_at(demo, day)
        found[day.isoformat()] = decision.outcome
        shown.add_row(
            french_date(day), outcome_text(decision.outcome), _why(decision), french_count(people)
        )
    demo.console.print(shown)
    return found


def _ask_at(demo: Demo, day: date) -> tuple[Decision, int]:
    """The decision on the cohort, and how many people's incomes came with it."""
    clock = _unsafe_clock(day)
    place = _dated_federation(demo, day)
    nodes = read_nodes(place, DATED_BODIES)

    def launch(at: Place, body: BodyId) -> list[str]:
        return launch_node(at, body, (sys.executable, str(UNSAFE_CLOCK), str(clock.days_back)))

    wish = Wish(demo.policy.activities[SCORING], SCORED_MONTH, SCORED_MONTH, load_model())
    persons = [one for file in _files(demo) for one in file]
    address = next(node.address for node in nodes if node.body == BODY)
    start(place, nodes, launch)
    try:
        with closing(connect(place.keys, SCORING, place.root, clock, address)) as gateway:
            answer = gateway.ask_many(wish.question(), iter(persons), len(persons))
            people = sum(len(part.members) for part in answer.parts)
    finally:
        stop(nodes)
    if answer.reply.decision is None:
        raise DemoFailedError(f"no decision on {day}: {answer.reply.failure}")
    return answer.reply.decision, people


def _unsafe_clock(day: date) -> "UnsafeClock":
    spec = importlib.util.spec_from_file_location("unsafe_clock", UNSAFE_CLOCK)
    if spec is None or spec.loader is None:
        raise DemoFailedError(f"`{UNSAFE_CLOCK}`: not there")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    clock: UnsafeClock = module.UnsafeClock.at(day)
    return clock


def _dated_federation(demo: Demo, day: date) -> Place:
    """Keys and ledgers of its own, and a copy of the data as they were loaded."""
    place, var = demo.place, demo.place.var / f"at-{day}"
    dated = Place(place.root, var / "keys", var, demo.dated_addresses)
    make_federation(dated, DATED_BODIES)
    for body in DATED_BODIES:
        shutil.copy(place.var / LOADED / f"{body}.sqlite", var / body / STORE)
        for name in DATA_KEYS:
            shutil.copy(place.keys / body / "node" / name, dated.keys / body / "node" / name)
    return dated


def _why(decision: Decision) -> str:
    """The grounds of a decision, a line each."""
    marks = ["provisional"] if decision.provisional else []
    duties = [f"must {duty.kind} {duty.value}" for duty in decision.obligations]
    rules = [f"{rule.text}/{rule.rule}" for rule in decision.rules]
    return "\n".join([", ".join([decision.reason, *marks]), *rules, *duties])


def targeting_counts(attempts: Sequence[Attempt]) -> dict[str, int]:
    """Questions asked, permitted and refused."""
    return {
        name: sum(getattr(one, name) for one in attempts)
        for name in ("asked", "permitted", "refused")
    }
