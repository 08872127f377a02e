"""The declaration as JSON: as it is deposited, and as it is printed. Amounts in integer cents."""

from cloison.programs.prefill.declaration import Declaration, Gap, Line
from cloison.wire.gateway import ReceiptRef

VERSION = 1
Json = dict[str, object]


def proposal_record(made: Declaration) -> Json:
    """What is deposited: the totals proposed, and where each comes from; no single payment."""
    return {
        "version": VERSION,
        "month": str(made.month),
        "proposed": _proposed(made),
        "sources": [
            {
                "person": line.place,
                "month": str(line.month),
                "holder": line.holder,
                "source": line.source,
                "version": line.version,
                "leaf_index": line.receipt and line.receipt.leaf_index,
            }
            for line in made.lines
        ],
        "missing": [_gap(gap) for gap in made.gaps],
    }


def declaration_record(made: Declaration) -> Json:
    """The whole declaration; persons by their place and role, never by number."""
    return {
        "version": VERSION,
        "case": made.case.reference,
        "month": str(made.month),
        "months": [str(month) for month in made.first.to(made.last)],
        "persons": [member.role for member in made.case.members],
        "lines": [_line(line) for line in made.lines],
        "missing": [_gap(gap) for gap in made.gaps],
        "proposed": _proposed(made),
        "deposit": _receipt(made.receipt),
    }


def _proposed(made: Declaration) -> list[Json]:
    return [
        {"person": place, "month": str(month), "nature": nature, "amount_cents": cents}
        for place, month, nature, cents in made.proposed()
    ]


def _line(line: Line) -> Json:
    return {
        "line": line.mark,
        "person": line.place,
        "month": str(line.month),
        "payer": line.payer,
        "nature": line.nature,
        "mns_cents": line.amount_cents,
        "holder": line.holder,
        "source": line.source,
        "version": line.version,
        "receipt": _receipt(line.receipt),
    }


def _gap(gap: Gap) -> Json:
    return {
        "person": gap.place,
        "month": None if gap.month is None else str(gap.month),
        "holder": gap.holder,
        "missing": gap.missing.value,
        "reason": gap.reason,
    }


def _receipt(receipt: ReceiptRef | None) -> Json | None:
    if receipt is None:
        return None
    return {
        "holder": receipt.holder,
        "leaf_index": receipt.leaf_index,
        "leaf_hash": receipt.leaf_hash.hex(),
        "size": receipt.size,
    }
