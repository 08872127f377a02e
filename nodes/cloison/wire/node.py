"""A node's parts, and its one write path: vault, then ledger, then answer."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256

from cloison.bodies import BodyId
from cloison.errors import IntegrityError, PeerError, StorageError
from cloison.exchange import entries
from cloison.exchange.entries import parse_entry
from cloison.exchange.sealing_entries import purpose_of, seals_of
from cloison.exchange.traced import day_number
from cloison.identity import ActivityPublicKeys, AgentDirectory, Nir, row_key
from cloison.law import PolicySet
from cloison.ledger.checkpoint import Checkpoint, verify_checkpoint
from cloison.ledger.index import LedgerIndex
from cloison.ledger.log import Appended, Log
from cloison.ledger.note import NoteVerifier
from cloison.ledger.witness import Witness
from cloison.store import Store
from cloison.v1 import receipt_pb2, statement_pb2
from cloison.wire.seen import OwnHead, PeerHeads
from cloison.wire.vault import Vault

Clock = Callable[[], datetime]
Minute = tuple[str, datetime, list[tuple[str, int]]]
"""A peer, a minute, and how often each reason came up in it."""
_CACHED_HEADS = 4096
_REASONS = 64
SHA256_BYTES = 32


def system_clock() -> datetime:
    """The machine's time, UTC."""
    return datetime.now(tz=UTC)


class Heads:
    """Verifies signed heads of the ledgers this node knows; each head once.

    Args:
        verifiers: Verifier key of each body's `traces` ledger.
    """

    def __init__(self, verifiers: dict[BodyId, NoteVerifier]) -> None:
        self._verifiers = verifiers
        self._verified = lru_cache(_CACHED_HEADS)(self._verify)
        self._last: dict[BodyId, tuple[Checkpoint, bytes]] = {}

    def of(self, body: BodyId) -> Callable[[bytes], Checkpoint]:
        """The verifier of one body's heads. Raises `PeerError` (`UNKNOWN_PEER`)."""
        if not self.knows(body):
            raise PeerError("UNKNOWN_PEER", f"body `{body}`: its ledger's key is not known here")
        return lambda note: self._verified(body, note)

    def knows(self, body: BodyId) -> bool:
        """Whether this body's ledger is known here."""
        return body in self._verifiers

    def _verify(self, body: BodyId, note: bytes) -> Checkpoint:
        return verify_checkpoint(note, self._verifiers[body])

    def see(self, body: BodyId, note: bytes) -> bytes:
        """Remembers a body's longest head, verified; its hash, empty if none was seen.

        Raises:
            PeerError: `BAD_CHECKPOINT`: not that body's; `FORKED_LEDGER`: two trees of one size.
        """
        last = self._last.get(body)
        if note:
            try:
                head = self.of(body)(note)
            except IntegrityError as error:
                raise PeerError("BAD_CHECKPOINT", f"checkpoint: {error.message}") from error
            if last and (head.size, head.root) != (last[0].size, last[0].root):
                if head.size == last[0].size:
                    raise PeerError("FORKED_LEDGER", f"body `{body}`: two heads of one size")
                last = max(last, (head, sha256(note).digest()), key=lambda one: one[0].size)
            last = self._last[body] = last or (head, sha256(note).digest())
        return last[1] if last else b""


class FailureCounts:
    """What failed before a decision, per peer, minute and reason; no content.

    Some reasons are a peer's own words: past 64 a minute the rest is counted as `OTHER`.
    """

    def __init__(self) -> None:
        self._counts: dict[tuple[str, datetime], Counter[str]] = {}

    def add(self, peer: str, reason: str, now: datetime) -> None:
        """Counts one failure."""
        minute = now.replace(second=0, microsecond=0)
        counts = self._counts.setdefault((peer, minute), Counter())
        counts[reason if reason in counts or len(counts) < _REASONS else "OTHER"] += 1

    def take(self, now: datetime | None) -> list[Minute]:
        """Removes and returns the minutes that are over at `now`; all of them if it is None."""
        minute = now.replace(second=0, microsecond=0) if now else None
        due = [key for key in self._counts if minute is None or key[1] < minute]
        return [(key[0], key[1], sorted(self._counts.pop(key).items())) for key in sorted(due)]


@dataclass(slots=True)
class Node:
    """What every servicer of a node works with. `traces` is the ledger of questions."""

    body: BodyId
    policy: PolicySet
    store: Store
    vault: Vault
    traces: Log
    register: Log
    index: LedgerIndex
    heads: Heads
    peer_heads: PeerHeads
    seen: OwnHead
    activities: dict[str, ActivityPublicKeys]
    agents: AgentDirectory
    row_secret: bytes
    witness: Witness
    clock: Clock
    failures: FailureCounts = field(default_factory=FailureCounts)
    last_day: int = 0
    """Of the newest entry of `traces`, in days since 1970."""
    peer_sets: dict[BodyId, tuple[bytes, datetime]] = field(default_factory=dict)

    def see_policy_set(self, peer: BodyId, policy_set: bytes) -> None:
        """Remembers which policy set a peer says it decides by; another than ours is counted.

        It is told, never a ground to refuse: that is for the law to say.
        """
        now = self.clock()
        if len(policy_set) == SHA256_BYTES and peer != self.body:
            self.peer_sets[peer] = (policy_set, now)
            if policy_set != self.policy.hash:
                self.failures.add(peer, "POLICY_SET_DIFFERS", now)

    def row_key(self, nir: Nir) -> bytes:
        """This node's keyed hash of a NIR."""
        return row_key(self.row_secret, nir)

    def append(self, new: Sequence[bytes]) -> list[receipt_pb2.Receipt]:
        """As `enter`; a receipt each."""
        entered = self.enter(new)
        proofs = self.traces.inclusion_proofs(entered)[: len(new)]  # behind them, what seals some
        return [
            receipt_pb2.Receipt(
                entry=entry,
                leaf_index=entered.first_index + place,
                hashes=hashes,
                checkpoint=entered.checkpoint,
            )
            for place, (entry, hashes) in enumerate(zip(new, proofs, strict=True))
        ]

    def enter(self, new: Sequence[bytes]) -> Appended:
        """The entries are on disk and in the tree, the vault's rows before them.

        Raises:
            StorageError: `LEDGER_WRITE`; `DAY_OVER`: the clock went back past midnight; then
                nothing may leave.
        """
        new = self._with_seals(new)
        day = self._day_of(new)
        # The vault's rows and the entries reach the disk side by side; neither leaves without both.
        with self.vault.durable():
            appended = self.traces.append_many(new)
        self.last_day = day
        self.index.add(appended.first_index, new)
        return appended

    def _with_seals(self, new: Sequence[bytes]) -> Sequence[bytes]:
        """And, behind them, what seals those of them that a text lets be sealed."""
        rules = self.policy.traces
        if rules is None or not rules.sealed:
            return new
        return [*new, *seals_of(new, rules, self._asked_purpose, self._purposes)]

    def _purposes(self, activity: str) -> Sequence[str]:
        """Of an activity of the register; none where it is in none."""
        record = self.policy.activities.get(activity)
        return () if record is None else record.purposes

    def _asked_purpose(self, statement_hash: bytes) -> str:
        """The purpose of a question that stands in this ledger already; empty where it does not."""
        for kind in ("asked", "decided"):
            place = self.index.first(kind, statement_hash)
            if place is not None:
                return purpose_of(parse_entry(self.traces.entry(place)))
        return ""

    def _day_of(self, new: Sequence[bytes]) -> int:
        """The day of the newest of them, in days since 1970.

        INVARIANT: days never go back in `traces`. A day that is over gets no entry more, so its map
        holds all of them, for ever.
        """
        day = self.last_day
        for entry in new:
            if (of := day_number(entry)) < day:
                raise StorageError(
                    "DAY_OVER",
                    "ledger: an entry of a day that is over",
                    "set the machine's clock right; until then nothing is answered",
                )
            day = of
        return day

    def receipt(self, leaf_index: int) -> receipt_pb2.Receipt:
        """A receipt of an entry already there, under the present head."""
        return receipt_pb2.Receipt(
            entry=self.traces.entry(leaf_index),
            leaf_index=leaf_index,
            hashes=self.traces.inclusion_proof(leaf_index),
            checkpoint=self.traces.checkpoint(),
        )

    def proof(self, leaf_index: int) -> statement_pb2.CaseProof:
        """The proof of an entry, under the newest head that enough witnesses saw.

        Raises:
            PeerError: `NOT_WITNESSED`: they saw none over it yet.
        """
        size, note = self.seen.over(leaf_index)
        return statement_pb2.CaseProof(
            entry=self.traces.entry(leaf_index),
            leaf_index=leaf_index,
            hashes=self.traces.inclusion_proof(leaf_index, size),
            checkpoint=note,
        )

    def flush_failures(self) -> None:
        """Writes the counts of the minutes that are over."""
        self._enter_failures(self.failures.take(self.clock()))

    def _enter_failures(self, due: Sequence[Minute]) -> None:
        now = self.clock()
        if due:
            self.append(
                [entries.failures_entry(peer, minute, counts, now) for peer, minute, counts in due]
            )

    def _parts(self) -> tuple[Store | Vault | Log | LedgerIndex | Witness, ...]:
        """In the order they are opened; closed the other way round."""
        return self.witness, self.store, self.vault, self.register, self.traces, self.index

    def close(self) -> None:
        """Writes what is left to write; closes every file, whatever one of them does."""
        with ExitStack() as closing:
            for part in self._parts():
                closing.callback(part.close)
            self._enter_failures(self.failures.take(None))
