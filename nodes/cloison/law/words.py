"""Conditions in words: a closed list of sentence patterns, English and French side by side.

A condition no pattern covers is given as Cedar writes it: never left out.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

import cedarpy
from cedarpy import pst

_PATTERNS = {
    "live": ("the case is live", "le dossier est en cours"),
    "own": (
        "the case was opened by this activity",
        "le dossier a été ouvert par ce traitement",
    ),
    "covers_persons": (
        "every person asked about stands in the case",
        "toute personne visée figure au dossier",
    ),
    "type": ("the case is of type {x}", "le dossier est de type {x}"),
    "first": (
        "the first month asked is at most {x} months before the case's month",
        "le premier mois demandé précède d'au plus {x} mois celui du dossier",
    ),
    "last": (
        "the last month asked is at least {x} months before the case's month",
        "le dernier mois demandé précède d'au moins {x} mois celui du dossier",
    ),
    "first_exact": (
        "the first month asked is exactly {x} months before the case's month",
        "le premier mois demandé précède d'exactement {x} mois celui du dossier",
    ),
    "last_exact": (
        "the last month asked is exactly {x} months before the case's month",
        "le dernier mois demandé précède d'exactement {x} mois celui du dossier",
    ),
    "first_year": (
        "the first year asked is {x} years before the case's year",
        "la première année demandée précède de {x} ans celle du dossier",
    ),
    "last_year": (
        "the last year asked is {x} years before the case's year",
        "la dernière année demandée précède de {x} ans celle du dossier",
    ),
    "months_most": ("at most {x} months are asked", "au plus {x} mois sont demandés"),
    "since_month": (
        "no month before {x} is asked",
        "aucun mois antérieur à {x} n'est demandé",
    ),
    "questions": (
        "fewer than {x} questions were put under this case",
        "moins de {x} questions ont été posées pour ce dossier",
    ),
    "persons": ("exactly {x} person is asked about", "exactement {x} personne est visée"),
    "persons_least": (
        "at least {x} persons are asked about",
        "au moins {x} personnes sont visées",
    ),
    "whole_years": ("whole calendar years are asked", "des années civiles entières sont demandées"),
    "granularity": ("the answer is by {x}", "la réponse est au niveau {x}"),
    "cohort": ("many persons stand under one statement", "plusieurs personnes sous une demande"),
    "not_cohort": ("persons are named one by one", "les personnes sont désignées une à une"),
    "named_agent": ("an agent is named", "un agent est désigné"),
    "same_policy_set": (
        "both nodes run the same policy set",
        "les deux nœuds appliquent le même jeu de règles",
    ),
    "purpose": ("the purpose is {x}", "la finalité est {x}"),
    "fields": ("no field is asked but {x}", "aucun champ n'est demandé hors {x}"),
    "principal": ("the question is put by {x}", "la demande émane de {x}"),
    "benefit": ("the activity is for the benefit {x}", "le traitement sert la prestation {x}"),
    "own_file": (
        "the data are in the body's own files",
        "les données sont dans les fichiers propres de l'organisme",
    ),
    "collected": (
        "the data were collected for this purpose",
        "les données ont été collectées pour cette finalité",
    ),
    "same_activity": (
        "the data were received by this same activity",
        "les données ont été reçues par ce même traitement",
    ),
    "received_for": ("the data were received for {x}", "les données ont été reçues pour {x}"),
    "relies": ("the question relies on {x}", "la demande se fonde sur {x}"),
    "from_until": (
        "the decision falls from {x} to before {y}",
        "la décision se situe du {x} à avant le {y}",
    ),
    "from": ("the decision falls on {x} or later", "la décision est du {x} ou postérieure"),
    "also": (
        "for {x}, which the activity also declares: {y}",
        "pour {x}, que le traitement déclare aussi : {y}",
    ),
    "no_permit": ("a text permits it", "un texte l'autorise"),
}

_FLAGS = frozenset({"live", "own", "covers_persons"})
_TOP_FLAGS = frozenset({"whole_years", "cohort", "named_agent", "same_policy_set"})
_BOUNDS = {
    ("case", "months_back_first", "less_eq"): "first",
    ("case", "months_back_last", "greater_eq"): "last",
    ("case", "months_back_first", "eq"): "first_exact",
    ("case", "months_back_last", "eq"): "last_exact",
    ("case", "years_back_first", "eq"): "first_year",
    ("case", "years_back_last", "eq"): "last_year",
    ("case", "questions_before", "less"): "questions",
    ("case", "type", "eq"): "type",
    ("context", "months", "less_eq"): "months_most",
    ("context", "first_month", "greater_eq"): "since_month",
    ("context", "persons", "eq"): "persons",
    ("context", "persons", "greater_eq"): "persons_least",
    ("context", "granularity", "eq"): "granularity",
    ("context", "purpose", "eq"): "purpose",
    ("context", "purpose", "in"): "purpose",
    ("principal", "benefit", "eq"): "benefit",
    ("resource", "received_for", "eq"): "received_for",
    ("resource", "received_for", "in"): "received_for",
    ("principal", "", "eq"): "principal",
    ("principal", "", "in"): "principal",
}
_WHOLE = {
    "resource in (principal.body)": "own_file",
    "(resource.purposes).contains(context.purpose)": "collected",
    "(resource.received_by) == principal": "same_activity",
    "principal == (resource.received_by)": "same_activity",
}


def phrase(pattern: str, x: str = "", y: str = "") -> str:
    """One sentence of the closed list, in English."""
    return _PATTERNS[pattern][0].format(x=x, y=y)


@lru_cache(maxsize=4096)
def condition_words(condition: pst.Expr) -> str:
    """The condition as a sentence in English; as Cedar writes it where no pattern covers it."""
    text = cedar_text(condition)
    pattern, value = _WHOLE.get(text, ""), ""
    match condition:
        case pst.GetAttr(pst.GetAttr(pst.Var("context"), "case"), attr) if attr in _FLAGS:
            pattern = attr
        case pst.GetAttr(pst.Var("context"), attr) if attr in _TOP_FLAGS:
            pattern = attr
        case pst.UnaryOp("not", pst.GetAttr(pst.Var("context"), "cohort")):
            pattern = "not_cohort"
        case pst.BinaryOp("contains", pst.Set(elements), path):
            pattern, value = _BOUNDS.get((*_path(path), "eq"), ""), _either(elements)
        case pst.BinaryOp("contains_all", pst.Set(elements), path) if _path(path) == _FIELDS:
            pattern, value = "fields", _either(elements)
        case pst.BinaryOp(op, path, right) if not pattern:
            pattern, value = _BOUNDS.get((*_path(path), op), ""), _value(right)
    return phrase(pattern, value) if pattern else text


_FIELDS = ("context", "fields")


@lru_cache(maxsize=1024)
def french(sentence: str) -> str:
    """The French side of a sentence made by this module; any other sentence as it is."""
    for english, translation in _PATTERNS.values():
        pattern = re.escape(english).replace(r"\{x\}", "(?P<x>.+?)").replace(r"\{y\}", "(?P<y>.+)")
        match = re.fullmatch(pattern, sentence)
        if match:
            parts = {name: french(part) for name, part in match.groupdict().items()}
            return translation.format(**parts)
    return re.sub(r"\bor\b", "ou", sentence)


def sides() -> Iterator[tuple[str, str]]:
    """Every pattern, English and French."""
    return iter(_PATTERNS.values())


def cedar_text(condition: pst.Expr) -> str:
    """The condition as Cedar prints it."""
    rule = pst.Template(
        id="c",
        effect="permit",
        principal=pst.ScopeAny(),
        action=pst.ScopeAny(),
        resource=pst.ScopeAny(),
        clauses=(pst.When(condition),),
        annotations=pst.FrozenMap(),
    )
    policies = pst.PolicySet(
        templates=pst.FrozenMap(),
        static_policies=pst.FrozenMap({"c": rule}),
        template_links=(),
    )
    printed = str(cedarpy.PolicySet.from_pst(policies))
    return printed[printed.index("{") + 1 : printed.rindex("}")].strip()


def _path(expr: pst.Expr) -> tuple[str, str]:
    match expr:
        case pst.GetAttr(pst.GetAttr(pst.Var("context"), "case"), attr):
            return "case", attr
        case pst.GetAttr(pst.Var("context"), attr):
            return "context", attr
        case pst.GetAttr(pst.Var("principal" | "resource" as name), attr):
            return name, attr
        case pst.Var(name):
            return name, ""
        case _:
            return "", ""


def _value(expr: pst.Expr) -> str:
    match expr:
        case pst.LongLit(number):
            return str(number)
        case pst.StringLit(text):
            return f"`{text}`"
        case pst.EntityLit(entity):
            return f"`{entity.id}`"
        case pst.Set(elements):
            return _either(elements)
        case _:
            return cedar_text(expr)


def _either(elements: tuple[pst.Expr, ...]) -> str:
    return " or ".join(_value(element) for element in elements)
