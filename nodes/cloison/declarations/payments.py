"""Payments in columns: what the messages say of them, a row each, and the same records of it.

A row is a payment, or a difference: what is added to the earlier month that `corrects` names.
A declaration that names nobody has one row, empty but for its head.
"""

from collections.abc import Callable
from typing import TypeVar

from cloison.declarations.faults import Faults
from cloison.declarations.grammar import FRACTION, ORDER, RUBRICS
from cloison.declarations.months import Months
from cloison.declarations.persons import RowKeys
from cloison.declarations.spelling import Parser, field_parser, parse_date, parse_month, siret
from cloison.errors import InputError
from cloison.store import (
    MOST_PLACE,
    Dataset,
    FieldSpec,
    Kind,
    Loading,
    NewRecord,
    Slot,
    SlotName,
    Value,
    pack,
)

T = TypeVar("T")

DECLARED = (
    "message", "type", "fraction", "order", "month", "declarant", "nir", "paid", "corrects",
)  # fmt: skip
"""Before the fields of a dataset that comes as messages: whose declaration, about whom, when."""

_HEAD = 6
_DAYS = 100
_NUMBER_CHARACTERS = 13


class PaymentLoader:
    """Payments of messages on their way into the store, a declaration after the other.

    Args:
        name: The dataset's.
        dataset: As the catalogue declares it.
        loading: The transaction of this file.
        row_keys: The row key of a NIR.
        months: Which months may be declared.
        faults: Takes what is wrong; the caller loads nothing if there is any.
    """

    def __init__(
        self,
        name: str,
        dataset: Dataset,
        loading: Loading,
        row_keys: RowKeys,
        months: Months,
        faults: Faults,
    ) -> None:
        self._name = name
        self._loading = loading
        self._row_keys = row_keys
        self._months = months
        self._faults = faults
        self._messages = dataset.messages
        fields = dataset.fields
        self._parsers = [(field, field_parser(spec)) for field, spec in fields.items()]
        self._differences = {
            nature: [
                (field, _difference_parser(spec, dated=field in dated))
                for field, spec in fields.items()
            ]
            for nature, dated in _dated(dataset).items()
        }
        self._head: list[str] = []
        self._slot: Slot | None = None
        self._declarant = ""
        self._month = self._rows = 0
        self._cancels = False
        self._places: dict[bytes, int] = {}
        self.declarations = 0

    def take(self, row: int, cells: list[str]) -> int:
        """Writes a payment or a difference; how many records that is.

        Faults: as `Loading.declare` and `Months`, or `UNKNOWN_NATURE`, `UNKNOWN_TYPE`,
        `CANCEL_WITH_PERSONS`, `EMPTY_ROW`, `BAD_NIR`, `TOO_MANY_RECORDS`, `NIR_IN_TEXT`,
        `OTHER_PERIOD`, `NOTHING_TO_CORRECT`, `NOT_DATED`, what a spelling says.
        """
        if cells[:_HEAD] != self._head:
            self._begin(row, cells[:_HEAD])
        self._rows += 1
        if not any(cells[_HEAD:]):
            self._take_nobody(row)
            return 0
        if self._cancels:
            why = "a declaration that cancels names nobody"
            self._faults.add(row, "nir", InputError("CANCEL_WITH_PERSONS", why))
            return 0
        nir, paid, corrects, *values = cells[_HEAD:]
        if corrects:
            found = self._difference(row, nir, paid, corrects, values)
        else:
            found = self._payment(row, nir, paid, values)
        if found is None or self._slot is None:
            return 0
        return self._append(self._slot, row, *found)

    def _append(self, slot: Slot, row: int, record: NewRecord, corrected: str) -> int:
        place = self._places.get(record.subject, 0)
        self._places[record.subject] = place + 1
        if place <= MOST_PLACE:
            self._loading.append(slot, place, record, corrected)
        elif place == MOST_PLACE + 1:
            why = "more payments of one person than are kept"
            self._faults.add(row, "nir", InputError("TOO_MANY_RECORDS", why))
        return 1

    def _take_nobody(self, row: int) -> None:
        """An empty row is all there is of a declaration; `INVARIANT`: none is passed by unsaid."""
        if self._rows > 1:
            hint = "leave it out: only a declaration that names nobody has one"
            error = InputError("EMPTY_ROW", "says nothing, after another row", hint)
            self._faults.add(row, "", error)

    def _begin(self, row: int, head: list[str]) -> None:
        self._head, self._slot, self._month, self._cancels = head, None, 0, False
        self._rows = 0
        self._places.clear()
        self.declarations += 1
        try:
            self._slot = self._declare(*head)
        except InputError as error:
            self._faults.add(row, "", error)

    def _declare(
        self, nature: str, type_: str, fraction: str, order: str, month: str, declarant: str
    ) -> Slot:
        kind = self._kind(nature, type_)
        self._cancels = kind == "cancel"
        self._month = of = parse_month(month)
        payer = siret(declarant)
        self._declarant = f"{nature}/{payer}"
        _check_spelled(FRACTION, fraction)
        _check_spelled(ORDER, order)
        self._months.check_declared(of, kind)
        name = SlotName(self._declarant, of, fraction)
        source = f"{payer}-{of}-{nature}-{fraction}-{order}"
        return self._loading.declare(self._name, name, source, kind, int(order))

    def _kind(self, nature: str, type_: str) -> Kind:
        for message in self._messages.values():
            if message.nature == nature:
                kind = message.types.kind(type_)
                if kind is None:
                    raise InputError("UNKNOWN_TYPE", "the type of the declaration is not known")
                return kind
        raise InputError("UNKNOWN_NATURE", "no dataset takes declarations of this nature")

    def _payment(
        self, row: int, nir: str, paid: str, cells: list[str]
    ) -> tuple[NewRecord, str] | None:
        """The record of a payment; None where any of it is spelled wrongly."""
        person, month, values = self._read(row, nir, paid, cells, self._parsers)
        if person is None or month is None:
            return None
        return NewRecord(person, month, self._packed(row, nir, values)), ""

    def _difference(
        self, row: int, nir: str, paid: str, corrects: str, cells: list[str]
    ) -> tuple[NewRecord, str] | None:
        """The record of a difference, and the source of what it corrects."""
        parsers = self._differences.get(self._head[0], self._parsers)
        person, month, values = self._read(row, nir, paid, cells, parsers)
        corrected = self._parsed(row, "corrects", parse_month, corrects)
        if person is None or month is None or corrected is None or self._slot is None:
            return None
        record = NewRecord(person, corrected, self._packed(row, nir, values))
        try:
            return record, self._find_corrected(person, corrected, month)
        except InputError as error:
            self._faults.add(row, "corrects", error)
            return None

    def _find_corrected(self, person: bytes, month: int, paid: int) -> str:
        if month >= paid:
            why = "corrects a month that is not before that of the payment"
            raise InputError("OTHER_PERIOD", why)
        found = self._loading.find_declared(self._name, self._declarant, person, month)
        if found is None:
            raise InputError(
                "NOTHING_TO_CORRECT",
                "a difference to a month this payer did not declare of the person",
                "declare that month first: a difference alone is no amount",
            )
        return found

    def _read(
        self, row: int, nir: str, paid: str, cells: list[str], parsers: list[tuple[str, Parser]]
    ) -> tuple[bytes | None, int | None, list[Value]]:
        """Person, month of the payment, values; each is None where it is spelled wrongly."""
        person = self._parsed(row, "nir", self._row_keys, nir)
        day = self._parsed(row, "paid", parse_date, paid)
        values = [
            self._parsed(row, name, parse, text)
            for (name, parse), text in zip(parsers, cells, strict=True)
        ]
        month = None if day is None else day // _DAYS
        if month is not None and self._month:
            self._parsed(row, "paid", self._check_paid, paid)
        return person, month, values

    def _packed(self, row: int, nir: str, values: list[Value]) -> str:
        payload = pack(values)
        if nir[:_NUMBER_CHARACTERS] in payload:
            hint = "use a number that names nobody"
            error = InputError("NIR_IN_TEXT", "a value holds the person's number", hint)
            self._faults.add(row, "", error)
        return payload

    def _check_paid(self, paid: str) -> None:
        self._months.check_paid(parse_date(paid) // _DAYS, self._month)

    def _parsed(self, row: int, column: str, parse: Callable[[str], T], text: str) -> T | None:
        try:
            return parse(text)
        except InputError as error:
            self._faults.add(row, column, error)
            return None


def _dated(dataset: Dataset) -> dict[str, frozenset[str]]:
    """By nature, the fields a message may correct by a difference."""
    return {
        message.nature: frozenset(
            field for field, origin in message.fields.items() if origin.dated is not None
        )
        for message in dataset.messages.values()
    }


def _difference_parser(spec: FieldSpec, *, dated: bool) -> Parser:
    """As `field_parser` where it is no amount; what is not dated differs by nothing."""
    if not spec.type.summable:
        return field_parser(spec)
    parse = field_parser(spec.model_copy(update={"minimum": None, "required": True}))

    def difference(text: str) -> Value:
        found = parse(text)
        if found and not dated:
            raise InputError("NOT_DATED", "not corrected by differences", "replace the month")
        return found

    return difference


def _check_spelled(rubric: str, text: str) -> None:
    spelling = RUBRICS[rubric]
    if spelling.pattern.fullmatch(text) is None:
        raise InputError(spelling.reason, spelling.why, spelling.hint)
