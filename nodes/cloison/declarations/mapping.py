"""From a payment's blocks to a record's values, as the catalogue states it.

A mapping is compiled once; what it cites must be a rubric this room reads, in a block that the unit
can see.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from functools import lru_cache

from cloison.declarations import grammar
from cloison.declarations.amounts import Amounts, Unit, blocks_where
from cloison.declarations.grammar import AMOUNTS, BLOCKS, RUBRICS, block_of, chain
from cloison.declarations.spelling import field_parser, parse_day_first
from cloison.errors import InputError
from cloison.store import Catalogue, Dataset, FieldSpec, FieldType, Value, pack
from cloison.store.sources import Message, Origin

_MONTH_LENGTH = 100
_REMEMBERED = 1 << 14


class Part(Enum):
    """What a block is to the records of a mapping."""

    AROUND = 1
    UNIT = 2
    INSIDE = 3
    BESIDE = 4


Read = Callable[[Unit], Value]
Dated = Callable[[Unit], dict[int, int]]
"""The cents a unit adds to each earlier month, by month (YYYYMM)."""
Place = Callable[[Unit], str]
"""Finds a rubric's text in a unit; empty where it does not stand."""


class MessageMapping:
    """How one nature of declaration becomes records of one dataset.

    Raises:
        InputError: `BAD_CATALOGUE`: the mapping cites what cannot be read.
    """

    def __init__(self, name: str, dataset: Dataset, message: Message) -> None:
        self.dataset = name
        self.message = message
        self._unit = message.unit
        if message.unit not in BLOCKS:
            raise _bad(f"block `{message.unit}` is not known")
        self.chain = chain(message.unit)
        self.parent = BLOCKS[message.unit].parent
        self.parts = {block: self._part(block) for block in BLOCKS}
        if grammar.ESTABLISHMENT not in self.chain[:-1]:
            raise _bad(f"block `{message.unit}` is not within an establishment's declaration")
        for rubric in (message.subject, message.period):
            if block_of(rubric) not in self.chain or rubric not in RUBRICS:
                raise _bad(f"rubric `{rubric}` is not read around `{message.unit}`")
        self.subject_block = block_of(message.subject)
        self._fields = dataset.fields
        self._dated: dict[str, Dated] = {}
        self._reads = [
            (field_name, self._compile(field_name, spec, message.fields.get(field_name)))
            for field_name, spec in dataset.fields.items()
        ]
        origins = [message.fields.get(field_name) for field_name in dataset.fields]
        self._rubrics = [frozenset() if origin is None else origin.rubrics for origin in origins]

    def _part(self, block: str) -> Part | None:
        if block == self._unit:
            return Part.UNIT
        if block in self.chain:
            return Part.AROUND
        parent = BLOCKS[block].parent
        if parent == self._unit:
            return Part.INSIDE
        return Part.BESIDE if parent == self.parent else None

    def period(self, unit: Unit) -> int:
        """The month (YYYYMM) of the unit. Raises `InputError` (`BAD_DATE`)."""
        return parse_day_first(unit.around.get(self.message.period, "")) // _MONTH_LENGTH

    def payload(self, unit: Unit) -> str:
        """The record's values, packed. Raises `InputError`: the first of `faults`."""
        try:
            return pack([read(unit) for _, read in self._reads])
        except InputError:
            raise next(self.faults(unit))[1] from None

    def faults(self, unit: Unit) -> Iterator[tuple[frozenset[str], InputError]]:
        """What a unit says wrongly, each with the rubrics it rests on.

        The errors: what a field's spelling says, its name in front.
        """
        try:
            self.period(unit)
        except InputError as error:
            yield frozenset({self.message.period}), error
        for (name, read), rubrics in zip(self._reads, self._rubrics, strict=True):
            try:
                read(unit)
            except InputError as error:
                yield rubrics, InputError(error.reason, f"{name}: {error.message}", error.hint)

    def corrections(self, unit: Unit) -> dict[int, str]:
        """By month (YYYYMM), the packed record of what a unit adds to it or takes from it.

        It is the unit's own record but for its amounts: those not corrected differ by nothing.
        """
        by_month: dict[int, dict[str, int]] = {}
        for name, dated in self._dated.items():
            for month, cents in dated(unit).items():
                by_month.setdefault(month, {})[name] = cents
        kept = [
            (name, None if self._fields[name].type.summable else read(unit))
            for name, read in self._reads
        ]
        return {
            month: pack(
                [
                    found.get(name, 0) if self._fields[name].type.summable else value
                    for name, value in kept
                ]
            )
            for month, found in by_month.items()
        }

    def _compile(self, name: str, spec: FieldSpec, origin: Origin | None) -> Read:
        if origin is None:
            if spec.required:
                raise _bad("a required field has no origin")
            return lambda _: None
        if origin.sum is not None:
            return self._sum(name, spec, origin.sum, origin)
        parse = field_parser(spec, parse_day_first)
        if spec.type is not FieldType.CENTS:
            parse = lru_cache(_REMEMBERED)(parse)
        if origin.value is not None:
            value = parse(origin.value)
            return lambda _: value
        place = self._place(origin)
        if not origin.codes:
            return lambda unit: parse(place(unit))
        codes = {text: parse(ours) for text, ours in origin.codes.items()}
        return lambda unit: _coded(codes, place(unit), spec)

    def _sum(self, name: str, spec: FieldSpec, rubric: str, origin: Origin) -> Read:
        self._within(rubric, origin.where, origin.dated or ())
        if rubric not in AMOUNTS or spec.type is not FieldType.CENTS:
            raise _bad(f"rubric `{rubric}` is not an amount")
        amounts = Amounts(spec, rubric, origin.where, origin.dated, self.period)
        if origin.dated is not None:
            self._dated[name] = amounts.by_month
        return amounts.total

    def _place(self, origin: Origin) -> Place:
        if origin.first is not None:
            return self._first(origin.first, origin.where)
        if origin.linked and origin.rubric is not None:
            ((key, ours),) = origin.linked.items()
            return self._linked(origin.rubric, key, ours)
        rubrics = origin.join or (origin.rubric or "",)
        for rubric in rubrics:
            if block_of(rubric) not in self.chain or rubric not in RUBRICS:
                raise _bad(f"rubric `{rubric}` is not read around `{self._unit}`")
        if len(rubrics) == 1:
            (only,) = rubrics
            return lambda unit: unit.around.get(only, "")
        return lambda unit: "".join([unit.around.get(rubric, "") for rubric in rubrics])

    def _first(self, rubric: str, where: Mapping[str, str]) -> Place:
        block = self._within(rubric, where)
        conditions = tuple(where.items())

        def first(unit: Unit) -> str:
            for values in blocks_where(unit, block, conditions):
                return values.get(rubric, "")
            return ""

        return first

    def _linked(self, rubric: str, key: str, ours: str) -> Place:
        sister = block_of(rubric)
        same_parent = BLOCKS.get(sister) and BLOCKS[sister].parent == BLOCKS[self._unit].parent
        if not same_parent or block_of(key) != sister or {rubric, key} - set(RUBRICS):
            raise _bad(f"rubric `{rubric}` is not beside `{self._unit}`")
        mine = self._first(ours, {})

        def linked(unit: Unit) -> str:
            wanted = mine(unit)
            for values in unit.beside.get(sister, ()):
                if wanted and values.get(key) == wanted:
                    return values.get(rubric, "")
            return ""

        return linked

    def _within(self, rubric: str, where: Iterable[str], dated: Iterable[str] = ()) -> str:
        block = block_of(rubric)
        beside = (*where, *dated)
        inside = block in BLOCKS and BLOCKS[block].parent == self._unit
        if not inside or any(each not in RUBRICS for each in (rubric, *beside)):
            raise _bad(f"rubric `{rubric}` is not read within `{self._unit}`")
        if any(block_of(each) != block for each in beside):
            raise _bad(f"what stands beside `{rubric}` is about another block")
        return block


def _coded(codes: Mapping[str, Value], text: str, spec: FieldSpec) -> Value:
    if not text and not spec.required:
        return None
    value = codes.get(text)
    if value is None:
        raise InputError("BAD_CODE", "not one of its codes", f"use {', '.join(codes)}")
    return value


def _bad(why: str) -> InputError:
    return InputError("BAD_CATALOGUE", f"messages: {why}")


def compile_messages(catalogue: Catalogue) -> dict[str, MessageMapping]:
    """The mapping of each declared nature.

    Raises:
        InputError: `BAD_CATALOGUE`: a mapping cannot be read, or two claim one nature.
    """
    found: dict[str, MessageMapping] = {}
    for name, dataset in catalogue.datasets.items():
        for message in dataset.messages.values():
            if message.nature in found:
                raise _bad(f"two datasets claim nature `{message.nature}`")
            found[message.nature] = MessageMapping(name, dataset, message)
    return found
