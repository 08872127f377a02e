"""How often keys were seen: eight bytes of memory a key and entry, and no row of their own on disk.

A row of a table a key costs a page of the disk each, wherever keys are random: 15 µs. Here they
stand in sorted runs, each longer than all after it, so that a look-up meets few of them.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

PREFIX_BYTES = 8
_FRESH_KEYS = 4_096

Prefixes = npt.NDArray[np.uint64]


class KeyCounts:
    """Counts of keys by their first eight bytes; hashes that begin alike are counted together.

    INVARIANT: never too few. Two of 360 million random keys begin alike with a chance of 0.4 %.

    Args:
        prefixes: Eight bytes of each key seen so far, one behind the other.
    """

    def __init__(self, prefixes: bytes = b"") -> None:
        self._runs: list[Prefixes] = []
        self._fresh: Counter[bytes] = Counter()
        if prefixes:
            self._runs.append(np.sort(np.frombuffer(prefixes, np.uint64)))

    def add(self, keys: Iterable[bytes]) -> None:
        """Each of them was seen once more; of eight bytes or more."""
        self._fresh.update(map(_prefix, keys))
        if len(self._fresh) >= _FRESH_KEYS:
            self._settle()

    def count(self, key: bytes) -> int:
        """As `counts`, of one: arrays of one element would cost ten times as much."""
        prefix = _prefix(key)
        found = self._fresh.get(prefix, 0)
        asked = np.uint64(int.from_bytes(prefix, sys.byteorder))
        for run in self._runs:
            first = int(run.searchsorted(asked))
            if first < len(run) and run[first] == asked:
                found += int(run.searchsorted(asked, "right")) - first
        return found

    def counts(self, keys: Sequence[bytes]) -> list[int]:
        """How often each was seen."""
        prefixes = list(map(_prefix, keys))
        asked = np.frombuffer(b"".join(prefixes), np.uint64)
        found = np.array([self._fresh[prefix] for prefix in prefixes], np.int64)
        for run in self._runs:
            found += np.searchsorted(run, asked, "right") - np.searchsorted(run, asked)
        counts: list[int] = found.tolist()
        return counts

    def _settle(self) -> None:
        joined = b"".join(self._fresh.elements())
        self._runs.append(np.sort(np.frombuffer(joined, np.uint64)))
        self._fresh.clear()
        while len(self._runs) > 1 and len(self._runs[-2]) <= 2 * len(self._runs[-1]):
            last = self._runs.pop()
            # What is sorted in two stretches, this merges in one pass.
            self._runs[-1] = np.sort(np.concatenate((self._runs[-1], last)), kind="stable")


def _prefix(key: bytes) -> bytes:
    return key[:PREFIX_BYTES]
