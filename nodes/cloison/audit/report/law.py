"""The law of the period: texts in force and what changed, as tables."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from cloison.audit.lines import Line
from cloison.audit.period import Period
from cloison.audit.report.counts import Counts, word
from cloison.audit.report.sheet import Sheet, Value, sheet
from cloison.errors import InputError
from cloison.exchange.statement import from_milliseconds
from cloison.law import PolicySet
from cloison.law.compare import Law, compare
from cloison.law.paris import paris_day
from cloison.law.policy_set import in_force

_READ = {"whole": "en entier", "in-part": "en partie", "secondary": "de seconde main"}
_LEAST = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Held:
    """The law at both ends of the period.

    Attributes:
        unknown: Sets, in hexadecimal, that ledgers name and nobody here has: the auditor's own
            stands in their place.
    """

    first: Law
    last: Law
    unknown: tuple[str, ...]


def held_laws(
    counts: Counts, policy: PolicySet, set_of: Callable[[bytes], PolicySet], period: Period
) -> Held:
    """The set in force when the period begins and when it ends, as registers say."""
    unknown: list[str] = []

    def at(time: datetime) -> Law:
        limit = time.timestamp() * 1000
        loaded = [
            one
            for one in counts.policies
            if not one.entry.policy_loaded.notice_until_ms and one.entry.entry_time_ms <= limit
        ]
        if not loaded:
            return Law(policy, time)
        newest = max(loaded, key=lambda one: one.entry.entry_time_ms)
        wanted = newest.entry.policy_loaded.policy_set
        try:
            return Law(set_of(wanted), time)
        except InputError:
            unknown.append(wanted.hex())
            return Law(policy, time)

    first, last = at(period.since), at(period.until - _LEAST)
    return Held(first, last, tuple(dict.fromkeys(unknown)))


def texts_sheet(held: Held, counts: Counts, days: tuple[date, date]) -> Sheet:
    """Every text in force on some day of the period, or that a decision rested on."""
    texts = {**held.first.policy.texts, **held.last.policy.texts}
    rows: list[tuple[Value, ...]] = []
    for name, text in texts.items():
        dates = text.in_force
        permits, forbids = counts.relied[name, "permit"], counts.relied[name, "forbid"]
        began = dates.from_ <= days[1] and (dates.until is None or dates.until > days[0])
        if began or permits or forbids:
            rows.append(
                (
                    name,
                    text.title,
                    dates.from_.isoformat(),
                    dates.until.isoformat() if dates.until else "",
                    _yes(in_force(text, days[0])),
                    _yes(in_force(text, days[1])),
                    _READ[text.read.value],
                    _yes(text.provisional),
                    permits,
                    forbids,
                )
            )
    columns = {
        "text": "Texte",
        "title": "Titre",
        "from": "Depuis",
        "until": "Jusqu'au",
        "first_day": "Premier jour",
        "last_day": "Dernier jour",
        "read": "Lu",
        "provisional": "Provisoire",
        "permits": "Décisions permises",
        "forbids": "Décisions interdites",
    }
    shown = ("text", "title", "from", "until", "read", "permits", "forbids")
    return sheet("texts", "Textes en vigueur au cours de la période", columns, rows, shown)


def changes_sheet(held: Held) -> Sheet:
    """Questions that change outcome between the first and the last day."""
    rows = [
        (
            one.activity,
            one.purpose,
            one.data,
            ", ".join(one.what),
            one.before,
            one.after,
            " ; ".join(one.articles),
        )
        for one in compare(held.first, held.last)
    ]
    columns = {
        "activity": "Traitement",
        "purpose": "Finalité",
        "data": "Données",
        "what": "Comment",
        "before": "Premier jour",
        "after": "Dernier jour",
        "articles": "Articles",
    }
    return sheet("law_changes", "Questions dont l'issue a changé", columns, rows)


def sets_sheet(lines: Sequence[Line]) -> Sheet:
    """Sets of policies that nodes loaded or announced, up to the period's end."""
    columns = {
        "ledger": "Registre",
        "index": "Entrée",
        "time": "Heure (UTC)",
        "number": "Numéro",
        "policy_set": "Empreinte",
        "signed_day": "Signé le",
        "signers": "Signataires",
        "changes": "Changements",
        "opened_promises": "Promesses ouvertes",
        "notice_until": "Annoncé jusqu'au",
    }
    shown = ("ledger", "index", "time", "number", "signers", "changes", "opened_promises")
    rows = (_set_row(one) for one in lines)
    return sheet("policy_sets", "Jeux de règles chargés par les nœuds", columns, rows, shown)


def set_changes_sheet(lines: Sequence[Line]) -> Sheet:
    """What each set changed in the one before it, as its entry says; a first set adds all."""
    rows = (
        (one.ledger, one.index, word(change))
        for one in lines
        if one.entry.policy_loaded.previous
        for change in one.entry.policy_loaded.changes
    )
    columns = {"ledger": "Registre", "index": "Entrée", "change": "Changement"}
    return sheet("policy_set_changes", "Ce que les jeux de règles ont changé", columns, rows)


def period_days(period: Period) -> tuple[date, date]:
    """First and last day, in Paris."""
    return paris_day(period.since), paris_day(period.until - _LEAST)


def _set_row(line: Line) -> tuple[Value, ...]:
    loaded = line.entry.policy_loaded
    return (
        line.ledger,
        line.index,
        stamp(line.entry.entry_time_ms),
        loaded.number,
        loaded.policy_set.hex(),
        word(loaded.signed_day),
        ", ".join(map(word, loaded.signers)),
        loaded.change_count,
        ", ".join(map(word, loaded.opened_promises)),
        stamp(loaded.notice_until_ms) if loaded.notice_until_ms else "",
    )


def retention_rows(lines: Sequence[Line]) -> Iterator[tuple[Value, ...]]:
    """Data destroyed, entries pruned and trace keys erased, each with its place."""
    for line in lines:
        kind = line.entry.WhichOneof("kind") or ""
        said: Any = getattr(line.entry, kind)
        place = (line.ledger, line.index, stamp(line.entry.entry_time_ms))
        if kind == "destroyed":
            yield (*place, "données reçues détruites", said.activity, word(said.why), said.releases)
        elif kind == "trace_key_erased":
            yield (*place, "clé de trace effacée", "", word(said.why), 1)
        else:
            why = word(f"{said.text}, {said.article}")
            yield (*place, "entrées anciennes retirées", "", why, said.removed)


def stamp(milliseconds: int) -> str:
    """`2026-11-26 10:00:00`, in UTC; a time no calendar has is shown as its number."""
    try:
        return f"{from_milliseconds(milliseconds):%Y-%m-%d %H:%M:%S}"
    except InputError:
        return str(milliseconds)


def _yes(value: bool) -> str:
    return "oui" if value else "non"
