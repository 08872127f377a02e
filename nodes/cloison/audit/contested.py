"""Accesses that persons contested: answered, in time, once."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from cloison.audit.findings import MOST_EVIDENCE, Finding, Severity
from cloison.audit.lines import Line
from cloison.bodies import BodyId
from cloison.exchange.statement import to_milliseconds

_SETTLES = {
    "CONTEST_NOT_ANSWERED": "La réponse envoyée à la personne, si elle l'a été hors du registre.",
    "CONTEST_ANSWERED_LATE": "Ce qui a retardé la réponse, et si la personne en a été avertie.",
}
_SENTENCES = {
    "CONTEST_NOT_ANSWERED": "{body} n'a pas répondu dans le délai à {n} contestation(s) d'accès.",
    "CONTEST_ANSWERED_LATE": "{body} a répondu après le délai à {n} contestation(s) d'accès.",
}
_SEVERITY = {
    "CONTEST_NOT_ANSWERED": Severity.MEDIUM,
    "CONTEST_ANSWERED_LATE": Severity.LOW,
}


def contested(ledgers: Mapping[BodyId, Iterable[Line]], until: datetime) -> list[Finding]:
    """Contestations without an answer in time: one finding a code, body and article.

    Args:
        ledgers: Of each body, its `traces`.
        until: What is due later is not overdue yet.
    """
    found: dict[tuple[str, BodyId, str], list[Line]] = defaultdict(list)
    for body, lines in ledgers.items():
        for code, line in _overdue(lines, to_milliseconds(until)):
            found[code, body, line.entry.access_contested.article].append(line)
    return [_finding(*key, lines) for key, lines in sorted(found.items())]


def _overdue(lines: Iterable[Line], until_ms: int) -> Iterator[tuple[str, Line]]:
    waiting: dict[bytes, Line] = {}
    for line in lines:
        kind = line.entry.WhichOneof("kind")
        if kind == "access_contested":
            waiting[line.leaf] = line
        elif kind == "access_contest_answered":
            asked = waiting.pop(line.entry.access_contest_answered.leaf_hash, None)
            due = None if asked is None else asked.entry.access_contested.answer_by_ms
            if asked is not None and due is not None and line.entry.entry_time_ms > due:
                yield "CONTEST_ANSWERED_LATE", asked
    for line in waiting.values():
        if line.entry.access_contested.answer_by_ms < until_ms:
            yield "CONTEST_NOT_ANSWERED", line


def _finding(code: str, body: BodyId, article: str, lines: list[Line]) -> Finding:
    return Finding(
        code,
        _SEVERITY[code],
        "",
        article,
        _SENTENCES[code].format(body=body, n=len(lines)),
        len(lines),
        tuple(line.evidence for line in lines[:MOST_EVIDENCE]),
        _SETTLES[code],
    )
