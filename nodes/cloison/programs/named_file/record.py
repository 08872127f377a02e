"""A file that was looked into, as JSON: what was asked, of whom, and how it was answered."""

from cloison.programs.explanation.data import Asked, Datum
from cloison.programs.named_file.look import Looked
from cloison.wire.gateway import ReceiptRef

VERSION = 1
Json = dict[str, object]


def finding_record(looked: Looked) -> Json:
    """What is deposited: every question and its outcome, no value."""
    return {
        "version": VERSION,
        "month": str(looked.month),
        "asked": [asked_record(one) for one in looked.table.asked],
    }


def looked_record(looked: Looked, receipt: ReceiptRef | None) -> Json:
    """The whole, values included; persons by their place and role, never by number."""
    table = looked.table
    return {
        "version": VERSION,
        "file": looked.case.reference,
        "month": str(looked.month),
        "activity": looked.record.id,
        "persons": [member.role for member in looked.case.members],
        "asked": [asked_record(one) for one in table.asked],
        "data": [_datum(one) for one in table.data],
        "duties": [
            {"kind": kind, "value": value, "rule": rule} for kind, value, rule in duties(looked)
        ],
        "deposit": receipt_record(receipt),
    }


def duties(looked: Looked) -> list[tuple[str, str, str]]:
    """Kind, value and rule of each obligation that came with an answer, each once."""
    found = {
        (duty.kind, duty.value, duty.rule)
        for answer in looked.answers
        if answer.reply.decision is not None
        for duty in answer.reply.decision.obligations
    }
    return sorted(found)


def asked_record(one: Asked) -> Json:
    """A question and its outcome."""
    return {
        "question": one.mark,
        "holder": one.holder,
        "dataset": one.dataset,
        "fields": list(one.fields),
        "persons": list(one.places),
        "first": one.first,
        "last": one.last,
        "purpose": one.purpose,
        "legal_basis": one.legal_basis,
        "outcome": one.outcome,
        "provisional": one.provisional,
        "receipt": receipt_record(one.receipt),
    }


def receipt_record(receipt: ReceiptRef | None) -> Json | None:
    """Where an entry stands; None where there is none."""
    if receipt is None:
        return None
    return {
        "holder": receipt.holder,
        "leaf_index": receipt.leaf_index,
        "leaf_hash": receipt.leaf_hash.hex(),
        "size": receipt.size,
    }


def _datum(one: Datum) -> Json:
    return {
        "line": one.mark,
        "question": one.asked,
        "person": one.place,
        "period": one.period,
        "status": one.status,
        "source": one.source,
        "version": one.version,
        "values": dict(one.values),
    }
