"""An operation in French: once in words, once with the person's numbers."""

from collections.abc import Callable, Mapping
from fractions import Fraction

from cloison.french import BLANK, french_euros, french_number, french_rate
from cloison.programs.explanation.expressions import (
    Expression,
    Kind,
    Leaf,
    Op,
    Operation,
    Unit,
    count,
)

_SIGNS = {Op.ADD: " + ", Op.SUBTRACT: " − ", Op.MULTIPLY: " × ", Op.DIVIDE: " ÷ "}
_STRENGTH = {Op.ADD: 1, Op.SUBTRACT: 1, Op.MULTIPLY: 2, Op.DIVIDE: 2}
_ALONE = 3
_ROUNDING = {Op.ROUND: "le plus proche", Op.FLOOR: "inférieur", Op.CEIL: "supérieur"}
_SIZES = {Fraction(1, 100): "au centime", Fraction(1): "à l'euro", Fraction(100): "à la centaine"}
_FEMININE = {Fraction(100)}
_Show = Callable[[Leaf], str]


def in_words(expression: Expression) -> str:
    """The operation with the names of its values.

    Example:
        >>> base = Leaf(Kind.PARAMETER, "montant de base", Fraction(600), Unit.EUROS, "P1")
        >>> in_words(base * (base + base))
        'montant de base × (montant de base + montant de base)'
    """
    return _write(expression, _name)[0]


def with_numbers(expression: Expression) -> str:
    """The operation with its values, each followed by its line in the notice.

    Example:
        >>> base = Leaf(Kind.PARAMETER, "montant de base", Fraction("600.5"), Unit.EUROS, "P1")
        >>> with_numbers(base + base).replace(BLANK, " ")
        '600,50 [P1] + 600,50 [P1]'
    """
    return _write(expression, _number)[0]


def value_text(value: Fraction, unit: Unit) -> str:
    """A value with its unit: amounts with up to four decimals, other numbers with up to six."""
    if unit is Unit.EUROS:
        cents = value * 100
        if cents.denominator == 1:
            return french_euros(int(cents))
        return f"{french_number(value)}{BLANK}€"
    return french_rate(value) if unit is Unit.RATE else french_number(value, 6)


def _name(leaf: Leaf) -> str:
    if leaf.kind is Kind.NUMBER:
        nothing = leaf.unit is Unit.EUROS and not leaf.number
        return leaf.label if nothing else f"{french_number(leaf.number)} {leaf.label}".rstrip()
    acronym = leaf.label[:2].isupper()
    return leaf.label if acronym else leaf.label[:1].lower() + leaf.label[1:]


def _number(leaf: Leaf) -> str:
    mark = f"{BLANK}[{leaf.mark}]" if leaf.mark else ""
    if leaf.kind is Kind.NUMBER:
        return french_number(leaf.number)
    text = value_text(leaf.number, leaf.unit).removesuffix(f"{BLANK}€")
    return f"{text}{mark}"


def _write(expression: Expression, show: _Show) -> tuple[str, int]:
    """The text, and how strongly it holds together."""
    if isinstance(expression, Leaf):
        return show(expression), _ALONE
    if not isinstance(expression, Operation):
        raise TypeError(type(expression).__name__)
    if expression.op in _SIGNS:
        return _infix(expression, show)
    return _FORMS[expression.op](expression, show), _ALONE


def _infix(operation: Operation, show: _Show) -> tuple[str, int]:
    strength = _STRENGTH[operation.op]
    parts = []
    for place, one in enumerate(operation.args):
        text, own = _write(one, show)
        last_of_pair = place > 0 and operation.op in {Op.SUBTRACT, Op.DIVIDE}
        weak = own < strength or (last_of_pair and own == strength)
        parts.append(f"({text})" if weak else text)
    return _SIGNS[operation.op].join(parts), strength


def _listed(operation: Operation, show: _Show) -> str:
    first, *others = operation.args
    if operation.op is Op.MAX and first == count(0) and len(others) == 1:
        return f"( {_write(others[0], show)[0]}, au moins 0 )"
    which = "le plus grand" if operation.op is Op.MAX else "le plus petit"
    return f"{which} de ( {' ; '.join(_write(one, show)[0] for one in operation.args)} )"


def _if_reached(operation: Operation, show: _Show) -> str:
    value, threshold = (_write(one, show)[0] for one in operation.args)
    return f"( {value} s'il atteint {threshold}, sinon 0 )"


def _rounded(operation: Operation, show: _Show) -> str:
    value, to = operation.args
    size = _SIZES.get(to.value, f"à {french_number(to.value, 6)} près")
    which = _ROUNDING[operation.op]
    if to.value in _FEMININE:
        which = which.replace("inférieur", "inférieure").replace("supérieur", "supérieure")
    near = to.value not in _SIZES and operation.op is Op.ROUND
    return f"arrondi {size}{'' if near else f' {which}'} de ( {_write(value, show)[0]} )"


_FORMS: Mapping[Op, Callable[[Operation, _Show], str]] = {
    Op.MAX: _listed,
    Op.MIN: _listed,
    Op.AT_LEAST: _if_reached,
    Op.ROUND: _rounded,
    Op.FLOOR: _rounded,
    Op.CEIL: _rounded,
}
