"""The report as a person reads it: a page of summary, then what stands behind each line of it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date

from cloison.audit.findings import Finding, Severity
from cloison.audit.report.cosigned import AUDITED, EMPTY
from cloison.audit.report.law import period_days
from cloison.audit.report.pictures import pictures
from cloison.audit.report.report import GRADES, PROVED_FINDINGS, SEVERITIES, Report, proof_stem
from cloison.french import french_count, french_date
from cloison.pages.document import Cell, Document, Grid, Line, Part

SHOWN_FINDINGS = 100
_SUMMARY_FINDINGS = 8
_PLACES = 3
_TITLE = "Rapport d'audit"
_TIME = "%Y-%m-%d %H:%M:%S"
_EMPTY = "Aucune ligne dans la période."
_LIMITS = (
    (
        "Ce qu'un registre ne peut pas montrer, et que ce rapport ne peut donc pas exclure : un"
        " administrateur de la machine du détenteur qui lit ses fichiers sans passer par le nœud ;"
        " un demandeur et un détenteur d'accord pour échanger hors de Cloison ; des données"
        " ouvertes dans la mémoire d'un programme et copiées à la main."
    ),
    (
        "Ce que Cloison n'empêche pas mais rend dénombrable : un organisme qui ment sur sa"
        " finalité, prête la clé d'un traitement ou invente des dossiers. Les dossiers sont des"
        " engagements publics, chaque personne voit ses accès, et l'audit cherche ces motifs."
    ),
    (
        "Un constat dit ce qui a été trouvé dans les registres, non ce qu'il prouve d'une"
        " intention ; la colonne « Ce qui le réglerait » dit ce qu'un contrôle peut demander."
    ),
)
_AUDITED = (
    "Une période ne compte comme auditée, pour un registre, que si toutes ses entrées sont sous une"
    " tête cosignée par assez de témoins et par l'autorité de contrôle."
)


def report_document(report: Report) -> Document:
    """The document; bounded, whatever was found."""
    return Document(_TITLE, tuple(_facts(report)), tuple(_parts(report))).settable()


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    first, last = period_days(report.period)
    found = Counter(one.severity for one in report.examined.findings)
    replayed = report.examined.replayed
    decisions = report.sheets["decisions"].rows
    refused = sum(int(row[6]) for row in decisions if row[5] == "refusé")
    total = sum(int(row[6]) for row in decisions)
    due, unmet = sum(replayed.obligations.values()), sum(replayed.unmet.values())
    yield (
        "Période",
        (
            f"{_span(first, last)}"
            f" ({report.period.since:{_TIME}} à {report.period.until:{_TIME}} UTC, fin exclue)"
        ),
    )
    yield "Organismes", ", ".join(report.bodies) or "aucun"
    yield (
        "Entrées de la période",
        french_count(sum(int(row[2]) for row in report.sheets["ledgers"].rows)),
    )
    yield "Décisions", f"{french_count(total)}, dont {french_count(refused)} refus"
    yield (
        "Constats",
        ", ".join(f"{french_count(found[one])} {SEVERITIES[one]}(s)" for one in Severity),
    )
    yield (
        "Décisions refaites",
        (
            f"{french_count(replayed.decisions)},"
            f" dont {french_count(replayed.differing)} différente(s)"
        ),
    )
    yield "Obligations échues", f"{french_count(due)}, dont {french_count(unmet)} non tenue(s)"
    yield "Période auditée", _audited(report)


def _span(first: date, last: date) -> str:
    if first == last:
        return f"le {french_date(first)}"
    return f"du {french_date(first)} au {french_date(last)}"


def _audited(report: Report) -> str:
    states = {str(row[0]): str(row[6]) for row in report.sheets["ledgers"].rows}
    bare = [name for name, said in states.items() if said not in {AUDITED, EMPTY}]
    if not states:
        return "aucun registre lu"
    if bare:
        return f"non, pour {len(bare)} registre(s) sur {len(states)} : {', '.join(bare[:_PLACES])}"
    return f"oui, pour les {len(states)} registres : l'autorité a cosigné leurs têtes"


def _parts(report: Report) -> Iterator[Part]:
    days = period_days(report.period)
    drawn = pictures(report.examined.series, report.policy, days)
    findings = report.examined.findings
    yield Part(
        2, "Résumé", tuple(_first_words(findings)), tuple(_summary(findings)), tuple(drawn[:1])
    )
    yield Part(
        2,
        "1. Images de la période",
        () if drawn else (_EMPTY,),
        pictures=tuple(drawn[1:]),
        new_page=True,
    )
    yield from _findings(findings)
    yield _tables(
        report, "3. Traitements", ("activities",), "Le registre des traitements (RGPD, art. 30)."
    )
    yield _tables(
        report,
        "4. Textes",
        ("texts", "law_changes", "policy_sets", "policy_set_changes"),
        "Une décision qui repose sur un texte non lu en entier est dite provisoire.",
        *_unknown(report),
    )
    yield _tables(report, "5. Décisions", ("decisions", "refusals", "failures"), "Mois de Paris.")
    yield _tables(report, "6. Dossiers et obligations", ("cases", "obligations"))
    yield _tables(report, "7. Registres et témoins", ("ledgers", "cosignatures"), _AUDITED)
    yield _tables(report, "8. Conservation", ("retention",), *_certificates(report))
    yield Part(2, "9. Ce qu'un registre ne montre pas", _LIMITS)
    yield _tables(report, "10. Seuils", ("thresholds",), _THRESHOLDS)


_THRESHOLDS = (
    "Au-delà desquels l'audit parle ; chacun est un choix de ce registre, avec sa raison, et peut"
    " être contesté."
)


def _first_words(findings: Sequence[Finding]) -> Iterator[str]:
    if not findings:
        yield "Aucun constat : rien, dans les registres lus, ne s'écarte de ce qui était attendu."
    elif len(findings) > _SUMMARY_FINDINGS:
        more = french_count(len(findings) - _SUMMARY_FINDINGS)
        yield f"Les plus graves d'abord ; {more} autre(s) constat(s) au chapitre 2."


def _summary(findings: Sequence[Finding]) -> Iterator[Grid]:
    if findings:
        yield Grid(
            "Constats, les plus graves d'abord",
            ("N°", "Gravité", "Traitement", "Constat"),
            tuple(
                (
                    _text(f"[C{number}]"),
                    _text(SEVERITIES[one.severity]),
                    _text(one.activity),
                    _text(one.sentence),
                )
                for number, one in enumerate(findings[:_SUMMARY_FINDINGS], 1)
            ),
        )


def _findings(findings: Sequence[Finding]) -> Iterator[Part]:
    shown = findings[:SHOWN_FINDINGS]
    said = []
    if not findings:
        said.append("Aucun constat.")
    if len(findings) > len(shown):
        more = french_count(len(findings) - len(shown))
        said.append(f"{more} constat(s) de plus dans tables/findings.csv.")
    if len(findings) > PROVED_FINDINGS:
        said.append(
            f"Le dossier de preuves couvre les {PROVED_FINDINGS} premiers constats ; « cloison"
            " ledger prove » fait la preuve de toute autre entrée."
        )
    grid = Grid(
        "Constats et preuves",
        ("N°", "Gravité", "Constat", "Fondement", "Preuves", "Ce qui le réglerait"),
        tuple(_row(number, one) for number, one in enumerate(shown, 1)),
    )
    yield Part(2, "2. Constats", tuple(said), (grid,) if shown else (), new_page=True)


def _row(number: int, one: Finding) -> tuple[Cell, ...]:
    return (
        _text(f"C{number}"),
        _text(SEVERITIES[one.severity]),
        (Line(one.sentence), Line(" · ".join(filter(None, (one.code, one.activity))), faint=True)),
        _text(one.article),
        tuple(_places(one)) or _text("–"),
        _text(one.settles),
    )


def _places(one: Finding) -> Iterator[Line]:
    """The first places, how many there are, and what it takes to check them."""
    for item in one.evidence[:_PLACES]:
        yield Line(f"{proof_stem(item)}{' (têtes)' if item.note else ''}")
    if one.evidence:
        said = [", ".join(dict.fromkeys(GRADES[item.grade] for item in one.evidence))]
        if one.count > _PLACES:
            kept = french_count(len(one.evidence))
            said.append(f"{french_count(one.count)} en tout, {kept} au dossier")
        yield Line(" ; ".join(said), faint=True)


def _tables(report: Report, title: str, names: Sequence[str], *words: str) -> Part:
    sheets = [report.sheets[name] for name in names]
    full = [one for one in sheets if one.rows]
    empty = [f"{one.title} : aucune ligne." for one in sheets if not one.rows]
    left = [f"{one.title} : {one.left}" for one in full if one.left]
    return Part(
        2,
        title,
        tuple(one for one in (*words, *empty, *left) if one),
        tuple(one.grid() for one in full),
    )


def _certificates(report: Report) -> Iterator[str]:
    rows = report.sheets["retention"].rows
    if not any(row[3] == "entrées anciennes retirées" for row in rows):
        yield "Aucun certificat de fin de conservation des traces dans la période."


def _unknown(report: Report) -> Iterator[str]:
    if report.held.unknown:
        yield (
            f"Jeu de règles non conservé ici : {', '.join(report.held.unknown)} ; celui de"
            " l'auditeur en tient lieu dans ces tableaux."
        )


def _text(text: str) -> Cell:
    return (Line(text or "–"),)
