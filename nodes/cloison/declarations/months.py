"""Which months a file may declare: none to come, none but those it is sent for. Pure."""

from dataclasses import dataclass

from cloison.errors import InputError
from cloison.months import Month
from cloison.store import Kind


@dataclass(frozen=True, slots=True)
class Months:
    """What is known of the time when a file is loaded.

    Attributes:
        present: The month it is.
        expected: The month the files are sent for; None: any that is not to come.
    """

    present: Month
    expected: Month | None = None

    def check_declared(self, month: int, kind: Kind) -> None:
        """A declaration's month (YYYYMM) is not to come; what corrects may be of an earlier one.

        Raises:
            InputError: `FUTURE_MONTH`. `OTHER_PERIOD`: not of the month expected.
        """
        if month > self.present.number:
            raise InputError("FUTURE_MONTH", "declares a month to come", "check S20.G00.05.005")
        if self.expected is None or month == self.expected.number:
            return
        if kind == "normal" or month > self.expected.number:
            raise InputError(
                "OTHER_PERIOD",
                f"declares another month than {self.expected}",
                "load it with the month it is for",
            )

    def check_paid(self, month: int, declared: int) -> None:
        """A payment is of the month declared, of an earlier one, or, paid late, of the next.

        Raises:
            InputError: `FUTURE_MONTH`. `OTHER_PERIOD`: of a later one.
        """
        if month > self.present.number:
            raise InputError("FUTURE_MONTH", "paid in a month to come", "check S21.G00.50.001")
        if month > (Month.from_number(declared) + 1).number:
            raise InputError(
                "OTHER_PERIOD",
                "paid more than a month after the month declared",
                "check S20.G00.05.005 and S21.G00.50.001",
            )
