"""How an audit looks: its findings on one screen, or as JSON."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from textwrap import wrap
from typing import Any

import typer
from rich.text import Text

from cloison.audit import Checked, Examined, Finding, Period, Replayed, Severity
from cloison.cli.console import out
from cloison.french import french_count, typeset

_STYLES = {Severity.HIGH: "bold red", Severity.MEDIUM: "bold yellow", Severity.LOW: "bold cyan"}
_SHOWN = 12
_PLACES = 3
_LEFT = 8
_WORDS = {"on-site store": "fichier de l'organisme", "vault": "coffre de l'organisme"}


def print_examined(found: Examined, period: Period, *, as_json: bool) -> None:
    """All that was found, and how much was looked at."""
    if as_json:
        _print_json(
            found.findings,
            {**found.checked, **_replayed(found.replayed), **_period(period)},
        )
        return
    _show(found.findings)
    counts = [f"{french_count(count)} {name}" for name, count in found.checked.items() if count]
    _line(" · ".join(counts))
    _show_replayed(found.replayed)
    _show_total(found.findings)


def print_replayed(
    replayed: Replayed, findings: Sequence[Finding], period: Period, *, as_json: bool
) -> None:
    """What came of making decisions again."""
    if as_json:
        _print_json(findings, {**_replayed(replayed), **_period(period)})
        return
    _show(findings)
    _show_replayed(replayed)
    _show_total(findings)


def print_reconciled(
    findings: Sequence[Finding], checked: Checked, ledgers: Sequence[str], *, as_json: bool
) -> None:
    """What ledgers say of each other."""
    if as_json:
        _print_json(findings, {**asdict(checked), "ledgers": list(ledgers)})
        return
    _show(findings)
    counts = (f"{french_count(count)} {name}" for name, count in asdict(checked).items())
    typer.echo(f"{', '.join(ledgers)}: {' · '.join(counts)}; {len(findings)} findings")


def _print_json(findings: Sequence[Finding], checked: Mapping[str, Any]) -> None:
    found = {"findings": [asdict(one) for one in findings], "checked": checked}
    typer.echo(json.dumps(found, ensure_ascii=False, indent=2))


def _replayed(replayed: Replayed) -> dict[str, Any]:
    return {
        "replayed": replayed.decisions,
        "differing": replayed.differing,
        "obligations": dict(replayed.obligations),
        "unmet": dict(replayed.unmet),
    }


def _period(period: Period) -> dict[str, str]:
    return {"since": period.since.isoformat(), "until": period.until.isoformat()}


def _show(findings: Sequence[Finding]) -> None:
    console = out()
    for one in findings[:_SHOWN]:
        head = Text(f"{one.severity.value:<{_LEFT}}", style=_STYLES[one.severity])
        head += Text(one.code, style="bold") + Text(f" {one.activity}")
        console.print(head)
        for text in (one.sentence, _where(one))[: 1 if one.severity is Severity.LOW else 2]:
            # Not as rich wraps: it would break before a colon, at the space that forbids it.
            for line in wrap(text, console.width - _LEFT):
                console.print(Text(" " * _LEFT + line))
    if len(findings) > _SHOWN:
        console.print(f"… {len(findings) - _SHOWN} more: --json")


def _where(one: Finding) -> str:
    if not one.evidence:
        return ""
    shown = one.evidence[:_PLACES]
    places: dict[str, list[str]] = {}
    for each in shown:
        places.setdefault(each.ledger, []).append(str(each.index))
    where = "; ".join(f"{ledger} {', '.join(indexes)}" for ledger, indexes in places.items())
    more = one.count - len(shown)
    rest = f" +{french_count(more)}" if more > 0 else ""
    grade = _WORDS.get(one.evidence[0].grade, "")
    return typeset(f"→ {where}{rest}" + (f" · à vérifier : {grade}" if grade else ""))


def _show_replayed(replayed: Replayed) -> None:
    same = replayed.decisions - replayed.differing
    due, unmet = sum(replayed.obligations.values()), sum(replayed.unmet.values())
    _line(
        f"{french_count(same)} of {french_count(replayed.decisions)} decisions made again alike"
        f" · {french_count(due - unmet)} of {french_count(due)} duties due met"
    )


def _show_total(findings: Sequence[Finding]) -> None:
    counts = Counter(one.severity for one in findings)
    each = ", ".join(f"{counts[level]} {level}" for level in Severity if counts[level])
    _line(f"{len(findings)} findings" + (f": {each}" if each else ""))


def _line(text: str) -> None:
    typer.echo(text)
