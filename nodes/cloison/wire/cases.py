"""Cases of the body: a claim or file of its own becomes an entry of its ledger, and ends there."""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice

from cloison.cases.outcomes import ClosedAs
from cloison.errors import InputError, PeerError, shown
from cloison.exchange import limits
from cloison.exchange.entries import (
    case_closed_entry,
    case_opened_entry,
    case_renewed_entry,
    parse_entry,
)
from cloison.exchange.statement import to_milliseconds
from cloison.exchange.traced import entry_day
from cloison.identity import person_digest, reference_digest
from cloison.law import Activity
from cloison.law.durations import end_of
from cloison.law.records import CaseType, Over
from cloison.ledger.tree import leaf_hash
from cloison.months import Month
from cloison.store import Claim, HouseholdFile
from cloison.v1 import cases_service_pb2, statement_pb2
from cloison.wire.case_files import CaseFile, CaseMember
from cloison.wire.node import Node
from cloison.wire.vault import utc_day

_Basis = Claim | HouseholdFile


class CaseDesk:
    """Opens, renews and closes the cases of this body's activities."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def open(
        self, activity: str, case_type: str, month: Month, references: Sequence[str], most: int = 0
    ) -> Iterator[CaseFile | str]:
        """A case for each claim or file of the body's own; the same case again if one is live.

        The activity's record says what its cases are opened over; one named twice is opened once.
        A claim that can be no case, where all there are were meant, is given back by its reference.

        Raises:
            InputError: `UNKNOWN_CASE_TYPE`, `UNKNOWN_ACTIVITY`, `UNKNOWN_CLAIM`,
                `UNKNOWN_HOUSEHOLD`, `HAS_CLAIM`, `NAME_THE_FILES`.
            PeerError: `OBJECTED`: of one that was named. Where none is, it is left out.
        """
        record = self._record(activity)
        declared = _declared(record, case_type)
        named = list(dict.fromkeys(references)) or None
        bases = self._bases(record, declared, month, named)
        bases = self._not_objected(record, bases, named=named is not None)
        if named is None and declared.over is Over.UNCLAIMED_HOUSEHOLD:
            bases = (basis for basis in bases if not self._is_over(activity, month, basis))
        iterator = islice(bases, most or None) if named is None else bases
        validity = timedelta(days=declared.validity_days)
        while group := list(islice(iterator, limits.ITEMS_PER_CALL)):
            # Of all there are, one that can be no case must not hold up the others.
            whole = [basis for basis in group if named is not None or _can_be_case(basis)]
            for basis in group:
                if basis not in whole and declared.over is Over.CLAIM:
                    yield basis.reference
            yield from self._open_group(activity, case_type, month, validity, whole)

    def _bases(
        self, record: Activity, declared: CaseType, month: Month, references: list[str] | None
    ) -> Iterator[_Basis]:
        store = self._node.store
        if declared.over is Over.HOUSEHOLD:
            if references is None:
                raise InputError(
                    "NAME_THE_FILES",
                    f"case type `{declared.type}`: is for files somebody named, and none is",
                    "give the household of each file",
                )
            return store.households(month, references)
        if record.benefit is None:
            raise InputError("UNKNOWN_CASE_TYPE", f"activity `{record.id}`: declares no benefit")
        if declared.over is Over.CLAIM:
            return store.claims(record.benefit, month, references)
        return store.households(month, references, without_claim=record.benefit)

    def _not_objected(
        self, record: Activity, bases: Iterator[_Basis], *, named: bool
    ) -> Iterator[_Basis]:
        node = self._node
        for basis in bases:
            row_keys = (node.row_key(member.nir) for member in basis.members)
            if not node.vault.objections.any_of(row_keys, record.purposes):
                yield basis
            elif named:
                raise PeerError(
                    "OBJECTED", f"file `{shown(basis.reference)}`: somebody in it objected"
                )

    def _is_over(self, activity: str, month: Month, basis: _Basis) -> bool:
        """A case of this month ended, otherwise than set aside: nobody is asked about twice."""
        case = self._node.vault.cases.latest(activity, month, basis.reference)
        if case is None or not case.closed:
            return False
        closed = self._node.index.first("closed", case.leaf_hash)
        if closed is None:
            return False
        entry = parse_entry(self._node.traces.entry(closed))
        return entry.case_closed.outcome != ClosedAs.SET_ASIDE

    def _record(self, activity: str) -> Activity:
        record = self._node.policy.activities.get(activity)
        if record is None or record.body != self._node.body:
            raise InputError("UNKNOWN_ACTIVITY", f"activity `{activity}`: not in this register")
        return record

    def _open_group(
        self,
        activity: str,
        case_type: str,
        month: Month,
        validity: timedelta,
        bases: Sequence[_Basis],
    ) -> Iterator[CaseFile]:
        node = self._node
        now = node.clock()
        live = {
            basis.reference: node.vault.cases.live(activity, case_type, month, basis.reference, now)
            for basis in bases
        }
        new = [basis for basis in bases if live[basis.reference] is None]
        if new:
            end = min(now + validity, self._end_of_traces(utc_day(now)))
            live.update(self._write(activity, case_type, month, end, new, now))
        for basis in bases:
            case = live[basis.reference]
            if case is not None:
                yield case

    def _write(
        self,
        activity: str,
        case_type: str,
        month: Month,
        valid_until: datetime,
        bases: Sequence[_Basis],
        now: datetime,
    ) -> dict[str, CaseFile | None]:
        node = self._node
        members = [_members(basis) for basis in bases]
        with node.vault.transaction():
            entries = [
                self._entry(activity, case_type, month, valid_until, basis, people, now)
                for basis, people in zip(bases, members, strict=True)
            ]
        receipts = node.append(entries)
        opened: dict[str, CaseFile | None] = {}
        with node.vault.lasting():
            for basis, people, receipt in zip(bases, members, receipts, strict=True):
                case = CaseFile(
                    leaf_hash=leaf_hash(receipt.entry),
                    leaf_index=receipt.leaf_index,
                    renewal_index=None,
                    activity=activity,
                    type=case_type,
                    month=month,
                    reference=basis.reference,
                    valid_until=valid_until,
                    closed=False,
                    members=people,
                )
                node.vault.cases.keep(case)
                opened[basis.reference] = case
        return opened

    def _entry(
        self,
        activity: str,
        case_type: str,
        month: Month,
        valid_until: datetime,
        basis: _Basis,
        people: Sequence[CaseMember],
        now: datetime,
    ) -> bytes:
        row_keys = [self._node.row_key(person.nir) for person in people]
        return case_opened_entry(
            case_type,
            activity,
            month,
            valid_until,
            [person_digest(person.salt, person.nir) for person in people],
            reference_digest(os.urandom(limits.SALT_BYTES), basis.reference),
            self._node.vault.trace_keys(row_keys, utc_day(now)),
            now,
        )

    def told(self, case: CaseFile | str) -> cases_service_pb2.OpenResponse:
        """A case as its program is told of it, proved under a head that enough witnesses saw.

        Raises:
            PeerError: `NOT_WITNESSED`: they saw none over it yet; see `last_index`.
        """
        if isinstance(case, str):
            return cases_service_pb2.OpenResponse(reference=case)
        return cases_service_pb2.OpenResponse(
            reference=case.reference,
            case_leaf_hash=case.leaf_hash,
            proof=self._node.proof(case.leaf_index),
            members=[
                cases_service_pb2.CaseMember(
                    role=person.role,
                    person=statement_pb2.PersonReference(
                        nir=person.nir,
                        birth_name=person.birth_name,
                        birth_date=person.birth_date,
                        case_salt=person.salt,
                    ),
                )
                for person in case.members
            ],
            valid_until_ms=to_milliseconds(case.valid_until),
            renewal=None if case.renewal_index is None else self._node.proof(case.renewal_index),
        )

    def renew(self, activity: str, case_leaf_hash: bytes, valid_until: datetime) -> int:
        """Moves a live case's end, at most as far as a new case would reach; its entry's index.

        INVARIANT: no case outlives the traces of the day it was opened on. It is proved by its
        entry there, which would keep all later ones with it past the time the law has them kept.

        Raises:
            PeerError: `CASE_UNKNOWN`, `CASE_CLOSED`.
            InputError: `TOO_LONG`: further than the activity's record, or those traces, allow.
        """
        now = self._node.clock()
        case = self._live(activity, case_leaf_hash, now)
        declared = _declared(self._record(activity), case.type)
        opened = entry_day(self._node.traces.entry(case.leaf_index))
        if valid_until > (traces_end := self._end_of_traces(opened)):
            raise InputError(
                "TOO_LONG",
                f"case: the traces of the day it was opened on go on {traces_end.date()}",
                "close it, and open a new one if there is still a claim",
            )
        longest = now + timedelta(days=declared.validity_days)
        if not now < valid_until <= longest:
            raise InputError(
                "TOO_LONG",
                "case: the new end is past, or further than the activity's record allows",
            )
        entry = case_renewed_entry(case_leaf_hash, valid_until, now)
        (receipt,) = self._node.append([entry])
        with self._node.vault.lasting():
            self._node.vault.cases.renew(case_leaf_hash, receipt.leaf_index, valid_until)
        return receipt.leaf_index

    def _end_of_traces(self, day: date) -> datetime:
        """Until when the entries of a day are kept."""
        rules = self._node.policy.traces
        if rules is None:  # then nothing goes
            return datetime.max.replace(tzinfo=UTC)
        return end_of(rules.retention.kept, datetime.combine(day, time(), UTC))

    def close(self, activity: str, case_leaf_hashes: Sequence[bytes], outcome: str) -> list[int]:
        """Closes cases, all or none; the leaf index of each entry.

        Called again after a disk refused the entries, it writes them.

        Raises:
            PeerError: `CASE_UNKNOWN`, `CASE_CLOSED`.
            InputError: `MALFORMED`, `TOO_LARGE`: not an outcome, not 1 to 64 cases, one twice.
        """
        limits.check_count("cases", len(case_leaf_hashes), 1, limits.ITEMS_PER_CALL)
        if outcome not in set(ClosedAs):
            raise InputError(
                "MALFORMED",
                f"outcome `{shown(outcome[:32])}`: unknown",
                f"use {', '.join(ClosedAs)}",
            )
        if len(set(case_leaf_hashes)) != len(case_leaf_hashes):
            raise InputError("MALFORMED", "cases: one is named twice")
        for leaf in case_leaf_hashes:
            self._check_closable(self._own(activity, leaf))
        # The vault first, on disk: a case closed there but not yet in the ledger answers nothing.
        with self._node.vault.lasting():
            for leaf in case_leaf_hashes:
                self._node.vault.cases.close(leaf)
        now = self._node.clock()
        receipts = self._node.append(
            [case_closed_entry(leaf, outcome, now) for leaf in case_leaf_hashes]
        )
        return [receipt.leaf_index for receipt in receipts]

    def _own(self, activity: str, case_leaf_hash: bytes) -> CaseFile:
        case = self._node.vault.cases.one(case_leaf_hash)
        if case is None or case.activity != activity:
            raise PeerError("CASE_UNKNOWN", "case: not one of this activity's", "open a case")
        return case

    def _check_closable(self, case: CaseFile) -> None:
        # Closed in the vault alone, it has no entry yet: the disk refused it.
        if case.closed and self._node.index.first("closed", case.leaf_hash) is not None:
            raise _closed("closed")

    def _live(self, activity: str, case_leaf_hash: bytes, now: datetime) -> CaseFile:
        case = self._own(activity, case_leaf_hash)
        if case.closed:
            raise _closed("closed")
        if case.valid_until <= now:
            raise _closed("past its end")
        return case


def _closed(why: str) -> PeerError:
    return PeerError("CASE_CLOSED", f"case: {why}", "open a new one if there is a claim")


def _declared(record: Activity, case_type: str) -> CaseType:
    declared = record.case_type(case_type)
    if declared is None:
        raise InputError(
            "UNKNOWN_CASE_TYPE",
            f"case type `{shown(case_type[:64])}`: not declared by activity `{record.id}`",
        )
    return declared


def _can_be_case(basis: _Basis) -> bool:
    return 1 <= len(basis.members) <= limits.PERSONS_PER_CASE


def _members(basis: _Basis) -> tuple[CaseMember, ...]:
    limits.check_count("persons of a case", len(basis.members), 1, limits.PERSONS_PER_CASE)
    return tuple(
        CaseMember(
            role=member.role,
            nir=member.nir,
            birth_name=member.birth_name,
            birth_date=member.birth_date.isoformat(),
            salt=os.urandom(limits.SALT_BYTES),
        )
        for member in basis.members
    )


def last_index(cases: Sequence[CaseFile | str]) -> int:
    """The last entry that proofs of these cases are of; -1 where none is."""
    known = [case for case in cases if isinstance(case, CaseFile)]
    return max((max(one.leaf_index, one.renewal_index or 0) for one in known), default=-1)
