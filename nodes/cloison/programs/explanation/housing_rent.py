"""The rent a housing aid counts, and the household's own share of it."""

from dataclasses import dataclass
from fractions import Fraction

from cloison.programs.entitlement.inputs import Occupancy
from cloison.programs.explanation.expressions import (
    Expression,
    Kind,
    Leaf,
    Op,
    Unit,
    count,
    largest,
    not_below_zero,
    rounded,
    smallest,
)
from cloison.programs.explanation.replay import CENT, Replay

RENTED = "prestations_sociales.aides_logement.allocations_logement.locatif"
_FORMULA = f"{RENTED}.formule"
_OWN_SHARE = f"{_FORMULA}.pp_particip_perso"


@dataclass(frozen=True, slots=True)
class Rent:
    """The rent paid, the most that counts, what is kept of it, and the charges."""

    real: Leaf
    most: Leaf
    kept: Leaf
    charges: Leaf


def replay_rent(replay: Replay) -> Rent:
    """What of the rent and charges counts, for this home and family."""
    month, home = replay.window.month, replay.household.housing
    replay.section = "Loyer et charges"
    asked: Expression = replay.table.rent()
    asked = asked * _furnished(replay) if home.furnished else asked
    real = replay.step(
        "Loyer",
        asked,
        "aide_logement_loyer_reel",
        month,
        note="Logement meublé : une part du loyer." if home.furnished else "",
    )
    most = replay.step(
        "Loyer plafond",
        rounded(Op.ROUND, _most(replay), CENT),
        "aide_logement_loyer_plafond",
        month,
    )
    kept = replay.step("Loyer retenu", smallest(real, most), "aide_logement_loyer_retenu", month)
    charges = replay.step("Charges retenues", _charges(replay), "aide_logement_charges", month)
    return Rent(real, most, kept, charges)


def _furnished(replay: Replay) -> Leaf:
    """The part OpenFisca keeps of a furnished home's rent: it stands in its code, undated."""
    paid = replay.table.rent().number
    kept = replay.engine.seen("aide_logement_loyer_reel", replay.window.month)
    part = (kept / paid).limit_denominator(100) if paid else Fraction(0)
    label = "part du loyer d'un meublé (aide_logement_loyer_reel)"
    return Leaf(Kind.ENGINE, label, part, Unit.NUMBER)


def _dependants(replay: Replay) -> int:
    return int(replay.engine.seen("al_nb_personnes_a_charge", replay.window.month))


def _couple(replay: Replay) -> bool:
    return replay.engine.seen("al_couple", replay.window.month) != 0


def _ceiling(replay: Replay, zone: str) -> Expression:
    month, more = replay.window.month, _dependants(replay) - 1
    by_zone = f"{_FORMULA}.l_plafonds_loyers.par_zone.{zone}"
    if more < 0:
        return replay.legal(
            f"{by_zone}.{'couples' if _couple(replay) else 'personnes_seules'}", month
        )
    first = replay.legal(f"{by_zone}.un_enfant", month)
    if not more:
        return first
    each = replay.legal(f"{by_zone}.majoration_par_enf_supp", month)
    return first + count(more, "autres personnes à charge") * each


def _most(replay: Replay) -> Expression:
    """The ceiling of the home's own zone; a part of it for a shared home."""
    home = replay.household.housing
    ceiling = _ceiling(replay, f"zone_{home.zone}")
    if home.occupancy is not Occupancy.SHARED_TENANT:
        return ceiling
    name = f"{_FORMULA}.l_plafonds_loyers.coef_chambre_et_colocation.coef_colocation"
    return ceiling * replay.legal(name, replay.window.month)


def _charges(replay: Replay) -> Expression:
    month, dependants = replay.window.month, _dependants(replay)
    shared = replay.household.housing.occupancy is Occupancy.SHARED_TENANT
    group = f"{_FORMULA}.c_forfait_charges.{'cas_colocataires' if shared else 'cas_general'}"
    alone = "couple_sans_enfant" if _couple(replay) else "beneficiaire_isole"
    base = replay.legal(f"{group}.{alone if shared else 'cas_general'}", month)
    if not dependants:
        return base
    each = replay.legal(f"{group}.majoration_par_enfant", month)
    return base + count(dependants, "personnes à charge") * each


def replay_own_share(replay: Replay, resources: Leaf, rent: Rent) -> Leaf:
    """What the household is to pay itself: a least share, and a rate of its resources."""
    month = replay.window.month
    replay.section = "Participation du foyer"
    least = replay.step(
        "Participation minimale",
        largest(
            replay.legal(f"{_OWN_SHARE}.p0_particip_min.p0_taux", month)
            * (rent.kept + rent.charges),
            replay.legal(f"{_OWN_SHARE}.p0_particip_min.p0_forfait", month),
        ),
        "aide_logement_participation_minimale",
        month,
    )
    above = replay.step(
        "Ressources au-delà de l'abattement forfaitaire",
        not_below_zero(resources - _abatement(replay)),
        "aide_logement_ressources_apres_abattement",
        month,
    )
    rate = replay.step(
        "Taux de participation",
        _family_rate(replay) + _rent_rate(replay, rent.kept),
        "aide_logement_taux_participation_personnelle",
        month,
        unit=Unit.RATE,
    )
    return replay.step(
        "Participation du foyer",
        least + rate * above,
        "aide_logement_participation_personnelle",
        month,
    )


def _abatement(replay: Replay) -> Expression:
    """R0, by the family's size; beyond six dependants an amount for each."""
    dependants, base = _dependants(replay), f"{_OWN_SHARE}.r0_abattement.cas_general"
    month = replay.window.month
    if not dependants:
        return replay.legal(f"{base}.taux_{'couple' if _couple(replay) else 'seul'}", month)
    listed = min(dependants, 6)
    found: Expression = replay.legal(f"{base}.taux{listed}pac", month)
    if dependants > listed:
        each = replay.legal(f"{base}.taux_pac_supp", month)
        found = found + count(dependants - listed, "autres personnes à charge") * each
    return replay.step("Abattement forfaitaire", found, "aide_logement_R0", month)


def _family_rate(replay: Replay) -> Leaf:
    dependants, base = _dependants(replay), f"{_OWN_SHARE}.tp_taux.tf_taille_famille.metropole"
    month, listed = replay.window.month, min(dependants, 6)
    if not dependants:
        name = "couples_0_enfant" if _couple(replay) else "personnes_isolees"
    else:
        name = f"avec_{listed}_enfant{'s' if listed > 1 else ''}"
    found: Expression = replay.legal(f"{base}.{name}", month)
    if dependants > listed:
        each = replay.legal(f"{base}.maj_par_enf_supp", month)
        found = found + count(dependants - listed, "autres enfants") * each
    return replay.step(
        "Taux lié à la famille", found, "aide_logement_taux_famille", month, unit=Unit.RATE
    )


def _rent_rate(replay: Replay, rent: Leaf) -> Leaf:
    month, levels = replay.window.month, f"{_OWN_SHARE}.tp_taux.tl_loyer"
    reference = replay.step(
        "Loyer de référence",
        _ceiling(replay, "zone_2"),
        "aide_logement_loyer_reference",
        month,
        note="Celui de la zone 2, quelle que soit la zone du logement.",
    )
    ratio = replay.step(
        "Rapport du loyer retenu au loyer de référence",
        rounded(Op.ROUND, rent / reference, CENT / 100),
        unit=Unit.RATE,
        note="Arrondi au centième de pour cent.",
    )
    low, high = (replay.legal(f"{levels}.seuils.seuil_{number}", month) for number in (1, 2))
    second = replay.legal(f"{levels}.taux.tl_taux_2", month)
    found: Expression = not_below_zero(second * (ratio - low))
    if ratio.number >= high.number:
        third = replay.legal(f"{levels}.taux.tl_taux_3", month)
        found = third * (ratio - high) + second * (high - low)
    return replay.step(
        "Taux lié au loyer",
        rounded(Op.ROUND, found, CENT / 1000),
        "aide_logement_taux_loyer",
        month,
        unit=Unit.RATE,
        note="Arrondi au millième de pour cent.",
    )
