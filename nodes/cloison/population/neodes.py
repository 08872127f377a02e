"""DSN and PASRAU files in NEODeS line syntax: one rubric a line, `S21.G00.30.001,'value'`.

A file is one envelope with many declarations. Blocks and rubrics stand in the order of the norm.
A person's number stands in 13 characters, without its key (see `cloison.declarations.grammar`).
The class of a replacement income (CLREV) stands in S21.G00.50.011, a place of our own choosing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from cloison.months import Month
from cloison.population.pay import Pay, days_in
from cloison.population.payers import Payer
from cloison.population.people import Nature, Person, Spell

ENCODING = "iso-8859-1"
_CLASSES = {
    Nature.PENSION: "01",
    Nature.UNEMPLOYMENT: "02",
    Nature.DAILY_ALLOWANCE: "03",
    Nature.INVALIDITY: "04",
}
_NUMBER_CHARACTERS = 13
_PAY_DAYS = (25, 26, 27, 28)


class Message(StrEnum):
    """Nature of a declaration."""

    DSN = "01"
    PASRAU = "14"


class Kind(StrEnum):
    """Type of a declaration."""

    NORMAL = "01"
    REPLACES = "03"
    CANCELS = "05"


@dataclass(frozen=True, slots=True)
class Slip:
    """One payment to one person, as a payer declares it."""

    person: Person
    spell: Spell
    pay: Pay


@dataclass(frozen=True, slots=True)
class Declaration:
    """One payer's month."""

    message: Message
    kind: Kind
    payer: Payer
    month: Month
    order: int
    slips: tuple[Slip, ...]


def euros(cents: int) -> str:
    """`1234.56`, with a leading `-` below zero."""
    sign, size = ("-", -cents) if cents < 0 else ("", cents)
    return f"{sign}{size // 100}.{size % 100:02d}"


def day(value: date) -> str:
    """`JJMMAAAA`."""
    return f"{value.day:02d}{value.month:02d}{value.year}"


def pay_date(payer: Payer, month: Month) -> date:
    """The day of a month a payer pays on."""
    return date(month.year, month.month, _PAY_DAYS[payer.index % len(_PAY_DAYS)])


def opening(message: Message, month: Month, sender: Payer) -> str:
    """Blocks S10: who sent the file, under which year of the norm."""
    norm = f"P{month.year % 100:02d}V01"
    return (
        f"S10.G00.00.001,'Cloison {message.name}'\n"
        "S10.G00.00.002,'Cloison'\n"
        "S10.G00.00.003,'1'\n"
        "S10.G00.00.005,'01'\n"
        f"S10.G00.00.006,'{norm}'\n"
        "S10.G00.00.008,'01'\n"
        f"S10.G00.01.001,'{sender.siren}'\n"
        f"S10.G00.01.002,'{sender.nic}'\n"
        "S10.G00.02.002,'Service paie'\n"
        "S10.G00.02.004,'paie@cloison.example'\n"
    )


def closing(lines: int, declarations: int) -> str:
    """Block S90.

    Args:
        lines: Rubrics before this block; its own two are added.
        declarations: How many.
    """
    return f"S90.G00.90.001,'{lines + 2}'\nS90.G00.90.002,'{declarations}'\n"


def declaration_text(declaration: Declaration, filed: date) -> str:
    """A declaration with everyone in it; a cancelling one has nobody."""
    payer, month = declaration.payer, declaration.month
    head = (
        f"S20.G00.05.001,'{declaration.message}'\n"
        f"S20.G00.05.002,'{declaration.kind}'\n"
        "S20.G00.05.003,'11'\n"
        f"S20.G00.05.004,'{declaration.order}'\n"
        f"S20.G00.05.005,'01{month.month:02d}{month.year}'\n"
        f"S20.G00.05.007,'{day(filed)}'\n"
        f"S21.G00.06.001,'{payer.siren}'\n"
        f"S21.G00.06.002,'{payer.nic}'\n"
        f"S21.G00.11.001,'{payer.nic}'\n"
    )
    return head + "".join(_slips(declaration))


def _slips(declaration: Declaration) -> Iterable[str]:
    index = declaration.month.index
    stamp = f"{declaration.month.month:02d}{declaration.month.year}"
    pay_day = pay_date(declaration.payer, declaration.month).day
    last_day = days_in(index)
    for slip in declaration.slips:
        yield _individual(slip.person)
        if slip.spell.contract:
            yield _contract(slip.spell)
        yield _payment(slip, stamp, pay_day, _period(slip.spell, index, stamp, last_day))


def _individual(person: Person) -> str:
    return (
        f"S21.G00.30.001,'{person.nir[:_NUMBER_CHARACTERS]}'\n"
        f"S21.G00.30.002,'{person.birth_name}'\n"
        f"S21.G00.30.004,'{person.first_names}'\n"
        f"S21.G00.30.005,'{'02' if person.woman else '01'}'\n"
        f"S21.G00.30.006,'{day(person.birth_date)}'\n"
    )


def _contract(spell: Spell) -> str:
    planned = spell.planned_end
    return (
        f"S21.G00.40.001,'{day(spell.start)}'\n"
        f"S21.G00.40.007,'{spell.contract_code}'\n"
        f"S21.G00.40.009,'{spell.contract}'\n"
    ) + (f"S21.G00.40.010,'{day(planned)}'\n" if planned else "")


def _period(spell: Spell, index: int, stamp: str, last_day: int) -> tuple[str, str]:
    first = spell.start.day if index == spell.first else 1
    last = spell.end.day if spell.end is not None and index == spell.last else last_day
    return f"{first:02d}{stamp}", f"{last:02d}{stamp}"


def _payment(slip: Slip, stamp: str, pay_day: int, period: tuple[str, str]) -> str:
    spell, pay = slip.spell, slip.pay
    rate = slip.person.withholding_rate
    contract = f"S21.G00.51.010,'{spell.contract}'\n" if spell.contract else ""
    income_class = "" if spell.contract else f"S21.G00.50.011,'{_CLASSES[spell.nature]}'\n"
    return (
        f"S21.G00.50.001,'{pay_day}{stamp}'\n"
        f"S21.G00.50.002,'{euros(pay.net_fiscal)}'\n"
        "S21.G00.50.003,'1'\n"
        f"S21.G00.50.006,'{euros(rate)}'\n"
        f"S21.G00.50.009,'{euros(pay.withheld)}'\n"
        f"{income_class}"
        f"S21.G00.51.001,'{period[0]}'\n"
        f"S21.G00.51.002,'{period[1]}'\n"
        f"{contract}"
        "S21.G00.51.011,'001'\n"
        f"S21.G00.51.013,'{euros(pay.gross)}'\n"
        "S21.G00.58.003,'01'\n"
        f"S21.G00.58.004,'{euros(pay.net_paid)}'\n"
        "S21.G00.58.003,'03'\n"
        f"S21.G00.58.004,'{euros(pay.mns)}'\n"
    )
