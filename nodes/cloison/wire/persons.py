"""A person, signed in, is given every entry about them, with proofs that none is left out.

The reading is entered before anything leaves. What is given stands under one signed head, that of
the moment: what is entered meanwhile is for the next time.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256

from cloison.errors import PeerError, StorageError
from cloison.exchange import limits
from cloison.exchange.contestation import check_says
from cloison.exchange.entries import entry_of, parse_entry
from cloison.exchange.index_terms import LAST_DAY
from cloison.exchange.statement import from_milliseconds, to_milliseconds
from cloison.exchange.traced import EVERYONE, entry_day, traced_keys
from cloison.identity import Nir, trace_key
from cloison.identity.sign_in import Issuer, audience_of
from cloison.law.durations import end_of
from cloison.law.trace_rules import TraceRules
from cloison.ledger.checkpoint import verify_checkpoint
from cloison.ledger.day_map import RowsProof, find_row, prove_key
from cloison.ledger.reader import WITNESSED
from cloison.ledger.tree import leaf_hash
from cloison.v1 import entry_pb2, persons_service_pb2, receipt_pb2
from cloison.wire.access_contests import Words
from cloison.wire.days import DayBook
from cloison.wire.node import Node
from cloison.wire.nonces import Nonces
from cloison.wire.person_pace import Pace
from cloison.wire.vault import utc_day

_NEXT = timedelta(days=1)
_QUESTIONS = {"received": "asked", "change_told": "decided"}
"""By kind of entry about a person, under which kind the question it belongs to is found."""


@dataclass(frozen=True, slots=True)
class _Heads:
    """What everything given stands under: the head of the moment, and the one witnesses saw."""

    checkpoint: bytes
    size: int
    witnessed: bytes
    witnessed_size: int

    def size_for(self, index: int) -> int:
        """The size under which an entry is proved."""
        return self.witnessed_size if index < self.witnessed_size else self.size


class PersonDesk:
    """What a node answers persons.

    Args:
        issuer: Who signs persons in.
    """

    def __init__(self, node: Node, issuer: Issuer) -> None:
        self._node = node
        self._issuer = issuer
        self._book = DayBook(node)
        self._nonces = Nonces()
        self._reads = Pace("consultations de vos traces", limits.PERSON_READS)
        self._contests = Pace("contestations", limits.PERSON_CONTESTS)

    @property
    def issuer(self) -> Issuer:
        """Who signs persons in."""
        return self._issuer

    def begin(self) -> str:
        """A fresh nonce. Nothing is kept of it, so asking for many takes nobody's away."""
        return self._nonces.new(self._node.clock())

    def accesses(
        self, nonce: str, token: str
    ) -> Iterator[persons_service_pb2.ListAccessesResponse]:
        """The head, then every day, then every entry about the person.

        Raises:
            PeerError: `BAD_TOKEN`; `NO_TRACE_RULES`: the policy set lets nobody read traces;
                `TOO_OFTEN`: more than 30 times in the hour.
            StorageError: the ledger or the vault refused; then nothing left.
        """
        person = self._signed_in(nonce, token)
        self._reads.take(self._node.row_key(person), self._node.clock())
        key, receipt = self._enter_read(person, nonce)
        heads = self._heads(receipt)
        consistency = (
            self._node.traces.consistency_proof(heads.witnessed_size, heads.size)
            if heads.witnessed
            else []
        )
        yield persons_service_pb2.ListAccessesResponse(
            head=persons_service_pb2.AccessHead(
                person_key=key,
                checkpoint=heads.checkpoint,
                witnessed=heads.witnessed,
                consistency=consistency,
                read=receipt,
            )
        )
        indexes: set[int] = set()
        open_from = self._node.traces.minimum
        day = None
        for place in self._closed_days(heads.size):
            response, found, closed = self._day(place, key, heads)
            yield response
            indexes |= found
            open_from, day = closed.end_index, date.fromisoformat(closed.day)
        indexes |= self._of_open_days(key, open_from, day, heads.size)
        yield from self._entries(person, sorted(indexes), heads)

    def _signed_in(self, nonce: str, token: str) -> Nir:
        """INVARIANT: a nonce serves once, so a token that leaks serves nobody."""
        now = self._node.clock()
        self._nonces.check(nonce, now)
        person = self._issuer.verify(token, audience_of(self._node.body), nonce, now)
        self._nonces.use(nonce, now)
        return person

    def _rules(self) -> TraceRules:
        rules = self._node.policy.traces
        if rules is None:
            raise PeerError("NO_TRACE_RULES", "traces: the policy set does not say who reads them")
        return rules

    def _enter_read(self, person: Nir, nonce: str) -> tuple[bytes, receipt_pb2.Receipt]:
        node, now, access = self._node, self._node.clock(), self._rules().access
        row = node.row_key(person)
        record = next(
            (
                one.id
                for one in node.policy.activities.values()
                if one.body == node.body and tuple(one.purposes) == (access.purpose,)
            ),
            "",
        )
        with node.vault.transaction():
            key = node.vault.person_key(row)
            traces = node.vault.trace_keys([row], utc_day(now))
        read = entry_pb2.PersonRead(
            activity=record,
            purpose=access.purpose,
            legal_basis=access.text,
            nonce_hash=sha256(nonce.encode()).digest(),
            trace_keys=traces,
        )
        (receipt,) = node.append([entry_of(read, now)])
        return key, receipt

    def _heads(self, receipt: receipt_pb2.Receipt) -> _Heads:
        traces = self._node.traces
        size = verify_checkpoint(receipt.checkpoint, traces.verifier).size
        path = traces.directory / WITNESSED
        note, seen = b"", 0
        if path.exists():
            note = path.read_bytes()
            seen = verify_checkpoint(note, traces.verifier).size
        return _Heads(receipt.checkpoint, size, note, seen)

    def _closed_days(self, size: int) -> Sequence[int]:
        """The entries that closed a day, of those days that are still kept."""
        found = self._node.index.find_between("day", LAST_DAY, 0, size)
        kept_from = self._node.traces.minimum
        return [place for place in found if self._closed(place).first_index >= kept_from]

    def _closed(self, place: int) -> entry_pb2.DayClosed:
        return parse_entry(self._node.traces.entry(place)).day_closed

    def _day(
        self, place: int, key: bytes, heads: _Heads
    ) -> tuple[persons_service_pb2.ListAccessesResponse, set[int], entry_pb2.DayClosed]:
        closed = self._closed(place)
        of_day = trace_key(key, self._node.body, date.fromisoformat(closed.day))
        found: set[int] = set()
        with closing(self._book.open(closed)) as rows:
            for one in (of_day, EVERYONE):
                _, row = find_row(rows, one)
                if row is not None:
                    span = closed.first_index, closed.end_index
                    indexes = self._node.index.find_between("trace", one, *span)
                    if len(indexes) != row.count:
                        raise StorageError(
                            "LEDGER_INDEX",
                            f"ledger index: does not agree with the map of {closed.day}",
                            "remove the index; it is made again when the node starts",
                        )
                    found |= set(indexes)
            day = persons_service_pb2.DayProof(
                closed=self._proof(place, heads),
                person=_rows(prove_key(rows, of_day)),
                everyone=_rows(prove_key(rows, EVERYONE)),
            )
        return persons_service_pb2.ListAccessesResponse(day=day), found, closed

    def _of_open_days(self, key: bytes, first: int, last: date | None, size: int) -> set[int]:
        """What is about the person in days not closed yet; no map counts it."""
        node, found = self._node, set[int]()
        if first < size:
            day = entry_day(node.traces.entry(first)) if last is None else last + _NEXT
            while day <= utc_day(node.clock()):
                of_day = trace_key(key, node.body, day)
                found |= set(node.index.find_between("trace", of_day, first, size))
                day += _NEXT
            found |= set(node.index.find_between("trace", EVERYONE, first, size))
        return found

    def _entries(
        self, person: Nir, indexes: Sequence[int], heads: _Heads
    ) -> Iterator[persons_service_pb2.ListAccessesResponse]:
        words = self._node.vault.access_contests.of(self._node.row_key(person))
        own, given = set(indexes), set[int]()
        for index in indexes:
            data = self._node.traces.entry(index)
            sealed = self._sealed(data)
            access = persons_service_pb2.AccessEntry(proof=self._proof(index, heads, hide=sealed))
            said = words.get(index)
            if said is not None and said.hash == _said_in(data):
                access.says_salt, access.says = said.salt, said.says
            yield persons_service_pb2.ListAccessesResponse(access=access)
            question = None if sealed else self._question(parse_entry(data), heads.size)
            if question is not None and question not in own | given:
                given.add(question)
                context = persons_service_pb2.AccessEntry(
                    proof=self._proof(question, heads), context=True
                )
                yield persons_service_pb2.ListAccessesResponse(access=context)

    def _sealed(self, data: bytes) -> bool:
        place = self._node.index.first("sealed", leaf_hash(data))
        if place is None:
            return False
        sealed = parse_entry(self._node.traces.entry(place)).entry_sealed
        return self._node.clock() < from_milliseconds(sealed.until_ms)

    def _question(self, entry: entry_pb2.Entry, size: int) -> int | None:
        """The entry of the question that one which only names it belongs to."""
        kind = entry.WhichOneof("kind") or ""
        asked = _QUESTIONS.get(kind, "")
        if kind == "cohort_part":
            asked = "asked" if entry.cohort_part.received else "decided"
        if not asked:
            return None
        place = self._node.index.first(asked, getattr(entry, kind).statement_hash)
        return place if place is not None and place < size else None

    def _proof(
        self, index: int, heads: _Heads, *, hide: bool = False
    ) -> persons_service_pb2.EntryProof:
        data = self._node.traces.entry(index)
        return persons_service_pb2.EntryProof(
            leaf_index=index,
            entry=b"" if hide else data,
            leaf_hash=leaf_hash(data),
            hashes=self._node.traces.inclusion_proof(index, heads.size_for(index)),
        )

    def contest(
        self, nonce: str, token: str, index: int, leaf: bytes, says: str
    ) -> receipt_pb2.Receipt:
        """Enters that the person contests an entry about them; the same again changes nothing.

        Raises:
            InputError: `MALFORMED`, `TOO_LARGE`: nothing said, or too much.
            PeerError: `BAD_TOKEN`; `NOT_YOURS`: no entry about this person, and of another it is
                not said whether it is there; `TOO_OFTEN`: more than 30 times in the hour.
            StorageError: the vault or the ledger refused.
        """
        person = self._signed_in(nonce, token)
        said = Words.new(check_says(says))
        node, now, rule = self._node, self._node.clock(), self._rules().contest
        row = node.row_key(person)
        with node.vault.transaction():
            key = node.vault.person_key(row)
            traces = node.vault.trace_keys([row], utc_day(now))
        self._check_own(key, index, leaf)
        known = self._contested_by(key, leaf)
        if known is not None:
            return node.receipt(known)
        self._contests.take(row, now)
        contested = entry_pb2.AccessContested(
            leaf_index=index,
            leaf_hash=leaf,
            answer_by_ms=to_milliseconds(end_of(rule.answer_within, now)),
            article=rule.article,
            says_hash=said.hash,
            trace_keys=traces,
        )
        with node.vault.lasting():
            node.vault.access_contests.keep(node.traces.size, row, said)
        (receipt,) = node.append([entry_of(contested, now)])
        return receipt

    def _contested_by(self, key: bytes, leaf: bytes) -> int | None:
        """Where this very person contested it: an entry may be about others, who contested too.

        INVARIANT: nobody is told that somebody else did.
        """
        node = self._node
        for place in node.index.find("access_contested", leaf):
            data = node.traces.entry(place)
            own = trace_key(key, node.body, entry_day(data))
            if own in parse_entry(data).access_contested.trace_keys:
                return place
        return None

    def _check_own(self, key: bytes, index: int, leaf: bytes) -> None:
        node = self._node
        limits.check_bytes("leaf hash", leaf, limits.HASH_BYTES)
        if node.traces.minimum <= index < node.traces.size:
            data = node.traces.entry(index)
            own = trace_key(key, node.body, entry_day(data))
            about = {own, EVERYONE}.intersection(traced_keys(parse_entry(data)))
            if leaf_hash(data) == leaf and about:
                return
        raise PeerError("NOT_YOURS", "entry: none of this place is about you", "list them first")


def _said_in(data: bytes) -> bytes:
    """The hash of the words an entry was made with; words whose entry a crash took have none."""
    entry = parse_entry(data)
    said = getattr(entry, entry.WhichOneof("kind") or "", None)
    return bytes(getattr(said, "says_hash", b""))


def _rows(proof: RowsProof) -> persons_service_pb2.RowsProof:
    return persons_service_pb2.RowsProof(
        first=proof.first,
        rows=[
            persons_service_pb2.MapRow(row=one.row.encode(), hashes=one.path) for one in proof.rows
        ],
    )
