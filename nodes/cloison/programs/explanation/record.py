"""The notice as JSON: everything needed to redo the sum, exactly, without this program.

Exact numbers are strings: a decimal (`633.21`), or a quotient of two whole numbers (`2/3`).
"""

from dataclasses import asdict
from fractions import Fraction

from cloison.programs.explanation.data import Asked, Datum
from cloison.programs.explanation.expressions import Expression, Kind, Leaf, Operation
from cloison.programs.explanation.notice import Notice
from cloison.programs.explanation.replay import Parameter, Step
from cloison.programs.explanation.text import in_words, with_numbers
from cloison.programs.explanation.words import NEXT, WHY
from cloison.wire.gateway import ReceiptRef

VERSION = 1
Json = dict[str, object]


def notice_record(notice: Notice) -> Json:
    """The whole notice. Amounts in integer cents where the key says so."""
    return {
        "version": VERSION,
        "case": notice.reference,
        "applicant": notice.name,
        "persons": list(notice.who),
        "activity": notice.activity.id,
        "benefit": notice.benefit.value,
        "month": str(notice.month),
        "made_time": notice.made_time.isoformat(),
        "legislation": notice.legislation,
        "policy_set": notice.policy_hash.hex(),
        "amount_cents": notice.amount_cents,
        "result": notice.steps[-1].mark if notice.steps else None,
        "set_aside": _set_aside(notice),
        "deposit": _receipt(notice.deposit),
        "algorithm": {
            **notice.algorithm.model_dump(),
            "controller": notice.activity.controller,
        },
        "asked": [_asked(one) for one in notice.table.asked],
        "data": [_datum(one, notice.who) for one in notice.table.data],
        "parameters": [_parameter(one) for one in notice.parameters],
        "conditions": [asdict(one) for one in notice.conditions],
        "steps": [_step(one) for one in notice.steps],
        "mention": [
            {"id": one.id, "title": one.title, "text": notice.say(one), "article": one.article}
            for one in notice.clauses
        ],
    }


def exact(value: Fraction) -> str:
    """The value without loss.

    Example:
        >>> exact(Fraction("633.21")), exact(Fraction(2, 3)), exact(Fraction(-3))
        ('633.21', '2/3', '-3')
    """
    for places in range(13):
        scaled = value * 10**places
        if scaled.denominator == 1:
            sign, digits = "-" if scaled < 0 else "", f"{abs(int(scaled)):0{places + 1}d}"
            return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"
    return f"{value.numerator}/{value.denominator}"


def _set_aside(notice: Notice) -> Json | None:
    if notice.set_aside is None:
        return None
    missing, not_done = WHY[notice.set_aside]
    return {
        "reason": notice.set_aside.value,
        "missing": missing,
        "not_done": not_done,
        "next": NEXT.get(notice.set_aside, ""),
    }


def _receipt(receipt: ReceiptRef | None) -> Json | None:
    if receipt is None:
        return None
    return {
        "ledger": receipt.holder,
        "leaf_index": receipt.leaf_index,
        "leaf_hash": receipt.leaf_hash.hex(),
        "size": receipt.size,
    }


def _asked(one: Asked) -> Json:
    return {
        "id": one.mark,
        "holder": one.holder,
        "dataset": one.dataset,
        "fields": list(one.fields),
        "first": one.first,
        "last": one.last,
        "granularity": one.granularity.value,
        "purpose": one.purpose,
        "legal_basis": one.legal_basis,
        "outcome": one.outcome,
        "provisional": one.provisional,
        "receipt": _receipt(one.receipt),
    }


def _datum(one: Datum, who: tuple[str, ...]) -> Json:
    return {
        "id": one.mark,
        "asked": one.asked,
        "holder": one.holder,
        "dataset": one.dataset,
        "person": who[one.place],
        "period": one.period,
        "last": one.last,
        "status": one.status,
        "source": one.source,
        "version": one.version,
        "values": dict(one.values),
        "receipt": _receipt(one.receipt),
    }


def _parameter(one: Parameter) -> Json:
    return {
        "id": one.mark,
        "name": one.legal.name,
        "title": one.legal.title,
        "short": one.legal.short,
        "value": exact(one.legal.value),
        "unit": one.legal.unit.value,
        "since": one.legal.since.isoformat(),
        "references": [asdict(reference) for reference in one.legal.references],
    }


def _step(one: Step) -> Json:
    return {
        "id": one.mark,
        "section": one.section,
        "title": one.title,
        "variable": one.variable,
        "operation": None if one.expression is None else _operation(one.expression),
        "in_words": in_words(one.expression) if one.expression else "",
        "with_numbers": with_numbers(one.expression) if one.expression else "",
        "value": exact(one.value),
        "unit": one.unit.value,
        "note": one.note,
    }


def _operation(expression: Expression) -> Json:
    """A leaf names its line, except a number of the operation itself."""
    if isinstance(expression, Operation):
        return {"op": expression.op.value, "args": [_operation(one) for one in expression.args]}
    if not isinstance(expression, Leaf):
        raise TypeError(type(expression).__name__)
    found: Json = {"kind": expression.kind.value, "label": expression.label}
    if expression.kind is not Kind.STEP:
        found["value"] = exact(expression.number)
    return found | ({"line": expression.mark} if expression.mark else {})
