"""Step 4: a case proof, checked as a holder checks it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from google.protobuf.message import DecodeError

from cloison.errors import CloisonError, InputError, IntegrityError, PeerError
from cloison.exchange import limits
from cloison.exchange.statement import from_milliseconds, to_milliseconds
from cloison.identity import parse_nir, person_digest
from cloison.law.question import CaseFacts
from cloison.ledger.quorum import SeenHead
from cloison.ledger.subset_proof import verify_subset
from cloison.ledger.tree import leaf_hash, verify_inclusion
from cloison.months import Month
from cloison.v1 import entry_pb2, gateway_service_pb2, statement_pb2

_MILLISECOND = timedelta(milliseconds=1)
_LAST_MS = to_milliseconds(datetime.max.replace(tzinfo=UTC))

HeadVerifier = Callable[[bytes], SeenHead]
"""Verifies a signed note of one known ledger and its cosignatures; raises `CloisonError`."""


class CaseKind(NamedTuple):
    """What a case is opened for."""

    type: str
    activity: str
    month: Month


class ProvedCase(NamedTuple):
    """A case entry that stands in the requester's ledger.

    Attributes:
        opened_ms: When it was opened. Times are Unix milliseconds: a batch has hundreds of cases.
        set_ms: When its end was set: as it was opened, or last renewed.
        seen_seconds: When enough witnesses had seen the older of the heads that prove it, seconds
            since 1970; None: not enough did.
    """

    leaf_hash: bytes
    kind: CaseKind
    opened_ms: int
    set_ms: int
    valid_until_ms: int
    person_digests: Sequence[bytes]
    seen_seconds: int | None

    def within(self, validity: timedelta) -> "ProvedCase":
        """The case, its end no further from when it was set than its activity's record allows."""
        end_ms = self.set_ms + validity // _MILLISECOND
        return self if self.valid_until_ms <= end_ms else self._replace(valid_until_ms=end_ms)

    def covers(self, persons: Sequence[statement_pb2.PersonReference]) -> bool:
        """Whether each person, with the case salt given, stands in the case."""
        return all(
            len(person.case_salt) == limits.SALT_BYTES
            and person_digest(person.case_salt, parse_nir(person.nir)) in self.person_digests
            for person in persons
        )

    def facts(
        self, persons: Sequence[statement_pb2.PersonReference], questions_before: int
    ) -> CaseFacts:
        """The facts the law may look at."""
        return CaseFacts(
            type=self.kind.type,
            activity=self.kind.activity,
            month=self.kind.month,
            opened_time=from_milliseconds(self.opened_ms),
            valid_until=from_milliseconds(self.valid_until_ms),
            covers_persons=self.covers(persons),
            questions_before=questions_before,
        )


def allow_skew(case: CaseFacts, now: datetime) -> CaseFacts:
    """A case opened by a clock a little ahead, as a statement's may be, is open from now."""
    ahead = timedelta(0) < case.opened_time - now <= limits.CLOCK_SKEW
    return replace(case, opened_time=now) if ahead else case


def verify_case(
    proof: statement_pb2.CaseProof,
    renewal: statement_pb2.CaseProof | None,
    verify_head: HeadVerifier,
) -> ProvedCase:
    """The case of a proof, its end moved by its renewal if there is one.

    Raises:
        InputError: `TOO_LARGE`: over 16 KiB, whatever else came in the message counted.
        PeerError: `BAD_CASE_PROOF`: not that ledger, not that entry, forged or altered.
    """
    for one in (proof,) if renewal is None else (proof, renewal):
        limits.check_count("case proof bytes", one.ByteSize(), 0, limits.CASE_PROOF_BYTES)
    try:
        entry, seen_seconds = _proved_entry(proof, verify_head)
        case = _opened(entry, leaf_hash(proof.entry), seen_seconds)
        if renewal is None:
            return case
        return _renewed(case, *_proved_entry(renewal, verify_head))
    except PeerError:
        raise
    except CloisonError as error:
        raise PeerError("BAD_CASE_PROOF", f"case proof: {error.message}") from error


def verify_cases(
    proof: gateway_service_pb2.EntriesProof, verify_head: HeadVerifier
) -> dict[bytes, ProvedCase]:
    """The cases of a run by their leaf hash, each end moved by the renewals proved with them.

    Raises:
        PeerError: `BAD_CASE_PROOF`: not that ledger, not those entries, forged or altered.
    """
    most = 2 * limits.COHORT_RUN_PERSONS
    try:
        limits.check_count("case entries", len(proof.entries), 1, most)
        limits.check_count("leaf indexes", len(proof.leaf_indexes), 1, most)
        limits.check_count("case proof hashes", len(proof.hashes), 0, limits.COHORT_PROOF_HASHES)
        limits.check_count("checkpoint bytes", len(proof.checkpoint), 1, limits.CHECKPOINT_BYTES)
        seen = verify_head(proof.checkpoint)
        head = seen.head
        leaves = [leaf_hash(entry) for entry in proof.entries]
        verify_subset(leaves, proof.leaf_indexes, head.size, proof.hashes, head.root)
        cases: dict[bytes, ProvedCase] = {}
        for data, leaf in zip(proof.entries, leaves, strict=True):
            entry = _parsed(data)
            # A renewal stands after what it renews: its case was read before it.
            if (
                entry.WhichOneof("kind") == "case_renewed"
                and (renewed := cases.get(entry.case_renewed.case_leaf_hash)) is not None
            ):
                cases[renewed.leaf_hash] = _renewed(renewed, entry, seen.seconds)
            else:
                cases[leaf] = _opened(entry, leaf, seen.seconds)
    except PeerError:
        raise
    except CloisonError as error:
        raise PeerError("BAD_CASE_PROOF", f"case proof: {error.message}") from error
    return cases


def _proved_entry(
    proof: statement_pb2.CaseProof, verify_head: HeadVerifier
) -> tuple[entry_pb2.Entry, int | None]:
    """The entry, and when enough witnesses had seen the head it stands under."""
    limits.check_count("case proof hashes", len(proof.hashes), 0, limits.PROOF_HASHES)
    limits.check_count("checkpoint bytes", len(proof.checkpoint), 1, limits.CHECKPOINT_BYTES)
    limits.check_count("entry bytes", len(proof.entry), 1, limits.CASE_PROOF_BYTES)
    seen = verify_head(proof.checkpoint)
    head, leaf = seen.head, leaf_hash(proof.entry)
    verify_inclusion(leaf, proof.leaf_index, head.size, list(proof.hashes), head.root)
    return _parsed(proof.entry), seen.seconds


def _parsed(data: bytes) -> entry_pb2.Entry:
    try:
        return entry_pb2.Entry.FromString(data)
    except DecodeError as error:
        raise IntegrityError("BAD_ENTRY", "entry: cannot be decoded") from error


def _opened(entry: entry_pb2.Entry, leaf: bytes, seen_seconds: int | None) -> ProvedCase:
    if entry.WhichOneof("kind") != "case_opened":
        raise PeerError("BAD_CASE_PROOF", "case proof: the entry opens no case")
    opened = entry.case_opened
    begun_ms = _checked_time(entry.entry_time_ms)
    return ProvedCase(
        leaf,
        _kind_of(opened.type, opened.activity, opened.month),
        begun_ms,
        begun_ms,
        _checked_time(opened.valid_until_ms),
        opened.person_digests[:],
        seen_seconds,
    )


@lru_cache(maxsize=1024)
def _kind_of(case_type: str, activity: str, month: int) -> CaseKind:
    return CaseKind(
        limits.check_name("case type", case_type),
        limits.check_name("activity", activity),
        Month.from_number(month),
    )


def _checked_time(time_ms: int) -> int:
    """A time that is one. Raises `InputError` (`MALFORMED`)."""
    if not 0 <= time_ms <= _LAST_MS:
        raise InputError("MALFORMED", "time: out of range")
    return time_ms


def _renewed(case: ProvedCase, entry: entry_pb2.Entry, seen_seconds: int | None) -> ProvedCase:
    renewed = entry.case_renewed
    if entry.WhichOneof("kind") != "case_renewed" or renewed.case_leaf_hash != case.leaf_hash:
        raise PeerError("BAD_CASE_PROOF", "case proof: the renewal is of another case")
    seen = (case.seen_seconds, seen_seconds)
    return case._replace(
        seen_seconds=None if None in seen else min(one for one in seen if one is not None),
        set_ms=_checked_time(entry.entry_time_ms),
        valid_until_ms=_checked_time(renewed.valid_until_ms),
    )
