"""Declarations as rows, a row a payment: what the messages say, in columns."""

from collections.abc import Iterator

from cloison.bodies import BodyId
from cloison.months import Month
from cloison.population.declared import Declarations
from cloison.population.neodes import Declaration, Slip, euros, pay_date

DECLARED_COLUMNS = (
    "message", "type", "fraction", "order", "month", "declarant", "nir", "paid", "corrects",
    "payer", "nature", "gross", "net_fiscal", "mns", "net_paid", "pas", "contract",
    "contract_start", "contract_end", "status",
)  # fmt: skip
_FRACTION = "11"
_NO_PAYMENT = ";" * 14  # a declaration that names nobody has one such row


def declared_rows(declarations: Declarations, body: BodyId, month: Month) -> Iterator[str]:
    """Everything sent for a month to a body, in the order of its files."""
    for one in declarations.sent(body, month):
        payer = one.payer.siret
        head = f"{one.message};{one.kind};{_FRACTION};{one.order};{one.month};{payer}"
        if not one.slips:
            yield head + _NO_PAYMENT
        paid = pay_date(one.payer, one.month)
        for slip in one.slips:
            yield f"{head};{slip.person.nir};{paid};;{_payment(one, slip)}"


def _payment(declaration: Declaration, slip: Slip) -> str:
    spell, pay = slip.spell, slip.pay
    amounts = (pay.gross, pay.net_fiscal, pay.mns, pay.net_paid, pay.withheld)
    contract = ("", "", "", "")
    if spell.contract:
        end = str(spell.planned_end or "")
        contract = (spell.contract, str(spell.start), end, spell.contract_code)
    return ";".join((declaration.payer.siret, spell.nature, *map(euros, amounts), *contract))
