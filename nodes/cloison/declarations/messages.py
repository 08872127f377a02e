"""Declarations into the store: a slot each, and in it a record for each payment."""

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from cloison.declarations import grammar
from cloison.declarations.amounts import Unit
from cloison.declarations.faults import Faults
from cloison.declarations.lines import Source
from cloison.declarations.mapping import MessageMapping, Part
from cloison.declarations.months import Months
from cloison.declarations.neodes import Block, read_blocks
from cloison.declarations.persons import Names, RowKeys
from cloison.declarations.spelling import parse_day_first, siret
from cloison.errors import InputError
from cloison.store import MOST_PLACE, Loading, NewRecord, Slot, SlotName

_MONTH = 100
_INSIDE = Part.INSIDE
_MOST_HELD = 10_000
_DECLARED = frozenset(
    {
        grammar.NATURE,
        grammar.TYPE,
        grammar.FRACTION,
        grammar.ORDER,
        grammar.MONTH,
        grammar.SIREN,
        grammar.NIC,
    }
)


class Read(NamedTuple):
    """What a file held."""

    lines: int
    declarations: int
    records: int


class MessageLoader:
    """One NEODeS file on its way into the store.

    Args:
        loading: The transaction of this file.
        mappings: By declared nature.
        row_keys: The row key of a NIR.
        months: Which months may be declared.
        faults: Takes what is wrong; the caller loads nothing if there is any.
    """

    def __init__(
        self,
        loading: Loading,
        mappings: Mapping[str, MessageMapping],
        row_keys: RowKeys,
        months: Months,
        faults: Faults,
    ) -> None:
        self._loading = loading
        self._mappings = mappings
        self._row_keys = row_keys
        self._months = months
        self._names = Names()
        self._faults = faults
        self._mapping: MessageMapping | None = None
        self._parts: Mapping[str, Part | None] = {}
        self._around: dict[str, dict[str, str]] = {}
        self._beside: dict[str, list[dict[str, str]]] = {}
        # Rubrics in force of which a fault is said: nothing that rests on them is said again.
        self._spoiled: frozenset[str] = frozenset()
        self._slot: Slot | None = None
        self._unknown: list[tuple[int, str]] = []
        self._message = self._declarant = ""
        self._month = 0
        self._cancels = False
        self._unit: Unit | None = None
        self._subject = b""
        self._places: dict[bytes, int] = {}
        self._records = 0

    def load(self, source: Source) -> Read:
        """Reads the whole file.

        Faults: as `read_blocks`, `Months` and `Loading.declare`, or `UNKNOWN_NATURE`,
        `UNKNOWN_TYPE`, `CANCEL_WITH_PERSONS`, `DUPLICATE_PERSON`, `NAME_MISMATCH`, `BAD_NAME`,
        `TOO_MANY_RECORDS`, `BAD_NIR`, `BAD_SIRET`, `NIR_IN_TEXT`, what a field's spelling says.
        """
        declarations = lines = 0
        for block in read_blocks(source, self._faults, self._keep):
            unit = self._unit
            if unit is not None and self._parts.get(block.name) is _INSIDE and not block.stray:
                unit.inside.setdefault(block.name, []).append(block.values)
                if block.spoiled:
                    self._spoiled |= block.spoiled
            elif block.name == grammar.DECLARATION:
                self._close_unit()
                self._release(block.line)
                self._begin(block)
                declarations += 1
            elif block.name == grammar.TOTAL:
                self._close_unit()
                self._release(block.line)
                lines = int(block.values.get(grammar.TOTAL_LINES, 0))
            elif block.stray:
                self._spoiled |= block.spoiled
            elif self._mapping is not None:
                self._take(self._mapping, block)
            if self._unknown and self._message:
                self._release()
        return Read(lines, declarations, self._records)

    def _keep(self, line: int, text: str) -> None:
        """Holds a line of an unknown block until it is known which declaration it is of."""
        self._unknown.append((line, text))
        if len(self._unknown) >= _MOST_HELD:
            self._release()

    def _release(self, before: int | None = None) -> None:
        """Keeps the lines held, or those before a line."""
        held, self._unknown = self._unknown, []
        for line, text in held:
            if before is None or line < before:
                self._loading.keep_line(line, self._message, text)
            else:
                self._unknown.append((line, text))

    def _begin(self, block: Block) -> None:
        self._mapping, self._parts = None, {}
        self._message = ""
        self._around = {block.name: block.values}
        self._spoiled = block.spoiled
        self._slot = None
        self._places.clear()
        self._month = 0
        self._cancels = False
        nature = block.values.get(grammar.NATURE, "")
        mapping = self._mappings.get(nature)
        if mapping is not None:
            self._mapping, self._parts = mapping, mapping.parts
        elif grammar.NATURE not in block.spoiled:
            why = f"no dataset takes declarations of nature {nature}"
            self._faults.add(block.line, block.name, InputError("UNKNOWN_NATURE", why))

    def _take(self, mapping: MessageMapping, block: Block) -> None:
        part = self._parts[block.name]
        if part is Part.BESIDE:
            self._beside.setdefault(block.name, []).append(block.values)
        elif part is Part.AROUND:
            self._close_unit()
            self._forget_spoiled(block)
            try:
                self._enter(mapping, block)
            except InputError as error:
                self._faults.add(block.line, block.name, error)
        elif part is Part.UNIT:
            self._close_unit()
            self._forget_spoiled(block)
            around = {**self._above(mapping.parent), **block.values}
            self._unit = Unit(block.line, around, self._beside)
        if block.spoiled:
            self._spoiled |= block.spoiled

    def _forget_spoiled(self, block: Block) -> None:
        """A block begins: what was said of the one before, and of those within, is over."""
        if self._spoiled or block.spoiled:
            self._spoiled = self._spoiled - _rubrics_within(block.name) | block.spoiled

    def _above(self, block: str) -> dict[str, str]:
        """What stands around; where a block is missing, of the next that is there."""
        while block not in self._around:
            block = grammar.BLOCKS[block].parent
        return self._around[block]

    def _enter(self, mapping: MessageMapping, block: Block) -> None:
        """A block around the units: what it says holds for each of them."""
        around = {**self._above(grammar.BLOCKS[block.name].parent), **block.values}
        self._around[block.name] = around
        if block.name == mapping.parent:
            self._beside = {}
        if block.name == grammar.ESTABLISHMENT:
            self._slot = None
            self._places.clear()
            if not self._spoiled & _DECLARED:
                self._slot = self._declare(mapping, around)
        if block.name == mapping.subject_block:
            self._check_person(mapping.message.subject, around, block.line)

    def _check_person(self, subject: str, around: Mapping[str, str], line: int) -> None:
        if self._cancels:
            self._cancels = False
            raise InputError("CANCEL_WITH_PERSONS", "a declaration that cancels names nobody")
        if subject in self._spoiled:
            return
        try:
            person = self._row_keys.of_number(around[subject])
        except InputError:
            self._spoiled |= {subject}
            raise
        self._subject = person
        if person in self._places:
            raise InputError(
                "DUPLICATE_PERSON",
                "this number stands before in the declaration",
                "put all contracts and payments of a person under one block",
            )
        self._places[person] = 0
        name = around.get(grammar.FAMILY_NAME)
        if name is not None:
            self._names.check(person, name, line)

    def _declare(self, mapping: MessageMapping, around: Mapping[str, str]) -> Slot | None:
        nature, fraction = around[grammar.NATURE], around[grammar.FRACTION]
        month = parse_day_first(around[grammar.MONTH]) // _MONTH
        self._month = month
        try:
            payer = siret(around[grammar.SIREN] + around[grammar.NIC])
        except InputError:
            self._spoiled |= {grammar.SIREN, grammar.NIC}
            raise
        kind = mapping.message.types.kind(around[grammar.TYPE])
        if kind is None:
            raise InputError("UNKNOWN_TYPE", f"type {around[grammar.TYPE]} is not known")
        self._months.check_declared(month, kind)
        self._cancels = kind == "cancel"
        order = around[grammar.ORDER]
        self._message = f"{payer}-{month}-{nature}-{fraction}-{order}"
        self._declarant = f"{nature}/{payer}"
        # The month declared, never the day of a payment: arrears paid to one person would say of
        # everybody else that nothing was declared then.
        name = SlotName(self._declarant, month, fraction)
        slot = self._loading.declare(mapping.dataset, name, self._message, kind, int(order))
        return None if kind == "cancel" else slot

    def _close_unit(self) -> None:
        unit, mapping = self._unit, self._mapping
        if unit is None or mapping is None:
            return
        self._unit = None
        slot = self._slot
        if slot is None or self._spoiled:
            self._examine(mapping, unit)
            return
        number = unit.around[mapping.message.subject]
        try:
            period = mapping.period(unit)
            payload = mapping.payload(unit)
        except InputError:
            self._examine(mapping, unit)
            return
        if period > self._month:
            self._check_paid(mapping, unit)
        if number in payload:
            self._add(mapping, unit, _number_in_text())
        subject = self._subject
        self._append(slot, mapping, unit, NewRecord(subject, period, payload))
        if unit.corrects:
            self._correct(slot, mapping, unit, subject)

    def _append(
        self, slot: Slot, mapping: MessageMapping, unit: Unit, record: NewRecord, corrects: str = ""
    ) -> None:
        place = self._places[record.subject]
        self._places[record.subject] = place + 1
        if place <= MOST_PLACE:
            self._loading.append(slot, place, record, corrects)
            self._records += 1
        elif place == MOST_PLACE + 1:
            error = InputError("TOO_MANY_RECORDS", "more payments of one person than are kept")
            self._add(mapping, unit, error)

    def _correct(self, slot: Slot, mapping: MessageMapping, unit: Unit, subject: bytes) -> None:
        """Adds the differences a payment states to the earlier months they belong to."""
        for month, payload in mapping.corrections(unit).items():
            corrected = self._loading.find_declared(slot.dataset, self._declarant, subject, month)
            if corrected is None:
                error = InputError(
                    "NOTHING_TO_CORRECT",
                    "a difference to a month this payer did not declare of the person",
                    "declare that month first: a difference alone is no amount",
                )
                self._add(mapping, unit, error)
            else:
                self._append(slot, mapping, unit, NewRecord(subject, month, payload), corrected)

    def _examine(self, mapping: MessageMapping, unit: Unit) -> None:
        """Says every fault of a payment that is not said yet."""
        for rubrics, error in mapping.faults(unit):
            if not rubrics & self._spoiled:
                self._add(mapping, unit, error)
        self._check_paid(mapping, unit)

    def _check_paid(self, mapping: MessageMapping, unit: Unit) -> None:
        """Says that a payment is of a later month, unless its own or the one declared is unsaid."""
        try:
            period = mapping.period(unit)
        except InputError:
            return
        try:
            if self._month:
                self._months.check_paid(period, self._month)
        except InputError as error:
            self._add(mapping, unit, error)

    def _add(self, mapping: MessageMapping, unit: Unit, error: InputError) -> None:
        self._faults.add(unit.line, mapping.message.unit, error)


def _number_in_text() -> InputError:
    """Without its key, a number in a text is known only if it is the person's."""
    hint = "use a number that names nobody"
    return InputError("NIR_IN_TEXT", "a value holds the person's number", hint)


@cache
def _rubrics_within(block: str) -> frozenset[str]:
    """The rubrics of a block and of those within it."""
    return frozenset(
        rubric for rubric in grammar.RUBRICS if block in grammar.chain(grammar.block_of(rubric))
    )
