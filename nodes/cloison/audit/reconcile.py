"""Asked = decided = received: both ends of every exchange, held against each other.

By statement hash, by the hash of the sealed answer, and by the leaf hash each side cites of the
other. What a ledger that is not given would say is not guessed.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from cloison.audit.findings import MOST_EVIDENCE, Evidence, Finding, Severity
from cloison.audit.lines import Line
from cloison.bodies import BodyId
from cloison.exchange.statement import to_milliseconds
from cloison.v1 import decision_pb2, statement_pb2

_TRACEABILITY = "CRPA, art. R114-9-5 (échanges tracés)"
_PERMITS = (
    decision_pb2.OUTCOME_PERMIT,
    decision_pb2.OUTCOME_PERMIT_WITH_OBLIGATIONS,
)


@dataclass(frozen=True, slots=True)
class Checked:
    """How much was looked at."""

    asked: int
    decided: int
    received: int
    batches: int


@dataclass(slots=True)
class _Exchange:
    """What was written of one statement; a body's word about another's is not its other half.

    Attributes:
        received: By the body whose ledger says it.
        parts: By body, batch, and whether it says that the batch came.
    """

    requester: str = ""
    holder: str = ""
    activity: str = ""
    asked: Line | None = None
    decided: list[Line] = field(default_factory=list)
    received: dict[str, Line] = field(default_factory=dict)
    parts: dict[tuple[str, int, bool], Line] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Kind:
    severity: Severity
    sentence: str
    settles: str


_KINDS = {
    "DECIDED_NOT_ASKED": _Kind(
        Severity.HIGH,
        "{holder} a décidé {n} demande(s) de {requester} que le registre de {requester} ne contient"
        " pas.",
        "Les demandes signées figurent dans l'entrée du détenteur : qui tient la clé du traitement"
        " dit d'où elles viennent.",
    ),
    "DECIDED_TWICE": _Kind(
        Severity.HIGH,
        "{holder} a décidé {n} fois de trop une même demande de {requester}.",
        "Une sauvegarde a pu être restaurée : voir les têtes que les témoins ont vues.",
    ),
    "RECEIVED_NOT_DECIDED": _Kind(
        Severity.HIGH,
        "{requester} dit avoir reçu {n} réponse(s) de {holder} que le registre de {holder} ne"
        " contient pas.",
        "La preuve d'inclusion reçue avec la réponse, et la tête que les témoins ont vue.",
    ),
    "ANSWER_DIFFERS": _Kind(
        Severity.HIGH,
        "{n} réponse(s) de {holder} à {requester} ne sont pas les mêmes dans les deux registres.",
        "L'enveloppe scellée conservée par le demandeur, hachée à nouveau.",
    ),
    "NOT_RECEIVED": _Kind(
        Severity.MEDIUM,
        "{n} réponse(s) autorisée(s) de {holder} ne sont pas au registre de {requester}.",
        "Une coupure après l'envoi l'explique; le demandeur dit si la réponse est arrivée.",
    ),
    "NOT_DECIDED": _Kind(
        Severity.LOW,
        "{n} demande(s) de {requester} à {holder} n'ont ni décision ni réponse.",
        "Un échec avant la décision est compté, par minute et par cause, au registre du détenteur.",
    ),
}


def reconcile(
    ledgers: Mapping[BodyId, Iterable[Line]], until: datetime
) -> tuple[list[Finding], Checked]:
    """What does not agree between ledgers.

    Args:
        ledgers: Of each body, its `traces`; an exchange is looked at from the sides that are there.
        until: What was written later need not have its other half yet.

    Returns:
        One finding a code, pair of bodies and activity, gravest first; and what was looked at.
    """
    exchanges: dict[bytes, _Exchange] = defaultdict(_Exchange)
    for lines in ledgers.values():
        for line in lines:
            _note(exchanges, line)
    late = to_milliseconds(until)
    found: dict[tuple[str, str, str, str], list[Line]] = defaultdict(list)
    for one in exchanges.values():
        for code, line in _compare(one, ledgers.keys(), late):
            requester, holder = _between(one, line)
            found[code, requester, holder, one.activity].append(line)
    order = list(_KINDS)
    findings = [_finding(*key, lines) for key, lines in found.items()]
    findings.sort(key=lambda one: (order.index(one.code), one.activity, one.sentence))
    return findings, _checked(exchanges.values())


def _note(exchanges: dict[bytes, _Exchange], line: Line) -> None:
    kind = line.entry.WhichOneof("kind")
    if kind in {"asked", "decided"}:
        raw = getattr(line.entry, kind).signed.statement
        one = exchanges[sha256(raw).digest()]
        statement = statement_pb2.Statement.FromString(raw)
        one.requester, one.holder = statement.requester, statement.holder
        one.activity = statement.activity
        if kind == "decided" and line.body == one.holder:
            one.decided.append(line)
        elif kind == "asked" and line.body == one.requester:
            one.asked = one.asked or line
    elif kind == "received":
        exchanges[line.entry.received.statement_hash].received.setdefault(line.body, line)
    elif kind == "cohort_part":
        part = line.entry.cohort_part
        place = line.body, part.batch_index, part.received
        exchanges[part.statement_hash].parts.setdefault(place, line)


def _compare(one: _Exchange, known: AbstractSet[str], late: int) -> Iterator[tuple[str, Line]]:
    decided = one.decided[0] if one.decided else None
    arrived = one.requester in one.received
    yield from (("DECIDED_TWICE", line) for line in one.decided[1:])
    if decided is not None and one.requester in known:
        if one.asked is None:
            yield "DECIDED_NOT_ASKED", decided
        elif not arrived and _left(decided) and _due(decided, late):
            yield "NOT_RECEIVED", decided
    if decided is None and one.asked is not None and not arrived and one.holder in known:
        yield from (("NOT_DECIDED", line) for line in (one.asked,) if _due(line, late))
    yield from _compare_receipts(one, decided, known)
    if one.requester in known and one.holder in known:
        yield from _compare_parts(one, late)


def _compare_receipts(
    one: _Exchange, decided: Line | None, known: AbstractSet[str]
) -> Iterator[tuple[str, Line]]:
    for body, line in one.received.items():
        if line.entry.received.holder in known:
            if decided is None or body != one.requester:
                yield "RECEIVED_NOT_DECIDED", line
            elif _differs(decided, line):
                yield "ANSWER_DIFFERS", line


def _compare_parts(one: _Exchange, late: int) -> Iterator[tuple[str, Line]]:
    for index in sorted({index for _, index, _ in one.parts}):
        left = one.parts.get((one.holder, index, False))
        came = one.parts.get((one.requester, index, True))
        if left is None and came is not None:
            yield "RECEIVED_NOT_DECIDED", came
        elif came is None and left is not None and _due(left, late):
            yield "NOT_RECEIVED", left
        elif left is not None and came is not None and _part_differs(left, came):
            yield "ANSWER_DIFFERS", came


def _between(one: _Exchange, line: Line) -> tuple[str, str]:
    """Requester and holder; of a receipt for a statement nobody shows, as its own entry says."""
    if line.entry.WhichOneof("kind") == "received":
        return line.body, line.entry.received.holder
    return one.requester, one.holder


def _left(decided: Line) -> bool:
    """Whether an answer left: a cohort's leaves batch by batch, its decision with the header."""
    return decided.entry.decided.decision.outcome in _PERMITS


def _due(line: Line, late: int) -> bool:
    return line.entry.entry_time_ms <= late


def _differs(decided: Line, received: Line) -> bool:
    ours, theirs = decided.entry.decided, received.entry.received
    return (
        (theirs.leaf_index, theirs.leaf_hash) != (decided.index, decided.leaf)
        or theirs.outcome != ours.decision.outcome
        or theirs.sealed_hash != ours.sealed_hash
    )


def _part_differs(left: Line, came: Line) -> bool:
    ours, theirs = left.entry.cohort_part, came.entry.cohort_part
    return (
        theirs.leaf_hash != left.leaf
        or theirs.sealed_hash != ours.sealed_hash
        or theirs.last != ours.last
        or theirs.person_digests != ours.person_digests
    )


def _finding(code: str, requester: str, holder: str, activity: str, lines: list[Line]) -> Finding:
    kind = _KINDS[code]
    lines.sort(key=lambda line: (line.ledger, line.index))
    evidence: tuple[Evidence, ...] = tuple(line.evidence for line in lines[:MOST_EVIDENCE])
    sentence = kind.sentence.format(requester=requester, holder=holder, n=len(lines))
    return Finding(
        code,
        kind.severity,
        activity,
        _TRACEABILITY,
        sentence,
        len(lines),
        evidence,
        kind.settles,
    )


def _checked(exchanges: Iterable[_Exchange]) -> Checked:
    asked = decided = received = batches = 0
    for one in exchanges:
        asked += one.asked is not None
        decided += len(one.decided)
        received += len(one.received)
        batches += len({index for _, index, _ in one.parts})
    return Checked(asked, decided, received, batches)
