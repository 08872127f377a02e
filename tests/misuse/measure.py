"""Recall and precision of the audit over planted misuse; the table `make bench` prints."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.misuse.plants import Plant, plants
from tests.misuse.traffic import Span, honest
from tests.misuse.world import World, policies, utc

from cloison.audit import Examined, Period, Severity, examine
from cloison.cli.root import read_policy
from cloison.law import PolicySet
from cloison.months import Month

ROOT = Path(__file__).resolve().parents[2]
SPAN = Span(Month.of(2026, 1), 5)
LATE, TRIED = "caf-social-action", "caf-rsa"
TRIAL = '[shadow]\nuntil = 2026-05-05\nbeside = "Un échange de fichiers."\n'
PERSONS = 300
_BEGINNING = utc(2024, 11, 1)


@dataclass(frozen=True, slots=True)
class Measured:
    """One subtle misuse, planted alone.

    Attributes:
        along: Other alarms, which it brings with it of itself.
        false: Codes that neither the misuse nor honest months explain.
    """

    code: str
    found: bool
    along: int
    false: tuple[str, ...]


def policy_before(without: str) -> PolicySet:
    """The root's policy set; an older one lacks a record, and has another on trial."""
    files = read_policy(ROOT)
    if without:
        del files[f"activities/{without}.toml"]
        files[f"activities/{TRIED}.toml"] += b"\n" + TRIAL.encode()
    return PolicySet.parse(files)


def sown(
    policy: PolicySet, seed: int, misuse: Sequence[Plant], *, gross: bool, persons: int = PERSONS
) -> World:
    """Honest months with misuse planted in the last of them."""
    world = World(policy, seed, _BEGINNING)
    honest(world, SPAN, persons)
    for one in misuse:
        one.sow(world, SPAN, one.scale.gross if gross else one.scale.subtle)
    world.run()
    return world


def examined(world: World, *old: PolicySet | Span) -> Examined:
    """The audit of a world, over all its months or over a span."""
    sets = [one for one in old if isinstance(one, PolicySet)]
    span = next((one for one in old if isinstance(one, Span)), SPAN)
    set_of = policies(world.policy, *sets)
    return examine(world.ledgers(), world.policy, set_of, Period.up_to(span.end))


def alarms(found: Examined) -> dict[str, int]:
    """How often each code was found, but for what is only to be looked at."""
    return Counter(one.code for one in found.findings if one.severity is not Severity.LOW)


def measure_subtle(policy: PolicySet, old: PolicySet, seed: int = 1) -> Iterator[Measured]:
    """Each misuse alone, on the same honest months."""
    for one in plants(old):
        found = examined(sown(policy, seed, [one], gross=False), old)
        codes = {each.code for each in found.findings}
        others = set(alarms(found)) - {one.code}
        false = tuple(sorted(others - one.along))
        yield Measured(one.code, one.code in codes, len(others & one.along), false)
