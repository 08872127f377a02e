"""Of whom a period may be late, where many are asked about: found once, then load by load.

Who is named is looked up person by person, so one too many costs time and one too few would be
wrong: loads only add to those named, until they are found anew.
"""

import time
from dataclasses import dataclass

import numpy as np

from cloison.store.expectation import Expectation
from cloison.store.many import Halves, key_halves, person_keys

_WINDOWS = 64
_ANEW_SECONDS = 3600.0
"""Far less than what changed is kept for."""
_ADDED_PERSONS = 20_000


@dataclass(frozen=True, slots=True)
class _Waited:
    """Those of one window. `first`: how many there were when they were found."""

    load: int
    found: float
    first: int
    persons: Halves | None


class Waiting:
    """By window asked about, those of whom a period may be late."""

    def __init__(self) -> None:
        self._held: dict[object, _Waited] = {}

    def find(self, window: object, expectation: Expectation, load: int) -> Halves | None:
        """First halves of their row keys, growing; None where they are too many to name.

        Args:
            window: What tells the expectation from others.
            expectation: Renewed in this snapshot.
            load: Number of the last load in it.
        """
        held = self._held.get(window)
        if held is None or time.monotonic() - held.found > _ANEW_SECONDS:
            held = _found(expectation, load)
        elif held.load != load:
            held = _added(held, expectation, load) or _found(expectation, load)
        if window not in self._held and len(self._held) >= _WINDOWS:
            self._held.clear()
        self._held[window] = held
        return held.persons


def _found(expectation: Expectation, load: int) -> _Waited:
    persons = expectation.waited_for()
    halves = None if persons is None else _halves(persons)
    return _Waited(load, time.monotonic(), 0 if halves is None else len(halves), halves)


def _added(held: _Waited, expectation: Expectation, load: int) -> _Waited | None:
    """With whom the loads since may have added; None where it is time to find them anew."""
    if held.persons is None:  # whoever is asked about is looked up
        return _Waited(load, held.found, held.first, None)
    added = expectation.waited_since(held.load)
    if added is None:
        return None
    persons = np.union1d(held.persons, _halves(added))
    if len(persons) > 2 * held.first + _ADDED_PERSONS:
        return None
    return _Waited(load, held.found, held.first, persons)


def _halves(persons: set[bytes]) -> Halves:
    return np.unique(key_halves(person_keys(b"".join(persons)))[0])
