"""Runs any `cloison` command with a clock set back by whole days. For tests and the demo only.

    python tests/unsafe/unsafe_clock.py 903 node run caf --root . --keys K --var V

Nothing in `nodes/` can do this: a node's clock says which texts are in force, and no message, flag
or setting moves it. TLS keeps the machine's own time.
"""

import sys
from datetime import UTC, date, datetime, timedelta

from cloison.cli import main
from cloison.wire import node


class UnsafeClock:
    """The machine's time, set back.

    Args:
        days_back: Whole days, so that every process of a federation agrees to the second.
    """

    def __init__(self, days_back: int) -> None:
        self._back = timedelta(days=days_back)

    @classmethod
    def at(cls, day: date) -> "UnsafeClock":
        """A clock that now shows `day`."""
        return cls((datetime.now(tz=UTC).date() - day).days)

    @property
    def days_back(self) -> int:
        """Whole days."""
        return self._back.days

    def __call__(self) -> datetime:
        return datetime.now(tz=UTC) - self._back


if __name__ == "__main__":
    node.system_clock = UnsafeClock(int(sys.argv[1]))
    main(sys.argv[2:])
