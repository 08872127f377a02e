"""What payers declare each month: DSN by employers, PASRAU by funds, and later corrections."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date

from cloison.bodies import BodyId
from cloison.months import Month
from cloison.population.figures import CorrectionShares, Figures
from cloison.population.files import Folder
from cloison.population.mistakes import Mistakes
from cloison.population.neodes import (
    ENCODING,
    Declaration,
    Kind,
    Message,
    Slip,
    closing,
    declaration_text,
    opening,
)
from cloison.population.pay import pay_of
from cloison.population.payers import Payer, Payers, Scheme
from cloison.population.people import CNAV, MSA, Person, Spell
from cloison.population.plan import Plan
from cloison.population.portions import Portion
from cloison.population.streams import chance, noise, stream

_SMALLEST_FILE, _LARGEST_FILE = 800, 5_000  # slips
_FIRST_CORRECTION_FILE = 90
_PERMILLE = 1_000
_RECENT = 3  # months
_EXPECTED = 3  # months, as the bodies' catalogues say
_FEW = 8  # persons
_EARLY_DAY, _LATE_DAY = 5, 15
_LATE_MOST_PERSONS = 5
_RECEIVER = {Scheme.GENERAL: CNAV, Scheme.AGRICULTURAL: MSA}
RECEIVERS = tuple(_RECEIVER.values())

Staff = Mapping[Payer, list[tuple[Person, Spell]]]


def staff_of(persons: Iterable[Person]) -> Staff:
    """Everyone each payer pays, in the order of the persons."""
    staff: dict[Payer, list[tuple[Person, Spell]]] = defaultdict(list)
    for person in persons:
        for spell in person.spells:
            if spell.payer is not None:
                staff[spell.payer].append((person, spell))
    return staff


@dataclass(frozen=True, slots=True)
class Correction:
    """A declaration sent again.

    Attributes:
        month: The month declared.
        sent: The month whose files it comes with.
    """

    payer: Payer
    month: Month
    sent: Month
    kind: Kind


class Declarations:
    """The declarations of a window; `lines` counts those of a DSN written so far."""

    def __init__(
        self, payers: Payers, staff: Staff, plan: Plan, portion: Portion, figures: Figures
    ) -> None:
        self.payers, self.staff, self.window = payers, staff, plan.window
        self.figures, self.seed, self.portion = figures, plan.seed, portion
        self.most_slips = min(_LARGEST_FILE, max(_SMALLEST_FILE, plan.persons // 20))
        self.mistakes = Mistakes(noise(plan.seed, portion.index), figures.corrections)
        self.lines = Counter[str]()
        self.corrections = tuple(self._draw_corrections(figures.corrections))

    def write_month(self, folder: Folder, month: Month) -> None:
        """Every file received for `month`, corrections of earlier months last."""
        for body in RECEIVERS:
            for message, payers in self._messages(body):
                self._write(folder, body, message, month, payers)
            corrections = self._corrections_sent(body, month)
            if corrections:
                name = self._name(body, Message.DSN, month, _FIRST_CORRECTION_FILE)
                self._write_file(folder, name, Message.DSN, month, corrections)

    def sent(self, body: BodyId, month: Month) -> Iterator[Declaration]:
        """What a body receives for `month`, in the order of its files, corrections last."""
        for message, payers in self._messages(body):
            yield from self._ready(message, month, payers)
        yield from self._corrections_sent(body, month)

    def _messages(self, body: BodyId) -> Iterator[tuple[Message, list[Payer]]]:
        for message, payers in (
            (Message.DSN, self.payers.all_employers()),
            (Message.PASRAU, self.payers.all_funds()),
        ):
            yield message, [payer for payer in payers if _RECEIVER[payer.scheme] == body]

    def _corrections_sent(self, body: BodyId, month: Month) -> list[Declaration]:
        return [
            self._corrected(correction)
            for correction in self.corrections
            if correction.sent == month and _RECEIVER[correction.payer.scheme] == body
        ]

    def _write(
        self,
        folder: Folder,
        body: BodyId,
        message: Message,
        month: Month,
        payers: Iterable[Payer],
    ) -> None:
        ready = self._ready(message, month, payers)
        for number, declarations in enumerate(_in_files(ready, self.most_slips), 1):
            name = self._name(body, message, month, number)
            self._write_file(folder, name, message, month, declarations)

    def _ready(
        self, message: Message, month: Month, payers: Iterable[Payer]
    ) -> Iterator[Declaration]:
        """Those filed on the 5th first, then those of the 15th.

        Who pays nobody any more says so for as long as it is expected to declare.
        """
        for payer in sorted(payers, key=lambda payer: not payer.files_early):
            paid = self._on_pay(payer, month)
            late = message is Message.DSN and self._is_late(payer, month, len(paid))
            if not late and (paid or self._paid_before(payer, month)):
                yield self._normal(message, payer, month, paid)

    def _name(self, body: BodyId, message: Message, month: Month, number: int) -> str:
        kind = message.name.lower()
        return f"{body}/{kind}-{month.number}-{self.portion.index + 1:02d}-{number:02d}.{kind}"

    def _on_pay(self, payer: Payer, month: Month) -> list[tuple[Person, Spell]]:
        index = month.index
        return [
            pair for pair in self.staff.get(payer, ()) if pair[1].first <= index <= pair[1].last
        ]

    def _paid_before(self, payer: Payer, month: Month) -> bool:
        return any(self._on_pay(payer, earlier) for earlier in (month - _EXPECTED).to(month - 1))

    def _is_late(self, payer: Payer, month: Month, persons: int) -> bool:
        if month != self.window.last or persons > _LATE_MOST_PERSONS:
            return False
        return noise(self.seed, payer.index) % _PERMILLE < self.figures.shares.late_employer

    def _normal(
        self, message: Message, payer: Payer, month: Month, paid: list[tuple[Person, Spell]]
    ) -> Declaration:
        """As first declared: an employer's may have wrong lines."""
        dsn = message is Message.DSN
        wrong = self.mistakes.wrong(payer, month, len(paid)) if dsn else frozenset()
        slips = list(_slips(paid, month))
        self.lines.update(right=(len(slips) - len(wrong)) * dsn, wrong=len(wrong))
        for place in wrong:
            slip = slips[place]
            slips[place] = replace(slip, pay=self.mistakes.spoil(slip.pay, payer, month, place))
        return Declaration(message, Kind.NORMAL, payer, month, 1, tuple(slips))

    def _corrected(self, correction: Correction) -> Declaration:
        """The whole month again, as it should have been; nobody where it is cancelled."""
        payer, month, kind = correction.payer, correction.month, correction.kind
        paid = [] if kind is Kind.CANCELS else self._on_pay(payer, month)
        return Declaration(Message.DSN, kind, payer, month, 2, tuple(_slips(paid, month)))

    def _draw_corrections(self, shares: CorrectionShares) -> Iterator[Correction]:
        """At most one a payer and month; even a small population has a cancelled one.

        INVARIANT: one month of the last three before the end of the window is left cancelled.
        """
        rng = stream(self.seed, "corrections", self.portion.index)
        last, lacking = self.window.last, True
        spare: list[tuple[Payer, Month]] = []
        for month in self.window.first.to(last - 1):
            recent = month >= last - _RECENT
            for payer in self.payers.all_employers():
                persons = len(self._on_pay(payer, month))
                kind = self._what_happens(payer, month, persons, chance(rng, shares.cancelled))
                if kind is not None:
                    lacking = lacking and not (kind is Kind.CANCELS and recent)
                    yield Correction(payer, month, self._sent(payer, month, kind), kind)
                elif recent and 0 < persons <= _FEW:
                    spare.append((payer, month))
        if lacking and spare:
            yield Correction(*spare[0], last, Kind.CANCELS)

    def _what_happens(self, payer: Payer, month: Month, persons: int, drawn: bool) -> Kind | None:
        """Replaced where a wrong line is found within the window; few are cancelled."""
        wrong = bool(self.mistakes.wrong(payer, month, persons))
        if wrong and self.mistakes.found(payer, month) <= self.window.last:
            return Kind.REPLACES
        few = 0 < persons <= self.figures.corrections.most_persons_cancelled
        return Kind.CANCELS if few and drawn and not wrong else None

    def _sent(self, payer: Payer, month: Month, kind: Kind) -> Month:
        found = self.mistakes.found(payer, month)
        return found if kind is Kind.REPLACES else min(found, self.window.last)

    def _write_file(
        self,
        folder: Folder,
        name: str,
        message: Message,
        month: Month,
        declarations: list[Declaration],
    ) -> None:
        folder.write(name, _file(message, month, declarations), ENCODING)


def _slips(paid: Iterable[tuple[Person, Spell]], month: Month) -> Iterator[Slip]:
    return (Slip(person, spell, pay_of(person, spell, month.index)) for person, spell in paid)


def _in_files(declarations: Iterable[Declaration], most_slips: int) -> Iterator[list[Declaration]]:
    """A file holds what was filed on one day, and about so many slips."""
    waiting: list[Declaration] = []
    slips = 0
    for one in declarations:
        if waiting and (
            slips >= most_slips or waiting[-1].payer.files_early != one.payer.files_early
        ):
            yield waiting
            waiting, slips = [], 0
        waiting.append(one)
        slips += len(one.slips)
    if waiting:
        yield waiting


def _file(message: Message, month: Month, declarations: list[Declaration]) -> Iterator[str]:
    text = opening(message, month, declarations[0].payer)
    lines = text.count("\n")
    yield text
    for declaration in declarations:
        text = declaration_text(declaration, _filed(declaration.payer, month))
        lines += text.count("\n")
        yield text
    yield closing(lines, len(declarations))


def _filed(payer: Payer, month: Month) -> date:
    following = month + 1
    day = _EARLY_DAY if payer.files_early else _LATE_DAY
    return date(following.year, following.month, day)
