"""Every decision of a ledger made again from its entry, its policy set and nothing else."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

from google.protobuf.message import DecodeError

from cloison.errors import InputError, IntegrityError
from cloison.exchange import limits
from cloison.exchange.conclude import decide_again, decide_told_again, unseen
from cloison.exchange.entries import parse_entry
from cloison.exchange.statement import from_milliseconds
from cloison.exchange.values import witnessing_from_proto
from cloison.law import Decision, PolicySet
from cloison.law.paris import paris_day
from cloison.v1 import decision_pb2, entry_pb2, statement_pb2

_PREFIX = 16
_DIGEST = frozenset({limits.HASH_BYTES})
_MEMORY = 65_536
_HOUR_MS = 3_600_000
_LAST_MS = 32_503_680_000_000  # the year 3000
_Stretch = tuple[int, int]
_Key = tuple[bytes, _Stretch, bytes, bytes, str, bool]


@dataclass(frozen=True, slots=True)
class Replayed:
    """One decision held against itself.

    Attributes:
        index: Of the entry.
        kind: `decided`, `change_told`, or `study_step`, which may hold several.
        differs: What the entry says and the law does not answer, `entry / again`; empty: the same.
    """

    index: int
    kind: str
    differs: str


class Replayer:
    """Makes decisions again; what was just made again alike, of the same question, is remembered.

    INVARIANT: only what `decide_again` itself found the same is remembered, under all it looks at:
    the policy set, its stretch of days, the statement but for whom it is about and when it was
    signed, the facts but for times, whether the case was live, and what it lacks of witnesses.

    Args:
        set_of: The policy set of a content hash; raises `InputError` where it is not kept.
    """

    def __init__(self, set_of: Callable[[bytes], PolicySet]) -> None:
        self._set_of = set_of
        self._alike: dict[_Key, bytes] = {}
        self._stretches: dict[tuple[bytes, int], _Stretch] = {}

    def decided(self, entry: entry_pb2.Entry) -> str:
        """What a `decided` entry says and the law does not answer; empty: the same.

        Raises:
            InputError: `NO_POLICY_SET`: an old set is missing; nothing stands for it.
        """
        policy = self._set_of(entry.decided.policy_set)
        key = self._key(policy, entry)
        held = entry.decided.decision.SerializeToString(deterministic=True)
        if key is not None and self._alike.get(key) == held:
            return ""
        differs = _difference(partial(decide_again, policy, entry))
        if key is not None and not differs:
            if len(self._alike) >= _MEMORY:
                self._alike.clear()
            self._alike[key] = held
        return differs

    def told(self, told: entry_pb2.Entry, decided: entry_pb2.Entry | None) -> str:
        """As `decided`, of a `change_told` entry and the `decided` one of its question."""
        if decided is None:
            return "the question it tells a change of was never decided here"
        policy = self._set_of(told.change_told.policy_set)
        return _difference(partial(decide_told_again, policy, told, decided))

    def _key(self, policy: PolicySet, entry: entry_pb2.Entry) -> _Key | None:
        """None: not as statements and facts are spelled; to be looked at whole."""
        decided, now = entry.decided, entry.entry_time_ms
        purpose, question = _question_of(decided.signed.statement)
        facts = decision_pb2.Facts()
        facts.CopyFrom(decided.facts)
        opened, until = facts.case.opened_time_ms, facts.case.valid_until_ms
        if not question or not (
            0 <= now < _LAST_MS and 0 <= opened < _LAST_MS and 0 <= until < _LAST_MS
        ):
            return None
        if facts.HasField("case"):
            facts.case.ClearField("opened_time_ms")
            facts.case.ClearField("valid_until_ms")
        cites = facts.HasField("case") and not facts.cohort
        seen = witnessing_from_proto(facts)
        facts.ClearField("witnessing")
        said = facts.SerializeToString(deterministic=True)
        lacks = unseen(policy, purpose, seen, cites_case=cites)
        stretch = self._stretch(policy, now)
        return decided.policy_set, stretch, question, said, lacks, opened <= now < until

    def _stretch(self, policy: PolicySet, now: int) -> _Stretch:
        """Of days with the same rules and the same trials over; they begin on an hour of UTC."""
        place = policy.hash, now // _HOUR_MS
        found = self._stretches.get(place)
        if found is None:
            day = paris_day(from_milliseconds(now))
            trials = (one.shadow for one in policy.activities.values())
            over = sum(trial is not None and day >= trial.until for trial in trials)
            found = self._stretches[place] = policy.epoch(day), over
        return found


def _question_of(raw: bytes) -> tuple[str, bytes]:
    """Purpose, and the statement without what no rule looks at; empty: not as it is spelled."""
    statement = statement_pb2.Statement()
    try:
        statement.ParseFromString(raw)
    except DecodeError:
        return "", b""
    statement.DiscardUnknownFields()
    digests = statement.person_digests
    spelled = (
        statement.SerializeToString(deterministic=True) == raw
        and len(raw) <= limits.STATEMENT_BYTES
        and len(statement.nonce) == limits.NONCE_BYTES
        and len(statement.sealing_key_id) == limits.KEY_ID_BYTES
        and len(statement.case_leaf_hash) in (0, limits.HASH_BYTES)
        and 0 <= statement.signed_time_ms < _LAST_MS
        and len(digests) <= limits.PERSONS_PER_STATEMENT
        and len(set(digests)) == len(digests)
        and set(map(len, digests)) <= _DIGEST
    )
    if not spelled:
        return "", b""
    cited, persons = bool(statement.case_leaf_hash), len(digests)
    for name in ("person_digests", "case_leaf_hash", "sealing_key_id", "signed_time_ms", "nonce"):
        statement.ClearField(name)
    # How many persons, and whether a case is cited, parsing looks at.
    question = statement.SerializeToString(deterministic=True) + bytes((persons, cited))
    return statement.purpose, question


def decisions_of(entry: entry_pb2.Entry) -> list[entry_pb2.Entry]:
    """The decisions that a study step holds, each as a `decided` entry of its time."""
    time = entry.entry_time_ms
    return [
        entry_pb2.Entry(version=entry.version, entry_time_ms=time, decided=one)
        for one in entry.study_step.decided
    ]


def replay(
    entries: Iterable[tuple[int, bytes]],
    set_of: Callable[[bytes], PolicySet],
    entry_at: Callable[[int], bytes],
) -> Iterator[Replayed]:
    """Each decision, in the order of the ledger.

    Args:
        entries: Index and bytes, from the first entry on.
        set_of: As `Replayer` takes it.
        entry_at: The bytes of an earlier entry.

    Raises:
        InputError: `NO_POLICY_SET`: as `Replayer.decided`.
        IntegrityError: `BAD_ENTRY`: an entry of no known kind.
    """
    again = Replayer(set_of)
    places: dict[bytes, int] = {}
    for index, data in entries:
        entry = parse_entry(data)
        kind = entry.WhichOneof("kind")
        if kind == "decided":
            places[sha256(entry.decided.signed.statement).digest()[:_PREFIX]] = index
            yield Replayed(index, kind, again.decided(entry))
        elif kind == "change_told":
            place = places.get(entry.change_told.statement_hash[:_PREFIX])
            decided = None if place is None else parse_entry(entry_at(place))
            yield Replayed(index, kind, again.told(entry, decided))
        for one in decisions_of(entry):
            yield Replayed(index, "study_step", again.decided(one))


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
