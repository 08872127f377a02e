"""The texts decisions relied on: expired, or not read whole."""

from collections import defaultdict
from datetime import date
from functools import lru_cache

from cloison.audit.findings import Finding, Severity
from cloison.audit.gathering import ACCOUNTABILITY, PURPOSE_LIMITATION, Gathering, Kind
from cloison.audit.period import hour_of
from cloison.audit.rows import Question
from cloison.audit.scene import Scene
from cloison.law.policy_set import in_force

_EXPIRED = Kind(
    "EXPIRED_TEXT_RELIED_ON",
    Severity.HIGH,
    PURPOSE_LIMITATION,
    "{activity} a obtenu {n} réponse(s) sur le fondement de {text}, qui n'était pas en vigueur.",
    "Le texte et ses dates ; les textes que le détenteur avait chargés ce jour-là.",
)
_EXPIRED_ASKED = Kind(
    "EXPIRED_TEXT_INVOKED",
    Severity.MEDIUM,
    PURPOSE_LIMITATION,
    "{activity} a invoqué {n} fois {text}, qui n'était pas en vigueur ; rien n'est sorti.",
    "La base légale que le programme écrit, et qui l'a choisie.",
)
_PROVISIONAL = Kind(
    "PROVISIONAL_TEXT_RELIED_ON",
    Severity.LOW,
    ACCOUNTABILITY,
    "{n} réponse(s) à {activities} reposent sur {text}, texte qui n'a pas été lu en entier ou dont"
    " une date n'a pas été lue.",
    "Le texte lui-même, lu en entier par un juriste.",
)


def find_texts(scene: Scene) -> list[Finding]:
    """By the auditor's own dates of each text, whatever set the holder had."""
    gathering = Gathering(scene.tables)
    texts = scene.policy.texts

    @lru_cache(maxsize=100_000)
    def stale(text: str, day: date) -> bool:
        return text in texts and not in_force(texts[text], day)

    provisional: dict[str, list[Question]] = defaultdict(list)
    for one in scene.questions():
        day = hour_of(one.time).day
        if not one.permitted:
            if stale(one.basis, day):
                gathering.add(_EXPIRED_ASKED, one.activity, one, text=one.basis)
            continue
        for text in one.texts.split():
            if stale(text, day):
                gathering.add(_EXPIRED, one.activity, one, text=text)
            elif one.provisional and (text not in texts or texts[text].provisional):
                provisional[text].append(one)
    for text, group in provisional.items():
        activities = sorted({one.activity for one in group})
        activity = activities[0] if len(activities) == 1 else ""
        words = {"text": text, "activities": ", ".join(activities)}
        gathering.add_all(_PROVISIONAL, activity, group, **words)
    return gathering.findings()
