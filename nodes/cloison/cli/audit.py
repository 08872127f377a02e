"""`cloison audit`: what ledgers show when they are read together; offline, no node needed."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from cloison.audit import Period, examine, reconcile
from cloison.audit.again import read_traces
from cloison.audit.receipts import find_receipts
from cloison.audit.run import replay
from cloison.cli.audit_ledgers import Addresses, Node, open_ledgers
from cloison.cli.audit_report import print_report, write_report
from cloison.cli.audit_shown import print_examined, print_reconciled, print_replayed
from cloison.cli.audit_verify import verify
from cloison.cli.law.sets import SetOf, sets_kept
from cloison.cli.places import Place, read_nodes
from cloison.cli.policy import load_policy
from cloison.cli.root import find_root
from cloison.cli.times import parse_time
from cloison.errors import InputError
from cloison.wire.policy_sets import FOLDER

app = typer.Typer(no_args_is_help=True, help="Hold ledgers against each other, offline.")
app.command()(verify)

FAILED = 1
_UNDER_WAY = timedelta(minutes=1)

Keys = Annotated[Path, typer.Option(help="Folder of the keys.")]
Var = Annotated[Path, typer.Option(help="Folder of the nodes' state.")]
Only = Annotated[list[str] | None, typer.Option(help="A body; may be given more than once.")]
Root = Annotated[Path | None, typer.Option(help="Folder that holds policy/ and nodes/.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Since = Annotated[str, typer.Option(help="Beginning of the period, included (default: all).")]
Until = Annotated[str, typer.Option(help="End of the period, excluded (default: now).")]
Policies = Annotated[
    list[Path] | None, typer.Option("--policy", help="Folder of an old policy set; repeatable.")
]


@app.callback()
def audit() -> None:
    """Hold ledgers against each other, offline."""


@app.command("run")
def run_(
    *,
    since: Since = "",
    until: Until = "",
    only: Only = None,
    node: Node = None,
    addresses: Addresses = None,
    policy: Policies = None,
    keys: Keys = Path("var/keys"),
    var: Var = Path("var"),
    root: Root = None,
    as_json: Json = False,
) -> None:
    """Look for misuse in a period's ledgers: every decision made again, every pattern seen.

    Every entry is read and held to its signed head first. Exit 1 on a finding, 0 on none; the
    thresholds and their reasons are in policy/audit.toml.

    Example: cloison audit run --since 2026-01-01 --until 2026-04-01
    """
    place = Place(find_root(root), keys, var, addresses)
    period = _period(since, until)
    law = load_policy(place.root)
    sets = open_sets(place, policy or ())
    with open_ledgers(place, only or (), node or ()) as opened:
        found, read = opened.read().look(lambda one: examine(one, law, sets, period))
    found = found.with_findings(read.refused)
    _check_some(found.checked["entries"] + len(found.findings), period)
    print_examined(found, period, as_json=as_json)
    if found.findings:
        raise typer.Exit(FAILED)


@app.command("replay")
def replay_(
    *,
    since: Since = "",
    until: Until = "",
    only: Only = None,
    node: Node = None,
    addresses: Addresses = None,
    policy: Policies = None,
    keys: Keys = Path("var/keys"),
    var: Var = Path("var"),
    root: Root = None,
    as_json: Json = False,
) -> None:
    """Make every decision of a period again, and look whether each duty it carried was met in time.

    Each is decided by the policy set its entry names. Exit 1 where one differs or is unmet.

    Example: cloison audit replay --only cnav
    """
    place = Place(find_root(root), keys, var, addresses)
    period = _period(since, until)
    law, sets = load_policy(place.root), open_sets(place, policy or ())
    with open_ledgers(place, only or (), node or ()) as opened:
        made, read = opened.read().look(lambda one: replay(one, law, sets, period))
    replayed, findings = made
    findings = [*read.refused, *findings]
    looked_at = replayed.decisions + sum(replayed.obligations.values()) + len(findings)
    _check_some(looked_at, period)
    print_replayed(replayed, findings, period, as_json=as_json)
    if findings:
        raise typer.Exit(FAILED)


@app.command("reconcile")
def reconcile_(
    *,
    keys: Keys = Path("var/keys"),
    var: Var = Path("var"),
    only: Only = None,
    node: Node = None,
    addresses: Addresses = None,
    until: Annotated[
        str,
        typer.Option(help="What came later may still lack its other half (default: 1 minute ago)."),
    ] = "",
    root: Root = None,
    as_json: Json = False,
) -> None:
    """Check that what was asked was decided, and what was decided received; exit 1 on a finding.

    What did not come is `lost` where its requester declared so, `missing` where nobody did.
    Receipts whose entry no quorum of witnesses saw in time are found too. Every entry of every
    ledger is read and held to its signed head first.

    Example: cloison audit reconcile
    """
    place = Place(find_root(root), keys, var, addresses)
    due = parse_time(until) if until else datetime.now(UTC) - _UNDER_WAY
    with open_ledgers(place, only or (), node or ()) as opened:
        tables, read = opened.read().look(read_traces)
        ledgers = read.ledgers
        findings, checked = reconcile(tables, Period.always(), due)
        limits = load_policy(place.root).witnesses
        late = find_receipts(tables, limits, ledgers.witnessed, Period.up_to(due))
    findings = [*read.refused, *findings, *late]
    print_reconciled(findings, checked, list(ledgers.traces), as_json=as_json)
    if findings:
        raise typer.Exit(FAILED)


@app.command("report")
def report_(
    *,
    out: Annotated[Path, typer.Option("--out", help="A new folder.")],
    since: Since = "",
    until: Annotated[
        str, typer.Option(help="End of the period, excluded (default: just after the last entry).")
    ] = "",
    only: Only = None,
    node: Node = None,
    addresses: Addresses = None,
    policy: Policies = None,
    keys: Keys = Path("var/keys"),
    var: Var = Path("var"),
    root: Root = None,
    as_json: Json = False,
) -> None:
    """Write the report of an inspection: page, PDF, tables as CSV and JSON, evidence with proofs.

    The same ledgers give the same bytes. Exit 1 on a finding, 0 on none.

    Example: cloison audit report --out report --since 2026-01-01 --until 2026-04-01
    """
    place = Place(find_root(root), keys, var, addresses)
    ends = (parse_time(since) if since else None, parse_time(until) if until else None)
    sets = open_sets(place, policy or ())
    report, files = write_report(place, out, ends, (only or (), node or ()), sets)
    print_report(report, out, files, as_json=as_json)
    if report.examined.findings:
        raise typer.Exit(FAILED)


def open_sets(place: Place, given: Sequence[Path]) -> SetOf:
    """The policy sets in the folders given, kept by any node of the place, and of its root."""
    return sets_kept([node.folder / FOLDER for node in read_nodes(place)], place.root, given)


def _period(since: str, until: str) -> Period:
    end = parse_time(until) if until else datetime.now(UTC)
    return Period(parse_time(since), end) if since else Period.up_to(end)


def _check_some(count: int, period: Period) -> None:
    """An audit of nothing would say that nothing is wrong."""
    if not count:
        raise InputError(
            "NO_ENTRIES",
            f"period: nothing from {period.since.isoformat()} to {period.until.isoformat()}",
            "`cloison ledger show` says when entries were written",
        )
