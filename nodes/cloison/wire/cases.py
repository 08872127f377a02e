"""Cases of the body: each claim of its files becomes an entry of its ledger, and ends there."""

import os
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice

from cloison.errors import InputError, PeerError, shown
from cloison.exchange import limits
from cloison.exchange.entries import case_closed_entry, case_opened_entry, case_renewed_entry
from cloison.exchange.statement import to_milliseconds
from cloison.identity import person_digest, reference_digest
from cloison.law import Activity
from cloison.ledger.tree import leaf_hash
from cloison.months import Month
from cloison.store import Claim
from cloison.v1 import cases_service_pb2, receipt_pb2, statement_pb2
from cloison.wire.node import Node
from cloison.wire.vault import CaseFile, CaseMember, utc_day

OUTCOMES = frozenset({"decided", "withdrawn", "set-aside"})


class CaseDesk:
    """Opens, renews and closes the cases of this body's activities."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def open(
        self, activity: str, case_type: str, month: Month, references: Sequence[str]
    ) -> Iterator[cases_service_pb2.OpenResponse]:
        """A case for each claim; the same case again if one is live.

        Raises:
            InputError: `UNKNOWN_CASE_TYPE`, `UNKNOWN_CLAIM`, `UNKNOWN_ACTIVITY`.
        """
        record = self._record(activity)
        validity = _validity(record, case_type)
        if record.benefit is None:
            raise InputError("UNKNOWN_CASE_TYPE", f"activity `{activity}`: declares no benefit")
        claims = self._node.store.claims(record.benefit, month, list(references) or None)
        iterator = iter(claims)
        while group := list(islice(iterator, limits.ITEMS_PER_CALL)):
            yield from self._open_group(activity, case_type, month, validity, group)

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
        claims: Sequence[Claim],
    ) -> Iterator[cases_service_pb2.OpenResponse]:
        node = self._node
        now = node.clock()
        live = {
            claim.reference: node.vault.live_case(activity, case_type, month, claim.reference, now)
            for claim in claims
        }
        new = [claim for claim in claims if live[claim.reference] is None]
        if new:
            live.update(self._write(activity, case_type, month, now + validity, new, now))
        for claim in claims:
            case = live[claim.reference]
            if case is not None:
                yield self._response(case)

    def _write(
        self,
        activity: str,
        case_type: str,
        month: Month,
        valid_until: datetime,
        claims: Sequence[Claim],
        now: datetime,
    ) -> dict[str, CaseFile | None]:
        node = self._node
        members = [_members(claim) for claim in claims]
        with node.vault.transaction():
            entries = [
                self._entry(activity, case_type, month, valid_until, claim, people, now)
                for claim, people in zip(claims, members, strict=True)
            ]
        receipts = node.append(entries)
        opened: dict[str, CaseFile | None] = {}
        with node.vault.lasting():
            for claim, people, receipt in zip(claims, members, receipts, strict=True):
                case = CaseFile(
                    leaf_hash=leaf_hash(receipt.entry),
                    leaf_index=receipt.leaf_index,
                    renewal_index=None,
                    activity=activity,
                    type=case_type,
                    month=month,
                    reference=claim.reference,
                    valid_until=valid_until,
                    closed=False,
                    members=people,
                )
                node.vault.keep_case(case)
                opened[claim.reference] = case
        return opened

    def _entry(
        self,
        activity: str,
        case_type: str,
        month: Month,
        valid_until: datetime,
        claim: Claim,
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
            reference_digest(os.urandom(limits.SALT_BYTES), claim.reference),
            self._node.vault.trace_keys(row_keys, utc_day(now)),
            now,
        )

    def _response(self, case: CaseFile) -> cases_service_pb2.OpenResponse:
        return cases_service_pb2.OpenResponse(
            reference=case.reference,
            case_leaf_hash=case.leaf_hash,
            proof=as_proof(self._node.receipt(case.leaf_index)),
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
            renewal=self._renewal(case),
        )

    def _renewal(self, case: CaseFile) -> statement_pb2.CaseProof | None:
        if case.renewal_index is None:
            return None
        return as_proof(self._node.receipt(case.renewal_index))

    def renew(
        self, activity: str, case_leaf_hash: bytes, valid_until: datetime
    ) -> statement_pb2.CaseProof:
        """Moves a live case's end, at most as far as a new case would reach.

        Raises:
            PeerError: `CASE_UNKNOWN`, `CASE_CLOSED`.
            InputError: `TOO_LONG`: further than the activity's record allows.
        """
        now = self._node.clock()
        case = self._live(activity, case_leaf_hash, now)
        longest = now + _validity(self._record(activity), case.type)
        if not now < valid_until <= longest:
            raise InputError(
                "TOO_LONG",
                "case: the new end is past, or further than the activity's record allows",
            )
        entry = case_renewed_entry(case_leaf_hash, valid_until, now)
        (receipt,) = self._node.append([entry])
        with self._node.vault.lasting():
            self._node.vault.renew_case(case_leaf_hash, receipt.leaf_index, valid_until)
        return as_proof(receipt)

    def close(self, activity: str, case_leaf_hashes: Sequence[bytes], outcome: str) -> list[int]:
        """Closes cases, all or none; the leaf index of each entry.

        Called again after a disk refused the entries, it writes them.

        Raises:
            PeerError: `CASE_UNKNOWN`, `CASE_CLOSED`.
            InputError: `MALFORMED`, `TOO_LARGE`: not an outcome, not 1 to 64 cases, one twice.
        """
        limits.check_count("cases", len(case_leaf_hashes), 1, limits.ITEMS_PER_CALL)
        if outcome not in OUTCOMES:
            raise InputError(
                "MALFORMED",
                f"outcome `{shown(outcome[:32])}`: unknown",
                "use decided, withdrawn, set-aside",
            )
        if len(set(case_leaf_hashes)) != len(case_leaf_hashes):
            raise InputError("MALFORMED", "cases: one is named twice")
        for leaf in case_leaf_hashes:
            self._check_closable(self._own(activity, leaf))
        # The vault first, on disk: a case closed there but not yet in the ledger answers nothing.
        with self._node.vault.lasting():
            for leaf in case_leaf_hashes:
                self._node.vault.close_case(leaf)
        now = self._node.clock()
        receipts = self._node.append(
            [case_closed_entry(leaf, outcome, now) for leaf in case_leaf_hashes]
        )
        return [receipt.leaf_index for receipt in receipts]

    def _own(self, activity: str, case_leaf_hash: bytes) -> CaseFile:
        case = self._node.vault.case(case_leaf_hash)
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


def _validity(record: Activity, case_type: str) -> timedelta:
    declared = record.case_type(case_type)
    if declared is None:
        raise InputError(
            "UNKNOWN_CASE_TYPE",
            f"case type `{shown(case_type[:64])}`: not declared by activity `{record.id}`",
        )
    return timedelta(days=declared.validity_days)


def _members(claim: Claim) -> tuple[CaseMember, ...]:
    limits.check_count("persons of a case", len(claim.members), 1, limits.PERSONS_PER_CASE)
    return tuple(
        CaseMember(
            role=member.role,
            nir=member.nir,
            birth_name=member.birth_name,
            birth_date=member.birth_date.isoformat(),
            salt=os.urandom(limits.SALT_BYTES),
        )
        for member in claim.members
    )


def as_proof(receipt: receipt_pb2.Receipt) -> statement_pb2.CaseProof:
    """A receipt of a case entry, as a question carries it."""
    return statement_pb2.CaseProof(
        entry=receipt.entry,
        leaf_index=receipt.leaf_index,
        hashes=receipt.hashes,
        checkpoint=receipt.checkpoint,
    )
