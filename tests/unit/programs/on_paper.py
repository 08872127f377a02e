"""The sum done again from a notice on paper: its words and numbers as a person reads them.

Nothing of the product is used; what a reader needs is the notice, a pencil and these operations:
`+ − × ÷`, the greatest, the smallest, rounding.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from math import ceil, floor

from tests.unit.pages.spoken import Spoken

_NUMBER = r"-?\d+(?:\u202f\d{3})*(?:,\d+)?"
_TOKEN = re.compile(
    rf"""\s*(?:
    (?P<number>{_NUMBER})(?P<rate>\u202f%)?(?:\xa0\[(?P<mark>[DEP]\d+)\])?
    | (?P<pick>le\ plus\ grand\ de|le\ plus\ petit\ de)
    | arrondi\ (?:au\ (?P<cent>centime)|à\ l'(?P<euro>euro)|à\ la\ (?P<hundred>centaine)
        |à\ (?P<size>{_NUMBER})\ près)\ ?(?P<way>le\ plus\ proche|inférieure?|supérieure?)?\ de
    | (?P<sign>[+−×÷();]|,\ au\ moins\ 0|\ ?s'il\ atteint|,\ sinon\ 0)
    )\s*""",
    re.VERBOSE,
)


def number(text: str) -> Fraction:
    """A number as France writes it, with its unit if it has one."""
    plain = text.replace("\u202f", "").replace("\xa0", " ").strip().removesuffix("€").strip()
    value = Fraction(plain.removesuffix("%").replace(",", "."))
    return value / 100 if plain.endswith("%") else value


def recompute(notice: Spoken) -> int:
    """The amount in cents: each step done again, in order, from the lines it names."""
    lines = {row[0][0]: row for row in notice.rows()}
    done: dict[str, Fraction] = {}
    for mark, row in lines.items():
        if re.fullmatch(r"E\d+", mark):
            written = number(row[-1][0])
            value = _Pencil(lines, done, row[2][0]).work() if row[2][0] != "–" else written
            places = 6 if "€" not in row[-1][0] else 4
            assert abs(value - written) <= Fraction(1, 10**places), f"{mark}: {value} {written}"
            done[mark] = value
    cents = list(done.values())[-1] * 100
    assert cents.denominator == 1
    return int(cents)


class _Pencil:
    """One operation, read from left to right."""

    def __init__(
        self, lines: dict[str, list[list[str]]], done: dict[str, Fraction], text: str
    ) -> None:
        self._lines = lines
        self._done = done
        self._tokens: list[re.Match[str]] = list(_tokens(text))

    def work(self) -> Fraction:
        value = self._sum()
        assert not self._tokens
        return value

    def _take(self, *signs: str) -> str:
        """The next sign if it is one of these."""
        if self._tokens and (found := self._tokens[0]["sign"]) and found.strip() in signs:
            self._tokens.pop(0)
            return found.strip()
        return ""

    def _sum(self) -> Fraction:
        value = self._product()
        while sign := self._take("+", "−"):
            value = value + self._product() if sign == "+" else value - self._product()
        return value

    def _product(self) -> Fraction:
        value = self._value()
        while sign := self._take("×", "÷"):
            value = value * self._value() if sign == "×" else value / self._value()
        return value

    def _value(self) -> Fraction:
        if self._take("("):
            return self._within(self._sum())
        token = self._tokens.pop(0)
        if token["number"]:
            return self._number(token)
        assert self._take("(")
        if token["pick"]:
            values = [self._sum()]
            while self._take(";"):
                values.append(self._sum())
            value = max(values) if "grand" in token["pick"] else min(values)
        else:
            value = _round(token, self._sum())
        assert self._take(")")
        return value

    def _within(self, value: Fraction) -> Fraction:
        """What stands before the closing bracket."""
        if self._take(", au moins 0"):
            value = max(value, Fraction(0))
        elif self._take("s'il atteint"):
            threshold = self._sum()
            assert self._take(", sinon 0")
            value = value if value >= threshold else Fraction(0)
        assert self._take(")")
        return value

    def _number(self, token: re.Match[str]) -> Fraction:
        value = number(token["number"] + (token["rate"] or ""))
        mark = token["mark"]
        if mark is None:
            return value
        if mark.startswith("E"):
            return self._done[mark]
        written = " ".join(" ".join(cell) for cell in self._lines[mark])
        shown = {number(one) for one in re.findall(rf"{_NUMBER}(?:\u202f%)?", written)}
        assert value in shown or value == 0, f"{mark} does not say {token['number']}"
        return value


def _tokens(text: str) -> Iterator[re.Match[str]]:
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        assert found, text[place:]
        yield found
        place = found.end()


def _round(token: re.Match[str], value: Fraction) -> Fraction:
    named = (("cent", Fraction(1, 100)), ("euro", Fraction(1)), ("hundred", Fraction(100)))
    size = next((size for name, size in named if token[name]), None) or number(token["size"])
    ways: Sequence[tuple[str, Callable[[Fraction], int]]] = (("inf", floor), ("sup", ceil))
    way = next((way for name, way in ways if (token["way"] or "").startswith(name)), round)
    return way(value / size) * size
