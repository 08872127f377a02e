"""How often one person is served: so many times in any hour, each person for themself.

Every reading and every contestation is an entry for ever: without a bound one person, or who took
their sign-in, could fill a ledger and hold up the others. No text read sets the number.

INVARIANT: nobody is kept from their traces for longer than an hour. What is refused does not count,
and a clock that is set back leaves nothing to wait for.
"""

from collections import deque
from datetime import UTC, datetime, timedelta

from cloison.errors import PeerError
from cloison.exchange import limits

_MINUTE = timedelta(minutes=1)


class Pace:
    """The times of one kind of call, in memory alone: of who was served in the last hour.

    Args:
        what: The calls, in French: it is the person who is told.
        most: In any hour.
    """

    def __init__(self, what: str, most: int) -> None:
        self._what = what
        self._most = most
        self._served: dict[bytes, deque[datetime]] = {}

    def take(self, person: bytes, now: datetime) -> None:
        """Counts one more of a person.

        Args:
            person: Row key.
            now: The node's clock.

        Raises:
            PeerError: `TOO_OFTEN`, with the minute from which they are served again.
        """
        self._forget(now)
        times = self._served.pop(person, deque())
        while times and not self._counts(times[0], now):
            times.popleft()
        self._served[person] = times  # last, so that whoever was served longest ago stands first
        if len(times) >= self._most:
            again = (times[0] + limits.PERSON_WINDOW + _MINUTE).astimezone(UTC)
            raise PeerError(
                "TOO_OFTEN",
                f"{self._what} : {self._most} en une heure, c'est le plus pour une personne",
                f"recommencez à partir de {again:%H h %M} UTC ; rien n'est perdu, tout est inscrit",
            )
        times.append(now)

    def _forget(self, now: datetime) -> None:
        """Who was not served in the last hour is not remembered."""
        while self._served:
            first = next(iter(self._served))
            if self._counts(self._served[first][-1], now):
                break
            del self._served[first]

    @staticmethod
    def _counts(time: datetime, now: datetime) -> bool:
        return now - limits.PERSON_WINDOW < time <= now
