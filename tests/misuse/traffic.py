"""Honest months: reviews in batches, housing aid, campaigns, controls of named files, tables."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from hashlib import sha256

from tests.misuse.world import Answer, Asking, Case, World, utc

from cloison.bodies import BodyId
from cloison.exchange.entries import (
    contestations_told_entry,
    contested_entry,
    entry_of,
    failures_entry,
    started_entry,
)
from cloison.exchange.statement import to_milliseconds
from cloison.law.paris import paris_clock
from cloison.months import Month
from cloison.v1 import contestation_pb2, entry_pb2

CAF, CNAV, DGFIP, MSA = (BodyId(name) for name in ("caf", "cnav", "dgfip", "msa"))
MONTHLY = "monthly_resources"
AGENTS = tuple("abcdefghijklmnop"[n] * 32 for n in range(6))
_EARLIER = 13


@dataclass(frozen=True, slots=True)
class Span:
    """Months of traffic, from the first of one of them."""

    first: Month
    months: int

    def __iter__(self) -> Iterator[Month]:
        return (self.first + number for number in range(self.months))

    @property
    def last(self) -> Month:
        """The month misuse is planted in."""
        return self.first + (self.months - 1)

    @property
    def end(self) -> datetime:
        """After all of them, and after what is still under way."""
        after = self.last + 1
        return utc(after.year, after.month, 1) + timedelta(hours=1)


def honest(world: World, span: Span, persons: int = 600) -> None:
    """Schedules everything; a third of the persons is reviewed each month."""
    begin_nodes(world)
    campaign(world, span.first - _EARLIER, range(40))
    for month in span:
        reviews(world, month, persons)
        housing(world, month, persons)
        if month.month % 3 == 1:
            campaign(world, month, range(persons, persons + 60))
        controls(world, month)
        tables(world, month)
        rights(world, month)
        outages(world, month)


def begin_nodes(world: World) -> None:
    """Each node loads the policy set and starts."""

    def start() -> None:
        for body in (CAF, CNAV, DGFIP, MSA):
            loaded = entry_pb2.PolicyLoaded(policy_set=world.policy.hash, number=1)
            world.enter(body, entry_of(loaded, world.now), "register")
            world.enter(body, started_entry("test", world.policy.hash, world.now), "register")

    world.at(world.now, start)


def working_days(month: Month) -> list[date]:
    """Monday to Friday."""
    day, found = date(month.year, month.month, 1), []
    while Month.from_date(day) == month:
        if day.weekday() < 5:
            found.append(day)
        day += timedelta(days=1)
    return found


def night(day: date, number: int = 0) -> datetime:
    """When batches run; `number` keeps them apart."""
    return utc(day.year, day.month, day.day, 2) + timedelta(milliseconds=700 * number)


def office(world: World, day: date) -> datetime:
    """A moment when agents work in Paris, summer and winter."""
    nine = utc(day.year, day.month, day.day, 9)
    ahead = paris_clock(nine) - nine
    return nine - ahead + timedelta(seconds=world.random.randrange(8 * 3600))


def reviews(world: World, month: Month, persons: int) -> None:
    """A third of the persons each month, over some nights; a few once more after a correction."""
    days = working_days(month)[:10]
    for number, person in enumerate(range(month.index % 3, persons, 3)):
        day = days[person % len(days)]
        world.at(night(day, number), partial(compute, world, "caf-ppa", month, person))
        if world.random.random() < 0.04:
            later = night(day, number) + timedelta(days=world.random.randrange(3, 12))
            world.at(later, partial(compute, world, "caf-ppa", month, person))
    for number in range(max(1, persons // 30)):
        day = days[number % len(days)]
        person = 5_000_000 + month.index * 1000 + number
        world.at(
            night(day, 3000 + number),
            partial(compute, world, "msa-ppa", month, person, holder="msa"),
        )


def compute(world: World, activity: str, month: Month, person: int, holder: str = "cnav") -> None:
    """One review: own files and incomes, an amount, a decision; or set aside, as a few are."""
    case = world.open(activity, "review", month, [person])
    chance = world.random.random()
    unknown = Asking(hindrance="PERSON_NOT_ANSWERABLE" if chance < 0.02 else "")
    answers = [world.ask(activity, str(case.body), "members", case, [person])]
    answers.append(world.ask(activity, holder, MONTHLY, case, [person], unknown))
    if chance > 0.9:
        answers.append(world.ask(activity, "dgfip", "tax_notices", case, [person]))
    decide(world, case, answers, aside=chance < 0.05)


def decide(world: World, case: Case, answers: Sequence[Answer], *, aside: bool) -> None:
    """The amount, on the answers it rests on; or nothing could be said."""
    if not aside:
        world.deposit(case, [one.leaf for one in answers if one.permitted])
    world.close(case, "set-aside" if aside else "decided")


def housing(world: World, month: Month, persons: int) -> None:
    """Housing aid: totals over twelve months."""
    days = working_days(month)[:10]

    def one(person: int) -> None:
        case = world.open("caf-al", "review", month, [person])
        answers = [
            world.ask("caf-al", "cnav", MONTHLY, case, [person]),
            world.ask("caf-al", "dgfip", "tax_notices", case, [person]),
        ]
        decide(world, case, answers, aside=False)

    for number in range(max(30, persons // 10)):
        person = 1_000_000 + (month.index * persons // 10 + number) % persons
        world.at(night(days[number % len(days)], 2000 + number), partial(one, person))


def campaign(world: World, month: Month, persons: Sequence[int]) -> None:
    """Told of a right, or what was obtained is destroyed; and a year later destroyed anyway."""
    day = working_days(month)[4]
    for number, person in enumerate(persons):
        world.at(
            night(day, 4000 + number),
            partial(inform, world, month, 2_000_000 + person),
        )


def inform(world: World, month: Month, person: int, *, kept: bool = False) -> None:
    """One household of a campaign; `kept`: nothing is ever destroyed of it."""
    case = world.open("caf-outreach", "outreach", month, [person])
    answer = world.ask("caf-outreach", "cnav", MONTHLY, case, [person])
    if world.random.random() < 0.4 and not kept:
        world.close(case, "no-entitlement")
        world.destroy(case, "no-entitlement", [answer.statement_hash], cited=True)
        return
    world.tell(case, "first-contact")
    world.deposit(case, [answer.leaf])
    world.close(case, "informed")
    if answer.label_until is not None and not kept:
        end = answer.label_until + timedelta(seconds=1)
        world.at(end, lambda: world.destroy(case, "expiry", [answer.statement_hash], cited=False))


def controls(world: World, month: Month) -> None:
    """Each agent a few named files a working day, concluded some days later."""
    for day in working_days(month):
        for agent in AGENTS[:4]:
            for _ in range(world.random.randrange(1, 4)):
                person = world.random.randrange(3_000_000, 3_100_000)
                world.at(
                    office(world, day),
                    partial(control, world, agent, person),
                )


def control(world: World, agent: str, person: int) -> Case:
    """One named file: own files and the tax notice, then a conclusion."""
    activity = "caf-individual-control"
    case = world.open(activity, "control-file", Month.from_date(world.now.date()), [person])
    how = Asking(agent=agent)
    answers = [
        world.ask(activity, holder, dataset, case, [person], how)
        for holder, dataset in (("caf", "members"), ("caf", "claims"), ("dgfip", "tax_notices"))
    ]

    def conclude() -> None:
        world.tell(case, "content-and-origin", agent)
        world.deposit(case, [one.leaf for one in answers if one.permitted])
        world.close(case, "concluded")

    world.at(world.now + timedelta(days=world.random.randrange(2, 15)), conclude)
    return case


def tables(world: World, month: Month) -> None:
    """A table a month: budget, then publication."""
    day = working_days(month)[7]
    world.at(night(day, 9000), lambda: publish(world, f"{month}", "1/4", str(month.index)))


def publish(
    world: World,
    period: str,
    epsilon: str,
    question: str,
    *,
    spent: str = "1/4",
    table: bool = True,
    reserved: bool = True,
) -> None:
    """Budget reserved, then a table published under it; a misuse leaves one out."""
    index, leaf = 0, bytes(32)
    digest = sha256(question.encode()).digest()
    if reserved:
        said = entry_pb2.BudgetReserved(
            population=f"cnav-{period}",
            year=2026,
            table="cnav-income",
            period=period,
            question_hash=digest,
            epsilon=epsilon,
            spent_epsilon=spent,
            granted_epsilon="1",
            activity="drees-statistics",
            policy_set=world.policy.hash,
        )
        index, leaf = world.enter(CNAV, entry_of(said, world.now), "register")
    if table:
        made = entry_pb2.TablePublished(
            question_hash=digest,
            document_hash=world.digest(),
            reserved_index=index,
            reserved_leaf_hash=leaf,
            activity="drees-statistics",
        )
        world.enter(CNAV, entry_of(made, world.now), "register")


def rights(world: World, month: Month) -> None:
    """Some object, some contest a line; all are heard."""
    days = working_days(month)
    for number in range(2):
        person = 2_000_000 + 900 + number
        world.at(night(days[12], 9100 + number), partial(object_, world, person))
        world.at(night(days[13], 9100 + number), lambda: contest(world, days=5))


def object_(world: World, person: int) -> None:
    """A person objects to the campaign."""
    said = entry_pb2.Objected(
        activity="caf-outreach",
        purposes=["non-take-up"],
        kept_until_ms=to_milliseconds(world.now + timedelta(days=700)),
        trace_keys=world.traces(CAF, [person]),
        demand_hash=world.digest(),
    )
    world.enter(CAF, entry_of(said, world.now))


def contest(world: World, days: int | None, ended: int | None = 20) -> None:
    """A contestation, told to the declarant after so many days, and maintained; None: never."""
    message = contestation_pb2.Contestation(
        version=1,
        requester="caf",
        holder="cnav",
        activity="caf-ppa",
        statement_hash=world.digest(),
        person_digest=world.digest(),
        line_digest=world.digest(),
        signed_time_ms=to_milliseconds(world.now),
        nonce=world.random.randbytes(16),
    )
    raw = message.SerializeToString(deterministic=True)
    signed = contestation_pb2.SignedContestation(contestation=raw, signature=bytes(64))
    person = world.random.randrange(600)
    for body, peer in ((CAF, CNAV), (CNAV, CAF)):
        keys = world.traces(body, [person])
        world.enter(body, contested_entry(signed, peer, keys, world.now))
    digest = sha256(raw).digest()
    for after, come_out in ((days, _tell), (ended, _maintain)):
        if after is not None:
            world.at(world.now + timedelta(days=after), partial(come_out, world, person, digest))


def _tell(world: World, person: int, digest: bytes) -> None:
    """The declarant is told of a contestation."""
    keys = world.traces(CNAV, [person])
    told = contestations_told_entry("cnav-rectification", AGENTS[5], [digest], keys, world.now)
    world.enter(CNAV, told)


def _maintain(world: World, person: int, digest: bytes) -> None:
    """The contested line stays as it is, and its person is told why."""
    said = entry_pb2.ContestationAnswered(
        contestation_hash=digest,
        peer=CAF,
        trace_keys=world.traces(CNAV, [person]),
        activity="cnav-rectification",
        agent=AGENTS[5],
        says_hash=world.digest(),
    )
    world.enter(CNAV, entry_of(said, world.now))


def outages(world: World, month: Month) -> None:
    """A node is away a moment: some calls fail, an answer is lost and asked for again."""
    day = working_days(month)[3]

    def fail() -> None:
        counts = [("STATEMENT_TOO_OLD", 3)]
        world.enter(CNAV, failures_entry("caf", world.now, counts, world.now))
        person = 4_000_000 + month.index
        case = world.open("caf-ppa", "review", month, [person])
        cut = Asking(parts=frozenset({"asked", "decided"}))
        answer = world.ask("caf-ppa", "cnav", MONTHLY, case, [person], cut)
        world.lose(CAF, "cnav", answer)
        decide(world, case, [world.ask("caf-ppa", "cnav", MONTHLY, case, [person])], aside=False)

    world.at(night(day, 9500), fail)
