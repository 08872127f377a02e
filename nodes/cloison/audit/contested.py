"""Accesses that persons contested: answered, in time, once."""

from collections import defaultdict

from cloison.audit.findings import MOST_EVIDENCE, Finding, Severity
from cloison.audit.lines import Line
from cloison.audit.period import Period
from cloison.bodies import BodyId

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


class ContestWatch:
    """Sees the entries of one body's `traces`, in order."""

    def __init__(self, body: BodyId) -> None:
        self._body = body
        self._waiting: dict[bytes, Line] = {}
        self._late: list[Line] = []

    def see(self, line: Line, kind: str | None) -> None:
        """The next entry, and what it is."""
        if kind == "access_contested":
            self._waiting[line.leaf] = line
        elif kind == "access_contest_answered":
            asked = self._waiting.pop(line.entry.access_contest_answered.leaf_hash, None)
            if asked is not None and line.entry.entry_time_ms > _due(asked):
                self._late.append(asked)

    def findings(self, period: Period) -> list[Finding]:
        """What was due in the period and not answered by then: one finding a code and article."""
        found: dict[tuple[str, str], list[Line]] = defaultdict(list)
        for code, lines in (
            ("CONTEST_NOT_ANSWERED", self._waiting.values()),
            ("CONTEST_ANSWERED_LATE", self._late),
        ):
            for line in lines:
                if period.holds(_due(line)):
                    found[code, line.entry.access_contested.article].append(line)
        return [self._finding(*key, lines) for key, lines in sorted(found.items())]

    def _finding(self, code: str, article: str, lines: list[Line]) -> Finding:
        return Finding(
            code,
            _SEVERITY[code],
            "",
            article,
            _SENTENCES[code].format(body=self._body, n=len(lines)),
            len(lines),
            tuple(line.evidence for line in lines[:MOST_EVIDENCE]),
            _SETTLES[code],
        )


def _due(line: Line) -> int:
    return line.entry.access_contested.answer_by_ms
