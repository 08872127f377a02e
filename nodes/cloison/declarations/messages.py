"""Declarations into the store: a slot each, and in it a record for each payment."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from cloison.declarations import grammar
from cloison.declarations.lines import Source, refuse
from cloison.declarations.mapping import MessageMapping, Part, Unit
from cloison.declarations.neodes import Block, read_blocks
from cloison.declarations.persons import RowKeys
from cloison.declarations.spelling import parse_day_first, siret
from cloison.errors import InputError
from cloison.store import MOST_PLACE, Loading, NewRecord, Slot

_MONTH = 100


class Read(NamedTuple):
    """What a file held."""

    lines: int
    declarations: int
    records: int


class MessageLoader:
    """One NEODeS file on its way into the store.

    Args:
        name: The file's, for messages.
        loading: The transaction of this file.
        mappings: By declared nature.
        row_keys: The row key of a NIR.
    """

    def __init__(
        self,
        name: str,
        loading: Loading,
        mappings: Mapping[str, MessageMapping],
        row_keys: RowKeys,
    ) -> None:
        self._name = name
        self._loading = loading
        self._mappings = mappings
        self._row_keys = row_keys
        self._mapping: MessageMapping | None = None
        self._around: dict[str, dict[str, str]] = {}
        self._beside: dict[str, list[dict[str, str]]] = {}
        self._slot: Slot | None = None
        self._unit: Unit | None = None
        self._places: dict[bytes, int] = {}
        self._records = 0

    def load(self, source: Source) -> Read:
        """Reads the whole file.

        Raises:
            InputError: with file, line and place: as `read_blocks` and `Loading.declare`, or
                `UNKNOWN_NATURE`, `UNKNOWN_TYPE`, `CANCEL_WITH_PERSONS`, `BAD_NIR`, `BAD_SIRET`,
                `NIR_IN_TEXT`, what a field's spelling says.
        """
        declarations = lines = 0
        for block in read_blocks(source):
            if block.name == grammar.DECLARATION:
                self._close_unit()
                self._at(block, self._begin)
                declarations += 1
            elif block.name == grammar.TOTAL:
                self._close_unit()
                lines = int(block.values[grammar.TOTAL_LINES])
            elif self._mapping is not None:
                self._take(self._mapping, block)
        return Read(lines, declarations, self._records)

    def _begin(self, block: Block) -> None:
        nature = block.values[grammar.NATURE]
        mapping = self._mappings.get(nature)
        if mapping is None:
            raise InputError("UNKNOWN_NATURE", f"no dataset takes declarations of nature {nature}")
        self._mapping = mapping
        self._around = {block.name: block.values}
        self._slot = None
        self._places.clear()

    def _take(self, mapping: MessageMapping, block: Block) -> None:
        part = mapping.parts.get(block.name)
        if part is Part.INSIDE and self._unit is not None:
            self._unit.inside.setdefault(block.name, []).append(block.values)
        elif part is Part.BESIDE:
            self._beside.setdefault(block.name, []).append(block.values)
        elif part is Part.AROUND:
            self._close_unit()
            self._at(block, self._enter)
        elif part is Part.UNIT:
            self._close_unit()
            around = {**self._around[mapping.parent], **block.values}
            self._unit = Unit(block.line, around, self._beside)

    def _enter(self, block: Block) -> None:
        """A block around the units: what it says holds for each of them."""
        mapping = self._mapping
        if mapping is None:
            return
        around = {**self._around[grammar.BLOCKS[block.name].parent], **block.values}
        self._around[block.name] = around
        if block.name == grammar.ESTABLISHMENT:
            self._slot = self._declare(mapping, around)
        if block.name == mapping.parent:
            self._beside = {}
        if block.name == grammar.block_of(mapping.message.subject):
            if self._slot is None:
                raise InputError("CANCEL_WITH_PERSONS", "a declaration that cancels names nobody")
            self._row_keys.of_number(around[mapping.message.subject])

    def _declare(self, mapping: MessageMapping, around: Mapping[str, str]) -> Slot | None:
        nature, fraction = around[grammar.NATURE], around[grammar.FRACTION]
        payer = siret(around[grammar.SIREN] + around[grammar.NIC])
        month = parse_day_first(around[grammar.MONTH]) // _MONTH
        kind = mapping.message.types.kind(around[grammar.TYPE])
        if kind is None:
            raise InputError("UNKNOWN_TYPE", f"type {around[grammar.TYPE]} is not known")
        order = around[grammar.ORDER]
        slot = self._loading.declare(
            mapping.dataset,
            f"{nature}/{payer}/{month}/{fraction}",
            f"{payer}-{month}-{nature}-{fraction}-{order}",
            kind,
            int(order),
        )
        # The month declared, never the day of a payment: arrears paid to one person would say of
        # everybody else that nothing was declared then.
        self._loading.cover(mapping.dataset, month)
        return None if kind == "cancel" else slot

    def _close_unit(self) -> None:
        unit, mapping, slot = self._unit, self._mapping, self._slot
        if unit is None or mapping is None or slot is None:
            return
        self._unit = None
        try:
            number = unit.around[mapping.message.subject]
            subject = self._row_keys.of_number(number)
            place = self._place(subject)
            period = mapping.period(unit)
            record = NewRecord(subject, period, _payload(mapping, unit, number))
        except InputError as error:
            raise refuse(self._name, unit.line, mapping.message.unit, error) from error
        self._loading.append(slot, place, record)
        self._records += 1

    def _place(self, subject: bytes) -> int:
        """Counts a person's records within the declaration."""
        place = self._places.get(subject, 0)
        if place > MOST_PLACE:
            raise InputError("TOO_MANY_RECORDS", "more payments of one person than are kept")
        self._places[subject] = place + 1
        return place

    def _at(self, block: Block, step: Callable[[Block], None]) -> None:
        try:
            step(block)
        except InputError as error:
            raise refuse(self._name, block.line, block.name, error) from error


def _payload(mapping: MessageMapping, unit: Unit, number: str) -> str:
    """The packed values; without its key, a number in a text is known only if it is the person's.

    Raises:
        InputError: `NIR_IN_TEXT`, or what a field's spelling says.
    """
    payload = mapping.payload(unit)
    if number in payload:
        hint = "use a number that names nobody"
        raise InputError("NIR_IN_TEXT", "a value holds the person's number", hint)
    return payload
