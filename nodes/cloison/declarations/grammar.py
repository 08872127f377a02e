"""NEODeS as far as it is read here: blocks, how they nest, and how their rubrics are spelled.

A rubric of a known block that is not listed is checked for its form and dropped: what no dataset
declares is not kept.

S21.G00.30.001 holds the NIR, or a temporary number, in 13 characters without its key; the number
an employer gives who knows neither (NTT, S21.G00.30.020) is not modelled.

Source:
    Cahier technique DSN, phase 3 (NEODeS) and PASRAU (NEORAU), as far as `reference/law.md` §8.3.
    The 13 characters: public programs that write or check DSN; the cahier itself was not read.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from cloison.declarations.spelling import AMOUNT
from cloison.errors import InputError

SEND = "S10.G00.00"
DECLARATION = "S20.G00.05"
COMPANY = "S21.G00.06"
ESTABLISHMENT = "S21.G00.11"
TOTAL = "S90.G00.90"

NATURE = "S20.G00.05.001"
TYPE = "S20.G00.05.002"
FRACTION = "S20.G00.05.003"
ORDER = "S20.G00.05.004"
MONTH = "S20.G00.05.005"
SIREN = "S21.G00.06.001"
NIC = "S21.G00.11.001"
FAMILY_NAME = "S21.G00.30.002"
TOTAL_LINES = "S90.G00.90.001"
TOTAL_DECLARATIONS = "S90.G00.90.002"


@dataclass(frozen=True, slots=True)
class BlockRule:
    """Where a block stands. Sisters come in the order of `BLOCKS`.

    Attributes:
        parent: The block it stands in; empty for those of the file itself.
        needed: At least one in each parent.
        repeats: May come more than once in a parent.
        rubrics: Those without which it says nothing.
    """

    parent: str
    needed: bool = False
    repeats: bool = True
    rubrics: tuple[str, ...] = ()


def _rubrics(block: str, *numbers: str) -> tuple[str, ...]:
    return tuple(f"{block}.{number}" for number in numbers)


BLOCKS: dict[str, BlockRule] = {
    SEND: BlockRule("", needed=True, repeats=False),
    "S10.G00.01": BlockRule(SEND, needed=True, repeats=False),
    "S10.G00.02": BlockRule("S10.G00.01"),
    DECLARATION: BlockRule(
        "", needed=True, rubrics=_rubrics(DECLARATION, "001", "002", "003", "004", "005")
    ),
    "S20.G00.07": BlockRule(DECLARATION),
    COMPANY: BlockRule(DECLARATION, needed=True, repeats=False, rubrics=(SIREN,)),
    ESTABLISHMENT: BlockRule(COMPANY, needed=True, repeats=False, rubrics=(NIC,)),
    "S21.G00.20": BlockRule(ESTABLISHMENT),
    "S21.G00.30": BlockRule(ESTABLISHMENT, rubrics=_rubrics("S21.G00.30", "001")),
    "S21.G00.31": BlockRule("S21.G00.30"),
    "S21.G00.40": BlockRule("S21.G00.30", rubrics=_rubrics("S21.G00.40", "001", "009")),
    "S21.G00.41": BlockRule("S21.G00.40"),
    "S21.G00.50": BlockRule("S21.G00.30", rubrics=_rubrics("S21.G00.50", "001")),
    "S21.G00.51": BlockRule("S21.G00.50", rubrics=_rubrics("S21.G00.51", "011", "013")),
    "S21.G00.53": BlockRule("S21.G00.51"),
    "S21.G00.52": BlockRule("S21.G00.50"),
    "S21.G00.54": BlockRule("S21.G00.50"),
    "S21.G00.58": BlockRule("S21.G00.50", rubrics=_rubrics("S21.G00.58", "003", "004")),
    "S21.G00.78": BlockRule("S21.G00.30"),
    "S21.G00.79": BlockRule("S21.G00.78"),
    "S21.G00.81": BlockRule("S21.G00.78"),
    TOTAL: BlockRule("", needed=True, repeats=False, rubrics=_rubrics(TOTAL, "001", "002")),
}
_RANKS = {block: rank for rank, block in enumerate(BLOCKS)}


class Spelling(NamedTuple):
    """How a rubric's value is written, and the refusal of any other way."""

    pattern: re.Pattern[str]
    reason: str
    why: str
    hint: str = ""


_AMOUNT = Spelling(AMOUNT, "BAD_AMOUNT", "not an amount", "use 1234.56: a dot and two decimals")
_DAY = Spelling(
    re.compile(r"(?:0[1-9]|[12][0-9]|3[01])(?:0[1-9]|1[0-2])(?:19|20)[0-9]{2}", re.ASCII),
    "BAD_DATE",
    "not a date",
    "use JJMMAAAA",
)
_MONTH = Spelling(
    re.compile(r"01(?:0[1-9]|1[0-2])20[0-9]{2}", re.ASCII),
    "BAD_MONTH",
    "not a month",
    "use 01MMAAAA",
)
_COUNT = Spelling(re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII), "BAD_NUMBER", "not a count")
# Two digits more than a first sending may use (`Loading.declare`), and fewer than a NIR has.
_ORDER = Spelling(
    re.compile(r"0|[1-9][0-9]{0,11}", re.ASCII), "BAD_NUMBER", "not an order of at most 12 digits"
)
_TEXT = Spelling(re.compile(r".{1,200}"), "TEXT_TOO_LONG", "more than 200 characters")
_RATE = Spelling(re.compile(r"[0-9]{1,3}\.[0-9]{2}", re.ASCII), "BAD_RATE", "not a rate")
_CODE = Spelling(
    re.compile(r"[0-9A-Z]{2,3}", re.ASCII), "BAD_CODE", "not a code of 2 or 3 characters"
)
_NUMBER = Spelling(
    re.compile(r"[0-9AB]{13}", re.ASCII),
    "BAD_NIR",
    "not a NIR without its key",
    "use the first 13 characters: a DSN leaves the key out",
)


def _digits(count: int) -> Spelling:
    return Spelling(re.compile(f"[0-9]{{{count}}}", re.ASCII), "BAD_NUMBER", f"not {count} digits")


RUBRICS: dict[str, Spelling] = {
    NATURE: _CODE,
    TYPE: _CODE,
    FRACTION: Spelling(
        re.compile(r"[1-9][1-9]", re.ASCII), "BAD_CODE", "not a fraction such as 11"
    ),
    ORDER: _ORDER,
    MONTH: _MONTH,
    SIREN: _digits(9),
    "S21.G00.06.002": _digits(5),
    NIC: _digits(5),
    "S21.G00.30.001": _NUMBER,
    FAMILY_NAME: _TEXT,
    "S21.G00.40.001": _DAY,
    "S21.G00.40.007": _CODE,
    "S21.G00.40.009": _TEXT,
    "S21.G00.40.010": _DAY,
    "S21.G00.50.001": _DAY,
    "S21.G00.50.002": _AMOUNT,
    "S21.G00.50.003": _TEXT,
    "S21.G00.50.006": _RATE,
    "S21.G00.50.009": _AMOUNT,
    "S21.G00.50.011": _CODE,
    "S21.G00.51.001": _DAY,
    "S21.G00.51.002": _DAY,
    "S21.G00.51.010": _TEXT,
    "S21.G00.51.011": _CODE,
    "S21.G00.51.013": _AMOUNT,
    "S21.G00.58.001": _DAY,
    "S21.G00.58.002": _DAY,
    "S21.G00.58.003": _CODE,
    "S21.G00.58.004": _AMOUNT,
    TOTAL_LINES: _COUNT,
    TOTAL_DECLARATIONS: _COUNT,
}
AMOUNTS = frozenset(rubric for rubric, spelling in RUBRICS.items() if spelling is _AMOUNT)


def block_of(rubric: str) -> str:
    """`S21.G00.30` of `S21.G00.30.001`."""
    return rubric[:10]


def chain(block: str) -> tuple[str, ...]:
    """The blocks around a block, outermost first, and the block itself."""
    blocks = [block]
    while parent := BLOCKS[blocks[0]].parent:
        blocks.insert(0, parent)
    return tuple(blocks)


@cache
def check_step(last: str, block: str) -> None:
    """A block may follow another; `last` is empty before the first, `block` after the end.

    Raises:
        InputError: `MISSING_BLOCK`: one that is needed, or the one it stands in, did not come.
            `BLOCK_ORDER`: its place is before. `BLOCK_TWICE`.
    """
    parent = BLOCKS[block].parent if block else ""
    open_blocks = chain(last) if last else ()
    if parent and parent not in open_blocks:
        raise InputError("MISSING_BLOCK", f"block {parent} is missing before it")
    depth = open_blocks.index(parent) + 1 if parent else 0
    sister = open_blocks[depth] if depth < len(open_blocks) else ""
    if block and sister == block and not BLOCKS[block].repeats:
        raise InputError("BLOCK_TWICE", "block may come only once here")
    if block and sister and _RANKS[block] < _RANKS[sister]:
        raise InputError("BLOCK_ORDER", f"block comes after {sister}")
    _check_needed(parent, sister, block)
    closing = open_blocks[depth:]
    for place, name in enumerate(closing):
        _check_needed(name, closing[place + 1] if place + 1 < len(closing) else "", "")


def _check_needed(parent: str, after: str, before: str) -> None:
    """No needed child of `parent` is left out between two of its children."""
    low = _RANKS[after] if after else -1
    high = _RANKS[before] if before else len(_RANKS)
    for name, rule in BLOCKS.items():
        if rule.parent == parent and rule.needed and low < _RANKS[name] < high:
            raise InputError("MISSING_BLOCK", f"block {name} is missing before it")
