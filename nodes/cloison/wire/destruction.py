"""Destruction of what was received: on a program's demand, for a person who objects, or at its end.

INVARIANT: the ledger never says destroyed of what is not. In order: the plan is written down, on
disk; the data go, on disk; the entries are written; the plan is dropped. What a crash leaves in
between is ended when the node starts again, and each second after.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from itertools import groupby

from cloison.cases.outcomes import ClosedAs
from cloison.errors import InputError, PeerError, StorageError, shown
from cloison.exchange import limits
from cloison.exchange.entries import case_closed_entry, entry_of
from cloison.exchange.statement import from_milliseconds, to_milliseconds
from cloison.identity import parse_nir
from cloison.law import Activity
from cloison.law.durations import end_of
from cloison.law.records import ObjectionRight
from cloison.months import Month
from cloison.store import Doomed
from cloison.v1 import entry_pb2, receipt_pb2, store_service_pb2
from cloison.wire.case_files import CaseFile
from cloison.wire.demands import DESTRUCTION, OBJECTION, check_fresh, read_demand
from cloison.wire.doomed_batches import DoomedBatches
from cloison.wire.node import Node
from cloison.wire.plans import Objecting, Plan, Why, portions
from cloison.wire.vault import utc_day

AT_ONCE = 400
"""Releases whose label ended that one `expire` takes."""
_DEMANDED = {Why.NO_ENTITLEMENT: ClosedAs.NO_ENTITLEMENT, Why.SET_ASIDE: ClosedAs.SET_ASIDE}
_CLOSED_AS = {**_DEMANDED, Why.OBJECTION: ClosedAs.OBJECTED}


class _PendingError(StorageError):
    def __init__(self) -> None:
        super().__init__(
            "DESTRUCTION_PENDING",
            "destruction: the store is busy; nothing of it is asked or handed out any more",
            "the node ends it, and enters it, as soon as the store is free",
        )


class DestructionDesk:
    """Destroys received releases, and the deposits that rest on them, of this body's activities."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._batches = DoomedBatches(node)

    def destroy(
        self, activity: str, signed: store_service_pb2.SignedDemand
    ) -> list[receipt_pb2.Receipt]:
        """Destroys what cases brought that come to nothing, closes them; an entry a case.

        Again for cases already destroyed, it gives the entries there are.

        Raises:
            InputError, PeerError: as `read_demand`; `STATEMENT_TOO_OLD`, `CASE_UNKNOWN`.
            StorageError: `DESTRUCTION_PENDING`: the node ends it by itself.
        """
        demand = read_demand(
            self._node,
            activity,
            DESTRUCTION,
            store_service_pb2.Destruction(),
            signed.demand,
            signed.signature,
        )
        if demand.why not in set(_DEMANDED):
            raise InputError(
                "MALFORMED", "destruction: says no reason", f"use {', '.join(_DEMANDED)}"
            )
        leaves = tuple(dict.fromkeys(demand.case_leaf_hashes))
        limits.check_count("cases", len(leaves), 1, limits.ITEMS_PER_CALL)
        check_fresh(self._node, "destruction", demand.signed_time_ms)
        cases = [self._own(activity, leaf) for leaf in leaves]
        plans = [plan for case in cases for plan in self._of_case(case, Why(demand.why))]
        if plans:
            self._write_down(plans)
            self._carry_out(plans)
        return [self._receipt("destroyed", leaf) for leaf in leaves]

    def _own(self, activity: str, leaf: bytes) -> CaseFile:
        case = self._node.vault.cases.one(leaf)
        if case is None or case.activity != activity:
            raise PeerError("CASE_UNKNOWN", "case: not one of this activity's")
        return case

    def _of_case(self, case: CaseFile, why: Why) -> Iterator[Plan]:
        store = self._node.store
        doomed = store.doomed_of_cases(case.activity, [case.leaf_hash])
        doomed += self._batches.of_case(case)
        deposits = store.deposits_of_cases(case.activity, [case.leaf_hash])
        if not doomed and not deposits and self._is("destroyed", case.leaf_hash):
            return
        plan = Plan(
            case.activity,
            why,
            cases=(case.leaf_hash,),
            closing=(case.leaf_hash,),
            persons=tuple(self._node.row_key(person.nir) for person in case.members),
        )
        yield from portions(plan, doomed, deposits)

    def object(
        self, activity: str, signed: store_service_pb2.SignedDemand
    ) -> store_service_pb2.ObjectResponse:
        """Keeps that a person objects; what the activity was given about them goes, cases end.

        What a case holds about others of the household goes too: it was obtained to tell this
        person, and a seal cannot be cut.

        Raises:
            InputError: as `read_demand`; `NO_OBJECTION`: the record lets nobody object; `BAD_NIR`,
                `UNKNOWN_HOUSEHOLD`, `NAME_SOMEBODY`.
            PeerError: as `read_demand`; `STATEMENT_TOO_OLD`.
            StorageError: `DESTRUCTION_PENDING`: it is kept, and the node ends it by itself.
        """
        node = self._node
        demand = read_demand(
            node,
            activity,
            OBJECTION,
            store_service_pb2.Objection(),
            signed.demand,
            signed.signature,
        )
        demand_hash = sha256(signed.demand).digest()
        if not self._is("objected", demand_hash):
            limits.check_count("nonce bytes", len(demand.nonce), limits.NONCE_BYTES, 32)
            check_fresh(node, "objection", demand.signed_time_ms)
            record = node.policy.activities[activity]
            plans = list(self._of_person(record, self._who(demand), demand_hash))
            self._write_down(plans)
            self._carry_out(plans)
        objected = self._receipt("objected", demand_hash)
        return self._response(objected)

    def _response(self, objected: receipt_pb2.Receipt) -> store_service_pb2.ObjectResponse:
        """With the `destroyed` entry that follows it, if one does."""
        response = store_service_pb2.ObjectResponse(objected=objected)
        following = objected.leaf_index + 1
        if following < self._node.traces.size:
            entry = entry_pb2.Entry.FromString(self._node.traces.entry(following))
            if entry.destroyed.why == Why.OBJECTION:
                response.destroyed.CopyFrom(self._node.receipt(following))
        return response

    def _who(self, demand: store_service_pb2.Objection) -> bytes:
        """The row key of who objects."""
        if demand.WhichOneof("who") == "nir":
            return self._node.row_key(parse_nir(demand.nir))
        if not demand.household:
            raise InputError("NAME_SOMEBODY", "objection: names neither a person nor a household")
        now = self._node.clock()
        month = Month.of(now.year, now.month)
        (file,) = self._node.store.households(month, [demand.household])
        return self._node.row_key(file.members[0].nir)

    def _of_person(self, record: Activity, person: bytes, demand_hash: bytes) -> Iterator[Plan]:
        node, right = self._node, _right(record)
        about = node.store.doomed_of_person(record.id, person)
        files = list(self._batches.cases_of(about, person))
        single = (one.case_leaf_hash for one in about if one.case_leaf_hash)
        cases = tuple(dict.fromkeys((*single, *(file.leaf_hash for file in files))))
        rest = node.store.doomed_of_cases(record.id, cases) if cases else []
        rest += [one for file in files for one in self._batches.of_case(file)]
        doomed = list({(one.statement_hash, one.part): one for one in (*about, *rest)}.values())
        deposits = node.store.deposits_of_cases(record.id, cases) if cases else []
        until = end_of(right.kept, node.clock())
        plan = Plan(
            record.id,
            Why.OBJECTION,
            closing=cases,
            persons=(person,),
            objecting=Objecting(record.purposes, to_milliseconds(until), demand_hash, person),
            entered=bool(doomed or deposits),
        )
        yield from portions(plan, doomed, deposits)

    def arrived(self, statement_hash: bytes, why: Why) -> None:
        """Plans for an answer that came in when nobody may have it any more; `finish` ends it."""
        self._doom(self._node.store.doomed_of_statement(statement_hash), why)

    def arrived_together(self, statement_hash: bytes, why: Why, persons: Sequence[bytes]) -> None:
        """As `arrived`, of all that a cohort brought; `persons` alone, row keys, are told why."""
        doomed = self._node.store.doomed_of_statement(statement_hash)
        self._doom([one._replace(persons=()) for one in doomed], why, persons)

    def _doom(self, doomed: Sequence[Doomed], why: Why, persons: Sequence[bytes] = ()) -> None:
        if doomed:
            plan = Plan(doomed[0].activity, why, persons=tuple(persons))
            self._write_down(list(portions(plan, doomed, [])))

    def expire(self) -> bool:
        """Destroys releases and deposits whose label ended; whether there may be more.

        Raises:
            StorageError: `DESTRUCTION_PENDING` and others, as `destroy`.
        """
        now = self._node.clock()
        with self._node.vault.transaction():
            self._node.vault.objections.forget(now)
        ended = self._node.store.doomed_ended(now, AT_ONCE)
        deposits = self._node.store.deposits_ended(now, AT_ONCE)
        plans: list[Plan] = []
        for activity, group in groupby(ended, key=lambda one: one.activity):
            plans += portions(Plan(activity, Why.EXPIRY), list(group), [])
        for activity, rows in groupby(deposits, key=lambda row: row[0]):
            plans += portions(Plan(activity, Why.EXPIRY), [], [deposit for _, deposit in rows])
        if plans:
            self._write_down(plans)
            self._carry_out(plans)
        return AT_ONCE in {len(ended), len(deposits)}

    def finish(self) -> None:
        """Ends what a crash, or a store that was busy, left begun; what is still busy stays."""
        plans = self._node.vault.plans.all()
        if not plans:
            return
        done = [plan for plan in plans if self._is_entered(plan)]
        with self._node.vault.transaction():
            for plan in done:
                self._node.vault.plans.drop(plan)
        if left := [plan for plan in plans if plan not in done]:
            with suppress(_PendingError):
                self._carry_out(left)

    def _is_entered(self, plan: Plan) -> bool:
        if not plan.entered and plan.objecting is not None:
            return self._is("objected", plan.objecting.demand_hash)
        return self._is("destruction", plan.id)

    def _write_down(self, plans: Sequence[Plan]) -> None:
        """On disk before anything is destroyed; from here on nothing more is asked or handed."""
        vault = self._node.vault
        with vault.lasting():
            for plan in plans:
                vault.plans.keep(plan)
                for leaf in plan.closing:
                    vault.cases.close(leaf)
                for statement in plan.statements:
                    vault.forget_answer(statement)
                if (one := plan.objecting) is not None:
                    until = from_milliseconds(one.kept_until_ms)
                    for purpose in one.purposes:
                        vault.objections.keep(one.person, purpose, until)

    def _carry_out(self, plans: Sequence[Plan]) -> None:
        """The data go; then the entries; then the plans. Raises `StorageError`."""
        releases = [release for plan in plans for release in plan.releases]
        deposits = [deposit for plan in plans for deposit in plan.deposits]
        if not (self._node.store.destroy(releases, deposits) and self._node.vault.empty_log()):
            raise _PendingError
        vault = self._node.vault
        with vault.transaction():
            entries = [entry for plan in plans for entry in self._entries(plan)]
        self._node.enter(entries)
        with vault.transaction():
            for plan in plans:
                vault.plans.drop(plan)

    def _entries(self, plan: Plan) -> Iterator[bytes]:
        now = self._node.clock()
        day = utc_day(now)
        for leaf in plan.closing:
            if not self._is("closed", leaf):
                yield case_closed_entry(leaf, _CLOSED_AS[plan.why], now)
        one = plan.objecting
        if one is not None and not self._is("objected", one.demand_hash):
            objected = entry_pb2.Objected(
                activity=plan.activity,
                purposes=one.purposes,
                kept_until_ms=one.kept_until_ms,
                trace_keys=self._node.vault.trace_keys([one.person], day),
                demand_hash=one.demand_hash,
            )
            yield entry_of(objected, now)
        if plan.entered:
            destroyed = entry_pb2.Destroyed(
                activity=plan.activity,
                why=plan.why,
                case_leaf_hashes=plan.cases,
                statement_hashes=plan.statements,
                releases=len(plan.releases),
                deposit_hashes=plan.deposits,
                trace_keys=self._node.vault.trace_keys(plan.persons, day),
                destruction_id=plan.id,
            )
            yield entry_of(destroyed, now)

    def _is(self, kind: str, key: bytes) -> bool:
        return self._node.index.first(kind, key) is not None

    def _receipt(self, kind: str, key: bytes) -> receipt_pb2.Receipt:
        index = self._node.index.first(kind, key)
        if index is None:
            raise StorageError("LEDGER_INDEX", f"ledger: no `{kind}` entry where there must be one")
        return self._node.receipt(index)


def _right(record: Activity) -> ObjectionRight:
    if record.objection is None:
        raise InputError(
            "NO_OBJECTION",
            f"activity `{shown(record.id)}`: its record lets nobody object to it",
            "its purposes are in `policy/activities`; some can be objected to, some cannot",
        )
    return record.objection
