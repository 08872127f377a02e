"""`cloison audit report`: what an inspection takes away, made from ledgers alone."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import typer

from cloison.audit import Examined, Finding, Period, examine
from cloison.audit.lines import LedgerFolder, Ledgers
from cloison.audit.report import Report, Source, make_report
from cloison.audit.report.evidence import Provable, evidence_files
from cloison.audit.report.writing import EVIDENCE, JSON, PAGE, PAPER, report_files, write_files
from cloison.cli.audit_ledgers import Opened, ReadLedgers, open_ledgers
from cloison.cli.law.sets import SetOf
from cloison.cli.places import Place, read_published
from cloison.cli.policy import load_policy
from cloison.errors import InputError, PeerError
from cloison.exchange.statement import from_milliseconds
from cloison.french import french_count
from cloison.wire.trust import print_trust_policy

_JUST_AFTER = timedelta(milliseconds=1)


def write_report(
    place: Place,
    out: Path,
    ends: tuple[datetime | None, datetime | None],
    chosen: tuple[Sequence[str], Sequence[str]],
    sets: SetOf,
) -> tuple[Report, int]:
    """Audits the ledgers and writes all files of the report in a new folder.

    Args:
        place: Law, keys, state.
        out: A folder that is not there, or empty.
        ends: Of the period; None: the first entry of the ledgers, just after their last.
        chosen: Bodies, and running nodes, as `open_ledgers`.
        sets: Policy sets by content.

    Returns:
        The report, and how many files were written.

    Raises:
        InputError: `NO_ENTRIES`: nothing was written in the period, and nothing found. As
            `open_ledgers` and `examine`.
        PeerError: `AUDITOR_NOT_SERVED`: no node served its ledgers, and nothing dates the report.
        StorageError: as `write_files`.
    """
    policy = load_policy(place.root)
    with open_ledgers(place, *chosen) as opened:
        opening = opened.read()

        def audit(ledgers: Ledgers) -> tuple[Period, Examined]:
            period = _period(ledgers, opening.refused, *ends)
            return period, examine(ledgers, policy, sets, period)

        (period, found), read = opening.look(audit)
        ledgers, found = read.ledgers, found.with_findings(read.refused)
        heads = {
            one.verifier.name: (one.verifier, read.heads.get(one.verifier.name))
            for one in opened.places
        }
        source = Source(ledgers, heads, read.kept, opened.trust, policy, sets)
        report = make_report(source, found, period)
        if not found.findings and not any(row[2] for row in report.sheets["ledgers"].rows):
            raise InputError(
                "NO_ENTRIES",
                f"period: nothing from {period.since.isoformat()} to {period.until.isoformat()}",
                "a report of nothing would say that nothing is wrong",
            )
        trust = print_trust_policy(place.keys / "public", read_published(place))
        evidence = evidence_files(found.findings, _provable(opened, read), trust)
        return report, write_files(out, report_files(report, evidence))


def print_report(report: Report, out: Path, files: int, *, as_json: bool) -> None:
    """What was found, and where it stands."""
    found: Examined = report.examined
    if as_json:
        said = {
            "findings": len(found.findings),
            "files": files,
            "page": str(out / PAGE),
            "paper": str(out / PAPER),
            "json": str(out / JSON),
            "evidence": str(out / EVIDENCE),
        }
        typer.echo(json.dumps(said, ensure_ascii=False))
        return
    typer.echo(f"{french_count(len(found.findings))} findings, {french_count(files)} files")
    typer.echo(f"read {out / PAGE} or {out / PAPER}; check {out / EVIDENCE}/VERIFIER.md")


def _provable(opened: Opened, read: ReadLedgers) -> dict[str, Provable]:
    by_log = {"traces": read.ledgers.traces, "register": read.ledgers.register}
    found = {}
    for one in opened.places:
        lines = by_log[one.log].get(one.body)
        if isinstance(lines, LedgerFolder):
            name = one.verifier.name
            found[name] = Provable(lines.snapshot, read.heads[name], one.verifier.vkey)
    return found


def _period(
    ledgers: Ledgers,
    refused: Sequence[Finding],
    since: datetime | None,
    until: datetime | None,
) -> Period:
    """The period given; where an end is not, that of the ledgers: no clock is read."""
    if since is not None and until is not None:
        return Period(since, until)
    times = list(_times(ledgers))
    if not times and refused:
        raise PeerError(refused[0].code, refused[0].sentence, "give --since and --until")
    if not times:
        raise InputError(
            "NO_ENTRIES", "ledgers: no entry to date the report", "give --since, --until"
        )
    return Period(
        since or from_milliseconds(min(times)), until or from_milliseconds(max(times)) + _JUST_AFTER
    )


def _times(ledgers: Ledgers) -> Iterator[int]:
    """Times of the first and the last entry each ledger keeps."""
    for lines in (*ledgers.traces.values(), *ledgers.register.values()):
        if isinstance(lines, LedgerFolder):
            for first in lines:
                yield first.entry.entry_time_ms
                yield lines.last.entry.entry_time_ms
                break
