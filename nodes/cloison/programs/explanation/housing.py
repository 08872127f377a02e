"""The aides au logement of tenants, replayed: resources, rent, own share, then the aid."""

from fractions import Fraction

from cloison.programs.entitlement.inputs import Occupancy
from cloison.programs.explanation.expressions import (
    Expression,
    Leaf,
    Op,
    Unit,
    at_least,
    count,
    not_below_zero,
    rounded,
    smallest,
)
from cloison.programs.explanation.housing_rent import (
    RENTED,
    Rent,
    replay_own_share,
    replay_rent,
)
from cloison.programs.explanation.housing_resources import replay_resources
from cloison.programs.explanation.replay import CENT, Replay

_CRDS = "prelevements_sociaux.contributions_sociales.crds"
_TENANTS = {Occupancy.TENANT, Occupancy.SHARED_TENANT}
_EURO = Fraction(1)


def replay_housing(replay: Replay) -> Expression:
    """The amount before its last rounding; it is a whole number of euros already."""
    month = replay.window.month
    if replay.household.housing.occupancy not in _TENANTS:
        replay.section = "Aide au logement"
        return replay.step(
            "Aide au logement",
            count(0),
            "aide_logement",
            month,
            note="Seuls les locataires sont calculés ici : le logement déclaré n'est pas loué.",
        )
    resources = replay_resources(replay)
    rent = replay_rent(replay)
    return _aid(replay, rent, replay_own_share(replay, resources, rent))


def _aid(replay: Replay, rent: Rent, share: Leaf) -> Leaf:
    month = replay.window.month
    replay.section = "Aide au logement"
    before = replay.step(
        "Loyer et charges, moins la participation",
        at_least(
            not_below_zero(rent.kept + rent.charges - share),
            replay.legal(f"{RENTED}.seuils_minimum_versement.non_apl", month),
        ),
        "aide_logement_montant_brut_avant_degressivite",
        month,
    )
    gross = replay.step(
        "Après dégressivité et minoration",
        not_below_zero(
            rounded(Op.ROUND, before * _degression(replay, rent), CENT)
            - replay.legal(f"{RENTED}.minoration_forfaitaire", month)
        ),
        "aide_logement_montant_brut",
        month,
    )
    levy = replay.step(
        "CRDS",
        rounded(
            Op.FLOOR,
            replay.legal(_CRDS, month) * gross,
            CENT,
        ),
    )
    return replay.step(
        "Aide au logement",
        rounded(Op.FLOOR, gross - levy, _EURO),
        "aide_logement",
        month,
    )


def _degression(replay: Replay, rent: Rent) -> Leaf:
    """One up to a rent, zero from another; a straight line between."""
    month, home = replay.window.month, replay.household.housing
    names = f"{RENTED}.coefficients_degressivite_suppression.zone_{home.zone}"
    starts, ends = (
        replay.step(
            title, rounded(Op.ROUND, rent.most * replay.legal(f"{names}.{name}", month), CENT)
        )
        for title, name in (
            ("Loyer où l'aide commence à baisser", "degressivite"),
            ("Loyer où l'aide s'annule", "suppression"),
        )
    )
    line = count(1) - (rent.real - starts) / (ends - starts)
    return replay.step(
        "Coefficient de dégressivité",
        smallest(count(1), not_below_zero(line)),
        unit=Unit.NUMBER,
        note="1 jusqu'au premier loyer, 0 à partir du second.",
    )
