"""Asked = decided = received: both ends of every exchange, held against each other.

By statement hash, by the hash of the sealed answer, and by the leaf hash each side cites of the
other. An answer that did not come is `lost` where its requester said so, `missing` where nobody
did. What a ledger that is not given would say is not guessed.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cloison.audit.findings import Finding, Grade, Severity
from cloison.audit.gathering import PURPOSE_LIMITATION, TRACEABILITY, Gathering, Kind
from cloison.audit.period import Period
from cloison.audit.rows import Asked, Part, Question, Received
from cloison.audit.tables import Tables
from cloison.exchange.statement import to_milliseconds


@dataclass(frozen=True, slots=True)
class Checked:
    """How much was looked at.

    Attributes:
        lost: Questions whose requester said that no answer came, and to which none came later.
        missing: Answers that left, or questions that were sent, of which nobody says any more.
    """

    asked: int
    decided: int
    received: int
    batches: int
    lost: int
    missing: int


_KINDS = {
    "DECIDED_NOT_ASKED": Kind(
        "DECIDED_NOT_ASKED",
        Severity.HIGH,
        TRACEABILITY,
        "{holder} a décidé {n} demande(s) de {requester} que le registre de {requester} ne contient"
        " pas.",
        "Les demandes signées figurent dans l'entrée du détenteur : qui tient la clé du traitement"
        " dit d'où elles viennent.",
    ),
    "LEFT_WITHOUT_PERMIT": Kind(
        "LEFT_WITHOUT_PERMIT",
        Severity.HIGH,
        PURPOSE_LIMITATION,
        "{n} réponse(s) ou lot(s) ont quitté {holder} sans décision de {holder} qui les autorise.",
        "L'enveloppe scellée conservée par le demandeur ; le journal du détenteur à cette heure.",
    ),
    "DECIDED_TWICE": Kind(
        "DECIDED_TWICE",
        Severity.HIGH,
        TRACEABILITY,
        "{holder} a décidé {n} fois de trop une même demande de {requester}.",
        "Une sauvegarde a pu être restaurée : voir les têtes que les témoins ont vues.",
    ),
    "RECEIVED_NOT_DECIDED": Kind(
        "RECEIVED_NOT_DECIDED",
        Severity.HIGH,
        TRACEABILITY,
        "{requester} dit avoir reçu {n} réponse(s) de {holder} que le registre de {holder} ne"
        " contient pas.",
        "La preuve d'inclusion reçue avec la réponse, et la tête que les témoins ont vue.",
    ),
    "ANSWER_DIFFERS": Kind(
        "ANSWER_DIFFERS",
        Severity.HIGH,
        TRACEABILITY,
        "{n} réponse(s) de {holder} à {requester} ne sont pas les mêmes dans les deux registres.",
        "L'enveloppe scellée conservée par le demandeur, hachée à nouveau.",
    ),
    "NOT_RECEIVED": Kind(
        "NOT_RECEIVED",
        Severity.MEDIUM,
        TRACEABILITY,
        "{n} réponse(s) autorisée(s) de {holder} ne sont pas au registre de {requester}.",
        "Une coupure après l'envoi l'explique, mais le nœud du demandeur l'aurait inscrite comme"
        " perdue : ses réponses reçues, sur place, disent si elle est arrivée.",
        Grade.STORE,
    ),
    "ANSWER_LOST": Kind(
        "ANSWER_LOST",
        Severity.LOW,
        TRACEABILITY,
        "{requester} déclare perdue(s) {n} réponse(s) autorisée(s) de {holder} : parties, jamais"
        " arrivées.",
        "Le journal des deux nœuds à cette minute ; les réponses reçues du demandeur, sur place.",
        Grade.STORE,
    ),
    "NOT_DECIDED": Kind(
        "NOT_DECIDED",
        Severity.LOW,
        TRACEABILITY,
        "{n} demande(s) de {requester} à {holder} n'ont ni décision, ni réponse, ni déclaration de"
        " perte.",
        "Un échec avant la décision est compté, par minute et par cause, au registre du détenteur.",
    ),
}

_MISSING = frozenset({"NOT_RECEIVED", "NOT_DECIDED"})
_HELD = ("requester", "at", "leaf_key", "outcome", "sealed_key")
_Found = tuple[str, Asked | Question | Received | Part]


def reconcile(tables: Tables, period: Period, due: datetime) -> tuple[list[Finding], Checked]:
    """What does not agree between ledgers.

    Args:
        tables: Of each body's `traces`; an exchange is looked at from the sides that are there.
        period: What was written in it is looked at.
        due: What was written later need not have its other half yet.

    Returns:
        One finding a code, pair of bodies and activity, gravest first; and what was looked at.
    """
    exchanges = _Exchanges(tables, to_milliseconds(due))
    gathering, missing = Gathering(tables), 0
    for code, row in exchanges.compare():
        if period.holds(row.time):
            missing += code in _MISSING
            requester, holder, activity = exchanges.between(row)
            words = {"requester": requester, "holder": holder}
            gathering.add(_KINDS[code], activity, row, **words)
    order = list(_KINDS)
    findings = gathering.findings()
    findings.sort(key=lambda one: (order.index(one.code), one.activity, one.sentence))
    return findings, _checked(tables, period, exchanges.lost_for_good(period), missing)


class _Exchanges:
    """What was written of each statement; a body's word about another's is not its other half.

    Row numbers, found by statement; of an answer, by statement and the body that says it.
    """

    def __init__(self, tables: Tables, due_ms: int) -> None:
        self._tables = tables
        self._due_ms = due_ms
        self._asked: dict[int, int] = {}
        self._decided: dict[int, int] = {}
        self._received: dict[int, int] = {}
        self._lost = {hash((one.statement_key, one.body)) for one in tables.lost}
        self._parts: dict[int, dict[tuple[str, int, int], int]] = defaultdict(dict)
        for place, asked in enumerate(tables.asked):
            self._asked.setdefault(asked.statement_key, place)
        for place, question in enumerate(tables.questions):
            self._decided.setdefault(question.statement_key, place)
        for place, received in enumerate(tables.received):
            self._received.setdefault(hash((received.statement_key, received.body)), place)
        for place, part in enumerate(tables.parts):
            of_body = (part.body, part.batch, part.came)
            self._parts[part.statement_key].setdefault(of_body, place)

    def compare(self) -> Iterator[_Found]:
        """What does not agree, each at the entry that shows it."""
        yield from self._compare_decisions()
        yield from self._compare_asked()
        yield from self._compare_receipts()
        yield from self._compare_leaving()
        for key in self._parts:
            yield from self._compare_parts(key)

    def between(self, row: Asked | Question | Received | Part) -> tuple[str, str, str]:
        """Requester, holder, activity; of an answer to what nobody shows, as its entry says."""
        requester, holder, activity = self._parties(row.statement_key)
        if isinstance(row, Received):
            return row.body, row.holder, activity
        if isinstance(row, Part) and not row.came:
            return requester, row.body, activity
        return requester, holder, activity

    def _parties(self, key: int) -> tuple[str, str, str]:
        if key in self._decided:
            decided = self._tables.questions[self._decided[key]]
            return decided.requester, decided.holder, decided.activity
        if key in self._asked:
            asked = self._tables.asked[self._asked[key]]
            return asked.requester, asked.holder, asked.activity
        return "", "", ""

    def _compare_decisions(self) -> Iterator[_Found]:
        for place, one in enumerate(self._tables.questions):
            if one.sealed_key and not one.permitted:
                yield "LEFT_WITHOUT_PERMIT", one
            if self._decided[one.statement_key] != place:
                yield "DECIDED_TWICE", one
            elif one.requester in self._tables.bodies:
                arrived = hash((one.statement_key, one.requester)) in self._received
                if one.statement_key not in self._asked:
                    yield "DECIDED_NOT_ASKED", one
                # A cohort's answer leaves batch by batch, its decision with the header.
                elif one.permitted and not arrived and self._due(one.time):
                    yield self._not_come(one.statement_key, one.requester), one

    def _compare_asked(self) -> Iterator[_Found]:
        for place, one in enumerate(self._tables.asked):
            key = one.statement_key
            if key in self._decided or self._asked[key] != place or not self._due(one.time):
                continue
            own = hash((key, one.requester))
            told = own in self._received or own in self._lost
            if one.holder in self._tables.bodies and not told:
                yield "NOT_DECIDED", one

    def _compare_receipts(self) -> Iterator[_Found]:
        for place, one in enumerate(self._tables.received):
            first = self._received[hash((one.statement_key, one.body))] == place
            if first and one.holder in self._tables.bodies:
                decided = self._decided.get(one.statement_key)
                if decided is None:
                    yield "RECEIVED_NOT_DECIDED", one
                    continue
                requester, *held = self._tables.questions.cells(decided, _HELD)
                if one.body != requester:
                    yield "RECEIVED_NOT_DECIDED", one
                elif held != [one.leaf_index, one.leaf_key, one.outcome, one.sealed_key]:
                    yield "ANSWER_DIFFERS", one

    def _compare_leaving(self) -> Iterator[_Found]:
        """Batches, each by its holder's own decision, once."""
        for place, one in enumerate(self._tables.parts):
            if one.came:
                continue
            decided = self._decided.get(one.statement_key)
            said = ("", 0) if decided is None else self._permit(decided)
            if said != (one.ledger, 1):
                yield "LEFT_WITHOUT_PERMIT", one
            elif self._parts[one.statement_key][one.body, one.batch, 0] != place:
                yield "DECIDED_TWICE", one

    def _permit(self, place: int) -> tuple[Any, ...]:
        return self._tables.questions.cells(place, ("ledger", "permitted"))

    def _compare_parts(self, key: int) -> Iterator[_Found]:
        requester, holder, _ = self._parties(key)
        if not {requester, holder} <= self._tables.bodies:
            return
        parts = self._parts[key]
        for batch in sorted({batch for _, batch, _ in parts}):
            left = self._part(parts.get((holder, batch, 0)))
            came = self._part(parts.get((requester, batch, 1)))
            if left is None and came is not None:
                yield "RECEIVED_NOT_DECIDED", came
            elif came is None and left is not None and self._due(left.time):
                yield self._not_come(key, requester), left
            elif left is not None and came is not None and _part_differs(left, came):
                yield "ANSWER_DIFFERS", came

    def lost_for_good(self, period: Period) -> int:
        """Questions of the period declared lost, of which the decision did not come either."""
        return len(
            {
                own
                for one in self._tables.lost
                if period.holds(one.time)
                and (own := hash((one.statement_key, one.body))) not in self._received
            }
        )

    def _not_come(self, key: int, requester: str) -> str:
        """What is not there was lost, if who asked says so itself."""
        return "ANSWER_LOST" if hash((key, requester)) in self._lost else "NOT_RECEIVED"

    def _part(self, place: int | None) -> Part | None:
        return None if place is None else self._tables.parts[place]

    def _due(self, time: int) -> bool:
        return time <= self._due_ms


def _part_differs(left: Part, came: Part) -> bool:
    return (left.leaf_key, left.sealed_key, left.last, left.digests_key) != (
        came.leaf_key,
        came.sealed_key,
        came.last,
        came.digests_key,
    )


def _checked(tables: Tables, period: Period, lost: int, missing: int) -> Checked:
    def count(times: Iterator[int]) -> int:
        return sum(map(period.holds, times))

    return Checked(
        count(one.time for one in tables.asked),
        count(one.time for one in tables.questions),
        count(one.time for one in tables.received),
        len({(one.statement_key, one.batch) for one in tables.parts if period.holds(one.time)}),
        lost,
        missing,
    )
