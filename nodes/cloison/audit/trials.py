"""Shadow mode: trials that outlived their date, and what was asked in them since."""

from cloison.audit.findings import Finding, Severity
from cloison.audit.gathering import ACCOUNTABILITY, PURPOSE_LIMITATION, Gathering, Kind
from cloison.audit.lines import Line
from cloison.audit.period import hour_of
from cloison.audit.scene import Scene
from cloison.bodies import BodyId
from cloison.exchange.conclude import SHADOW, SHADOW_OVER
from cloison.law import PolicySet

_OVER = Kind(
    "SHADOW_PAST_ITS_DATE",
    Severity.MEDIUM,
    ACCOUNTABILITY,
    "{bodies} gardent des textes où {activity} est à l'essai jusqu'au {until} : l'essai est"
    " terminé, et sa fiche ne dit pas ce qui le suit.",
    "Un jeu de textes signé qui retire l'essai, ou le traitement.",
)
_ASKED = Kind(
    "ASKED_IN_SHADOW_PAST_ITS_DATE",
    Severity.MEDIUM,
    PURPOSE_LIMITATION,
    "{activity} a demandé {n} fois à {holder} après la fin de son essai, le {until}.",
    "Qui fait encore tourner le programme de l'essai, et pour quoi ; rien n'est sorti si l'entrée"
    " le refuse.",
)


def find_trials(scene: Scene) -> list[Finding]:
    """By the sets in force at the end of the period, and by what was decided under each set."""
    gathering = Gathering(scene.tables)
    _over(scene, gathering)
    sets: dict[str, PolicySet | None] = {}
    for place, (reason,) in enumerate(scene.tables.questions.pick("reason")):
        if reason in {SHADOW, SHADOW_OVER}:
            one = scene.tables.questions[place]
            if not scene.period.holds(one.time):
                continue
            if one.set not in sets:
                sets[one.set] = scene.set_named(one.set)
            until = _until(sets[one.set], one.activity)
            if until and hour_of(one.time).date >= until:
                gathering.add(_ASKED, one.activity, one, holder=one.holder, until=until)
    return gathering.findings()


def _over(scene: Scene, gathering: Gathering) -> None:
    """A set is in force from the entry that loads it, or that starts a node with it."""
    last: dict[BodyId, tuple[Line, str]] = {}
    for line in scene.tables.register:
        entry = line.entry
        loaded = entry.policy_loaded
        if entry.entry_time_ms < scene.period.until_ms and not loaded.notice_until_ms:
            name = (loaded.policy_set or entry.started.policy_set).hex()
            if name:
                last[line.body] = line, name
    today = hour_of(scene.period.until_ms - 1).date
    found: dict[tuple[str, str], list[Line]] = {}
    for line, name in last.values():
        policy = scene.set_named(name)
        for activity in () if policy is None else sorted(policy.activities):
            until = _until(policy, activity)
            if until and today >= until:
                found.setdefault((activity, until), []).append(line)
    for (activity, until), lines in found.items():
        bodies = ", ".join(sorted(line.body for line in lines))
        gathering.add_all(_OVER, activity, lines, bodies=bodies, until=until)


def _until(policy: PolicySet | None, activity: str) -> str:
    """The day a trial ends, `YYYY-MM-DD`; empty where it is none, or nobody knows."""
    record = None if policy is None else policy.activities.get(activity)
    return record.shadow.until.isoformat() if record is not None and record.shadow else ""
