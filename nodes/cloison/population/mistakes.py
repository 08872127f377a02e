"""Lines declared wrong at first: right in form, wrong in an amount, found months later or not yet.

Small employers make them; what they send when they find out is the whole declaration again. The
tax withheld is never wrong, so that the tax office's own file agrees with the first declaration.
"""

from dataclasses import dataclass

from cloison.months import Month
from cloison.population.figures import CorrectionShares
from cloison.population.pay import Pay
from cloison.population.payers import Payer
from cloison.population.streams import noise, stream

_PERMILLE = 1_000
_LEAST_WRONG, _WRONG_SPAN = 30, 220  # per mille of the amount
_PLACES = 1 << 16


@dataclass(frozen=True, slots=True)
class Mistakes:
    """A function of the seed, the payer, the month and the place of the line."""

    seed: int
    shares: CorrectionShares

    def wrong(self, payer: Payer, month: Month, persons: int) -> frozenset[int]:
        """Places of the wrong lines in a first declaration of so many persons."""
        if persons > self.shares.most_persons_replaced:
            return frozenset()
        drawn = (self._drawn(payer, month, place) % _PERMILLE for place in range(persons))
        return frozenset(place for place, one in enumerate(drawn) if one < self.shares.wrong_line)

    def found(self, payer: Payer, month: Month) -> Month:
        """When the payer finds out: one to twelve months later."""
        rng = stream(self.seed, f"found/{payer.siret}", month.index)
        months = range(1, len(self.shares.months_later) + 1)
        return month + rng.choices(months, self.shares.months_later)[0]

    def spoil(self, pay: Pay, payer: Payer, month: Month, place: int) -> Pay:
        """What was declared instead: a net too low, or every amount but the tax withheld."""
        drawn = self._drawn(payer, month, place) >> 16
        wrong = _LEAST_WRONG + (drawn >> 16) % _WRONG_SPAN
        if drawn % _PERMILLE < self.shares.wrong_net_only:
            return pay._replace(mns=pay.mns - max(1, pay.mns * wrong // _PERMILLE))
        sign = 1 if drawn >> 40 & 1 else -1

        def other(amount: int) -> int:
            return amount + sign * (amount * wrong // _PERMILLE)

        mns = other(pay.mns)
        return Pay(
            gross=other(pay.gross) + sign,
            net_fiscal=max(other(pay.net_fiscal), mns + 1),
            mns=mns,
            net_paid=other(pay.net_paid),
            withheld=pay.withheld,
        )

    def _drawn(self, payer: Payer, month: Month, place: int) -> int:
        return noise(noise(self.seed, payer.index), month.index * _PLACES + place)
