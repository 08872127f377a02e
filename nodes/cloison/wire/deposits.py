"""`Store.Deposit`: the only way an activity writes an output, and where labels are joined."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from cloison.errors import CloisonError, InputError, PeerError, shown
from cloison.exchange import limits
from cloison.exchange.entries import entry_of, parse_entry
from cloison.exchange.index_terms import part_key
from cloison.exchange.statement import from_milliseconds, parse_statement
from cloison.law import Activity
from cloison.ledger.tree import leaf_hash
from cloison.store import Output
from cloison.v1 import decision_pb2, entry_pb2, release_pb2, store_service_pb2
from cloison.wire.case_files import CaseFile
from cloison.wire.demands import DEPOSIT, check_fresh, read_demand
from cloison.wire.node import Node
from cloison.wire.status import failure_of
from cloison.wire.vault import utc_day

_Cited = tuple[release_pb2.Label, bytes]
"""The label of what is cited, and the leaf hash of the holder's entry."""
_PERMITTED = frozenset({decision_pb2.OUTCOME_PERMIT, decision_pb2.OUTCOME_PERMIT_WITH_OBLIGATIONS})


@dataclass(frozen=True, slots=True)
class _Taken:
    """A deposit that may be written; `known` is its leaf where it already is."""

    deposit: store_service_pb2.Deposit
    entry: bytes
    known: int | None


class DepositDesk:
    """Takes the outputs of this body's activities."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def deposit(
        self, activity: str, deposits: Sequence[store_service_pb2.SignedDeposit]
    ) -> list[store_service_pb2.DepositResult]:
        """Writes outputs, each label joined from the receipts it cites; twice changes nothing.

        Raises:
            InputError: `TOO_LARGE`, `MALFORMED`: not 1 to 64. One refused on its own carries
                its failure: `UNKNOWN_OUTPUT`, `BAD_SIGNATURE`, `NOT_YOURS`, `STATEMENT_TOO_OLD`,
                `CASE_UNKNOWN`, `CASE_CLOSED`, `NOTHING_CITED`, `RECEIPT_UNKNOWN`,
                `LABEL_ENDED`, `ANOTHER_CASE`, …
            StorageError: The disk refused; nothing is acknowledged.
        """
        limits.check_count("deposits", len(deposits), 1, limits.ITEMS_PER_CALL)
        node = self._node
        with node.vault.transaction():
            prepared = {one.deposit: self._prepare(activity, one) for one in deposits}
        taken = [one for one in prepared.values() if isinstance(one, _Taken)]
        new = [one for one in taken if one.known is None]
        fresh = iter(node.append([one.entry for one in new]) if new else [])
        receipts = {
            id(one): next(fresh) if one.known is None else node.receipt(one.known) for one in taken
        }
        # The entry first: no output stands without one. A repeat mends what a crash left out.
        with node.store.transaction():
            for one in taken:
                self._keep(one.deposit, receipts[id(one)].entry)
        return [
            store_service_pb2.DepositResult(receipt=receipts[id(one)])
            if isinstance(one, _Taken)
            else store_service_pb2.DepositResult(failure=failure_of(one))
            for one in (prepared[signed.deposit] for signed in deposits)
        ]

    def _prepare(
        self, activity: str, signed: store_service_pb2.SignedDeposit
    ) -> "_Taken | CloisonError":
        try:
            deposit = read_demand(
                self._node,
                activity,
                DEPOSIT,
                store_service_pb2.Deposit(),
                signed.deposit,
                signed.signature,
            )
            content_hash = sha256(signed.deposit).digest()
            known = self._node.index.first("deposited", content_hash)
            self._require_not_destroyed(content_hash)
            entry = b"" if known is not None else self._entry(activity, deposit, content_hash)
        except (InputError, PeerError) as error:
            self._node.failures.add(activity, error.reason, self._node.clock())
            return error
        return _Taken(deposit, entry, known)

    def _keep(self, deposit: store_service_pb2.Deposit, data: bytes) -> None:
        entry = parse_entry(data)
        labels = entry.deposited.labels
        joined = b"".join(one.SerializeToString(deterministic=True) for one in labels)
        case = self._node.vault.cases.one(deposit.case_leaf_hash)
        self._node.store.keep_output(
            Output(
                deposit_hash=entry.deposited.content_hash,
                activity=deposit.activity,
                output=deposit.output,
                reference=case.reference if case else "",
                case_leaf_hash=deposit.case_leaf_hash,
                content=deposit.content,
                label=joined,
                statement_hashes=(
                    *deposit.statement_hashes,
                    *dict.fromkeys(part.statement_hash for part in deposit.parts),
                ),
                leaf_hash=leaf_hash(data),
                kept_time=from_milliseconds(entry.entry_time_ms),
                until_time=_first_end(labels),
            )
        )

    def _require_not_destroyed(self, content_hash: bytes) -> None:
        if self._node.index.first("destroyed", content_hash) is not None:
            raise PeerError("DESTROYED", "deposit: it was destroyed")

    def _case(self, activity: str, case_leaf_hash: bytes) -> CaseFile:
        case = self._node.vault.cases.one(case_leaf_hash)
        if case is None or case.activity != activity:
            raise PeerError("CASE_UNKNOWN", "deposit: not for a case of this activity")
        if case.closed or case.valid_until <= self._node.clock():
            raise PeerError("CASE_CLOSED", "deposit: its case is closed or past its end")
        return case

    def _entry(
        self, activity: str, deposit: store_service_pb2.Deposit, content_hash: bytes
    ) -> bytes:
        node = self._node
        now = node.clock()
        check_fresh(node, "deposit", deposit.signed_time_ms)
        case = self._case(activity, deposit.case_leaf_hash)
        entry = self._labelled(node.policy.activities[activity], deposit, content_hash)
        row_keys = [node.row_key(person.nir) for person in case.members]
        entry.trace_keys.extend(node.vault.trace_keys(row_keys, utc_day(now)))
        return entry_of(entry, now)

    def _labelled(
        self, record: Activity, deposit: store_service_pb2.Deposit, content_hash: bytes
    ) -> entry_pb2.Deposited:
        output = record.output(deposit.output)
        if output is None:
            raise InputError(
                "UNKNOWN_OUTPUT",
                f"output `{shown(deposit.output[:64])}`: not declared by activity `{record.id}`",
            )
        cited = [self._cited(deposit, one) for one in deposit.statement_hashes]
        cited += [self._cited_part(deposit, one) for one in deposit.parts]
        if output.label == "inherit" and not cited:
            raise InputError(
                "NOTHING_CITED",
                f"output `{output.id}`: inherits a label, and cites no answer",
                "cite each answer it rests on",
            )
        labels: dict[bytes, release_pb2.Label] = {}
        for label, _ in cited:
            labels[label.SerializeToString(deterministic=True)] = label
        return entry_pb2.Deposited(
            activity=record.id,
            output=deposit.output,
            case_leaf_hash=deposit.case_leaf_hash,
            content_hash=content_hash,
            labels=[labels[key] for key in sorted(labels)] if output.label == "inherit" else [],
            reset_article=output.article,
            receipts=[leaf for _, leaf in cited],
        )

    def _cited(self, deposit: store_service_pb2.Deposit, statement_hash: bytes) -> _Cited:
        """Data this activity received about the deposit's case, under a label that still holds.

        What is answered under a case is about its members, whom the entry of the deposit traces.
        """
        received = self._received(deposit, statement_hash)
        asked = self._entry_of("asked", statement_hash).asked
        if parse_statement(asked.signed.statement).case_leaf_hash != deposit.case_leaf_hash:
            raise _another_case()
        return received.label, received.leaf_hash

    def _cited_part(
        self, deposit: store_service_pb2.Deposit, cited: store_service_pb2.CitedPart
    ) -> _Cited:
        """As `_cited`, in a batch of a cohort in which somebody of the case was asked about."""
        received = self._received(deposit, cited.statement_hash)
        place = part_key(cited.statement_hash, cited.batch_index)
        part = self._entry_of("came", place).cohort_part
        if deposit.case_leaf_hash not in part.case_leaf_hashes:
            raise _another_case()
        return received.label, part.leaf_hash

    def _received(
        self, deposit: store_service_pb2.Deposit, statement_hash: bytes
    ) -> entry_pb2.Received:
        received = self._entry_of("received", statement_hash).received
        if received.label.received_by != deposit.activity or received.outcome not in _PERMITTED:
            raise PeerError("RECEIPT_UNKNOWN", "deposit: cites no data this activity received")
        until = received.label.until_ms
        if until and from_milliseconds(until) <= self._node.clock():
            raise PeerError("LABEL_ENDED", "deposit: cites an answer whose label ended", "ask anew")
        return received

    def _entry_of(self, kind: str, statement_hash: bytes) -> entry_pb2.Entry:
        """The first entry of this kind about a statement; an empty one where there is none."""
        index = self._node.index.first(kind, statement_hash)
        return entry_pb2.Entry() if index is None else parse_entry(self._node.traces.entry(index))


def _another_case() -> PeerError:
    return PeerError("ANOTHER_CASE", "deposit: cites an answer asked under another case")


def _first_end(labels: Iterable[release_pb2.Label]) -> datetime | None:
    """When the first of the labels ends; an output is kept no longer than what it rests on."""
    ends = [label.until_ms for label in labels if label.until_ms]
    return from_milliseconds(min(ends)) if ends else None
