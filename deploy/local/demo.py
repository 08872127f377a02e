"""`make demo`: people, four nodes, real benefits, a refusal, verified ledgers; then all of it down.

Every step does what a user would do, on files made anew in `var/demo`. It ends with
`var/demo/summary.json`, checks its own figures, and fails if one does not hold.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from cloison.cli.federation import check_port, start, stop
from cloison.cli.places import ISSUER_PORT, Place, read_nodes, read_overseers
from cloison.cli.policy import load_policy
from cloison.errors import CloisonError
from cloison.french import french_month
from demo_steps.audit import audit_failures, audit_ledgers
from demo_steps.ledgers import check_witnesses, verify_ledgers
from demo_steps.people import load_bodies, make_people
from demo_steps.person import read_accesses
from demo_steps.rights import compute_benefits, entitlement_counts, show_one
from demo_steps.stage import DATED_BODIES, MONTH, ROOT, WIDTH, Demo, DemoFailedError
from demo_steps.statistics import publish_tables
from demo_steps.targeting import LAW_DATES, LAW_OUTCOMES, ask_at_dates, be_refused, targeting_counts

DATED_ADDRESSES = ROOT / "deploy/local/dated.toml"
MANY_PERSONS = 20_000


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
    yield from shown_failures(summary)
    yield from audit_failures(summary["audit"])


def shown_failures(summary: Mapping[str, Any]) -> Iterator[str]:
    """What does not hold of what the person and the statistician were given."""
    if summary["person"]["failed"] or not summary["person"]["accesses"]:
        yield "the person was not shown, with proof, who looked"
    for name, table in summary["statistics"].items():
        if not (table["free_again"] and table["refused"] and table["verified"]):
            yield f"table {name}: not free again, not refused beyond its budget, or not verified"


def play(demo: Demo, persons: int, seed: int, issuer_port: int) -> dict[str, Any]:
    """Every step; the nodes are down when it ends, however it ends."""
    with demo.step("The same synthetic people, as the files each body receives"):
        make_people(demo, persons, seed)
    with demo.step("Keys, ledgers, and each body loads its own files"):
        load_bodies(demo)
    nodes = [*read_overseers(demo.place), *read_nodes(demo.place)]
    try:
        with demo.step("Four nodes up, over mutual TLS, and a witness of their ledgers"):
            start(demo.place, nodes)
            demo.say(", ".join(f"{node.body} on {node.port}" for node in nodes))
        summary = ask_everything(demo, issuer_port, together=persons > MANY_PERSONS)
    finally:
        with demo.step("Down"):
            demo.say(f"stopped: {', '.join(stop(nodes)) or 'none ran'}")
    with demo.step("An inspection of what the nodes left: their ledgers, offline"):
        summary["audit"] = audit_ledgers(demo)
    return summary


def ask_everything(demo: Demo, issuer_port: int, *, together: bool) -> dict[str, Any]:
    """What happens while the nodes are up, as the summary has it."""
    with demo.step(f"Entitlement for every open claim, {french_month(MONTH)}"):
        outcomes = compute_benefits(demo, together=together)
    with demo.step("One person's result, with the source and receipt of every input"):
        claim = show_one(demo, outcomes)
    with demo.step("The same incomes for control targeting, asked from afar and locally"):
        attempts = be_refused(demo)
    with demo.step("The same question under the law of other days (clocks set back, for tests)"):
        dated = ask_at_dates(demo)
    with demo.step("That person signs in: who looked, why, under which article; with proofs"):
        person = read_accesses(demo, claim, issuer_port)
    with demo.step("A table across two bodies, and one of joined rows, with differential privacy"):
        statistics = publish_tables(demo)
    with demo.step("Ledgers verified offline: every signature, entry and tile"):
        ledgers = verify_ledgers(demo)
        forks = check_witnesses(demo)
    return {
        "entitlement": entitlement_counts(outcomes),
        "targeting": targeting_counts([one for one in attempts if not one.local]),
        "targeting_local": targeting_counts([one for one in attempts if one.local]),
        "targeting_by_law_date": {day: outcome.value for day, outcome in dated.items()},
        "person": person,
        "statistics": statistics,
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
    parser.add_argument("--issuer-port", type=int, default=ISSUER_PORT)
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
        summary = play(demo, given.persons, given.seed, given.issuer_port)
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
