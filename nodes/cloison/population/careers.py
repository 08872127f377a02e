"""What adults live from: one function a way of life, each giving the spells it is made of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from random import Random

from cloison.population.figures import Figures
from cloison.population.pay import days_in
from cloison.population.payers import Payer, Payers, Scheme, choose
from cloison.population.people import Nature, Spell, Window
from cloison.population.streams import chance

_OPEN = 100_000  # a month index beyond every window
_PERMANENT, _FIXED_TERM, _MISSION = "01", "02", "03"
_UNEMPLOYMENT_PERMILLE = 570
_ALLOWANCE_PERMILLE = 500
_LONGEST_UNEMPLOYMENT = 18
_HIGHEST_BASIC_PENSION = 1_050


@dataclass(frozen=True, slots=True)
class Life:
    """What a career is drawn from.

    Attributes:
        wage: Full-time monthly gross, per mille of the minimum wage.
        birth_year: No job before 18, pensions from 62 on.
        farm: Whether farms employ them, and the agricultural fund insures them.
    """

    figures: Figures
    payers: Payers
    window: Window
    rng: Random
    wage: int
    birth_year: int
    farm: bool

    @property
    def begin(self) -> int:
        """Index of the first month a spell of the window may begin in."""
        adult = (self.birth_year + 18) * 12 + 8
        return max(self.window.begin.index, adult)

    @property
    def last(self) -> int:
        """Index of the last month of the window."""
        return self.window.last.index

    def fund(self, pool: tuple[Payer, ...]) -> Payer:
        """A body that pays replacement income: theirs, or the agricultural one."""
        return self.rng.choice(self.payers.agricultural_fund if self.farm else pool)

    def employer(self, *avoid: Payer) -> Payer:
        """An employer of their scheme that is none of `avoid`."""
        return self.other(self.payers.farms if self.farm else self.payers.employers, avoid)

    def other(self, pool: tuple[Payer, ...], avoid: Sequence[Payer]) -> Payer:
        """One of `pool`, none of `avoid` (fewer than the pool)."""
        payer = choose(pool, self.rng)
        while payer in avoid:
            payer = pool[(pool.index(payer) + 1) % len(pool)]
        return payer

    def spell(
        self,
        nature: Nature,
        payer: Payer | None,
        months: tuple[int, int],
        permille: int,
        *,
        code: str = "",
        swing: int = 0,
    ) -> Spell:
        """A spell over whole months but for its first and last day.

        Args:
            nature: What it is.
            payer: Who declares it.
            months: First and last month index; last beyond the window while it goes on.
            permille: Of the minimum wage.
            code: DSN nature of the contract; none for replacement incomes.
            swing: Largest monthly variation, per mille.
        """
        first, last = months
        rng = self.rng
        goes_on = last > self.last
        start_day = rng.choice((1, 1, 1, 1, 5, 12, 15, 18)) if code else 1
        end_day = min(days_in(last), rng.choice((31, 31, 31, 26, 20))) if not goes_on else 0
        if first == last:
            start_day = min(start_day, end_day)
        return Spell(
            nature=nature,
            payer=payer,
            start=date(first // 12, first % 12 + 1, start_day),
            end=None if goes_on else date(last // 12, last % 12 + 1, end_day),
            first=first,
            last=_OPEN if goes_on else last,
            permille=permille,
            swing=swing,
            seed=rng.getrandbits(63),
            contract=f"{rng.randrange(100_000):05d}" if code else "",
            contract_code=code,
        )

    def job(self, payer: Payer, months: tuple[int, int], permille: int, code: str) -> Spell:
        """A salary."""
        swing = {_PERMANENT: 25, _FIXED_TERM: 60, _MISSION: 450}[code]
        return self.spell(Nature.SALARY, payer, months, permille, code=code, swing=swing)

    def unemployed(self, months: tuple[int, int], before: int) -> Spell:
        """Unemployment benefit after a wage of `before` per mille."""
        payer = self.rng.choice(self.payers.unemployment)
        permille = max(330, before * _UNEMPLOYMENT_PERMILLE // 1_000)
        return self.spell(Nature.UNEMPLOYMENT, payer, months, permille, swing=20)


def _long_ago(life: Life) -> int:
    earliest = (life.birth_year + 19) * 12
    return max(earliest, life.begin - life.rng.randrange(1, 140))


def _stable(life: Life, share: int = 1_000) -> list[Spell]:
    employer = life.employer()
    wage = life.wage * share // 1_000
    start = min(_long_ago(life), life.last - 2)
    change = life.rng.randrange(life.begin + 1, max(life.begin + 2, life.last - 1))
    if start >= change or not chance(life.rng, life.figures.shares.change_of_employer):
        return [life.job(employer, (start, _OPEN), wage, _PERMANENT)]
    raised = wage * life.rng.randrange(990, 1_150) // 1_000
    return [
        life.job(employer, (start, change), wage, _PERMANENT),
        life.job(life.employer(employer), (change + 1, _OPEN), raised, _PERMANENT),
    ]


def _part_time(life: Life) -> list[Spell]:
    return _stable(life, life.rng.randrange(380, 820))


def _precarious(life: Life) -> list[Spell]:
    rng, spells = life.rng, []
    month, seen = life.begin + rng.randrange(4), tuple[Payer, ...]()
    while month <= life.last:
        employer = life.employer(*seen)
        seen = (*seen[-2:], employer)
        until = month + rng.randrange(1, 9)
        wage = life.wage * rng.choice((1_000, 1_000, 800, 600)) // 1_000
        spells.append(life.job(employer, (month, until), wage, _FIXED_TERM))
        month = until + 1
        idle = rng.choice((0, 0, 1, 2, 3, 5))
        entitled = chance(rng, life.figures.shares.benefit_between_jobs)
        if idle and month <= life.last and entitled:
            spells.append(life.unemployed((month, month + idle - 1), wage))
        month += idle
    return spells


def _temporary(life: Life) -> list[Spell]:
    agency = choose(life.payers.agencies, life.rng)
    rng, spells, month = life.rng, [], life.begin + life.rng.randrange(6)
    while month <= life.last:
        until = month + rng.randrange(3, 12)
        spells.append(life.job(agency, (month, until), life.wage * 850 // 1_000, _MISSION))
        month = until + 1 + rng.choice((0, 1, 1, 2))
    return spells


def _unemployed(life: Life) -> list[Spell]:
    lost = life.last - life.rng.randrange(2, 26)
    if lost <= life.begin:
        return []
    start = min(_long_ago(life), lost - 1)
    until = lost + life.rng.randrange(6, _LONGEST_UNEMPLOYMENT + 1)
    return [
        life.job(life.employer(), (start, lost), life.wage, _PERMANENT),
        life.unemployed((lost + 1, until), life.wage),
    ]


def _inactive(_: Life) -> list[Spell]:
    return []


def _invalid(life: Life) -> list[Spell]:
    payer = life.fund(life.payers.sickness)
    since = min(_long_ago(life), life.last)
    spells = [
        life.spell(Nature.INVALIDITY, payer, (since, _OPEN), life.rng.randrange(330, 620)),
    ]
    if chance(life.rng, life.figures.shares.job_beside_invalidity):
        spells += _part_time(replace(life, wage=life.wage * 600 // 1_000))
    return spells


def _self_employed(life: Life) -> list[Spell]:
    months = (min(_long_ago(life), life.last - 1), _OPEN)
    permille = life.rng.randrange(250, 1_100) * life.wage // 1_000
    return [life.spell(Nature.SELF_EMPLOYED, None, months, permille, swing=300)]


def _frontier(life: Life) -> list[Spell]:
    """Paid abroad: the tax office learns of it a year later, no body here by month."""
    months = (min(_long_ago(life), life.last - 1), _OPEN)
    return [life.spell(Nature.FOREIGN, None, months, life.wage * 3 // 2, swing=25)]


def _farmer(life: Life) -> list[Spell]:
    return _self_employed(replace(life, wage=1_100))


def _seasonal(life: Life) -> list[Spell]:
    """Harvests at farms, and for some a town job: the same person at both schemes."""
    spells, rng = [], life.rng
    farm = choose(life.payers.farms, rng)
    for year in range(life.begin // 12, life.last // 12 + 1):
        first = year * 12 + rng.randrange(4, 7)
        if life.begin <= first < life.last:
            months = (first, first + rng.randrange(2, 5))
            spells.append(life.job(farm, months, life.wage, _FIXED_TERM))
    if chance(rng, life.figures.shares.town_job_beside_harvest):
        town = _part_time(replace(life, farm=False))
        spells += town
    return spells


def _student_job(life: Life) -> list[Spell]:
    life = replace(life, wage=life.rng.randrange(230, 430))
    start = life.last - life.rng.randrange(4, 20)
    if start <= life.begin:
        return []
    return [life.job(life.employer(), (start, _OPEN), life.wage, _PERMANENT)]


def _summer_job(life: Life) -> list[Spell]:
    years = range(life.begin // 12, life.last // 12 + 1)
    summers = ((year * 12 + 6, year * 12 + 7) for year in years)
    return [
        life.job(life.employer(), months, 1_000, _FIXED_TERM)
        for months in summers
        if life.begin <= months[0] and months[1] < life.last
    ][-1:]


CAREERS: dict[str, Callable[[Life], list[Spell]]] = {
    "stable": _stable,
    "part_time": _part_time,
    "precarious": _precarious,
    "temporary": _temporary,
    "unemployed": _unemployed,
    "inactive": _inactive,
    "invalid": _invalid,
    "self_employed": _self_employed,
    "frontier": _frontier,
    "farm_worker": _stable,
    "seasonal": _seasonal,
    "farmer": _farmer,
    "student_job": _student_job,
    "summer_job": _summer_job,
}


# Ways of life in which a second job or a sick leave is drawn; at most one fund pays leaves there.
_WITH_CHANCES = frozenset({"stable", "part_time", "farm_worker", "seasonal"})


def _second_job(life: Life, spells: list[Spell]) -> list[Spell]:
    """For some who work, another employer at the same time; for some of those, a farm."""
    rng, shares = life.rng, life.figures.shares
    if spells[-1].contract_code != _PERMANENT or not chance(rng, shares.second_job):
        return []
    farm = chance(rng, shares.second_job_agricultural)
    pool = life.payers.farms if farm else life.payers.employers
    avoid = tuple(spell.payer for spell in spells if spell.payer is not None)
    start = rng.randrange(life.begin, life.last - 1)
    months = (start, start + rng.randrange(4, 30))
    return [life.job(life.other(pool, avoid), months, rng.randrange(120, 380), _FIXED_TERM)]


def _sick_leave(life: Life, spells: list[Spell]) -> list[Spell]:
    """For some who have a permanent job, a leave: less salary, and daily allowances instead."""
    rng = life.rng
    if spells[-1].contract_code != _PERMANENT:
        return spells
    if not chance(rng, life.figures.shares.sick_leave):
        return spells
    job = spells[-1]
    first = rng.randrange(max(job.first, life.begin) + 1, life.last + 1)
    last = min(first + rng.randrange(3), life.last - 1)
    if last < first:
        return spells
    fund = life.rng.choice(life.payers.sickness)
    if job.payer is not None and job.payer.scheme is Scheme.AGRICULTURAL:
        fund = life.rng.choice(life.payers.agricultural_fund)
    permille = job.permille * _ALLOWANCE_PERMILLE // 1_000
    allowance = life.spell(Nature.DAILY_ALLOWANCE, fund, (first, last), permille, swing=100)
    return [*spells[:-1], replace(job, leave=(first, last)), allowance]


def live(career: str, life: Life) -> tuple[Spell, ...]:
    """The spells of a career, by its name in `figures.toml`; unknown names raise `KeyError`."""
    if life.begin >= life.last - 2:
        return ()
    spells = CAREERS[career](life)
    if spells and career in _WITH_CHANCES:
        spells = _sick_leave(life, spells + _second_job(life, spells))
    return tuple(spell for spell in spells if spell.last >= life.window.begin.index)


def retire(life: Life, start: int) -> tuple[Spell, ...]:
    """The pensions of somebody retired since the month with index `start`."""
    rng, payers = life.rng, life.payers
    total = life.wage * rng.randrange(480, 640) // 1_000
    basic = min(total, _HIGHEST_BASIC_PENSION) * rng.randrange(820, 1_000) // 1_000
    funds = [(rng.choice(payers.agricultural_fund if life.farm else payers.pensions), basic)]
    if not life.farm:
        funds.append((rng.choice(payers.complementary), total - basic + basic // 8))
        if chance(rng, life.figures.shares.both_pensions):
            funds.append((rng.choice(payers.agricultural_fund), basic // 4))
    return tuple(
        life.spell(Nature.PENSION, payer, (start, _OPEN), permille) for payer, permille in funds
    )
