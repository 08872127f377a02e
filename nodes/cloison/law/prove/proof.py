"""All proofs, one after the other."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from cloison.law.policy_set import PolicySet
from cloison.law.prove.domain import UnprovableError
from cloison.law.prove.failure import Failure
from cloison.law.prove.firing import CHECK as FIRING
from cloison.law.prove.firing import dead_rules
from cloison.law.prove.flow import carried_to
from cloison.law.prove.promises import never_purpose, only_purpose, only_record
from cloison.law.prove.search import Search
from cloison.law.prove.versions import CHECK as VERSIONS
from cloison.law.prove.versions import broken_series
from cloison.law.records import NeverPurpose, OnlyPurpose, Promise

_DEAD = (
    "toute règle peut décider d'une demande qu'un traitement du registre peut faire",
    "every rule can decide some question an activity of the register can put",
)
_SERIES = (
    "les versions d'une même disposition se suivent, sans chevauchement ni trou",
    "versions of one provision follow each other, without overlap or gap",
)
_ROAD = (
    "aucun chemin de traitements, par données reçues et résultats déclarés, n'y mène",
    "no path of activities, through received data and declared outputs, leads there",
)


@dataclass(frozen=True, slots=True)
class Proof:
    """A promise, in both languages, and what breaks it; proved where nothing does."""

    promise: str
    fr: str
    en: str
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """A promise that can be looked into: what it says, and what finds what breaks it."""

    promise: str
    fr: str
    en: str
    failures: Callable[[], Iterator[Failure]]


def prove(policy: PolicySet) -> Iterator[Proof]:
    """Each promise, proved or broken, as it is worked out."""
    try:
        search = Search(policy)
    except UnprovableError as error:
        yield _unprovable("rules", "", "", error)
        return
    for check in checks(search):
        yield _proof(check)


def broken_promises(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """What breaks a promise of the policy set of these files without declaring it; in English.

    Raises:
        InputError: as `PolicySet.parse`.
    """
    search = Search(PolicySet.parse(files))
    found = []
    for check in checks(search):
        if check.promise not in (FIRING, VERSIONS):
            found += [_line(check.promise, failure) for failure in _proof(check).failures]
    return tuple(found)


def _line(promise: str, failure: Failure) -> str:
    place = f"{failure.place}: " if failure.place else ""
    return f"{place}promise `{promise}`: {failure.en}"


def checks(search: Search) -> Iterator[Check]:
    """Every promise of a policy set, and what holds of any."""
    for promise in search.policy.promises.values():
        yield Check(promise.id, promise.fr, promise.en, partial(_failures, search, promise))
        if isinstance(promise, NeverPurpose):
            fr, en = f"{promise.fr} ({_ROAD[0]})", f"{promise.en} ({_ROAD[1]})"
            yield Check(f"{promise.id}, by any path", fr, en, partial(carried_to, search, promise))
    yield Check(FIRING, *_DEAD, partial(dead_rules, search))
    yield Check(VERSIONS, *_SERIES, partial(broken_series, search.policy))


def _failures(search: Search, promise: Promise) -> Iterator[Failure]:
    if isinstance(promise, NeverPurpose):
        return never_purpose(search, promise)
    if isinstance(promise, OnlyPurpose):
        return only_purpose(search, promise)
    return only_record(search, promise)


def _proof(check: Check) -> Proof:
    try:
        # One counterexample a rule or record is enough to mend it.
        first = {failure.place: failure for failure in reversed(list(check.failures()))}
    except UnprovableError as error:
        return _unprovable(check.promise, check.fr, check.en, error)
    found = tuple(first[place] for place in sorted(first))
    return Proof(check.promise, check.fr, check.en, found)


def _unprovable(promise: str, fr: str, en: str, error: UnprovableError) -> Proof:
    what = (f"ne peut être prouvé : {error}", f"cannot be proved: {error}")
    return Proof(promise, fr, en, (Failure(promise, "", *what),))
