"""Batches of cohorts to be destroyed: found by person in the store, by case in the ledger.

A batch goes whole, for a seal cannot be cut. Nobody reads the others' data in it again, and what
rests on them cites the ledger; why it went is told of the case, or the person, it went for alone.
"""

from collections.abc import Iterable, Iterator

from cloison.exchange.entries import parse_entry
from cloison.exchange.index_terms import part_key
from cloison.store import Doomed
from cloison.wire.case_files import CaseFile
from cloison.wire.node import Node


class DoomedBatches:
    """Looks for batches in what one body received."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def of_case(self, case: CaseFile) -> list[Doomed]:
        """The batches in which somebody of the case was asked about under it."""
        found: dict[tuple[bytes, int], Doomed] = {}
        for member in case.members:
            row_key = self._node.row_key(member.nir)
            for one in self._node.store.doomed_of_person(case.activity, row_key):
                if not one.case_leaf_hash and case.leaf_hash in self._cases(one):
                    found[one.statement_hash, one.part] = one._replace(persons=())
        return list(found.values())

    def cases_of(self, doomed: Iterable[Doomed], person: bytes) -> Iterator[CaseFile]:
        """The cases of a person, a row key, among those these batches were asked under."""
        node = self._node
        leaves = (leaf for one in doomed if not one.case_leaf_hash for leaf in self._cases(one))
        for leaf in dict.fromkeys(leaves):
            case = node.vault.cases.one(leaf)
            if case is not None and person in {node.row_key(one.nir) for one in case.members}:
                yield case

    def _cases(self, one: Doomed) -> list[bytes]:
        """None of what is no batch."""
        node = self._node
        place = node.index.first("came", part_key(one.statement_hash, one.part))
        if place is None:
            return []
        return list(parse_entry(node.traces.entry(place)).cohort_part.case_leaf_hashes)
