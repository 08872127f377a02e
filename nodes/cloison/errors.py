"""One error root, children by the party at fault, one stable reason each.

* Every failure a user can meet is a `CloisonError` with an `UPPER_SNAKE` reason.
* Messages: lower case, no full stop, input in backticks, "what failed: why", then a helping line.
* No message, reason or hint ever holds a NIR or an income (DESIGN §12.2).

The table from reasons to gRPC status and exit code is `cloison.wire.status`.
"""

_NIR_DIGITS = 13


def shown(text: str) -> str:
    """What was given, as a message may quote it; `…` where it has as many digits as a NIR."""
    return text if sum(map(str.isdigit, text)) < _NIR_DIGITS else "…"


class CloisonError(Exception):
    """A failure with a stable reason and, where one exists, a line that helps.

    Args:
        reason: `UPPER_SNAKE`, stable across versions.
        message: What failed and why; never a NIR or an amount.
        hint: What to do next; empty where there is nothing better to say.
    """

    def __init__(self, reason: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class InputError(CloisonError):
    """The caller gave something that is not well formed or not allowed."""


class PeerError(CloisonError):
    """Another node, or its proof, is not what it claims to be."""


class PolicyDenied(CloisonError):  # noqa: N818 - a denial is an answer, not an error in the code
    """The law does not permit it."""


class BudgetExceeded(CloisonError):  # noqa: N818 - named as the design names it
    """A privacy budget would be exceeded."""


class IntegrityError(CloisonError):
    """Bytes that must agree do not: a forged, altered or truncated record."""


class StorageError(CloisonError):
    """The disk, a database or a file of ours refused."""
