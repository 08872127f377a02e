"""Misuse, planted in the last of some honest months: subtle, just over what is borne, and gross.

Each has the code it must be found by, and those it cannot help but bring along.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256

from tests.misuse.traffic import (
    AGENTS,
    CAF,
    CNAV,
    DGFIP,
    MONTHLY,
    MSA,
    Span,
    compute,
    contest,
    inform,
    night,
    object_,
    office,
    publish,
    working_days,
)
from tests.misuse.world import Asking, Case, World

from cloison.exchange.entries import entry_of, failures_entry, started_entry
from cloison.law import Decision, Outcome, PolicySet, RuleRef
from cloison.months import Month
from cloison.v1 import entry_pb2

PPA, RSA, OUTREACH = "caf-ppa", "caf-rsa", "caf-outreach"
CONTROL, SCORING = "caf-individual-control", "caf-dmde"
LATE = "caf-social-action"
STRANGER = "p" * 32
_NEVER = frozenset({"asked"})


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of a misuse is planted."""

    subtle: int
    gross: int


@dataclass(frozen=True, slots=True)
class Plant:
    """A misuse.

    Attributes:
        sow: Schedules it: the world, the span, how much.
        along: Codes that come with it of themselves.
    """

    code: str
    scale: Scale
    sow: Callable[[World, Span, int], None]
    along: frozenset[str] = frozenset()


def _persons(code: str, count: int) -> range:
    """People of a misuse's own, whom no honest traffic is about."""
    start = 10_000_000 + int.from_bytes(sha256(code.encode()).digest()[:3], "big") * 100
    return range(start, start + count)


def _day(span: Span, place: int = 14) -> datetime:
    """The night before a working day of the last month."""
    return night(working_days(span.last)[place], 20_000)


def _spread(
    world: World, start: datetime, count: int, each: Callable[[int], object], step_ms: int = 900
) -> None:
    for number in range(count):
        time = start + timedelta(milliseconds=step_ms * number)
        world.at(time, partial(each, number))


def refused(world: World, span: Span, count: int) -> None:
    """The scoring asks incomes, a few times a day."""
    days = working_days(span.last)
    people = _persons("refused", count)
    for number, person in enumerate(people):
        time = office(world, days[number % len(days)])
        world.at(time, partial(world.ask, SCORING, "cnav", MONTHLY, None, [person]))


def repeated(world: World, span: Span, count: int) -> None:
    """The same refusal, again, the same day."""
    person = _persons("repeated", 1)[0]
    _spread(world, _day(span), count, lambda _: world.ask(SCORING, "cnav", MONTHLY, None, [person]))


def outside_record(world: World, span: Span, count: int) -> None:
    """A field the record does not have."""
    people = _persons("outside", count)

    def one(number: int) -> None:
        case = world.open(OUTREACH, "outreach", span.last, [people[number]])
        how = Asking(fields=("mns", "nature", "payer"))
        answer = world.ask(OUTREACH, "cnav", MONTHLY, case, [people[number]], how)
        world.close(case, "no-entitlement")
        world.destroy(case, "no-entitlement", [answer.statement_hash], cited=True)

    for number, day in enumerate(working_days(span.last)[: min(count, 15)]):
        for place in range(number, count, 15):
            world.at(night(day, 21_000 + place), partial(one, place))


def bases_tried(world: World, span: Span, count: int) -> None:
    """One text after another."""
    texts = ("decret-2025-1288", "decret-2019-969", "lpf-l152", "gdpr-5", "decret-2024-50")
    person = _persons("bases", 1)[0]
    _spread(
        world,
        _day(span, 12),
        count,
        lambda n: world.ask(SCORING, "msa", MONTHLY, None, [person], Asking(basis=texts[n])),
    )


def many_refusals(world: World, span: Span, count: int) -> None:
    """Windows far too wide, of a benefit."""
    wide = Asking(first=span.last - 20, last=span.last - 2)

    def one(number: int) -> None:
        person = _persons("wide", count)[number]
        case = world.open(RSA, "claim", span.last, [person])
        answer = world.ask(RSA, "caf", "members", case, [person])
        world.ask(RSA, "cnav", MONTHLY, case, [person], wide if number % 2 else None)
        world.deposit(case, [answer.leaf])
        world.close(case, "decided")

    for number in range(2 * count):
        if number // 2 < count:
            time = night(working_days(span.last)[number % 10], 22_000 + number)
            world.at(time, partial(one, number % count))


def many_failures(world: World, span: Span, count: int) -> None:
    """Signatures that do not verify."""

    def fail(_: int) -> None:
        counts = [("BAD_SIGNATURE", count // 10)]
        world.enter(CNAV, failures_entry("caf", world.now, counts, world.now))

    _spread(world, _day(span, 3), 10, fail, step_ms=60_000)


def _control(world: World, person: int, agent: str, month: Month) -> Case:
    case = world.open(CONTROL, "control-file", month, [person])
    world.ask(CONTROL, "caf", "members", case, [person], Asking(agent=agent))
    world.at(world.now + timedelta(days=5), lambda: _conclude(world, case))
    return case


def _conclude(world: World, case: Case) -> None:
    answer = world.ask(
        CONTROL, "caf", "claims", case, case.persons, Asking(agent=AGENTS[world.now.day % 4])
    )
    world.deposit(case, [answer.leaf])
    world.close(case, "concluded")


def one_by_one(world: World, span: Span, count: int) -> None:
    """A list gone through under control files; spread over agents and opened over some days."""
    people = _persons("list", count)
    days = working_days(span.last)
    agents = AGENTS[:4]
    cases: dict[int, Case] = {}

    def open_(number: int) -> None:
        cases[number] = world.open(CONTROL, "control-file", span.last, [people[number]])

    def ask(number: int) -> None:
        case, agent = cases[number], agents[number % len(agents)]
        answer = world.ask(CONTROL, "caf", "members", case, case.persons, Asking(agent=agent))
        world.deposit(case, [answer.leaf])
        world.close(case, "concluded")

    for number in range(count):
        early = office(world, days[number % 8])
        world.at(early, partial(open_, number))
        world.at(office(world, days[10]), partial(ask, number))


def without_case(world: World, span: Span, count: int) -> None:
    """A benefit asks about people who have no case."""
    people = _persons("bare", count)
    days = working_days(span.last)
    for number, person in enumerate(people):
        time = night(days[number % len(days)], 23_000 + number)
        world.at(time, partial(world.ask, PPA, "cnav", MONTHLY, None, [person]))


def monthly(world: World, span: Span, count: int) -> None:
    """The same cases, month after month."""
    people = _persons("monthly", count)
    start = span.last - 2
    cases: dict[int, Case] = {}

    def first(number: int) -> None:
        cases[number] = world.open(RSA, "claim", start, [people[number]])
        again(number)

    def again(number: int) -> None:
        world.ask(RSA, "cnav", MONTHLY, cases[number], [people[number]])

    def last(number: int) -> None:
        answer = world.ask(RSA, "cnav", MONTHLY, cases[number], [people[number]])
        world.deposit(cases[number], [answer.leaf])
        world.close(cases[number], "decided")

    for place, event in enumerate((first, again, last)):
        _spread(world, night(working_days(start + place)[6], 24_000), count, event)


def windows_added(world: World, span: Span, count: int) -> None:
    """Three reviews of one person the same day, a quarter apart: nine months in all."""

    def one(number: int) -> None:
        person = _persons("windows", count)[number]
        for back in (0, 3, 6):
            compute(world, PPA, span.last - back, person)

    _spread(world, _day(span, 5), count, one, step_ms=1500)


def totals_split(world: World, span: Span, count: int) -> None:
    """Two totals of one person, a month apart in length."""

    def one(number: int) -> None:
        person = _persons("totals", count)[number]
        case = world.open("caf-al", "review", span.last, [person])
        full = world.ask("caf-al", "cnav", MONTHLY, case, [person])
        less = Asking(first=span.last - 12)
        world.ask("caf-al", "cnav", MONTHLY, case, [person], less)
        world.deposit(case, [full.leaf])
        world.close(case, "decided")

    _spread(world, _day(span, 6), count, one, step_ms=1500)


def in_bulk(world: World, span: Span, count: int) -> None:
    """Control files opened by the dozen, and asked about little by little."""
    people = _persons("bulk", count)
    days = working_days(span.last)

    def one(number: int) -> None:
        case = world.open(CONTROL, "control-file", span.last, [people[number]])
        world.at(office(world, days[min(18, 9 + number % 10)]), lambda: _conclude(world, case))

    _spread(world, office(world, days[8]), count, one)


def pretexts(world: World, span: Span, count: int) -> None:
    """Opened to ask, then withdrawn."""
    days = working_days(span.last)

    def one(number: int) -> None:
        person = _persons("pretext", count)[number]
        case = world.open("msa-rsa", "claim", span.last, [person])
        world.ask("msa-rsa", "msa", MONTHLY, case, [person])
        world.at(world.now + timedelta(hours=1), lambda: world.close(case, "withdrawn"))

    for number in range(count):
        world.at(night(days[number % 12], 25_000 + number), partial(one, number))


def undecided(world: World, span: Span, count: int) -> None:
    """Cases that only served to ask, left to expire."""
    month = span.last - 4

    def one(number: int) -> None:
        person = _persons("undecided", count)[number]
        case = world.open(RSA, "claim", month, [person])
        world.ask(RSA, "cnav", MONTHLY, case, [person])

    for number in range(count):
        day = working_days(month)[number % 12]
        world.at(night(day, 26_000 + number), partial(one, number))


def never_paid(world: World, span: Span, count: int) -> None:
    """Said to be decided; nothing was computed."""
    days = working_days(span.last)

    def one(number: int) -> None:
        person = _persons("unpaid", count)[number]
        case = world.open(RSA, "claim", span.last, [person])
        world.ask(RSA, "cnav", MONTHLY, case, [person])
        world.close(case, "decided")

    for number in range(count):
        world.at(night(days[number % 12], 27_000 + number), partial(one, number))


def looked_up(world: World, span: Span, count: int) -> None:
    """One person, again and again, by an agent."""
    person = _persons("watched", 1)[0]
    day = working_days(span.last)[9]

    def start() -> None:
        case = _control(world, person, AGENTS[1], span.last)
        how = Asking(agent=AGENTS[1])
        _spread(
            world,
            world.now + timedelta(seconds=1),
            count - 1,
            lambda _: world.ask(CONTROL, "caf", "members", case, [person], how),
            step_ms=20_000,
        )

    world.at(office(world, day), start)


def followed(world: World, span: Span, count: int) -> None:
    """One case, day after day."""
    person = _persons("followed", 1)[0]
    days = working_days(span.last)

    def start() -> None:
        case = world.open(CONTROL, "control-file", span.last, [person])
        for day in days[:count]:
            world.at(
                office(world, day) + timedelta(hours=1),
                lambda: world.ask(
                    CONTROL, "caf", "payments", case, [person], Asking(agent=AGENTS[2])
                ),
            )
        world.at(night(days[-1]), lambda: _conclude(world, case))

    world.at(night(days[0]), start)


def busy_agent(world: World, span: Span, count: int) -> None:
    """An agent asks far more than the others; of few files, so that no list is seen."""
    day = working_days(span.last)[11]
    datasets = ("members", "claims", "households", "payments", "file_events")

    def one(number: int) -> None:
        person = _persons("busy", count)[number]
        case = world.open(CONTROL, "control-file", span.last, [person])
        answers = [
            world.ask(CONTROL, "caf", dataset, case, [person], Asking(agent=STRANGER))
            for dataset in datasets
        ]
        world.deposit(case, [answers[0].leaf])
        world.close(case, "concluded")

    _spread(world, office(world, day), count, one, step_ms=10_000)


def unusual_hours(world: World, span: Span, count: int) -> None:
    """At night, a file at a time."""
    days = working_days(span.last)
    for number in range(count):
        person = _persons("night", count)[number]
        late = night(days[number % len(days)]).replace(hour=21) + timedelta(minutes=number)
        world.at(late, partial(_control, world, person, AGENTS[3], span.last))


def volume(world: World, span: Span, count: int) -> None:
    """A day of ten."""
    people = _persons("volume", count)
    _spread(world, _day(span, 13), count, lambda n: compute(world, PPA, span.last, people[n]), 500)


def drift(world: World, span: Span, count: int) -> None:
    """The calculator asks one field of one month, of the old end of its window."""
    days = working_days(span.last)
    how = Asking(fields=("payer",), first=span.last - 4, last=span.last - 4)

    def one(number: int) -> None:
        person = _persons("drift", count)[number]
        case = world.open(PPA, "review", span.last, [person])
        answer = world.ask(PPA, "cnav", MONTHLY, case, [person], how)
        world.deposit(case, [answer.leaf])
        world.close(case, "decided")

    for number in range(count):
        world.at(night(days[number % 18], 28_000 + number), partial(one, number))


def _permit(text: str, decision: Decision) -> Decision:
    """A holder that does not follow its law."""
    rule = RuleRef(text, "experiment", "art. 1", "permit", provisional=True)
    return replace(
        decision, outcome=Outcome.PERMIT, reason="PERMITTED", rules=(rule,), text=text, nearest=()
    )


def expired(world: World, span: Span, count: int) -> None:
    """A holder answers on a text that ended."""
    how = Asking(decision=partial(_permit, "decret-2024-50"))
    _spread(
        world,
        _day(span, 4),
        count,
        lambda n: world.ask(SCORING, "cnav", MONTHLY, None, [_persons("expired", count)[n]], how),
    )


def unnoticed(world: World, span: Span, count: int) -> None:
    """A campaign that wrote to nobody; controls concluded without a word to their persons."""
    month = span.last - 4

    def one(number: int) -> None:
        person = _persons("unnoticed", count)[number]
        if number % 2:
            case = world.open(CONTROL, "control-file", month, [person])
            world.ask(CONTROL, "caf", "members", case, [person], Asking(agent=AGENTS[4]))
            world.close(case, "concluded")
        else:
            case = world.open(OUTREACH, "outreach", month, [person])
            world.ask(OUTREACH, "cnav", MONTHLY, case, [person])

    _spread(world, office(world, working_days(month)[0]), count, one)


def kept_too_long(world: World, span: Span, count: int) -> None:
    """A year later, still there."""
    month = span.last - 13
    people = _persons("kept", count)
    _spread(
        world,
        night(working_days(month)[0], 30_000),
        count,
        lambda n: inform(world, month, people[n], kept=True),
    )


def objection(world: World, span: Span, count: int) -> None:
    """Asked about the very day they objected."""
    people = _persons("objects", count)

    def one(number: int) -> None:
        object_(world, people[number])
        inform(world, span.last, people[number])

    _spread(world, _day(span, 2), count, one)


def contested(world: World, span: Span, count: int) -> None:
    """Nobody told the declarant, though some lines are said to be maintained."""
    start = night(working_days(span.last - 2)[3], 31_000)
    _spread(world, start, count, lambda n: contest(world, None, 20 if n % 2 else None))


def left_open(world: World, span: Span, count: int) -> None:
    """The declarant was told, and the person never heard of it again."""
    start = night(working_days(span.last - 2)[3], 32_000)
    _spread(world, start, count, lambda _: contest(world, days=5, ended=None))


def _received(
    world: World, span: Span, count: int, decision: Callable[[Decision], Decision] | None
) -> None:
    how = Asking(received_for="calculation", received_by=PPA, decision=decision)
    days = working_days(span.last)
    for number in range(count):
        person = _persons(f"received {decision}", count)[number]
        world.at(
            office(world, days[number % len(days)]),
            partial(world.ask, SCORING, "cnav", MONTHLY, None, [person], how),
        )


def received_asked(world: World, span: Span, count: int) -> None:
    """The scoring asks its own body's node for what a benefit received."""
    _received(world, span, count, None)


def received_given(world: World, span: Span, count: int) -> None:
    """And is given it."""
    _received(world, span, count, partial(_permit, "decret-2024-50"))


def _outputs(
    world: World, span: Span, count: int, cite: Callable[[World], Sequence[bytes]]
) -> None:
    days = working_days(span.last)

    def one(number: int) -> None:
        person = _persons(f"outputs {cite}", count)[number]
        case = world.open(RSA, "claim", span.last, [person])
        world.ask(RSA, "cnav", MONTHLY, case, [person])
        world.deposit(case, cite(world))
        world.close(case, "decided")

    for number in range(count):
        world.at(night(days[number % 10], 32_000 + number), partial(one, number))


def bare_outputs(world: World, span: Span, count: int) -> None:
    """Amounts that rest on nothing said."""
    _outputs(world, span, count, lambda _: ())


def unreceived(world: World, span: Span, count: int) -> None:
    """Amounts that rest on answers nobody gave."""
    _outputs(world, span, count, lambda one: (one.digest(),))


def anothers(world: World, span: Span, count: int) -> None:
    """A scoring result that cites what the benefit received."""
    days = working_days(span.last)

    def one(number: int) -> None:
        person = _persons("anothers", count)[number]
        case = world.open(RSA, "claim", span.last, [person])
        answer = world.ask(RSA, "cnav", MONTHLY, case, [person])
        world.deposit(case, [answer.leaf])
        world.deposit(case, [answer.leaf], SCORING, "score")
        world.close(case, "decided")

    for number in range(count):
        world.at(night(days[number % 10], 33_000 + number), partial(one, number))


def _ppa(world: World, span: Span, count: int, name: str, how: Asking, place: int) -> None:
    """A question of the benefit, with one thing wrong."""

    def one(number: int) -> None:
        person = _persons(name, count)[number]
        case = world.open(PPA, "review", span.last, [person])
        world.ask(PPA, "cnav", MONTHLY, case, [person], how)
        own = world.ask(PPA, "caf", "members", case, [person])
        world.deposit(case, [own.leaf])
        world.close(case, "decided")

    _spread(world, _day(span, place), count, one, 1100)


def differs(world: World, span: Span, count: int) -> None:
    """A decision that says the text was read whole."""
    how = Asking(decision=lambda one: replace(one, provisional=False))
    _ppa(world, span, count, "differs", how, 7)


def lost_set(world: World, span: Span, count: int) -> None:
    """Decided by a law nobody kept."""
    _ppa(world, span, count, "lost", Asking(policy_hash=b"\x01" * 32), 8)


def apart(world: World, span: Span, count: int) -> None:
    """Under different laws for some days."""
    how = Asking(same_set=False)
    days = working_days(span.last)

    def one(number: int) -> None:
        person = _persons("apart", count)[number]
        case = world.open("msa-ppa", "review", span.last, [person])
        answer = world.ask("msa-ppa", "dgfip", "tax_notices", case, [person], how)
        world.deposit(case, [answer.leaf])
        world.close(case, "decided")

    for number in range(count):
        world.at(night(days[number % 20], 34_000 + number), partial(one, number))


def foreign(world: World, span: Span, count: int) -> None:
    """Another body's entries, copied."""

    def one(number: int) -> None:
        compute(world, PPA, span.last, _persons("foreign", count)[number])
        world.enter(MSA, world.logs[CNAV, "traces"][-1])

    _spread(world, _day(span, 9), count, one)


def clock_back(world: World, span: Span, count: int) -> None:
    """A holder's clock is set back, for a moment."""

    def back() -> None:
        then = world.now - timedelta(seconds=count)
        world.enter(MSA, started_entry("test", world.policy.hash, world.now), "register")
        world.enter(MSA, started_entry("test", world.policy.hash, then), "register")

    world.at(_day(span, 10), back)


def clocks_apart(world: World, span: Span, count: int) -> None:
    """A holder ahead of its requester, by seconds; in the ledger of few entries."""

    def one(number: int) -> None:
        person = _persons("ahead", 3)[number]
        case = world.open("msa-ppa", "review", span.last, [person])
        how = Asking(holder_ahead=timedelta(seconds=count))
        answer = world.ask("msa-ppa", "dgfip", "tax_notices", case, [person], how)
        world.deposit(case, [answer.leaf] if answer.permitted else [])
        world.close(case, "decided")

    _spread(world, _day(span, 16), 3, one, step_ms=3_600_000)


def _halves(parts: frozenset[str], name: str, place: int) -> Callable[[World, Span, int], None]:
    def sow(world: World, span: Span, count: int) -> None:
        _ppa(world, span, count, name, Asking(parts=parts), place)

    return sow


def lost_often(world: World, span: Span, count: int) -> None:
    """Answers that were used, and are said to be lost."""

    def one(number: int) -> None:
        person = _persons("lost often", count)[number]
        case = world.open("msa-ppa", "review", span.last, [person])
        cut = Asking(parts=frozenset({"asked", "decided"}))
        answer = world.ask("msa-ppa", "dgfip", "tax_notices", case, [person], cut)
        world.lose(MSA, "dgfip", answer)
        world.deposit(case, [])
        world.close(case, "decided")

    _spread(world, _day(span, 6), count, one)


def unwitnessed(world: World, span: Span, count: int) -> None:
    """A holder answers controls for minutes without a witness; a later decision says since when."""
    start = _day(span, 3)

    def one(number: int) -> None:
        person = _persons("unwitnessed", count)[number]
        case = world.open(CONTROL, "control-file", span.last, [person])
        how = Asking(agent=AGENTS[number % 4])
        answer = world.ask(CONTROL, "dgfip", "tax_notices", case, [person], how)
        world.tell(case, "content-and-origin", how.agent)
        world.deposit(case, [answer.leaf])
        world.at(world.now + timedelta(days=3), lambda: world.close(case, "concluded"))

    def after() -> None:
        person = _persons("after unwitnessed", 1)[0]
        case = world.open(PPA, "review", span.last, [person])
        how = Asking(own_seconds=900)
        answer = world.ask(PPA, "dgfip", "tax_notices", case, [person], how)
        world.deposit(case, [answer.leaf])
        world.close(case, "decided")

    _spread(world, start, count, one)
    world.at(start + timedelta(minutes=12), after)


def never_closed(world: World, _span: Span, _count: int) -> None:
    """A node that closes no day: nobody can show a person that nothing was left out."""
    world.unclosed.add(MSA)


def no_longer_closed(world: World, span: Span, count: int) -> None:
    """A node that stops closing its days, for some of the last ones."""
    days = working_days(span.last)
    world.at(night(days[-1 - count], 30_000), lambda: world.unclosed.add(CAF))


def hidden(world: World, span: Span, count: int) -> None:
    """A node that leaves a person out of each day's map."""
    days = working_days(span.last)
    world.at(night(days[5], 30_000), lambda: world.hiding.add(DGFIP))
    world.at(night(days[5 + count], 30_000), lambda: world.hiding.discard(DGFIP))


def twice(world: World, span: Span, count: int) -> None:
    """The same decision, entered again."""

    def one(number: int) -> None:
        compute(world, PPA, span.last, _persons("twice", count)[number])
        world.enter(CNAV, world.logs[CNAV, "traces"][-1])

    _spread(world, _day(span, 11), count, one)


def other_answer(world: World, span: Span, count: int) -> None:
    """A receipt of other bytes than those that left."""
    _ppa(world, span, count, "other", Asking(received_sealed=b"\x02" * 32), 15)


def overspent(world: World, span: Span, count: int) -> None:
    """More than was granted."""
    for number in range(count):
        world.at(
            _day(span, 17) + timedelta(seconds=number),
            partial(publish, world, "2026-90", "1/2", f"over {number}", spent="3/2"),
        )


def given_back(world: World, span: Span, count: int) -> None:
    """Spent, then less spent."""
    for number in range(count + 1):
        spent = "1/2" if number % 2 == 0 else "1/4"
        world.at(
            _day(span, 17) + timedelta(minutes=10 + number),
            partial(publish, world, "2026-91", "1/4", f"back {number % 2}", spent=spent),
        )


def unpublished(world: World, span: Span, count: int) -> None:
    """Budgets spent on nothing."""
    for number in range(count):
        world.at(
            _day(span, 12) + timedelta(minutes=20 + number),
            partial(publish, world, "2026-92", "1/8", f"unused {number % 3}", table=False),
        )


def unreserved(world: World, span: Span, count: int) -> None:
    """Tables that nobody paid for."""
    for number in range(count):
        world.at(
            _day(span, 12) + timedelta(minutes=50 + number),
            partial(publish, world, "2026-93", "1/8", f"free {number}", reserved=False),
        )


def many_losses(world: World, span: Span, count: int) -> None:
    """The same table, at one loss after another."""
    for number in range(count):
        world.at(
            _day(span, 13) + timedelta(minutes=60 + number),
            partial(publish, world, "2026-94", f"1/{number + 2}", f"loss {number}", spent="1/2"),
        )


def before_record(old: PolicySet) -> Callable[[World, Span, int], None]:
    """A holder's set that does not know the activity yet."""

    def sow(world: World, span: Span, count: int) -> None:
        def one(number: int) -> None:
            person = _persons("before", count)[number]
            case = world.open(LATE, "claim", span.last, [person])
            world.ask(LATE, "dgfip", "tax_notices", case, [person], Asking(policy=old))
            world.close(case, "concluded")

        for number in range(count):
            day = working_days(span.last)[number % 15]
            world.at(night(day, 35_000 + number), partial(one, number))

    return sow


def trial(old: PolicySet, *, loaded: bool) -> Callable[[World, Span, int], None]:
    """A body tries an exchange, honestly until its date; its node keeps the set, or asks on."""

    def ask(world: World, span: Span, person: int) -> None:
        case = world.open(RSA, "claim", span.last, [person])
        world.ask(RSA, "cnav", MONTHLY, case, [person], Asking(policy=old))
        world.close(case, "set-aside")

    def sow(world: World, span: Span, count: int) -> None:
        people = _persons(f"trial {loaded}", count + 5)
        first, after = working_days(span.last)[0], working_days(span.last)[4]
        for number, person in enumerate(people[:5]):
            world.at(night(first, 36_000 + number), partial(ask, world, span, person))
        for number, person in enumerate(() if loaded else people[5:]):
            world.at(night(after, 36_000 + number), partial(ask, world, span, person))
        if loaded:
            said = entry_pb2.PolicyLoaded(policy_set=old.hash, number=2)
            day = night(first, 35_900)
            world.at(day, lambda: world.enter(DGFIP, entry_of(said, world.now), "register"))

    return sow


_SCORED = frozenset({"REFUSED_ATTEMPT", "EXPIRED_TEXT_INVOKED"})
_DRIFT = frozenset({"PURPOSE_DRIFT"})
_REFUSAL = frozenset({"MANY_REFUSALS"})


_BEFORE = (
    Plant("REFUSED_ATTEMPT", Scale(1, 30), refused, _SCORED),
    Plant("EXPIRED_TEXT_INVOKED", Scale(1, 30), refused, _SCORED),
    Plant("REPEATED_ATTEMPT", Scale(4, 40), repeated, _SCORED | {"PERSON_LOOKED_UP_AGAIN"}),
    Plant("OUTSIDE_RECORD_ATTEMPT", Scale(1, 12), outside_record),
    Plant(
        "BASES_TRIED",
        Scale(3, 5),
        bases_tried,
        _SCORED | {"OUTSIDE_RECORD_ATTEMPT", "REPEATED_ATTEMPT"},
    ),
    Plant("MANY_REFUSALS", Scale(45, 100), many_refusals),
    Plant("MANY_FAILURES", Scale(60, 600), many_failures),
    Plant(
        "COHORT_ONE_BY_ONE",
        Scale(65, 300),
        one_by_one,
        frozenset({"AGENT_UNLIKE_OTHERS", "PURPOSE_DRIFT"}),
    ),
    Plant("ASKED_WITHOUT_CASE", Scale(130, 600), without_case, _REFUSAL | _DRIFT),
    Plant("MONTHLY_INSTEAD_OF_REVIEW", Scale(12, 100), monthly),
    Plant("WINDOWS_ADDED_UP", Scale(3, 20), windows_added),
    Plant("TOTALS_SPLIT", Scale(2, 15), totals_split),
    Plant("CASES_IN_BULK", Scale(45, 150), in_bulk, _DRIFT),
    Plant("CASES_FOR_A_QUESTION", Scale(12, 60), pretexts),
    Plant("CASES_WITHOUT_DECISION", Scale(22, 100), undecided),
    Plant("CASES_NEVER_PAID", Scale(12, 60), never_paid),
    Plant("PERSON_LOOKED_UP_AGAIN", Scale(4, 20), looked_up),
    Plant("CASE_FOLLOWED", Scale(6, 15), followed),
    Plant("AGENT_UNLIKE_OTHERS", Scale(8, 30), busy_agent),
    Plant("UNUSUAL_HOURS", Scale(5, 20), unusual_hours),
    Plant("UNUSUAL_VOLUME", Scale(400, 700), volume, frozenset({"CASES_IN_BULK", "PURPOSE_DRIFT"})),
    Plant("PURPOSE_DRIFT", Scale(120, 400), drift, frozenset({"CASES_IN_BULK"})),
    Plant("EXPIRED_TEXT_RELIED_ON", Scale(1, 10), expired, frozenset({"REPLAY_DIFFERS"})),
    Plant("NOTICE_OVERDUE", Scale(2, 15), unnoticed, frozenset({"CASES_WITHOUT_DECISION"})),
    Plant("RETENTION_OVERDUE", Scale(1, 30), kept_too_long),
    Plant("OBJECTION_NOT_HONOURED", Scale(1, 8), objection),
    Plant("CONTESTATION_OVERDUE", Scale(1, 10), contested),
    Plant("CONTESTATION_LEFT_OPEN", Scale(1, 10), left_open),
    Plant("RECEIVED_ASKED_FOR_ANOTHER_PURPOSE", Scale(1, 20), received_asked, _SCORED),
    Plant(
        "RECEIVED_FOR_ANOTHER_PURPOSE",
        Scale(1, 20),
        received_given,
        frozenset({"REPLAY_DIFFERS", "EXPIRED_TEXT_RELIED_ON"}),
    ),
    Plant("OUTPUT_WITHOUT_RECEIPTS", Scale(1, 20), bare_outputs),
    Plant("OUTPUT_CITES_UNRECEIVED", Scale(1, 20), unreceived),
    Plant("OUTPUT_CITES_ANOTHERS", Scale(1, 20), anothers),
    Plant("REPLAY_DIFFERS", Scale(1, 10), differs),
    Plant("POLICY_SET_LOST", Scale(1, 10), lost_set),
    Plant(
        "POLICY_SETS_DIFFER",
        Scale(3, 40),
        apart,
    ),
)
_AFTER = (
    Plant("ENTRY_OF_ANOTHER", Scale(1, 10), foreign),
    Plant("CLOCK_WENT_BACK", Scale(75, 90_000), clock_back),
    Plant("CLOCKS_APART", Scale(150, 900), clocks_apart, frozenset({"CLOCK_WENT_BACK"})),
    Plant(
        "DECIDED_NOT_ASKED",
        Scale(1, 10),
        _halves(frozenset({"decided", "received"}), "unasked", 2),
    ),
    Plant("DAYS_NEVER_CLOSED", Scale(1, 1), never_closed),
    Plant("DAY_MISSING", Scale(2, 9), no_longer_closed),
    Plant("DAY_MAP_WRONG", Scale(1, 5), hidden),
    Plant("ANSWERS_LOST_OFTEN", Scale(25, 60), lost_often, frozenset({"OUTPUT_WITHOUT_RECEIPTS"})),
    Plant("RECEIPT_NOT_WITNESSED", Scale(1, 10), unwitnessed),
    Plant("NOT_DECIDED", Scale(1, 10), _halves(_NEVER, "undecided question", 3)),
    Plant("NOT_RECEIVED", Scale(1, 10), _halves(frozenset({"asked", "decided"}), "unreceived", 4)),
    Plant(
        "RECEIVED_NOT_DECIDED",
        Scale(1, 10),
        _halves(frozenset({"asked", "received"}), "never decided", 5),
    ),
    Plant("DECIDED_TWICE", Scale(1, 10), twice),
    Plant("ANSWER_DIFFERS", Scale(1, 10), other_answer),
    Plant("BUDGET_OVERSPENT", Scale(1, 3), overspent),
    Plant("BUDGET_GIVEN_BACK", Scale(1, 3), given_back),
    Plant("BUDGET_WITHOUT_TABLE", Scale(1, 9), unpublished),
    Plant("PUBLISHED_WITHOUT_BUDGET", Scale(1, 5), unreserved),
    Plant("SAME_TABLE_AT_MANY_LOSSES", Scale(4, 9), many_losses),
)


def plants(old: PolicySet) -> Sequence[Plant]:
    """Every misuse; `old`: a policy set without the record of `LATE`, and with `RSA` on trial."""
    late = Plant(
        "ACTIVITY_BEFORE_RECORD",
        Scale(1, 10),
        before_record(old),
        frozenset({"OUTSIDE_RECORD_ATTEMPT", "REPEATED_ATTEMPT"}),
    )
    trials = (
        Plant("SHADOW_PAST_ITS_DATE", Scale(1, 1), trial(old, loaded=True)),
        Plant("ASKED_IN_SHADOW_PAST_ITS_DATE", Scale(1, 10), trial(old, loaded=False)),
    )
    return (*_BEFORE, late, *trials, *_AFTER)
