"""What a proof that fails says: which promise, the question that breaks it, in words."""

from dataclasses import dataclass
from datetime import date

from cloison.law.question import Granularity
from cloison.law.shape import NO_CASE, Shape


@dataclass(frozen=True, slots=True)
class Failure:
    """A promise that does not hold.

    Attributes:
        promise: Its id in `promises.toml`, or the name of the check.
        place: `file:line` of the rule or the record to look at; empty where there is none.
        fr: The counterexample, in French.
        en: The same in English.
        confirmed: Cedar was put the question, and answers as said; no question, no confirmation.
    """

    promise: str
    place: str
    fr: str
    en: str
    confirmed: bool = False


_FINE = {
    Granularity.MONTH: ("mois par mois", "month by month"),
    Granularity.WINDOW_TOTAL: ("en total de période", "as one total"),
    Granularity.YEAR: ("par année", "by year"),
    Granularity.CURRENT: ("à ce jour", "as they are today"),
}


def asked_fr(shape: Shape, day: date) -> str:
    """A question in French: who, what, for what, when, how."""
    fields = ", ".join(shape.fields)
    label = f" reçu de {shape.received_by} pour {shape.received_for}" if shape.received else ""
    people = f"une cohorte de {shape.persons or 1}" if shape.cohort else "des personnes désignées"
    return (
        f"le {day.isoformat()}, `{shape.activity}` demande `{shape.holder}/{shape.dataset}`{label}"
        f" ({fields}) pour `{shape.purpose}`, {shape.months} mois, "
        f"{_FINE[shape.granularity][0]}, pour {people}, {_case_fr(shape)}"
        f"{', par un agent désigné' if shape.named_agent else ''}"
    )


def asked_en(shape: Shape, day: date) -> str:
    """The same question in English."""
    fields = ", ".join(shape.fields)
    label = f" received by {shape.received_by} for {shape.received_for}" if shape.received else ""
    people = f"a cohort of {shape.persons or 1}" if shape.cohort else "named persons"
    return (
        f"on {day.isoformat()}, `{shape.activity}` asks for `{shape.holder}/{shape.dataset}`{label}"
        f" ({fields}) for `{shape.purpose}`, {shape.months} months, "
        f"{_FINE[shape.granularity][1]}, about {people}, {_case_en(shape)}"
        f"{', by a named agent' if shape.named_agent else ''}"
    )


def _case_fr(shape: Shape) -> str:
    case = shape.case
    if case == NO_CASE:
        return "sans dossier"
    whose = "de ce traitement" if case.own else "d'un autre traitement"
    state = "en cours" if case.live else "clos ou expiré"
    covers = "" if case.covers_persons else ", qui ne couvre pas ces personnes"
    window = f"de M-{case.months_back_first} à M-{case.months_back_last}".replace("M--", "M+")
    return f"sous un dossier `{case.type}` {whose}, {state}{covers}, {window}"


def _case_en(shape: Shape) -> str:
    case = shape.case
    if case == NO_CASE:
        return "without a case"
    whose = "its own" if case.own else "another activity's"
    state = "live" if case.live else "closed or expired"
    covers = "" if case.covers_persons else ", which does not cover them"
    window = f"from M-{case.months_back_first} to M-{case.months_back_last}".replace("M--", "M+")
    return f"under {whose} `{case.type}` case, {state}{covers}, {window}"
