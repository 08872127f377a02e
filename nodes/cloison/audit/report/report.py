"""A report's content: what was found, counted and cosigned, as tables; all text, no drawing yet."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cloison.audit.findings import Evidence, Finding, Severity
from cloison.audit.heads import Kept
from cloison.audit.lines import Ledgers
from cloison.audit.period import Period
from cloison.audit.report.cosigned import cosignatures_sheet, ledgers_sheet
from cloison.audit.report.counts import Counts, Extent, count
from cloison.audit.report.law import (
    Held,
    changes_sheet,
    held_laws,
    period_days,
    retention_rows,
    set_changes_sheet,
    sets_sheet,
    texts_sheet,
)
from cloison.audit.report.sheet import Sheet, Value, sheet
from cloison.audit.run import Examined
from cloison.law import PolicySet
from cloison.ledger.note import NoteVerifier
from cloison.ledger.trust_policy import TrustPolicy

SEVERITIES = {Severity.HIGH: "grave", Severity.MEDIUM: "moyenne", Severity.LOW: "mineure"}
GRADES = {
    "ledger": "prouvé par le registre",
    "vault": "coffre de l'organisme",
    "on-site store": "fichiers de l'organisme",
}
PROVED_FINDINGS = 200
"""Findings whose entries go into the evidence pack; the others' places stand in `evidence.csv`."""
_KEY = {
    "month": "Mois",
    "requester": "Demandeur",
    "holder": "Détenteur",
    "activity": "Traitement",
    "purpose": "Finalité",
    "outcome": "Issue",
}


@dataclass(frozen=True, slots=True)
class Source:
    """What the report is made from.

    Attributes:
        ledgers: As the audit read them.
        heads: By origin: the ledger's key, and the newest head that enough witnesses saw.
        kept: What witnesses keep.
        trust: Which witnesses count.
        policy: The auditor's.
        set_of: The policy set of a content hash; raises `InputError`.
    """

    ledgers: Ledgers
    heads: Mapping[str, tuple[NoteVerifier, bytes | None]]
    kept: Sequence[Kept]
    trust: TrustPolicy
    policy: PolicySet
    set_of: Callable[[bytes], PolicySet]


@dataclass(frozen=True, slots=True)
class Report:
    """The content.

    Attributes:
        sheets: By name.
    """

    period: Period
    bodies: tuple[str, ...]
    examined: Examined
    policy: PolicySet
    held: Held
    sheets: Mapping[str, Sheet]


def make_report(source: Source, examined: Examined, period: Period) -> Report:
    """The content of a report; a pure function of the ledgers, the law and the period.

    Raises:
        StorageError, IntegrityError: as `LedgerFolder` and `cosignatures_sheet`.
    """
    counts = count(source.ledgers, period)
    read = {one.ledger for one in counts.extents}
    counts.extents += [Extent(name, 0, 0, -1, -1) for name in source.heads if name not in read]
    held = held_laws(counts, source.policy, source.set_of, period)
    made = [
        findings_sheet(examined.findings),
        evidence_sheet(examined.findings),
        *_decided(counts),
        _activities(source.policy, counts),
        _cases(counts),
        texts_sheet(held, counts, period_days(period)),
        changes_sheet(held),
        sets_sheet(counts.policies),
        set_changes_sheet(counts.policies),
        ledgers_sheet(counts.extents, source.ledgers.witnessed),
        cosignatures_sheet(source.heads, source.kept, source.trust),
        _retention(counts),
        _failures(counts),
        _kinds(counts),
        _obligations(examined),
        _thresholds(source.policy),
        _series(examined),
    ]
    return Report(
        period,
        tuple(sorted({*source.ledgers.traces, *source.ledgers.register})),
        examined,
        source.policy,
        held,
        {one.name: one for one in made},
    )


def proof_stem(one: Evidence) -> str:
    """Where the pack has an entry, without the ending: `caf.traces/902`; a head with its root."""
    origin, _, log = one.ledger.partition("/")
    body = origin.partition(".")[0]
    # Of one size there may be two heads: a fork.
    return f"{body}.{log}/{one.index}" + (f"-{one.leaf_hash[:8]}" if one.note else "")


def findings_sheet(findings: Sequence[Finding]) -> Sheet:
    """The findings, in the order of the audit."""
    columns = {
        "finding": "N°",
        "severity": "Gravité",
        "code": "Code",
        "activity": "Traitement",
        "article": "Article",
        "sentence": "Constat",
        "count": "Nombre",
        "settles": "Ce qui le réglerait",
    }
    rows = tuple(
        (
            number,
            SEVERITIES[one.severity],
            one.code,
            one.activity,
            one.article,
            one.sentence,
            one.count,
            one.settles,
        )
        for number, one in enumerate(findings, 1)
    )
    return Sheet("findings", "Constats", columns, rows)


def evidence_sheet(findings: Sequence[Finding]) -> Sheet:
    """Every place named by a finding."""
    columns = {
        "finding": "N°",
        "ledger": "Registre",
        "index": "Entrée",
        "leaf_hash": "Empreinte de la feuille",
        "grade": "Valeur",
        "files": "Fichiers",
    }
    rows = tuple(
        (number, one.ledger, one.index, one.leaf_hash, GRADES[one.grade], _files(number, one))
        for number, finding in enumerate(findings, 1)
        for one in finding.evidence
    )
    return Sheet("evidence", "Preuves", columns, rows)


def _files(number: int, one: Evidence) -> str:
    if number > PROVED_FINDINGS:
        return ""
    stem = f"evidence/{proof_stem(one)}"
    return f"{stem}.heads" if one.note else f"{stem}.entry {stem}.tlog-proof"


def _decided(counts: Counts) -> Iterator[Sheet]:
    yield sheet(
        "decisions",
        "Décisions par traitement, finalité et mois",
        _KEY | {"decisions": "Décisions", "persons": "Personnes", "provisional": "Provisoires"},
        (
            (*key, number, counts.persons[key], counts.provisional[key])
            for key, number in counts.decisions.items()
        ),
    )
    yield sheet(
        "refusals",
        "Refus et leurs motifs",
        {
            "activity": "Traitement",
            "purpose": "Finalité",
            "reason": "Motif",
            "articles": "Règles qui l'interdisent, ou les plus proches",
            "count": "Nombre",
        },
        _rows(counts.refusals),
    )


def _rows(counted: Counter[tuple[str, ...]]) -> Iterator[tuple[Value, ...]]:
    for key, number in counted.items():
        yield (*key, number)


def _activities(policy: PolicySet, counts: Counts) -> Sheet:
    used = dict.fromkeys(policy.activities, 0)
    for key, number in counts.decisions.items():
        used[key[3]] = used.get(key[3], 0) + number
    columns = {
        "activity": "Traitement",
        "title": "Intitulé",
        "body": "Organisme",
        "controller": "Responsable",
        "purposes": "Finalités",
        "texts": "Fondements",
        "data": "Données",
        "recipients": "Destinataires",
        "retention": "Conservation",
        "security": "Sécurité",
        "decisions": "Décisions",
    }
    rows = (_activity(policy, name, number) for name, number in used.items())
    shown = ("activity", "title", "body", "purposes", "texts", "decisions")
    return sheet("activities", "Traitements, tels que déclarés", columns, rows, shown)


def _activity(policy: PolicySet, name: str, decisions: int) -> tuple[Value, ...]:
    known = policy.activities.get(name)
    if known is None:
        return (name, "inconnu du registre des traitements", *[""] * 8, decisions)
    return (
        name,
        known.title,
        known.body,
        known.controller,
        ", ".join(policy.purposes[one].fr for one in known.purposes),
        ", ".join(known.legal_bases),
        " ; ".join(known.data),
        " ; ".join(known.recipients),
        " ; ".join(known.retention),
        " ; ".join(known.security),
        decisions,
    )


def _cases(counts: Counts) -> Sheet:
    columns = {
        "activity": "Traitement",
        "case_type": "Dossier",
        "event": "Ce qu'il est devenu",
        "count": "Nombre",
    }
    rows = _rows(counts.cases)
    return sheet("cases", "Dossiers ouverts et clos dans la période", columns, rows)


def _retention(counts: Counts) -> Sheet:
    columns = {
        "ledger": "Registre",
        "index": "Entrée",
        "time": "Heure (UTC)",
        "what": "Quoi",
        "activity": "Traitement",
        "why": "Pourquoi",
        "count": "Nombre",
    }
    rows = retention_rows(counts.ended)
    return sheet("retention", "Destructions et certificats de fin de conservation", columns, rows)


def _failures(counts: Counts) -> Sheet:
    columns = {"ledger": "Registre", "peer": "Pair", "reason": "Motif", "count": "Nombre"}
    rows = _rows(counts.failures)
    return sheet("failures", "Échecs avant décision", columns, rows)


def _kinds(counts: Counts) -> Sheet:
    columns = {"ledger": "Registre", "kind": "Entrée", "count": "Nombre"}
    rows = _rows(counts.kinds)
    return sheet("kinds", "Entrées de la période, par espèce", columns, rows)


def _obligations(examined: Examined) -> Sheet:
    columns = {"obligation": "Obligation", "due": "Échues", "unmet": "Non tenues"}
    replayed = examined.replayed
    rows = ((kind, due, replayed.unmet.get(kind, 0)) for kind, due in replayed.obligations.items())
    return sheet("obligations", "Obligations échues dans la période", columns, rows)


def _thresholds(policy: PolicySet) -> Sheet:
    columns = {"threshold": "Seuil", "value": "Valeur", "reason": "Raison"}
    alarms = {} if policy.alarms is None else policy.alarms.model_dump(mode="json")
    rows: list[tuple[Value, ...]] = [
        (name, one["value"], one["reason"]) for name, one in alarms.items()
    ]
    return sheet("thresholds", "Seuils de l'audit et leurs raisons", columns, rows)


def _series(examined: Examined) -> Sheet:
    columns = {
        "series": "Série",
        "title": "Intitulé",
        "activity": "Traitement",
        "purpose": "Finalité",
        "unit": "Unité",
        "point": "Jour ou mois",
        "value": "Valeur",
    }
    rows = (
        (one.name, one.title, one.activity, one.purpose, one.unit, point, f"{value:.6g}")
        for one in examined.series
        for point, value in one.points
    )
    return sheet("series", "Séries dessinées", columns, rows)
