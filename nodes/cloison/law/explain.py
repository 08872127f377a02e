"""A decision in sentences a case worker understands, in French and in English."""

from collections.abc import Callable

from cloison.law.question import Action, Decision, Outcome, Question, RuleRef
from cloison.law.words import french

_REASONS = {
    "FORBIDDEN": ("a text forbids it", "un texte l'interdit"),
    "NO_TEXT": (
        "no text read and in force opens it",
        "aucun texte lu et en vigueur ne l'ouvre",
    ),
    "CONDITION_NOT_MET": (
        "a text could open it, but a condition is not met",
        "un texte pourrait l'ouvrir, mais une condition manque",
    ),
    "TEXT_NOT_IN_FORCE": (
        "the text relied on is not in force",
        "le texte invoqué n'est pas en vigueur",
    ),
    "RULE_ERROR": (
        "a rule could not be evaluated, and what is not evaluated is refused",
        "une règle n'a pu être évaluée, et ce qui ne l'est pas est refusé",
    ),
    "UNKNOWN_ACTIVITY": (
        "the activity is not in the register",
        "le traitement n'est pas au registre",
    ),
    "UNKNOWN_PURPOSE": ("the purpose does not exist", "la finalité n'existe pas"),
    "UNKNOWN_TEXT": ("the text relied on is not known", "le texte invoqué n'est pas connu"),
    "UNKNOWN_DATASET": ("the dataset is not known", "le jeu de données n'est pas connu"),
    "UNKNOWN_FIELD": ("a field is not known", "un champ n'est pas connu"),
    "UNKNOWN_LABEL": (
        "no activity can have received these data for that purpose",
        "aucun traitement n'a pu recevoir ces données pour cette finalité",
    ),
    "BAD_QUESTION": ("the question is not well formed", "la demande est mal formée"),
    "ACTIVITY_OF_ANOTHER_BODY": (
        "the activity is another body's",
        "le traitement est celui d'un autre organisme",
    ),
    "PURPOSE_NOT_DECLARED": (
        "the activity does not declare this purpose",
        "le traitement ne déclare pas cette finalité",
    ),
    "BASIS_NOT_DECLARED": (
        "the activity does not rely on this text",
        "le traitement ne se fonde pas sur ce texte",
    ),
    "DATASET_NOT_IN_RECORD": (
        "the activity's record does not name these data",
        "le registre du traitement ne nomme pas ces données",
    ),
    "FIELD_NOT_IN_RECORD": (
        "a field is not in the activity's record",
        "un champ n'est pas au registre du traitement",
    ),
    "OBLIGATION_UNMET": (
        "an obligation of the permit cannot be met",
        "une obligation de l'autorisation ne peut être remplie",
    ),
    "SHADOW": (
        "the activity is on trial: this would have been permitted, and no data leave",
        "le traitement est à l'essai : ce serait autorisé, et aucune donnée ne sort",
    ),
    "SHADOW_OVER": (
        "the activity's trial is over: nothing is answered until its record says what follows",
        "l'essai du traitement est terminé : rien n'est répondu avant que sa fiche dise la suite",
    ),
    "PERSON_NOT_ANSWERABLE": (
        "no answer is given for this person",
        "aucune réponse n'est donnée pour cette personne",
    ),
}


def explain_en(decision: Decision, question: Question) -> str:
    """One to three sentences in English."""
    what = _what(question, "from", "to", "received for")
    act = f"{what} for {question.purpose}"
    cited = _cited(decision.rules)
    if decision.permitted:
        first = f"Permitted: {question.activity} may read {act}, under {cited}."
        second = _obligations(decision, "On condition:")
    else:
        reason = _REASONS.get(decision.reason, (decision.reason, decision.reason))[0]
        under = f" ({cited})" if cited else ""
        first = f"Refused: {question.activity} may not read {act}: {reason}{under}."
        second = _nearest(decision, "Nearest:", "lacks:", str)
    third = "Provisional: a text was not read whole, or a date not seen."
    return " ".join(filter(None, (first, second, third if decision.provisional else "")))


def explain_fr(decision: Decision, question: Question) -> str:
    """Une à trois phrases en français."""
    what = _what(question, "de", "à", "reçu pour")
    act = f"{what} pour {question.purpose}"
    cited = _cited(decision.rules)
    if decision.permitted:
        first = f"Autorisé : {question.activity} peut lire {act}, en vertu de {cited}."
        second = _obligations(decision, "À condition :")
    else:
        reason = _REASONS.get(decision.reason, (decision.reason, decision.reason))[1]
        under = f" ({cited})" if cited else ""
        first = f"Refusé : {question.activity} ne peut lire {act} : {reason}{under}."
        second = _nearest(decision, "Au plus près :", "il manque :", french)
    third = "Provisoire : un texte n'a pas été lu en entier, ou une date n'a pas été vue."
    return " ".join(filter(None, (first, second, third if decision.provisional else "")))


def _what(question: Question, start: str, end: str, received: str) -> str:
    label = f" {received} {question.received_for}"
    return (
        f"{question.holder}/{question.dataset}"
        f"{label if question.action is Action.READ_RECEIVED else ''}"
        f" {start} {question.first_month} {end} {question.last_month}"
    )


def _cited(rules: tuple[RuleRef, ...]) -> str:
    return "; ".join(f"{rule.text}, {rule.article}" for rule in rules)


def _obligations(decision: Decision, word: str) -> str:
    if decision.outcome is not Outcome.PERMIT_WITH_OBLIGATIONS:
        return ""
    duties = dict.fromkeys(f"{one.kind} {one.value}" for one in decision.obligations)
    return f"{word} {', '.join(duties)}."


def _nearest(decision: Decision, word: str, lacks: str, words: Callable[[str], str]) -> str:
    if not decision.nearest:
        return ""
    nearest = decision.nearest[0]
    failed = "; ".join(words(sentence) for sentence in nearest.failed)
    return f"{word} {nearest.rule.text}, {nearest.rule.article}; {lacks} {failed}."
