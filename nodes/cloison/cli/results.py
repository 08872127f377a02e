"""What the commands on entitlements say in the same words: reasons, and values of a record."""

from collections.abc import Mapping

from cloison.french import french_euros
from cloison.programs.entitlement.answers import Value
from cloison.programs.entitlement.inputs import SetAside
from cloison.store import FieldType

WORDS = {
    SetAside.NO_PERMANENT_NIR: "a person has no permanent NIR",
    SetAside.PERSON_NOT_ANSWERABLE: "a holder answers for no such person",
    SetAside.MONTH_NOT_YET_DUE: "a month is not yet due",
    SetAside.SOURCE_LATE: "a payer is late with a month",
    SetAside.UNDER_CORRECTION: "a month is under correction",
    SetAside.REFUSED: "the law refused a question",
    SetAside.FAILED: "a question came to no decision",
    SetAside.HEAD_UNCLEAR: "the body's own file has not one applicant, or two partners",
    SetAside.OWN_FILE_INCOMPLETE: "the body's own file is incomplete",
    SetAside.AMOUNT_MISSING: "a payment was declared without its amount",
    SetAside.UNKNOWN_CODE: "a code the calculator does not know",
    SetAside.EARNINGS_NOT_ASKED: "earnings the record lets nobody be asked for",
    SetAside.OBJECTED: "a person objected",
    SetAside.DEPENDS_ON_MONTH_NOT_ASKED: "the rule would read a month that may not be asked",
    SetAside.ENGINE_REFUSED: "the engine refuses an input",
}


def values_text(values: Mapping[str, Value], types: Mapping[str, FieldType]) -> str:
    """The fields a record states, a line each."""
    return "\n".join(
        f"{name} {_value(value, types.get(name))}"
        for name, value in values.items()
        if value not in {None, ""}
    )


def _value(value: Value, kind: FieldType | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and kind is FieldType.CENTS:
        return french_euros(value)
    if kind is FieldType.DATE:
        text = str(value)
        return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    return str(value)
