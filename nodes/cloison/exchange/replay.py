"""Every decision of a ledger made again from its entry, its policy set and nothing else."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

from cloison.errors import InputError, IntegrityError
from cloison.exchange.conclude import decide_again, decide_told_again
from cloison.exchange.entries import parse_entry
from cloison.law import Decision, PolicySet
from cloison.v1 import entry_pb2

_PREFIX = 16


@dataclass(frozen=True, slots=True)
class Replayed:
    """One decision held against itself.

    Attributes:
        index: Of the entry.
        kind: `decided` or `change_told`.
        differs: What the entry says and the law does not answer, `entry / again`; empty: the same.
    """

    index: int
    kind: str
    differs: str


def replay(
    entries: Iterable[tuple[int, bytes]],
    set_of: Callable[[bytes], PolicySet],
    entry_at: Callable[[int], bytes],
) -> Iterator[Replayed]:
    """Each decision, in the order of the ledger.

    Args:
        entries: Index and bytes, from the first entry on.
        set_of: The policy set of a content hash; raises `InputError` where it is not kept.
        entry_at: The bytes of an earlier entry.

    Raises:
        InputError: `NO_POLICY_SET`: an old set is missing; nothing stands for it.
        IntegrityError: `BAD_ENTRY`: an entry of no known kind.
    """
    places: dict[bytes, int] = {}
    for index, data in entries:
        entry = parse_entry(data)
        kind = entry.WhichOneof("kind")
        if kind == "decided":
            statement = entry.decided.signed.statement
            places[_prefix(statement)] = index
            policy = set_of(entry.decided.policy_set)
            yield Replayed(index, kind, _difference(partial(decide_again, policy, entry)))
        elif kind == "change_told":
            yield Replayed(index, kind, _told(entry, set_of, places, entry_at))


def _prefix(statement: bytes) -> bytes:
    return sha256(statement).digest()[:_PREFIX]


def _told(
    entry: entry_pb2.Entry,
    set_of: Callable[[bytes], PolicySet],
    places: dict[bytes, int],
    entry_at: Callable[[int], bytes],
) -> str:
    place = places.get(entry.change_told.statement_hash[:_PREFIX])
    if place is None:
        return "the question it tells a change of was never decided here"
    policy = set_of(entry.change_told.policy_set)
    decided = parse_entry(entry_at(place))
    return _difference(partial(decide_told_again, policy, entry, decided))


def _difference(again: Callable[[], tuple[Decision, Decision]]) -> str:
    try:
        held, made = again()
    except (InputError, IntegrityError) as error:
        return f"cannot be decided again: {error.message}"
    return "" if held == made else f"{_words(held)} / {_words(made)}"


def _words(decision: Decision) -> str:
    rules = ", ".join(f"{rule.text}/{rule.rule}" for rule in decision.rules)
    duties = ", ".join(f"{duty.kind}={duty.value}" for duty in decision.obligations)
    parts = (
        decision.outcome.value,
        decision.reason,
        rules,
        duties,
        f"{len(decision.nearest)} near",
    )
    # A ledger is another's word: what it holds may not command the terminal.
    said = " ".join(part for part in parts if part)
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in said)
