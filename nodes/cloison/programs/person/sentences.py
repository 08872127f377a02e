"""What was done with a person's data, in French: who, for what, under which article, what, when.

One exchange stands in two ledgers, in up to three entries: it is one sentence, with all its places.
No agent is named: a ledger holds a pseudonym that the body alone can resolve.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from cloison.bodies import BodyId
from cloison.exchange.statement import Statement, from_milliseconds, parse_statement
from cloison.exchange.values import decision_from_proto
from cloison.french import french_date, french_month
from cloison.law import PolicySet
from cloison.law.question import Decision
from cloison.months import Month
from cloison.programs.explanation.words import FIELDS, OUTCOMES
from cloison.programs.person.verify import Access, Traces
from cloison.v1 import entry_pb2

_DESTROYED = {
    "objection": "vous vous y étiez opposé",
    "no-entitlement": "aucun droit n'en résulte",
    "set-aside": "la demande a été écartée",
    "expiry": "leur durée de conservation est finie",
}
_ANSWERS = {
    "justified": "l'accès était justifié, selon l'organisme",
    "not-justified": "l'accès n'était pas justifié",
}


_OTHERS = {
    "case_opened": "{who} a ouvert un dossier qui vous concerne ({activity}), pour {month}.",
    "deposited": "{who} a écrit un résultat qui vous concerne ({activity}).",
    "objected": "{who} a inscrit votre opposition ({activity}).",
    "destroyed": "{who} a détruit des données reçues sur vous ({activity}) : {why}.",
    "notice_given": "{who} vous a adressé une information ({activity}).",
    "change_heard": "{who} a appris que vos données ont changé ({activity}).",
    "contested": "{who} a inscrit que vous contestez une ligne déclarée.",
    "contestation_answered": "{who} : une ligne que vous contestiez {ended}.",
    "contestations_told": "{who} a nommé à un déclarant les lignes que vous contestez.",
    "person_read": "Vous avez consulté vos traces auprès de : {who}.",
    "access_contested": (
        "Vous avez contesté l'inscription {index} de : {who}. Réponse due au plus tard le"
        " {answer_by} ({article})."
    ),
    "access_contest_answered": "{who} a répondu à votre contestation : {said}.",
    "entry_sealed": (
        "{who} tait une inscription qui vous concerne jusqu'au {until} ({text}, {article})."
    ),
    "trace_key_erased": "{who} a effacé la clé qui reliait vos traces.",
    "received": "{who} a reçu une réponse qui vous concerne ; la question n'est plus conservée.",
    "cohort_part": "{who} : un lot vous concerne, dont la question n'est plus conservée.",
}
"""By kind of entry that holds no question."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing done with the person's data.

    Attributes:
        time: None where its content is not shown yet.
        kind: Of the entry that says most of it.
        outcome: `permitted`, `refused`, or empty where nothing was decided.
        article: Texts and articles of the decision, or the text relied on.
        categories: The data, in French.
        says: What the person said, or was answered.
        places: Ledger entries that say it, (body, index).
        proved: Its day is closed in every ledger it stands in, or not yet.
    """

    time: datetime | None
    kind: str
    sentence: str
    activity: str
    purpose: str
    article: str
    categories: str
    outcome: str
    says: str
    places: tuple[tuple[BodyId, int], ...]
    proved: bool


@dataclass(frozen=True, slots=True)
class _Seen:
    body: BodyId
    access: Access
    day_closed: bool

    @property
    def time(self) -> datetime:
        return from_milliseconds(self.access.entry.entry_time_ms)


class Sentences:
    """Says entries in French, in the words of the policy set.

    Args:
        names: Of each body, in French.
    """

    def __init__(self, policy: PolicySet, names: Mapping[BodyId, str]) -> None:
        self._policy = policy
        self._names = names

    def lines(self, read: Mapping[BodyId, Traces]) -> list[Line]:
        """Everything, oldest first."""
        grouped: dict[bytes, list[_Seen]] = {}
        questions: dict[bytes, Statement] = {}
        decided: dict[bytes, Decision] = {}
        for body, traces in read.items():
            for access in traces.accesses:
                _note_question(access, questions, decided)
                if not access.context:
                    seen = _Seen(body, access, access.index < traces.open_from)
                    grouped.setdefault(_exchange(seen), []).append(seen)
        made = [self._line(seen, questions, decided) for seen in grouped.values()]
        return sorted(made, key=lambda line: (line.time or _LATEST, line.places))

    def _line(
        self,
        seen: Sequence[_Seen],
        questions: Mapping[bytes, Statement],
        decided: Mapping[bytes, Decision],
    ) -> Line:
        first = max(seen, key=lambda one: _TELLING.get(_kind(one.access), 0))
        entry = first.access.entry
        statement_hash = _statement_hash(first.access)
        statement = questions.get(statement_hash)
        decision = decided.get(statement_hash)
        outcome = "" if decision is None else ("permitted" if decision.permitted else "refused")
        if first.access.sealed_until is not None:
            sentence = (
                "Une inscription vous concerne, dont un texte permet de taire le contenu jusqu'au"
                f" {french_date(first.access.sealed_until.date())}."
            )
        elif statement is not None:
            sentence = self._question(entry, statement, decision, first)
        else:
            sentence = self._other(first.body, entry)
        question = statement.question if statement else None
        return Line(
            time=min(one.time for one in seen) if first.access.data else None,
            kind=_kind(first.access),
            sentence=sentence,
            activity=question.activity if question else _activity(entry),
            purpose=question.purpose if question else _purpose(entry),
            article=self._article(statement, decision, entry),
            categories="" if statement is None else self._what(statement),
            outcome=outcome,
            says=next((one.access.says for one in seen if one.access.says), ""),
            places=tuple(sorted((one.body, one.access.index) for one in seen)),
            proved=all(one.day_closed for one in seen),
        )

    def _question(
        self, entry: entry_pb2.Entry, statement: Statement, decision: Decision | None, seen: _Seen
    ) -> str:
        who = self._body(statement.requester)
        whom = self._body(statement.holder)
        what = f"{self._what(statement)}, {_months(statement)}"
        why = self._why(statement.question.purpose, statement.question.activity)
        if entry.WhichOneof("kind") == "change_told":
            act = f"{self._body(seen.body)} a signalé à {who} que vos données ont changé : {what}"
        elif statement.table is not None:
            act = (
                f"{who} a fait établir par {whom} un tableau statistique (« "
                f"{statement.table.table} ») de {what} : il compte toute personne dont"
                " l'organisme tient ces données, et n'en nomme aucune"
            )
        elif statement.cohort is not None:
            act = f"{who} a demandé à {whom}, pour {statement.cohort.size} personnes ensemble,"
            act += f" {what}"
        elif statement.requester == statement.holder:
            act = f"{who} a lu dans ses propres fichiers {what}"
        else:
            act = f"{who} a demandé à {whom} {what}"
        return f"{act}, pour : {why}. {self._verdict(statement, decision)}"

    def _verdict(self, statement: Statement, decision: Decision | None) -> str:
        if decision is None:
            relied = self._text(statement.question.legal_basis)
            return f"Texte invoqué : {relied}. Aucune décision n'est montrée."
        if decision.permitted:
            return f"Autorisé ({self._cited(decision) or 'sans article'})."
        said = OUTCOMES.get(decision.reason, f"refusé ({decision.reason})")
        cited = self._cited(decision)
        under = f" ({cited})" if cited else ""
        return f"{said[:1].upper()}{said[1:]}{under}. Aucune donnée n'est sortie."

    def _other(self, body: BodyId, entry: entry_pb2.Entry) -> str:
        kind = entry.WhichOneof("kind") or ""
        part = getattr(entry, kind) if kind else entry
        return _OTHERS.get(kind, "{who} : une inscription vous concerne ({kind}).").format(
            who=self._body(body),
            kind=kind,
            activity=self._activity(_activity(entry)),
            month=_month(getattr(part, "month", 0)),
            why=_DESTROYED.get(getattr(part, "why", ""), ""),
            index=getattr(part, "leaf_index", ""),
            answer_by=_day(getattr(part, "answer_by_ms", 0)),
            until=_day(getattr(part, "until_ms", 0)),
            article=getattr(part, "article", ""),
            text=self._text(getattr(part, "text", "")),
            said=_ANSWERS.get(str(getattr(part, "outcome", "")), ""),
            ended=_ended(entry.contestation_answered),
        )

    def _article(
        self, statement: Statement | None, decision: Decision | None, entry: entry_pb2.Entry
    ) -> str:
        if decision is not None and (cited := self._cited(decision)):
            return cited
        if statement is not None:
            return self._text(statement.question.legal_basis)
        if entry.WhichOneof("kind") == "person_read":
            return self._text(entry.person_read.legal_basis)
        return ""

    def _cited(self, decision: Decision) -> str:
        return " ; ".join(
            dict.fromkeys(f"{self._text(one.text)}, {one.article}" for one in decision.rules)
        )

    def _what(self, statement: Statement) -> str:
        question = statement.question
        dataset = self._policy.datasets.get((question.holder, question.dataset))
        title = question.dataset if dataset is None else dataset.title
        fields = ", ".join(FIELDS.get(one, one) for one in question.fields)
        return f"« {title} » ({fields})"

    def _why(self, purpose: str, activity: str) -> str:
        known = self._policy.purposes.get(purpose)
        return f"{purpose if known is None else known.fr} ({self._activity(activity)})"

    def _activity(self, activity: str) -> str:
        known = self._policy.activities.get(activity)
        return activity if known is None else known.title

    def _text(self, text: str) -> str:
        known = self._policy.texts.get(text)
        return text if known is None else known.title

    def _body(self, body: str) -> str:
        return self._names.get(BodyId(body), body)


_LATEST = datetime.max.replace(tzinfo=UTC)
_TELLING = {"decided": 6, "change_told": 5, "cohort_part": 4, "received": 3, "asked": 2}
"""Which entry of one exchange says most."""


def _note_question(
    access: Access, questions: dict[bytes, Statement], decided: dict[bytes, Decision]
) -> None:
    entry = access.entry
    kind = entry.WhichOneof("kind") or ""
    if kind in {"asked", "decided"}:
        raw = getattr(entry, kind).signed.statement
        questions[sha256(raw).digest()] = parse_statement(raw)
    if kind == "decided":
        raw = entry.decided.signed.statement
        decided[sha256(raw).digest()] = decision_from_proto(entry.decided.decision)


def _kind(access: Access) -> str:
    return access.entry.WhichOneof("kind") or "sealed"


def _statement_hash(access: Access) -> bytes:
    entry = access.entry
    kind = entry.WhichOneof("kind") or ""
    if kind in {"asked", "decided"}:
        return sha256(getattr(entry, kind).signed.statement).digest()
    if kind in {"received", "cohort_part", "change_told"}:
        return bytes(getattr(entry, kind).statement_hash)
    return b""


def _exchange(seen: _Seen) -> bytes:
    """What entries of one exchange have in common; any other entry is alone."""
    kind = _kind(seen.access)
    statement_hash = _statement_hash(seen.access)
    if statement_hash and kind != "change_told":
        entry = seen.access.entry
        batch = entry.cohort_part.batch_index if kind == "cohort_part" else 0
        return statement_hash + batch.to_bytes(8, "big")
    return seen.access.leaf


def _activity(entry: entry_pb2.Entry) -> str:
    kind = entry.WhichOneof("kind") or ""
    return str(getattr(getattr(entry, kind), "activity", "")) if kind else ""


def _purpose(entry: entry_pb2.Entry) -> str:
    kind = entry.WhichOneof("kind") or ""
    if kind == "person_read":
        return entry.person_read.purpose
    if kind == "received":
        return entry.received.label.received_for
    if kind == "objected":
        return ", ".join(entry.objected.purposes)
    return ""


def _ended(answered: entry_pb2.ContestationAnswered) -> str:
    """How a contested line came out."""
    if answered.changed:
        return "a été déclarée à nouveau, et a changé"
    if answered.record_version:
        return "a été déclarée à nouveau, sans changement"
    return "est maintenue telle quelle ; vous pouvez la contester encore"


def _months(statement: Statement) -> str:
    question = statement.question
    if question.first_month == question.last_month:
        return french_month(question.first_month)
    return f"{french_month(question.first_month)} à {french_month(question.last_month)}"


def _month(number: int) -> str:
    return french_month(Month.from_number(number)) if number else ""


def _day(time_ms: int) -> str:
    return french_date(from_milliseconds(time_ms).date()) if time_ms else ""
