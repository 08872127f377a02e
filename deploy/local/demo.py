# ruff: noqa: INP001 - a script, run by its path
"""`make demo`: people, four nodes, real benefits, a refusal, verified ledgers; then all of it down.

Every step does what a user would do, on files made anew in `var/demo`. It ends with
`var/demo/summary.json`, checks its own figures, and fails if one does not hold.
"""

import argparse
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from cloison.bodies import BodyId
from cloison.cli import keys, targeting
from cloison.cli.console import outcome_text, table
from cloison.cli.entitlement import show_result, show_summary
from cloison.cli.federation import check_port, launch_node, start, stop
from cloison.cli.first_set import first_set
from cloison.cli.ledger import load_vkey
from cloison.cli.places import Place, read_nodes, read_overseers, read_published
from cloison.cli.policy import load_policy
from cloison.cli.witness import findings, look
from cloison.errors import CloisonError, IntegrityError
from cloison.french import french_count, french_date, french_month
from cloison.law import Action, Decision, Outcome, PolicySet, Question, explain_en
from cloison.ledger.reader import LedgerReader
from cloison.months import Month
from cloison.population.make import Manifest, make_population
from cloison.programs.entitlement import run as calculator
from cloison.programs.entitlement.inputs import Benefit
from cloison.programs.entitlement.needs import Needs
from cloison.programs.persons_file import read_members
from cloison.programs.targeting import Attempt, File, Wish
from cloison.programs.targeting_model import load_model
from cloison.wire.client import GatewayClient, connect
from cloison.wire.gateway import AskFor
from cloison.wire.node import system_clock
from cloison.wire.settings import NodeSettings, create_node, default_addresses
from cloison.wire.trust import load_trust_policy

if TYPE_CHECKING:
    from tests.unsafe.unsafe_clock import UnsafeClock

ROOT = Path(__file__).resolve().parents[2]
DATED_ADDRESSES = ROOT / "deploy/local/dated.toml"
UNSAFE_CLOCK = ROOT / "tests/unsafe/unsafe_clock.py"
BODY, SCORING, RECEIVED_BY = "caf", "caf-dmde", "caf-ppa"
MONTHLY = "monthly_resources"
MONTH = Month.of(2026, 6)
WITNESS_SECONDS = 10.0
SCORED_MONTH = MONTH - 2
LAW_DATES = (date(2023, 6, 1), date(2024, 6, 1), date(2026, 6, 1))
LAW_OUTCOMES = (Outcome.DENY, Outcome.PERMIT_WITH_OBLIGATIONS, Outcome.DENY)
DATED_BODIES = ("caf", "cnav")
STORE, LOADED = "store.sqlite", "loaded"
DATA_KEYS = ("row.key", "vault.key")
LEDGERS = ("traces", "register")
LOADED_AT_ONCE = 2
MANY_PERSONS = 20_000
LOAD_COLUMNS = ("files", "known before", "lines", "declarations", "records")
WIDTH = 120


class DemoFailedError(Exception):
    """A step failed, or a figure of the summary does not hold."""


@dataclass(frozen=True, slots=True)
class Demo:
    """What every step works with."""

    console: Console
    place: Place
    people: Path
    policy: PolicySet
    dated_addresses: Path

    @contextmanager
    def step(self, number: int, title: str) -> Iterator[None]:
        """A heading before, and the seconds it took after."""
        self.console.print()
        self.console.rule(Text(f"{number} · {title}", style="bold"), align="left", style="dim")
        begin = time.monotonic()
        yield
        seconds = f"{time.monotonic() - begin:.1f}".replace(".", ",")
        self.console.print(Text(f"{seconds} s", style="dim"))

    def gateway(self, activity: str) -> GatewayClient:
        """An activity's door to its own node."""
        body = self.policy.activities[activity].body
        (node,) = read_nodes(self.place, [body])
        return connect(self.place.keys, activity, self.place.root, address=node.address)

    def say(self, text: str) -> None:
        """A line of result; no markup in it."""
        self.console.print(text, markup=False)

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Bars that go away when the step is done."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(
            *columns, TimeElapsedColumn(), console=self.console, transient=True
        ) as progress:
            yield progress


def make_people(demo: Demo, persons: int, seed: int) -> Manifest:
    """The files each body would have received."""
    tasks = {}
    with demo.progress() as bar:

        def show(name: str, done: int, of: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name)
            _advance(bar, tasks[name], done, of)

        manifest = make_population(persons, seed, demo.people, progress=show)
    size = sum(int(file["bytes"]) for file in manifest.files.values()) // 1_000_000
    first, last = (
        french_month(Month.parse(m)) for m in (manifest.first_month, manifest.last_month)
    )
    demo.say(
        f"{french_count(manifest.persons)} people in {french_count(manifest.households)}"
        f" households, {first} – {last}; {len(manifest.files)} files, {french_count(size)} MB;"
        " their NIRs can belong to nobody"
    )
    return manifest


def make_federation(place: Place, bodies: Sequence[str]) -> None:
    """Keys for everybody, ledgers for these bodies."""
    root = place.root
    keys.make_keys(place.keys, root, datetime.now(UTC))
    for body in map(BodyId, bodies):
        settings = NodeSettings(body, root, place.keys, place.var / body, default_addresses(root))
        create_node(settings, first_set(place.keys), system_clock)


def load_bodies(demo: Demo) -> None:
    """`cloison load` for every body, two at a time, the one with most to read first."""
    bodies = [node.body for node in read_nodes(demo.place)]
    make_federation(demo.place, bodies)
    files = {body: sorted((demo.people / body).iterdir()) for body in bodies}
    bodies.sort(key=lambda body: -sum(path.stat().st_size for path in files[body]))
    shown = table("body", *LOAD_COLUMNS, right=LOAD_COLUMNS)
    with demo.progress() as bar, ThreadPoolExecutor(LOADED_AT_ONCE) as pool:
        task = bar.add_task("bodies loaded", total=len(bodies))
        for row in pool.map(lambda body: _load(demo, body, files[body]), bodies):
            bar.advance(task)
            shown.add_row(*row)
    demo.console.print(shown)
    # Copied while no node has them open: the federations of other days hold the same data.
    (demo.place.var / LOADED).mkdir()
    for body in DATED_BODIES:
        shutil.copy(demo.place.var / body / STORE, demo.place.var / LOADED / f"{body}.sqlite")


def _load(demo: Demo, body: str, files: Sequence[Path]) -> list[str]:
    """The line of figures the command prints."""
    words = ["load", body, *map(str, files), *demo.place.state_options()]
    done = subprocess.run(
        [sys.executable, "-m", "cloison.cli", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": str(WIDTH)},
    )
    if done.returncode:
        raise DemoFailedError(f"`cloison load {body}` ended: {done.stderr}")
    return re.split(" {2,}", done.stdout.strip().splitlines()[-1].strip())


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
            show = partial(_advance, bar, task)
            outcomes[benefit] = calculator.run(
                gateway, Needs.of(record), MONTH, progress=show, together=together
            )
        show_summary(demo.console, benefit, MONTH, outcomes[benefit])
    return outcomes


def _advance(bar: Progress, task: TaskID, done: int, of: int) -> None:
    bar.update(task, completed=done, total=of)


def show_one(demo: Demo, outcomes: Mapping[Benefit, calculator.Outcome]) -> None:
    """A prime d'activité that rests on declared incomes; of those, the one easiest to read."""
    computed = [one for one in outcomes[Benefit.PPA].results if one.amount_cents]
    if not computed:
        raise DemoFailedError("no prime d'activité was computed")
    show_result(demo.console, demo.place.root, min(computed, key=_hard_to_read))


def _hard_to_read(result: calculator.Result) -> tuple[bool, int, int]:
    """Without incomes from outside last; then those of fewer bodies; then the longer ones."""
    declared = {one.holder for one in result.sources if one.row.values}
    outside = any(one.dataset == MONTHLY and one.row.values for one in result.sources)
    return not outside, -len(declared), len(result.sources)


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


def verify_ledgers(demo: Demo) -> dict[str, dict[str, object]]:
    """Every ledger of every node, from its files and its public key alone."""
    shown = table("body", "ledger", "entries", "tiles", "heads", "", right=("entries", "tiles"))
    found: dict[str, dict[str, object]] = {}
    for node in read_nodes(demo.place):
        sizes: dict[str, int] = {}
        for name in LEDGERS:
            vkey = load_vkey(demo.place.keys / f"public/ledgers/{node.body}.{name}.vkey")
            try:
                verified = LedgerReader(node.folder / "ledger" / name, vkey).verify()
            except IntegrityError as error:
                shown.add_row(node.body, name, "", "", "", f"[red]{escape(error.message)}[/]")
                continue
            sizes[name] = verified.checkpoint.size
            numbers = (verified.checkpoint.size, verified.tiles, verified.heads)
            shown.add_row(node.body, name, *map(french_count, numbers), "[green]verified[/]")
        found[node.body] = {
            "entries": sizes.get("traces", 0),
            "verified": set(sizes) == set(LEDGERS),
        }
    demo.console.print(shown)
    return found


def check_witnesses(demo: Demo) -> list[str]:
    """What is wrong among the heads that witnesses saw; nothing where nobody publishes."""
    published = read_published(demo.place)
    if not published:
        demo.say("nothing is published over HTTP here: no witness")
        return []
    trust = load_trust_policy(demo.place.keys, published)
    deadline = time.monotonic() + WITNESS_SECONDS
    while wrong := list(findings(trust, look(trust))):
        if time.monotonic() > deadline:
            break
        time.sleep(1)
    names = ", ".join(trust.witnesses)
    demo.say("\n".join(wrong) or f"each ledger's head was cosigned by the others of {names}")
    return wrong


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


def targeting_counts(attempts: Sequence[Attempt]) -> dict[str, int]:
    """Questions asked, permitted and refused."""
    return {
        name: sum(getattr(one, name) for one in attempts)
        for name in ("asked", "permitted", "refused")
    }


def failures(summary: Mapping[str, Any]) -> Iterator[str]:
    """What does not hold of a summary."""
    rights, ledgers = summary["entitlement"], summary["ledgers"]
    if rights["computed"] + sum(rights["set_aside"].values()) != rights["cases"]:
        yield "computed and set aside are not all the cases"
    if not rights["computed"]:
        yield "nothing was computed"
    for name in ("targeting", "targeting_local"):
        counts = summary[name]
        if counts["permitted"] or not counts["refused"] or counts["refused"] != counts["asked"]:
            yield f"{name}: not every question was refused"
    expected = dict(zip(map(str, LAW_DATES), LAW_OUTCOMES, strict=True))
    if summary["targeting_by_law_date"] != expected:
        yield "targeting by law date: not as the texts say"
    if not all(one["verified"] for one in ledgers.values()):
        yield "a ledger is not verified"
    if summary["witnesses"]:
        yield "a ledger lacks witnesses, or was forked"
    if not all(ledgers[body]["entries"] for body in DATED_BODIES):
        yield "the ledgers of both sides do not hold what was asked"


def play(demo: Demo, persons: int, seed: int) -> dict[str, Any]:
    """Every step; the nodes are down when it ends, however it ends."""
    with demo.step(1, "The same synthetic people, as the files each body receives"):
        make_people(demo, persons, seed)
    with demo.step(2, "Keys, ledgers, and each body loads its own files"):
        load_bodies(demo)
    nodes = [*read_overseers(demo.place), *read_nodes(demo.place)]
    try:
        with demo.step(3, "Four nodes up, over mutual TLS, and a witness of their ledgers"):
            start(demo.place, nodes)
            demo.say(", ".join(f"{node.body} on {node.port}" for node in nodes))
        return ask_everything(demo, together=persons > MANY_PERSONS)
    finally:
        with demo.step(9, "Down"):
            demo.say(f"stopped: {', '.join(stop(nodes)) or 'none ran'}")


def ask_everything(demo: Demo, *, together: bool) -> dict[str, Any]:
    """What happens while the nodes are up, as the summary has it."""
    with demo.step(4, f"Entitlement for every open claim, {french_month(MONTH)}"):
        outcomes = compute_benefits(demo, together=together)
    with demo.step(5, "One person's result, with the source and receipt of every input"):
        show_one(demo, outcomes)
    with demo.step(6, "The same incomes for control targeting, asked from afar and locally"):
        attempts = be_refused(demo)
    with demo.step(7, "The same question under the law of other days (clocks set back, for tests)"):
        dated = ask_at_dates(demo)
    with demo.step(8, "Ledgers verified offline: every signature, entry and tile"):
        ledgers = verify_ledgers(demo)
        forks = check_witnesses(demo)
    return {
        "entitlement": entitlement_counts(outcomes),
        "targeting": targeting_counts([one for one in attempts if not one.local]),
        "targeting_local": targeting_counts([one for one in attempts if one.local]),
        "targeting_by_law_date": {day: outcome.value for day, outcome in dated.items()},
        "ledgers": ledgers,
        "witnesses": forks,
    }


def clear(var: Path) -> None:
    """Stops what an earlier demo may have left running, and removes what it left."""
    for folder in (var, *var.glob("at-*")):
        at = Place(ROOT, folder / "keys", folder)
        stop([*read_overseers(at), *read_nodes(at)])
    shutil.rmtree(var, ignore_errors=True)


def main() -> None:
    """Runs the demo; exit 0 only if every figure of its summary holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--persons", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--var", type=Path, default=ROOT / "var/demo")
    parser.add_argument("--addresses", type=Path, help='TOML file, BODY = "host:port"')
    parser.add_argument("--dated-addresses", type=Path, default=DATED_ADDRESSES)
    given = parser.parse_args()
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    begin = time.monotonic()
    try:
        clear(given.var)
        place = Place(ROOT, given.var / "keys", given.var, given.addresses)
        demo = Demo(console, place, given.var / "people", load_policy(ROOT), given.dated_addresses)
        dated = Place(ROOT, place.keys, place.var, demo.dated_addresses)
        for node in (*read_overseers(place), *read_nodes(place), *read_nodes(dated, DATED_BODIES)):
            check_port(node)
        summary = play(demo, given.persons, given.seed)
    except (CloisonError, DemoFailedError) as error:
        sys.exit(f"the demo failed: {error}")
    summary["seconds"] = round(time.monotonic() - begin, 1)
    file = given.var / "summary.json"
    file.write_text(json.dumps(summary, indent=2) + "\n", "utf-8")
    if wrong := "; ".join(failures(summary)):
        sys.exit(f"the demo failed: {wrong}")
    seconds = f"{summary['seconds']:.0f}"
    console.print(f"\n[bold green]done[/] in {seconds} s; {file}", soft_wrap=True)


if __name__ == "__main__":
    main()
