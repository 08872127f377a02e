"""A node killed at any instant of a publication: what left stands, budget only grows."""

import random
import subprocess
import sys
import time
from fractions import Fraction

from tests.federation import CAF, ROOT, Federation
from tests.unit.wire.test_wire_statistics import ACCOUNT, PAID, TABLE, Analyst, load

from cloison.exchange.entries import parse_entry

KILLS = 5


def _published_until_killed(federation: Federation, seconds: float) -> list[tuple[str, str]]:
    """Loss and hash of each table that left before the kill."""
    command = [sys.executable, "-m", "tests.unit.wire.crash_statistics"]
    state = federation.settings(CAF).state
    with subprocess.Popen(
        [*command, str(federation.keys), str(state)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        told = [process.stdout.readline()]
        assert told[0], "it ended before a table left"
        time.sleep(seconds)
        process.kill()
        told.extend(process.stdout)
    words = [line.split() for line in told if line.endswith("\n")]
    return [(epsilon, document) for epsilon, document in words]


def test_node_killed_while_it_publishes_keeps_what_left_and_never_gives_budget_back(
    federation: Federation,
) -> None:
    load(federation, PAID)
    federation.restart(CAF)
    federation._nodes.pop(CAF).close()
    delays = random.Random(7)  # noqa: S311 - when to kill
    left: dict[str, str] = {}
    spent = Fraction(0)
    for kill in range(3 * KILLS):
        # On a slow machine the first kills come before anything left: the next ones come later.
        delay = delays.uniform(0.2, 2.5) * (1 + 2 * (kill // KILLS))
        for epsilon, document in _published_until_killed(federation, delay):
            # What left before a kill is what is given after it, and nothing else.
            assert left.setdefault(epsilon, document) == document
        analyst = Analyst(federation)
        account = analyst.desk.account
        now = account.accounts.spent(ACCOUNT).epsilon
        assert spent <= now <= 4
        assert now >= sum(map(Fraction, left))
        spent = now
        for epsilon, document in left.items():
            hash_ = federation.policy.statistics.question(TABLE, "2026-03", epsilon).hash
            found = account.published(hash_)
            assert found is not None
            assert found.document_hash.hex() == document
            assert found.reserved_index < found.published_index
        _check_reserved_first(federation)
        federation._nodes.pop(CAF).close()
        if kill >= KILLS - 1 and len(left) > 2:
            break
    assert len(left) > 2


def _check_reserved_first(federation: Federation) -> None:
    """Each published table cites a reservation of its own that stands before it."""
    register = federation.node(CAF).register
    entries = [parse_entry(one) for one in register.entries(0, register.size)]
    cited = [one.table_published for one in entries if one.WhichOneof("kind") == "table_published"]
    assert len({one.reserved_index for one in cited}) == len(cited)
    for one in cited:
        assert entries[one.reserved_index].budget_reserved.question_hash == one.question_hash
